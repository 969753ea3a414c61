"""The page in a real browser: everything that can be chosen shows the numbers of `metrics.csv`."""

import itertools
import json
import os
import re

import pandas as pd
import pytest

from tests.browser.conftest import write
from tests.unit.synthetic import Results, experiment

CELL = {"dataset": "entailment", "model": "tiny-0"}
TEST = {"set": "test", "metric": "CG", "quantity": "loss"}

DRAWN = "(name) => document.getElementById('path-chart').data.some((trace) => trace.name === name)"
COPIED = "(text) => navigator.clipboard.readText().then((found) => found === text)"
CONTROLS = """() => [...document.querySelectorAll("main select:not(:disabled), main button, main input")]
  .filter((element) => element.checkVisibility()).map((element) => element.id || element.dataset.format)"""
# Of the charts that are there to be seen: an experiment without a ladder has none over pre-training.
WORDS = (
    "() => [...document.querySelectorAll('.chart')].filter((chart) => chart.offsetParent)"
    ".map((chart) => chart.getAttribute('aria-label') ?? '')"
)
UNDRAWN = (
    "() => [...document.querySelectorAll('.chart')].filter((c) => !c.querySelector('svg')).map((c) => c.id)"
)


def value(metrics, **keys):
    """The mean over pairs of what `metrics.csv` says."""
    for column, wanted in keys.items():
        metrics = metrics[metrics[column] == wanted]
    assert len(metrics)
    return metrics["value"].mean()


def written(number):
    """A value as the page writes it."""
    return "0" if abs(number) < 1e-6 else f"{number:.4f}"


def test_course(open_page, path, metrics):
    page = open_page(path)
    page.look_at("course")
    for metric, quantity, name in itertools.product(
        ("CG", "BH", "ICG_nested"), ("loss", "error"), ("train", "overlap", "test")
    ):
        page.choose(course_metric=metric, quantity=quantity, set=name)
        asked = {"metric": metric, "quantity": quantity, "set": name, "dataset": "entailment"}
        expected = [value(metrics, **asked, model="tiny-0", step=step) for step in (0, 100, 200, 400)]
        assert page.traces("course-chart")["tiny-0"]["y"] == pytest.approx(expected, rel=1e-5, abs=1e-12)
        assert f"{written(expected[-1])} [" in page.words("course-chart")
        rungs = [value(metrics, **asked, model=model, step=400) for model in ("tiny-0", "tiny_600")]
        assert page.traces("ladder-chart")["step 400"]["y"] == pytest.approx(rungs, rel=1e-5)
    # a data set without a ladder
    page.choose(dataset="paraphrase", quantity="loss", course_metric="CG")
    lines = page.traces("course-chart")
    expected = value(metrics, dataset="paraphrase", step=400, metric="CG", quantity="loss", set="test")
    assert "tiny-0" not in lines
    assert lines["tiny_600"]["y"][-1] == pytest.approx(expected, rel=1e-5)
    assert page.tab.is_hidden("#ladder")
    assert page.tab.locator("#choose-set option").all_inner_texts() == ["train", "test"]


def test_explorer_shows_the_curve_and_its_gap(open_page, path, metrics, results):
    page = open_page(path, reduced_motion="reduce")
    page.look_at("explorer")
    page.choose(model="tiny_600", pair=2, set="train")
    asked = {
        "dataset": "entailment",
        "model": "tiny_600",
        "step": 400,
        "seed_a": 43,
        "seed_b": 44,
        "set": "train",
    }
    gap = value(metrics, **asked, metric="CG", quantity="loss")
    page.wait_for_words("path-chart", f"CG {written(gap)}")
    points = [p for p in results.points if all(p[key] == wanted for key, wanted in asked.items())]
    curve = page.traces("path-chart")["train"]
    assert curve["x"] == pytest.approx([p["alpha"] for p in points], abs=1e-6)
    assert curve["y"] == pytest.approx([p["loss"] for p in points], abs=1e-5)
    rise = next(t for name, t in page.traces("path-chart").items() if name and name.startswith("CG "))
    assert rise["y"][1] - rise["y"][0] == pytest.approx(gap, abs=2e-5)
    assert written(gap) in page.tab.inner_text("#path-values")
    page.choose(quantity="error")
    page.wait_for_words("path-chart", "train error rate")
    assert page.traces("path-chart")["train"]["y"] == pytest.approx([p["error"] for p in points], abs=1e-5)
    page.tab.check("#path-all")
    page.tab.wait_for_function(DRAWN, arg="overlap")


