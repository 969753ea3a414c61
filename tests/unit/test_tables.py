"""The tables say what the frames hold."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from isthmus.experiment import outputs
from isthmus.showing import formatting, paper_tables, tables
from isthmus.statistics import thresholds, tidy
from markdown_it import MarkdownIt

from tests.unit.synthetic import Results, experiment

NAMES = ["entailment", "paraphrase", "evaluations", "averages"]


@pytest.fixture(scope="module")
def results():
    return Results(experiment())


def _frames(results):
    return results.metrics, results.deltas, results.evaluations


def _values(frame, **wanted):
    for key, value in wanted.items():
        frame = frame[frame[key] == value]
    return frame["value"].to_numpy()


def test_numbers_are_means_over_pairs(results):
    cells = paper_tables.by_statistic(paper_tables.paper_table(*_frames(results), "entailment"))
    key = {
        "model": "tiny-0",
        "dataset": "entailment",
        "set": "test",
        "quantity": "loss",
        "metric": "CG_nested",
    }
    change = _values(results.deltas, **key)
    start, end = (_values(results.metrics, **key, step=step) for step in (100, 400))
    assert len(change) == 3
    found = {name: cells["test", "CG_nested", name]["tiny-0"] for _, _, name in cells if name != "pairs"
             if ("test", "CG_nested", name) in cells}  # fmt: skip
    assert found["delta_mean"] == pytest.approx(change.mean(), abs=1e-15)
    assert found["delta_mean"] == pytest.approx((end - start).mean(), abs=1e-12)
    assert found["delta_magnitude"] == abs(found["delta_mean"])
    assert found["delta_sign"] == np.sign(change.mean())
    assert found["delta_median"] == np.median(change)
    assert (found["delta_min"], found["delta_max"]) == (change.min(), change.max())
    assert found["start_mean"] == pytest.approx(start.mean())
    assert found["end_mean"] == pytest.approx(end.mean())
    assert found["end_low"] == pytest.approx(0.9 * end.mean())
    assert found["step0_mean"] == 0
    wider = {"seeds": 0.02, "both": 0.03}  # as the made-up means have it
    assert {name: found["end_mean"] - found[f"end_{name}_low"] for name in wider} == pytest.approx(wider)
    facts = {key: cells["test", "", key]["tiny-0"] for key in ("from_step", "to_step", "pairs", "majority")}
    assert facts == {"from_step": 100, "to_step": 400, "pairs": 3, "majority": 0.34}


def test_a_fall_has_a_magnitude_and_a_minus_sign(results):
    metrics, deltas, evaluations = _frames(results)
    falling = deltas.assign(
        value=-deltas["value"], mean_low=-deltas["mean_high"], mean_high=-deltas["mean_low"]
    )
    table = paper_tables.paper_table(metrics, falling, evaluations, "paraphrase")
    cells = paper_tables.by_statistic(table)
    assert cells["test", "CG", "delta_sign"]["tiny_600"] == -1
    assert cells["test", "CG", "delta_magnitude"]["tiny_600"] > 0
    row = paper_tables.paper_blocks(table, "paraphrase")[0].rows[-1]
    assert row[0] == "CG, exact"
    assert row[1].split(" ")[1] == "(−)"


def test_source_layout(results):
    table = paper_tables.paper_table(*_frames(results), "entailment")
    blocks = paper_tables.paper_blocks(table, "entailment")
    assert blocks[0].header == ["", "tiny-0", "tiny_600"]
    assert [row[0] for row in blocks[0].rows] == ["BH (K = 10)", "CG (K = 10)", "ICG (K = 10)", "CG, exact"]
    assert "from step 100 to step 400" in blocks[0].caption
    assert [row[0] for row in blocks[1].rows][:3] == [f"BH (K = 10), step {step}" for step in (0, 100, 400)]


def test_values_under_the_floor_are_shown_as_zero(results):
    metrics, deltas, evaluations = _frames(results)
    tiny = metrics.assign(value=metrics["value"].where(metrics["step"] > 0, 4e-8))
    cells = paper_tables.by_statistic(paper_tables.paper_table(tiny, deltas, evaluations, "entailment"))
    assert cells["test", "CG", "step0_mean"] == {"tiny-0": 0.0, "tiny_600": 0.0}
    assert (formatting.number(4e-8), formatting.number(-4e-8), formatting.number(2e-6)) == ("0", "0", "2e−06")
    assert (formatting.number(-0.01234), formatting.number(float("nan"))) == ("−0.0123", "–")


def test_a_model_that_learnt_nothing_is_marked():
    results = Results(experiment(), skilled=False)
    table = paper_tables.paper_table(*_frames(results), "entailment")
    block = paper_tables.paper_blocks(table, "entailment")[0]
    assert block.header == ["", "tiny-0†", "tiny_600†"]
    assert len(block.notes) == 2
    assert formatting.NO_SKILL in block.notes[0]
    assert thresholds.learnt(0.5, 0.4)
    assert not thresholds.learnt(0.4, 0.4)


def test_the_interval_over_seeds_and_units_stands_with_the_spread(results):
    blocks = paper_tables.paper_blocks(
        paper_tables.paper_table(*_frames(results), "entailment"), "entailment"
    )
    rows = {row[0]: row[1] for row in blocks[2].rows}
    mean = _values(results.metrics, model="tiny-0", dataset="entailment", set="test", quantity="loss",
                   metric="CG", step=400).mean()  # fmt: skip
    found = rows["CG, exact, end: 95 % of the mean over seeds and units"]
    assert found == f"[{mean - 0.03:.4f}, {mean + 0.03:.4f}]"
    two = Results(experiment(seeds=(1, 2)))
    blocks = paper_tables.paper_blocks(paper_tables.paper_table(*_frames(two), "entailment"), "entailment")
    assert not any("over seeds and units" in row[0] for block in blocks for row in block.rows)


def test_one_step_after_zero_has_no_change():
    results = Results(experiment(seeds=(1, 2), checkpoints=(50,)), intervals=False)
    for deltas in (results.deltas, results.deltas.iloc[:0]):
        table = paper_tables.paper_table(results.metrics, deltas, results.evaluations, "paraphrase")
        block = paper_tables.paper_blocks(table, "paraphrase")[0]
        assert [row[1] for row in block.rows] == ["–"] * 4
        assert "no change" in block.notes[0]
        assert "interval" not in block.caption


def test_files(results, tmp_path):
    tables.write(NAMES, vars(results), tmp_path)
    expected = {f"{name}.{ending}" for name in NAMES for ending in outputs.TABLE_FORMATS}
    assert {path.name for path in tmp_path.iterdir()} == expected
    back = tidy.read(tmp_path / "entailment.csv")
    assert list(back.columns) == ["set", "metric", "k", "statistic", "tiny-0", "tiny_600"]
    table = paper_tables.paper_table(*_frames(results), "entailment")
    np.testing.assert_allclose(back["tiny-0"], table["tiny-0"], rtol=1e-9)
    scores = tidy.read(tmp_path / "evaluations.csv")
    row = scores[(scores["model"] == "tiny-0") & (scores["set"] == "overlap") & (scores["step"] == 200)].iloc[
        0
    ]
    mine = results.evaluations
    mine = mine[(mine["model"] == "tiny-0") & (mine["set"] == "overlap") & (mine["step"] == 200)]
    assert row["accuracy"] == pytest.approx(mine["accuracy"].mean())
    assert row["seeds"] == 3


def test_latex_is_escaped(results, tmp_path):
    tables.write(NAMES, vars(results), tmp_path)
    text = (tmp_path / "entailment.tex").read_text()
    assert text.isascii()
    assert r"tiny\_600" in text
    assert r"95 \% interval" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 7
    columns = [line.count(" & ") for line in text.splitlines() if line.endswith(r"\\")]
    assert set(columns) == {2}
    block = formatting.Block("50% of A&B", ["", "a_b#{}"], [["<x>\\y~", "$1^2|"]])
    assert formatting.latex([block]).splitlines()[2:9] == [
        r"\caption{50\% of A\&B}",
        r"\begin{tabular}{lr}",
        r"\hline",
        r" & a\_b\#\{\} \\",
        r"\hline",
        r"\textless{}x\textgreater{}\textbackslash{}y\textasciitilde{} & \$1\textasciicircum{}2\textbar{} \\",
        r"\hline",
    ]


HOSTILE = [
    "<b>x</b>|",
    "</script><script>alert(1)</script>",
    "a & b &amp; c",
    "*so* _so_ `so` ~~so~~ $x$ snake_case \\| [x](javascript:alert(1)) ![y](z)",
    "two\nlines\n\nand a gap",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_of_the_user_s_is_shown_as_it_is(results, value, tmp_path):
    """Markdown is read as a program of the field reads it; nothing in a value is mark-up there."""
    scores = results.evaluations.assign(set=results.evaluations["set"].replace("overlap", f"test/{value}"))
    tables.write(NAMES, vars(results) | {"evaluations": scores}, tmp_path)
    text = (tmp_path / "evaluations.md").read_text()
    shown = Shown(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
    assert f"set test/{' '.join(value.split())} (100 examples)" in shown.text
    assert set(shown.tags) == {"h1", "p", "table", "thead", "tbody", "tr", "th", "td"}
    block = formatting.Block(value, ["", value], [[value, "0.5"]], (value,))
    shown = Shown(
        MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(formatting.markdown("", [block]))
    )
    assert shown.cells == ["", " ".join(value.split()), " ".join(value.split()), "0.5"]
    latex = formatting.latex([block])
    assert "\n\n" not in latex.strip()  # an empty line would end the caption, with an error
    assert len(latex.splitlines()) == 11
    assert not set("&<>|") & set(latex.splitlines()[2].replace(r"\&", ""))


class Shown(HTMLParser):
    """The elements, cells and text of HTML."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.cells, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        self.text += data
        if self.tags[-1] in ("td", "th") and data != "\n":
            self.cells[-1] += data


