"""Which examples make the barrier, on the page: points that are drawn, tables, and whose texts are shown."""

import base64
import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest
from isthmus import stored
from isthmus.experiment import dependencies, layout
from isthmus.showing import page as pages
from isthmus.showing import rising, views

from tests.unit.synthetic import PROVENANCE, Results, experiment
from tests.unit.test_report import Page

CELL = {"cells": [["tiny_600", "entailment"]], "further": False}
RISES = np.array([[3, 0, -1, 2, 0.5], [1, 2, -1, 0, -1]])  # of two pairs and five units


@pytest.fixture
def planted(tmp_path):
    """Five units on two of the three pairs of seeds; the second pair is written turned."""
    path = tmp_path / layout.filled(layout.EXAMPLES, model="tiny_600", dataset="entailment")
    frame = pd.DataFrame(
        {
            "step": 400,
            "seed_a": [42] * 5 + [44] * 5,
            "seed_b": [43] * 10,
            "id": [7, 3, 12, 5, 9] * 2,
            "label": [0, 1, 2, 1, 0] * 2,
            "count": 1,
            "end_loss": np.arange(10) / 10,
            "rise": RISES.ravel(),
        }
    )
    stored.write_frame(path, frame)
    return path


def read(path, **changes):
    return rising.read(experiment(**CELL | changes), [path])


def test_what_the_page_draws_is_what_was_measured(planted):
    chosen = experiment(**CELL)
    (found,) = rising.of_cells(chosen, read(planted), {"entailment": ["no", "maybe", "yes"]})
    points = found.pop("points")
    assert found == {
        "cell": 0, "model": "tiny_600", "dataset": "entailment", "step": 400, "unit": 1e-4, "units": 5,
        "classes": ["no", "maybe", "yes"], "gaps": 2, "pairs": [0, 2],
    }  # fmt: skip
    assert views.pairs(chosen)[2] == (43, 44)
    assert points.keys() == {"all", "0", "2"}
    for name, rise in (("0", RISES[0]), ("2", RISES[1]), ("all", RISES.mean(axis=0))):
        assert points[name]["id"] == [7, 3, 12, 5, 9]
        assert points[name]["class"] == [0, 1, 2, 1, 0]
        assert points[name]["rise"] == (rise / 1e-4).round().astype(int).tolist()
        assert (points[name]["of"], points[name]["largest"]) == (5, 5)
        assert points[name]["shares"][0] == [0.01, 1, pytest.approx(max(rise) / rise.sum(), rel=1e-3)]
    assert points["all"]["end"] == [2500, 3500, 4500, 5500, 6500]
    assert json.loads(views.as_json(points)) == points


def test_seeds_that_are_asked_for_no_more_are_left_out(planted):
    (cell,) = read(planted, seeds=(43, 44))
    assert cell.pairs == [(44, 43)]
    assert cell.rises.tolist() == [RISES[1].tolist()]
    assert read(planted, seeds=(42, 44)) == []


def test_a_cell_without_a_gap_is_not_there(planted):
    stored.write_frame(planted, stored.read_frame(planted).head(0))
    assert read(planted) == []
    assert rising.tables([], {}, []) is None


def test_of_many_units_those_that_move_most_are_drawn_and_some_of_the_others():
    rise = np.random.default_rng(0).normal(size=9000)
    chosen, largest = rising.drawn(rise)
    assert (len(chosen), len(set(chosen)), largest) == (2000, 2000, 1000)
    assert set(np.argsort(-np.abs(rise))[:1000]) <= set(chosen)
    others = np.setdiff1d(chosen, np.argsort(-np.abs(rise))[:1000])
    assert np.ptp(others) > 8000  # from everywhere
    assert abs(np.mean(others) - 4500) < 4 * 2600 / 1000**0.5
    np.testing.assert_array_equal(rising.drawn(rise)[0], chosen)
    assert rising.drawn(rise, 4)[1] == 2


def test_a_block_of_text_is_shown_a_token_and_counted_whole(planted):
    """The first block has ten tokens, so its loss and rise a token are a tenth; its share is not."""
    counts = np.array([10, 1, 1, 1, 1] * 2)
    stored.write_frame(planted, stored.read_frame(planted).assign(label=None, count=counts))
    (cell,) = read(planted)
    assert cell.labels is None
    block = rising.most_rising(cell, None, None)
    assert "a token" in block.caption
    assert block.header == ["block", "loss at the ends", "rise", "share of the gap", "rises in"]
    assert block.rows[0] == ["7", "0.025", "0.200", number(2 / RISES.mean(axis=0).sum()), "2 of 2"]
    (found,) = rising.of_cells(experiment(**CELL), [cell], {})
    assert (found["classes"], found["points"]["all"]["class"]) == (None, None)
    assert found["points"]["all"]["rise"][0] == 2000