def test_a_curve_lies_over_its_line(open_page, tmp_path):
    """In the explorer with its own gap, on the plane of its bend, and in the table of barriers."""
    bend = {"curve": "bezier", "resolution": 5}
    results = Results(experiment(curves=[{"pairs": "all"}], planes=[bend]))
    page = open_page(write(results, tmp_path), reduced_motion="reduce")
    page.look_at("explorer")
    page.choose(model="tiny_600", pair=2, set="test")
    asked = {"dataset": "entailment", "model": "tiny_600", "step": 400, "seed_a": 43, "seed_b": 44}
    gap = value(results.detours, **asked, set="test", metric="CG", quantity="loss")
    page.wait_for_words("path-chart", f"On the bezier path CG is {written(gap)}")
    points = [p for p in results.points if all(p[k] == v for k, v in (asked | {"set": "test"}).items())]
    low = min(p["loss"] for p in points)
    drawn = page.traces("path-chart")
    assert drawn["test"]["y"] == pytest.approx([p["loss"] for p in points], abs=1e-5)
    assert drawn["bezier"]["y"] == pytest.approx([(p["loss"] + low) / 2 for p in points], abs=1e-5)
    assert f"CG, bezier\n{written(gap)}" in page.tab.inner_text("#path-values")
    page.look_at("planes")
    page.wait_for_words("planes-chart", "c (bend of bezier, step 400)")
    curve = page.traces("planes-chart")["bezier"]
    # The made-up bend is at (1, 2): a Bézier curve passes halfway between it and the line's middle.
    assert (curve["x"][30], curve["y"][30]) == pytest.approx((1.0, 1.0))
    assert "-0.2500".replace("-", "−") in page.tab.inner_text("#barriers")


def test_the_map_joins_the_ends_of_runs(open_page, tmp_path):
    results = Results(experiment(map=True))
    page = open_page(write(results, tmp_path))
    page.look_at("map")
    page.choose(model="tiny_600")
    page.wait_for_words("map-chart", "tiny_600 on entailment")
    ends = results.metrics.query("model == 'tiny_600' and step == 400 and set == 'test'")
    ends = ends.query("dataset == 'entailment' and metric == 'CG' and quantity == 'loss'")
    best, worst = (ends.loc[ends["value"].idxmin()], ends.loc[ends["value"].idxmax()])
    said = page.words("map-chart")
    assert "3 runs" in said
    assert "75 % of the squared distances" in said
    for row, word in ((best, "from"), (worst, "to")):
        assert f"{word} {written(row['value'])} (seeds {row['seed_a']:.0f} and {row['seed_b']:.0f})" in said
    # Three lines between ends, three runs, and the dots of the lines; the first line is drawn last.
    drawn = page.tab.evaluate("() => document.getElementById('map-chart').data.map((t) => [t.x, t.y])")
    places = {seed: [4, line] for line, seed in enumerate((42, 43, 44))}
    nearest = [places[int(best[name])] for name in ("seed_a", "seed_b")]
    assert [list(point) for point in zip(*drawn[2], strict=True)] == nearest
    assert drawn[3] == [[0, 1, 2, 4], [0, 0, 0, 0]]
    assert len(drawn) == 7


