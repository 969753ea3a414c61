"""The page of two experiments in a real browser: what differs comes first, charts show the CSV file."""

import pandas as pd
import pytest
from isthmus.showing import comparison as pages

from tests.unit.test_comparison import Planted


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The page and the frame of two experiments with one cell in common, and one step more in b."""
    folder = tmp_path_factory.mktemp("compared")
    settings = [{"training": {"learning_rate": rate, "steps": 100}} for rate in (0.01, 0.02)]
    a = Planted(folder / "a", name="slow <i>", settings=settings[0], detour=True)
    b = Planted(
        folder / "b", name="fast", settings=settings[1], detour=True, noise=2, right=0.7, steps=(0, 100, 200),
        shift=-0.1,
    )  # fmt: skip
    html, table = pages.compare((a.folder, b.folder), folder / "both")
    return html, pd.read_csv(table)


def rows(frame, metric="CG", path="line", quantity="loss"):
    wanted = (frame["metric"] == metric) & (frame["quantity"] == quantity)
    return frame[wanted & (frame["path"] == path if path else frame["path"].isna())].sort_values("step")


def test_the_charts_show_the_numbers_of_the_csv_file(open_page, compared):
    html, frame = compared
    page = open_page(html)
    page.look_at("cell-0")
    expected = rows(frame)
    drawn = page.traces("cell-0-gap")
    assert drawn["a: slow &lt;i&gt;"]["y"] == pytest.approx(expected["value_a"].tolist(), rel=1e-5)
    assert drawn["b: fast"]["x"] == [0, 100, 200]
    assert drawn["b: fast"]["y"][:2] == pytest.approx(expected["value_b"].tolist(), rel=1e-5)
    difference = page.traces("cell-0-difference")["b − a"]
    assert difference["x"] == [0, 100]
    assert difference["y"] == pytest.approx(expected["value"].tolist(), rel=1e-5)
    accuracy = rows(frame, "runs", None, "accuracy")
    drawn = page.traces("cell-0-accuracy")
    assert drawn["b: fast"]["y"][:2] == pytest.approx(accuracy["value_b"].tolist(), rel=1e-5)
    page.choose(compared_metric="CG, bezier, same")
    page.wait_for_words("cell-0-gap", "convexity gap CG, bezier, same")
    (bent,) = rows(frame, path="bezier")["value"]
    assert page.traces("cell-0-difference")["b − a"]["y"] == pytest.approx([bent], rel=1e-5)


def test_what_differs_stands_first_and_tables_are_copied(open_page, compared):
    page = open_page(compared[0])
    headings = page.tab.eval_on_selector_all("h2", "all => all.map((one) => one.textContent)")
    assert headings[:2] == ["What differs between the two", "The answer"]
    table = page.tab.locator("#settings table").inner_text()
    assert table.split() == ["setting", "a", "b", "training.learning_rate", "0.01", "0.02"]
    answer = page.tab.inner_text("#answer")
    assert "went the same way" in answer
    page.tab.locator("#settings [data-format=csv]").click()
    copied = "(text) => navigator.clipboard.readText().then((found) => found === text)"
    page.tab.wait_for_function(copied, arg="setting,a,b\ntraining.learning_rate,0.01,0.02\n")
    assert "m on d: step 200 only in b" in page.tab.inner_text("#apart")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(open_page, compared, width):
    page = open_page(compared[0], viewport={"width": width, "height": 800})
    page.look_at("cell-0")
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