def number(value):
    return f"{value:.3f}"


def test_the_most_rising_come_first_with_their_texts(planted):
    (cell,) = read(planted)
    rows = rising.Rows(np.array([3, 5, 7, 9, 12]), ["three", "five", "x" * 500, "nine", "twelve"], None, None)
    block = rising.most_rising(cell, ["no", "maybe", "yes"], rows)
    assert block.header == [
        "example", "class", "loss at the ends", "rise", "share of the gap", "rises in", "text"
    ]  # fmt: skip
    assert [row[0] for row in block.rows] == ["7", "3", "5", "9", "12"]
    assert [row[1] for row in block.rows] == ["no", "maybe", "maybe", "no", "yes"]
    assert block.rows[0][-1] == "x" * 399 + "…"
    assert [row[-1] for row in block.rows[1:]] == ["three", "five", "nine", "twelve"]
    assert [row[-2] for row in block.rows] == ["2 of 2", "1 of 2", "1 of 2", "1 of 2", "0 of 2"]
    assert rising.most_rising(cell, None, None).rows[0][:2] == ["7", "0"]
    (row,) = rising.summary([cell]).rows
    # Three of five rise on the mean; one makes 2 of 2.75 there, and of the two pairs 3 of 4.5 and 2 of 1.
    assert row[3:7] == ["2", "5", "0.60", "0.73 [0.67, 2.00]"]


def write(folder, **changes):
    """A page with examples, and what it is of."""
    results = Results(experiment(**changes))
    histories, rows = results.save(folder)
    frames = {name: getattr(results, name) for name in pages.FILES}
    subsets, texts = results.data(folder)
    asked = [folder / name for name in dependencies.shown_texts(results.experiment)]
    assert [folder / name for name in dependencies.shown_subsets(results.experiment)] == subsets
    pages.write(
        results.experiment, frames, folder / "report.html", PROVENANCE, rows, histories,
        examples=results.examples(folder), subsets=subsets, texts=[path for path in texts if path in asked],
    )  # fmt: skip
    return results, Page((folder / "report.html").read_text())


def test_the_page_has_tables_points_and_texts_that_run_nothing(tmp_path):
    results, page = write(tmp_path)
    assert page.ids.index("pairs") < page.ids.index("examples") < page.ids.index("averages")
    assert "<script>alert(0)</script> & so on" in page.text  # as text: a script's text is no word of the page
    assert "no & no" in page.text
    assert not any("alert" in script for script in page.scripts[1:])
    assert "<" not in page.scripts[0]
    cells = json.loads(page.scripts[0])["examples"]
    assert [(cell["model"], cell["dataset"]) for cell in cells] == results.experiment.cell_list()
    assert "points" not in cells[0]
    places = [name for name in page.ids if re.fullmatch(r"data|(curves|examples)-\d+", name)]
    block = page.scripts[places.index("examples-0")]
    points = json.loads(gzip.decompress(base64.b64decode(block)))
    assert points.keys() == {"all", "0", "1", "2"}
    own = results.concentration.query("model == 'tiny-0' and seed_a == 42 and seed_b == 44")
    for shares, row in zip(points["1"]["shares"], own.itertuples(), strict=True):
        assert shares == [row.share_of_units, row.units, pytest.approx(row.share_of_gap, rel=1e-3)]


def test_texts_are_left_out_where_the_settings_say_so(tmp_path):
    _, page = write(tmp_path, report={"texts": False})
    assert "examples" in page.ids
    assert "no & no" in page.text  # the classes stay
    for text in ("alert(0)", "so on", "long long"):
        assert text not in page.text
        assert text not in page.scripts[0]


def test_a_page_s_texts_are_those_of_data_sets_with_labels():
    notes = {"task": "masked_lm", "source": {"kind": "toy", "task": "stories", "rows": 100}}
    datasets = {"pairs": {"source": {"kind": "toy", "task": "entailment", "rows": 100}}, "notes": notes}
    chosen = experiment(datasets=datasets, cells=None)
    assert dependencies.shown_texts(chosen) == ["data/pairs/test.parquet"]
    assert dependencies.shown_subsets(chosen) == ["data/pairs/subset.json"]