def test_slider_by_keyboard_and_play(open_page, path, metrics):
    page = open_page(path)
    page.look_at("explorer")
    page.tab.wait_for_selector("#path-map .heatmaplayer, #path-map .hm", state="attached")
    page.tab.focus("#path-step")
    page.tab.keyboard.press("ArrowLeft")
    asked = CELL | TEST | {"seed_a": 42, "seed_b": 43}
    page.wait_for_words("path-chart", f"CG {written(value(metrics, **asked, step=200))}")
    assert page.tab.inner_text("#path-step-name") == "200"
    page.tab.keyboard.press("Home")
    page.wait_for_words("path-chart", "step 0,")
    page.tab.click("#path-play")
    page.wait_for_words("path-chart", f"CG {written(value(metrics, **asked, step=400))}")
    page.tab.wait_for_function("document.getElementById('path-play').textContent === 'Play'")
    page.tab.wait_for_function(
        "document.getElementById('path-chart').data.some((t) => t.name === 'envelope')"
    )


def test_a_click_in_a_map_opens_the_pair(open_page, path, metrics):
    page = open_page(path, reduced_motion="reduce")
    page.look_at("pairs")
    page.choose(step=200)
    page.wait_for_words("pairs-map-1", "of tiny_600 at step 200")
    squares = page.traces("pairs-map-1")["tiny_600"]["z"]
    asked = {
        "dataset": "entailment",
        "model": "tiny_600",
        "step": 200,
        "set": "test",
        "metric": "CG",
        "quantity": "loss",
    }
    last = value(metrics, **asked, seed_a=43, seed_b=44)
    assert squares[1][1] == pytest.approx(last, rel=1e-5)
    assert squares[0][1] is None
    box = page.tab.locator("#pairs-map-1 .nsewdrag").bounding_box()
    page.tab.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"])
    page.tab.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    page.wait_for_words("path-chart", "tiny_600 on entailment, step 200, seeds 43 and 44")
    assert f"CG {written(last)}" in page.words("path-chart")
    assert page.tab.input_value("#choose-pair") == "2"
    assert page.tab.evaluate("document.activeElement.id") == "path-chart"


def test_a_click_in_a_map_keeps_what_it_shows(open_page, path, metrics):
    """Quantity and set of the square are those of the path that opens."""
    page = open_page(path, reduced_motion="reduce")
    page.choose(quantity="error", set="train", step=100)
    page.look_at("pairs")
    page.wait_for_words("pairs-map-0", "of tiny-0 at step 100, train error rate")
    box = page.tab.locator("#pairs-map-0 .nsewdrag").bounding_box()
    page.tab.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    pair = {"seed_a": 42, "seed_b": 44, "step": 100, "set": "train", "quantity": "error", "metric": "CG"}
    page.wait_for_words(
        "path-chart", "train error rate on the path between the seeds of tiny-0 on entailment"
    )
    assert f"CG {written(value(metrics, **CELL, **pair))}" in page.words("path-chart")


def test_a_map_is_read_and_opened_by_keyboard(open_page, path, metrics):
    page = open_page(path, reduced_motion="reduce")
    page.look_at("pairs")
    page.tab.wait_for_selector("#pairs-map-0[tabindex='0']")
    page.tab.focus("#pairs-map-0")
    page.tab.keyboard.press("ArrowDown")
    at = TEST | CELL | {"step": 400, "seed_a": 42, "seed_b": 44}
    assert page.tab.inner_text("#spoken") == f"seeds 42 and 44: CG {written(value(metrics, **at))}"
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowRight")  # the diagonal is no pair
    assert page.tab.inner_text("#spoken").startswith("seeds 43 and 44")
    page.tab.keyboard.press("Enter")
    page.wait_for_words("path-chart", "step 400, seeds 43 and 44")
    assert page.tab.evaluate("document.activeElement.id") == "path-chart"