def test_markdown_tables_are_rectangular(results, tmp_path):
    tables.write(NAMES, vars(results), tmp_path)
    for path in tmp_path.glob("*.md"):
        for part in path.read_text().split("\n\n"):
            if part.startswith("|"):
                assert len({line.count("|") for line in part.splitlines()}) == 1


def test_names_that_look_like_missing_values_stay_names(tmp_path):
    frame = pd.DataFrame({"model": ["nan", "1e5"], "dataset": ["NA", "null"], "value": [1.0, np.nan]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    back = tidy.read(tmp_path / "x.csv")
    assert back["model"].tolist() == ["nan", "1e5"]
    assert back["dataset"].tolist() == ["NA", "null"]
    assert back["value"].isna().tolist() == [False, True]
    findings = pd.DataFrame({"subject": ["800", None], "dataset": ["1", None], "note": [None, "none"]})
    findings.to_csv(tmp_path / "findings.csv", index=False)
    back = tidy.read(tmp_path / "findings.csv")
    assert back["subject"].tolist()[0] == "800"
    assert back["dataset"].tolist()[0] == "1"


def test_a_mean_that_is_there_twice_is_no_answer(results):
    twice = pd.concat([results.means, results.means.assign(k=results.means["k"] + 1)])
    with pytest.raises(pd.errors.MergeError):
        tidy.with_intervals(results.metrics.drop(columns=["mean_low", "mean_high"]), twice)


def test_averages_show_each_kind_at_its_largest_size(results):
    table = tables.averages_table(results.averages)
    mine = table[(table["model"] == "tiny-0") & (table["set"] == "test") & (table["quantity"] == "loss")]
    assert mine["kind"].tolist() == ["pair", "uniform", "greedy", "ensemble"]
    assert mine["size"].tolist() == [2, 3, 3, 3]
    pair = mine.iloc[0]
    assert (pair["low"], pair["high"]) == pytest.approx((pair["gain"] - 0.01, pair["gain"] + 0.01))
    assert pair["high_both"] == pytest.approx(pair["gain"] + 0.02)
    assert np.isnan(mine["low_both"].iloc[1])  # it is one soup
    blocks = {block.caption.partition(":")[0]: block for block in tables.averages_blocks(table)}
    row = blocks["entailment, set test, step 400"].rows[1]
    assert row[:4] == ["tiny-0", "uniform soup", "3", "0.5750"]
    assert row[4] == "0.0250 [0.0150, 0.0350]"
    assert row[5:] == ["", "0.0050", "0.5760", "0.1725", "0.0075"]
    assert blocks["entailment, set test, step 400"].rows[0][5] == "[−0.0100, 0.0300]"
    greedy = blocks["entailment, set test, step 400"].rows[2]
    assert greedy[1:3] == ["greedy soup", "42+43+44"]  # of which runs, not of how many candidates


def test_nothing_averaged_is_an_empty_table(results):
    assert tables.averages_blocks(tables.averages_table(results.averages.head(0))) == []