def test_a_view_is_in_its_address_and_comes_back_with_it(open_page, path, metrics):
    page = open_page(path, reduced_motion="reduce")
    page.choose(model="tiny_600", step=200, pair=1, set="train", quantity="error")
    page.look_at("explorer")
    page.tab.wait_for_selector("nav a[href='#explorer'][aria-current]")
    page.tab.click("#copy-link")
    page.tab.wait_for_function("document.getElementById('copied-link').textContent === 'Copied.'")
    link = page.tab.evaluate("navigator.clipboard.readText()")
    again = open_page(path, at=link[len(page.address) :], reduced_motion="reduce")
    again.wait_for_words(
        "path-chart", "train error rate on the path between the seeds of tiny_600 on entailment, step 200"
    )
    asked = {"model": "tiny_600", "dataset": "entailment", "step": 200, "set": "train", "quantity": "error"}
    gap = value(metrics, **asked, metric="CG", seed_a=42, seed_b=44)
    assert f"CG {written(gap)}" in again.words("path-chart")
    again.tab.wait_for_function("scrollY > 500")
    assert again.tab.locator("#explorer").evaluate("e => Math.abs(e.getBoundingClientRect().top) < 400")
    again.tab.evaluate("location.hash = '#at=pairs&model=nobody&step=999&pair=1~2&set=none&quantity=x'")
    again.wait_for_words("path-chart", "test loss (nats) on the path between the seeds of tiny-0")
    assert again.tab.input_value("#choose-step") == "400"  # nothing of that can be chosen


def test_a_chart_s_data_and_picture_are_saved(open_page, path, metrics, tmp_path):
    page = open_page(path, reduced_motion="reduce")
    page.look_at("course")

    def saved(button):
        with page.tab.expect_download() as found:
            page.tab.click(f"#{button}")
        found.value.save_as(tmp_path / found.value.suggested_filename)
        return tmp_path / found.value.suggested_filename

    table = pd.read_csv(saved("course-chart-csv"))
    last = value(metrics, **CELL, **TEST, step=400)
    row = table[(table["series"] == "tiny-0") & (table["fine-tuning step (updates)"] == 400)].iloc[0]
    assert row["convexity gap CG, test loss (nats)"] == pytest.approx(last, rel=1e-5)
    assert row["low"] < last < row["high"]
    assert saved("course-chart-png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "convexity gap CG" in saved("course-chart-svg").read_text()
    page.look_at("pairs")
    page.tab.wait_for_selector("#pairs-map-1 .nsewdrag")
    squares = pd.read_csv(saved("pairs-map-1-csv"))
    expected = value(metrics, **TEST, dataset="entailment", model="tiny_600", step=400, seed_a=43, seed_b=44)
    found = squares[(squares["seed"] == 43) & (squares["seed.1"] == 44)]["value"]
    assert found.item() == pytest.approx(expected, rel=1e-5)
    page.tab.evaluate("scrollTo(0, 0)")
    lines = pd.read_csv(saved("paths-entailment-csv"))
    own = lines[(lines["model"] == "tiny-0") & (lines["step"] == 400) & (lines["seeds"] == "42 and 43")]
    assert own["loss"].max() - own["loss"].iloc[0] > 0.2
    assert "polyline" in saved("paths-entailment-svg").read_text()
    assert saved("paths-entailment-png").stat().st_size > 10_000


def test_the_first_screen_answers(open_page, path, metrics):
    """Both data sets stand above the fold of a laptop, with the gap of each panel, before any script."""
    page = open_page(path, viewport={"width": 1440, "height": 900})
    cards = page.tab.locator(".card")
    assert cards.count() == 2
    for place in range(2):
        box = cards.nth(place).bounding_box()
        assert box["y"] + box["height"] <= 900
    text = cards.nth(0).inner_text()
    for model, step in itertools.product(("tiny-0", "tiny_600"), (0, 100, 200, 400)):
        gap = value(metrics, **TEST, dataset="entailment", model=model, step=step)
        assert f"CG {'0' if gap < 1e-6 else f'{gap:.3f}'}" in text
    assert "Not connected · 6 of 6 pairs · 3 seeds" in text
    numbers = re.findall(r"0\.\d+", page.tab.inner_text("#answer"))
    gaps = [n for n in numbers if len(n) == 5]
    assert len(gaps) == len(set(gaps))  # none of them stands twice
    # On the scale the larger loss stands higher, and the bold line leaves its start.
    ticks = [t for t in cards.nth(1).locator("text.small").all() if t.get_attribute("text-anchor")]
    heights = {float(tick.text_content()): float(tick.get_attribute("y")) for tick in ticks}
    assert heights[max(heights)] < heights[min(heights)]
    mean = cards.nth(1).locator(".mean").last.get_attribute("points").split()
    assert len({point.split(",")[1] for point in mean}) > 5


def test_the_examples_that_make_the_barrier(open_page, path, results):
    page = open_page(path, reduced_motion="reduce")
    page.look_at("examples")
    rows = results.concentration.query("model == 'tiny-0' and dataset == 'entailment'")
    page.wait_for_words("examples-chart", "mean over 3 pairs of seeds")
    assert "the most rising 1 %" in page.words("examples-chart")
    page.tab.check("#examples-pair")
    page.choose(pair=1)
    page.wait_for_words("examples-chart", "seeds 42 and 44")
    own = rows[(rows["seed_a"] == 42) & (rows["seed_b"] == 44)].set_index("share_of_units")
    said = (
        f"the most rising 5 % ({own.loc[0.05, 'units']:.0f}) make {100 * own.loc[0.05, 'share_of_gap']:.0f} %"
    )
    assert said in page.words("examples-chart")
    dots = page.traces("examples-chart")
    assert sum(len(trace["x"]) for trace in dots.values()) == 60
    assert "no & no" in page.tab.inner_text("#examples-chart")  # a class, as text


def test_words_are_explained_at_hover_and_by_keyboard(open_page, path):
    page = open_page(path)
    term = page.tab.locator("#answer .term:text-is('chords')")
    shown = "(e) => getComputedStyle(e, '::after').content"
    assert term.evaluate(shown) == "none"
    term.hover()
    assert "losses of two points" in term.evaluate(shown)
    page.tab.mouse.move(0, 0)
    page.tab.keyboard.press("Tab")
    term.focus()
    assert "losses of two points" in term.evaluate(shown)


def test_one_scale_over_steps_and_axes_that_say_what_they_show(open_page, path, metrics):
    page = open_page(path, reduced_motion="reduce")
    page.look_at("explorer")
    top = metrics.query("model == 'tiny-0' and dataset == 'entailment' and set == 'test' and metric == 'CG'")
    top = top[top["quantity"] == "loss"]["value"].max()
    for step in (100, 400):
        page.choose(step=step)
        page.wait_for_words("path-chart", f"step {step},")
        scale = page.tab.evaluate("document.getElementById('path-map').data[0].zmax")
        assert scale == pytest.approx(top, rel=1e-5)
    label = "document.getElementById('path-chart').layout.annotations[0].text"
    gap = value(metrics, **CELL, **TEST, step=400, seed_a=42, seed_b=43)
    assert f"CG {gap:.3f}" in page.tab.evaluate(label)
    title = "document.getElementById('path-chart').layout.yaxis.title.text"
    assert page.tab.evaluate(title) == "test loss (nats)"
    page.tab.check("#path-all")
    page.tab.wait_for_function(DRAWN, arg="overlap")
    assert page.tab.evaluate(title) == "loss (nats), all sets"


def test_pairs_over_time_and_at_equal_skill(open_page, path, metrics, results):
    page = open_page(path)
    page.look_at("pairs")
    page.wait_for_words("slope-chart", "of each pair of tiny-0 on entailment")
    line = page.traces("slope-chart")["seeds 42 and 44"]
    pair = CELL | TEST | {"seed_a": 42, "seed_b": 44}
    expected = [value(metrics, **pair, step=step) for step in (0, 100, 200, 400)]
    assert line["y"] == pytest.approx(expected, rel=1e-5, abs=1e-12)
    symbols = page.tab.evaluate(
        "document.getElementById('slope-chart').data.map((t) => [...t.marker.symbol])"
    )
    scores = results.evaluations.query("model == 'tiny-0' and dataset == 'entailment' and set == 'test'")
    learnt = scores.assign(ok=scores["accuracy_low"] > scores["majority"]).set_index(["seed", "step"])["ok"]
    for drawn, (a, b) in zip(symbols, ((42, 43), (42, 44), (43, 44)), strict=True):
        both = [learnt[a, step] and learnt[b, step] for step in (0, 100, 200, 400)]
        assert drawn == ["circle" if ok else "circle-open" for ok in both]
    assert not all(learnt)
    assert any(learnt)
    dots = page.traces("skill-chart")["tiny-0"]
    losses = scores.set_index(["seed", "step"])["loss"]
    mean = [(losses[42, step] + losses[43, step]) / 2 for step in (0, 100, 200, 400)]
    assert dots["x"][:4] == pytest.approx(mean, rel=1e-4)
    page.choose(quantity="error")  # three pairs: dots, no boxes
    assert page.tab.evaluate("document.getElementById('pairs-spread').data[0].hoveron") == "points"


def test_training_and_distance(open_page, path, results):
    page = open_page(path)
    page.choose(model="tiny-0")
    page.look_at("training")
    page.wait_for_words("run-chart", "Training of tiny-0 on entailment")
    rows = results.evaluations.query("model == 'tiny-0' and dataset == 'entailment' and set == 'test'")
    for seed in (42, 43, 44):
        last = rows[(rows["seed"] == seed) & (rows["step"] == 400)].iloc[0]
        said = f"seed {seed}, step 400: loss {last['loss']:.4f}"
        assert said in page.words("run-chart")
    assert "majority class" in page.traces("run-chart")
    page.choose(dataset="paraphrase")
    page.wait_for_words("run-chart", "No history is there of seeds 43, 44")  # the made-up results have 42's
    assert {"seed 42", "seed 43", "seed 44"} <= page.traces("run-chart").keys()
    page.choose(dataset="entailment")
    page.look_at("distances")
    page.tab.uncheck("#far-all")
    page.choose(far_x="disagreement_test", step=400)
    page.wait_for_words("far-chart", "tiny-0: 3 pairs, from 0.100 to 0.100")
    assert page.traces("far-chart")["tiny-0"]["x"] == [0.1] * 3


def test_copy_buttons(open_page, path):
    page = open_page(path)
    place = page.tab.locator("#tables .copy").first
    texts = json.loads(page.tab.inner_text("#data"))["tables"][int(place.get_attribute("data-table"))]
    for kind, start in (("csv", ",tiny-0"), ("md", "entailment, test loss"), ("tex", r"\begin{table}")):
        place.locator(f"[data-format={kind}]").focus()
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_function(COPIED, arg=texts[kind])
        assert texts[kind].startswith(start)
    assert "Copied as LaTeX" in place.inner_text()


def test_everything_is_reached_by_keyboard(open_page, path):
    page = open_page(path)
    wanted = set(page.tab.evaluate(CONTROLS))
    reached = set()
    for _ in range(300):
        page.tab.keyboard.press("Tab")
        reached.add(page.tab.evaluate("document.activeElement.id || document.activeElement.dataset.format"))
    assert wanted - reached == set()
    assert {"path-step", "course-metric", "csv"} <= wanted


# The lowest contrast of any text with what is behind it, and where.
CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (e) => {
    const [a, b] = [parse(getComputedStyle(e).color), ground(e)].map(light).sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const said = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll("body *")]
    .filter((e) => said(e) && e.checkVisibility() && !e.closest("svg, script, :disabled"))
    .map((e) => [contrast(e), `${e.tagName} ${e.textContent.slice(0, 40)}`]).sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_every_width_and_scheme(open_page, shown, width, scheme):
    page = open_page(shown, viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked = ("averages", "layers", "planes", "map")  # which a page may lack
    for section in ("course", "explorer", "pairs", *asked, "training", "distances"):
        if section not in asked or page.tab.query_selector(f"#{section}"):
            page.look_at(section)
    if folder := os.environ.get("ISTHMUS_PICTURES"):  # for the eye
        page.tab.screenshot(path=f"{folder}/{width}-{scheme}.png", full_page=True)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    ratio, where = page.tab.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    assert min(map(len, page.tab.evaluate(WORDS))) > 40


def test_it_prints(open_page, path, tmp_path):
    """All of it is drawn by the time that the browser looks, on white, though nobody has scrolled."""
    page = open_page(path, color_scheme="dark")
    opened = "![curvesOf(0), blockOf('examples-0')].some((block) => block instanceof Promise)"
    page.tab.wait_for_function(opened)  # soon after the page is there
    undrawn, ink = page.tab.evaluate(
        f"() => {{ dispatchEvent(new Event('beforeprint')); return [({UNDRAWN})(), css('--text')]; }}"
    )
    assert undrawn == []
    assert ink == "#1b1d1f"
    curve = page.tab.evaluate("document.querySelector('#path-chart .scatterlayer').childElementCount")
    assert curve > 3
    page.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.tab.evaluate("css('--text')") != "#1b1d1f"
    page.tab.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 50_000


@pytest.mark.parametrize("case", ["a seed failed", "no ladder", "a single step", "nothing"])
def test_what_is_missing_is_said_and_the_rest_works(open_page, tmp_path, case):
    checkpoints = (50,) if case == "a single step" else (100, 200)
    cells = [["tiny_600", "paraphrase"]]
    if case != "no ladder":
        cells = [["tiny-0", "entailment"], ["tiny_600", "entailment"]]
    results = Results(experiment(checkpoints=checkpoints, cells=cells), intervals=case != "a single step")
    without, lacking = [], []
    if case == "a seed failed":
        without, lacking = [("seed_b", 44), ("seed", 44)], ["the run tiny-0 on entailment, seed 44"]
    if case == "nothing":
        without = [("experiment", "synthetic"), ("seed", 43), ("seed", 44)]
    page = open_page(write(results, tmp_path, without, lacking))
    for section in ("course", "explorer", "pairs", "training", "distances"):
        page.look_at(section)
    if case == "a seed failed":
        assert "This page is not whole" in page.tab.inner_text("body")
        assert "seed 44" in page.tab.inner_text("#missing")
        page.look_at("explorer")
        page.choose(pair=1)
        page.wait_for_words("path-chart", "No path was measured here")
        page.choose(pair=0)
        page.wait_for_words("path-chart", "at α = 0")
    elif case == "no ladder":
        assert page.tab.is_hidden("#ladder")
        assert "has no ladder" in page.tab.inner_text("#numbers")
    elif case == "a single step":
        assert "the only checkpoint after step 0" in page.tab.inner_text("#numbers")
        assert len(page.traces("course-chart")["tiny-0"]["x"]) == 2
    else:
        assert "There are no results yet" in page.tab.inner_text("#answer")
        assert page.words("course-chart") == "Nothing has been measured here."


def test_names_cannot_run(open_page, tmp_path):
    bad = "<img src=x onerror=document.title='run'>"
    results = Results(
        experiment().model_copy(update={"experiment": f"<script>document.title='run'</script>{bad}"})
    )
    for frame in (results.metrics, results.evaluations):
        frame["set"] = frame["set"].replace("overlap", bad)
    results.points = [
        point | {"set": bad if point["set"] == "overlap" else point["set"]} for point in results.points
    ]
    page = open_page(write(results, tmp_path), reduced_motion="reduce")
    for section in ("course", "explorer", "pairs", "training", "distances"):
        page.look_at(section)
    page.look_at("explorer")
    page.choose(set=bad)
    page.wait_for_words("path-chart", bad)
    assert page.tab.locator("img").count() == 0
    assert page.tab.title() != "run"
    assert bad in page.tab.inner_text("#choose-set")


def test_many_seeds_make_no_large_page(open_page, tmp_path):
    rungs = {
        name: {"pretraining": "mlm", "pretraining_steps": n} for name, n in (("a", 0), ("b", 300), ("c", 600))
    }
    task = {"entailment": {"source": {"kind": "toy", "task": "entailment", "rows": 500}}}
    chosen = experiment(range(1000, 1024), range(100, 900, 100), models=rungs, datasets=task, cells=None)
    path = write(Results(chosen), tmp_path, units=5000)
    assert path.stat().st_size < 15e6
    page = open_page(path)
    page.look_at("explorer")
    page.choose(model="c", pair=275)
    page.wait_for_words("path-chart", "c on entailment, step 800, seeds 1022 and 1023")
    page.look_at("pairs")
    assert "CG of 276 pairs of seeds" in page.words("pairs-map-2")
