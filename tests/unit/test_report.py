"""The report is one file, says what the numbers say, and runs nothing that came from a config."""

import base64
import gzip
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from math import nan

import numpy as np
import pandas as pd
import pytest
from isthmus import stored
from isthmus.experiment import outputs
from isthmus.experiment.config import Negligible
from isthmus.showing import heatmaps, missing, paper_tables, provenance, report, views
from isthmus.showing import page as pages
from isthmus.showing.glossary import MEANINGS
from isthmus.statistics import findings, tidy
from isthmus.statistics.findings import COLUMNS as FINDINGS
from scipy import stats

from tests.unit.synthetic import PROVENANCE, Results, experiment


class Page(HTMLParser):
    """Collects elements, addresses, identifiers, scripts and text; checks that elements close in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.links, self.ids, self.words, self.scripts = [], [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for key, value in attributes:
            {"src": self.links, "href": self.links, "id": self.ids}.get(key, []).append(value)
            assert not key.startswith("on")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open[-1:] == ["script"] else self.words).append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


class Unexplained(HTMLParser):
    """Collects words of the glossary in running text, captions and heads of tables that nothing explains."""

    RUNNING, QUIET = {"p", "th", "figcaption"}, {"span", "svg", "button", "select", "a"}

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text[text.index("<main>") : text.index("</main>")])

    def handle_starttag(self, tag, attributes):
        if tag not in Page.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if self.RUNNING & set(self.open) and not self.QUIET & set(self.open):
            plain = " ".join(data.split())  # also of spaces that do not break
            self.found += [word for word in MEANINGS if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", plain)]


def _write(results, folder):
    histories, rows = results.save(folder)
    frames = {name: getattr(results, name) for name in pages.FILES}
    pages.write(results.experiment, frames, folder / "report.html", PROVENANCE, rows, histories)
    return Page((folder / "report.html").read_text())


def _summary(results):
    return report.summary(results.experiment, results.metrics, results.deltas, results.evaluations)


@pytest.fixture(scope="module")
def results():
    return Results(experiment())


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    return _write(results, tmp_path_factory.mktemp("report"))


def test_one_file_in_order(page):
    silent = ("examples", "layers", "barriers", "planes", "map", "along", "spaces")
    asked = [name for name in pages.SECTIONS if name not in silent]
    assert [name for name in page.ids if name in pages.SECTIONS] == asked
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} == set(asked)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert "every path and evaluation" in page.text
    assert len(page.ids) == len(set(page.ids))


def test_no_word_of_the_glossary_stands_unexplained(results, tmp_path):
    _write(results, tmp_path)
    assert Unexplained((tmp_path / "report.html").read_text()).found == []
    assert Unexplained("<main><p>a chord <span>chord</span></p><td>chord</td></main>").found == ["chord"]


def test_the_page_holds_the_numbers_that_its_views_draw(results, page):
    data = json.loads(page.scripts[0])
    cell = data["cells"][0]
    frame = results.metrics[(results.metrics["model"] == "tiny-0") & (results.metrics["quantity"] == "loss")]
    gaps = frame[(frame["metric"] == "CG") & (frame["set"] == "test")]
    assert cell["steps"] == [0, 100, 200, 400]
    assert cell["stats"]["test"]["loss"]["CG"]["mean"][-1] == pytest.approx(
        gaps.loc[gaps["step"] == 400, "value"].mean(), rel=1e-5
    )
    assert cell["gaps"]["test"]["loss"][1] == pytest.approx(gaps.loc[gaps["step"] == 100, "value"], rel=1e-5)
    path = json.loads(gzip.decompress(base64.b64decode(page.scripts[1])))["400"]["0"]
    points = pd.DataFrame(results.points).query("model == 'tiny-0' and step == 400 and set == 'test'")
    points = points[(points["seed_a"] == 42) & (points["seed_b"] == 43)]
    assert [alpha * views.ALPHA_UNIT for alpha in path["alpha"]] == pytest.approx(points["alpha"])
    curve = [loss * views.LOSS_UNIT for loss in path["sets"]["test"]["loss"]]
    assert curve == pytest.approx(points["loss"], abs=views.LOSS_UNIT)
    row = gaps[(gaps["step"] == 400) & (gaps["seed_b"] == 43)].iloc[0]
    assert path["sets"]["test"]["gaps"]["loss"]["CG"] == pytest.approx(list(row[views.GAP]), rel=1e-3)


def test_seeds_are_ordered_by_basin():
    basins = pd.DataFrame(
        {"model": "tiny-0", "dataset": "entailment", "seed": [42, 43, 44], "basin": [1, 0, 1]}
    )
    assert views._order(experiment(), basins, "tiny-0", "entailment") == [1, 0, 2]
    assert views._order(experiment(), None, "tiny-0", "entailment") == [0, 1, 2]
    many = experiment(seeds=range(12))
    basins = basins.iloc[[0] * 12].assign(seed=range(12), basin=[*range(12, 1, -1), None])
    assert views._order(many, basins, "tiny-0", "entailment") == [*range(10, -1, -1), 11]


def test_a_mean_over_some_of_the_pairs_says_so(results):
    known = results.pairs.assign(cosine=results.pairs["cosine"].where(results.pairs["seed_a"] == 42))
    known.loc[known["step"] == 200, "cosine"] = nan
    rows = pages.distances(results.experiment, known)[0].rows
    assert [row[5] for row in rows[:4]] == ["–", "0.200 (2 of 3)", "–", "0.200 (2 of 3)"]
    assert rows[1][2:5] == ["1.000", "0.800", "0.700"]


def test_steps_with_other_numbers_of_pairs_are_told_apart(results):
    frame = results.metrics
    fewer = frame[(frame["step"] < 400) | (frame["seed_b"] == 43)]
    found = report.cells(results.experiment, fewer, results.deltas, results.evaluations)
    assert "; of 3 pairs at the start and 1 at the end." in report.over_finetuning(found[0])
    table = paper_tables.paper_table(fewer, results.deltas, results.evaluations, "entailment")
    assert set(paper_tables.by_statistic(table)["test", "", "pairs"].values()) == {1.0}


OWN = {
    "models": {
        "tiny-0": {"pretraining": "mlm", "pretraining_steps": 0},
        "own": {
            "checkpoints": [
                {"folder": f"own/{seed}/{step}", "seed": seed, "step": step}
                for seed in (44, 43, 7, 42)
                for step in (100, 400)
            ]
        },
    },
    "cells": [["tiny-0", "entailment"], ["own", "entailment"]],
    "figures": {"training_model": "tiny-0"},
}


def test_runs_listed_in_another_order_are_all_there(tmp_path):
    results = Results(experiment(**OWN))
    page = _write(results, tmp_path)
    data = json.loads(page.scripts[0])
    cell = data["cells"][1]
    pairs = list(itertools.combinations(data["seeds"], 2))
    paths = json.loads(gzip.decompress(base64.b64decode(page.scripts[2])))["400"]
    frame = results.metrics.query("model == 'own' and step == 400 and set == 'test' and quantity == 'loss'")
    frame = frame[frame["metric"] == "CG"]
    assert (44, 42) in set(zip(frame["seed_a"], frame["seed_b"], strict=True))
    assert len(frame) == len(pairs) == len(paths) == 6
    for row in frame.itertuples():
        place = next(i for i, pair in enumerate(pairs) if set(pair) == {row.seed_a, row.seed_b})
        assert cell["gaps"]["test"]["loss"][1][place] == pytest.approx(row.value, rel=1e-5)
        assert paths[str(place)]["sets"]["test"]["gaps"]["loss"]["CG"][0] == pytest.approx(
            row.value, rel=1e-5
        )
        named = pairs[place][::-1] if place in cell["turned"] else pairs[place]
        assert named == (row.seed_a, row.seed_b)  # the path begins at the one that is named first
    assert data["cells"][0]["turned"] == []
    assert all(value is not None for value in cell["ends"]["distance"][1])
    drawn = heatmaps.gap_matrix(results.experiment, frame, "own", "entailment", [44, 43, 7, 42])
    assert np.isfinite(drawn[np.tril_indices(4, -1)]).all()


def test_nothing_in_the_data_can_end_its_script_element():
    hostile = {"a": "</script><script>alert(1)</script>", "b": "<!--", "c": "&amp;"}
    text = views.as_json(hostile)
    assert not set("<>&") & set(text)
    assert json.loads(text) == hostile


def test_the_answer_is_made_from_the_numbers(results, page):
    frame = results.metrics
    gaps = frame[(frame["metric"] == "CG") & (frame["set"] == "test") & (frame["quantity"] == "loss")]
    gaps = gaps[(gaps["model"] == "tiny-0") & (gaps["dataset"] == "entailment")]
    start, end = (gaps.loc[gaps["step"] == step, "value"].mean() for step in (100, 400))
    change = _changes(results)
    spread = f"changes of {change.min():.3f} to {change.max():.3f} nats"
    said = f"tiny-0: CG rose in 3 of 3 pairs ({spread}), tested over seeds: +{change.mean():.3f} ["
    assert said in page.text
    assert f"from {start:.3f} [" in page.text
    assert f"at step 100 to {end:.3f} [" in page.text
    assert "the gap is smaller with more pre-training" in page.text
    assert "No ladder has two rungs on this data set" in page.text


def test_each_number_of_the_answer_is_that_of_the_files(tmp_path):
    results = Results(experiment())
    results.save(tmp_path)
    frames = tidy.load(tmp_path)
    found = report.cells(results.experiment, frames["metrics"], frames["deltas"], frames["evaluations"])
    said = report.answers(results.experiment, found)
    raw = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in outputs.TIDY}

    def rows(name, model, dataset, quantity="loss", **more):
        frame = raw[name]
        wanted = {"model": model, "dataset": dataset, "set": "test"} | more
        if name != "evaluations":
            wanted |= {"quantity": quantity, "metric": "CG"}
        for key, value in wanted.items():
            frame = frame[frame[key] == value]
        return frame

    def number(value):
        return f"{value:.3f}".replace("-", "−") if abs(value) >= 5e-4 else "0"

    def gap(model, dataset, step, quantity="loss"):
        values = rows("metrics", model, dataset, quantity, step=step)["value"]
        mean = rows("means", model, dataset, quantity, step=step).query("from_step.isna()").iloc[0]
        assert (len(values), mean["value"]) == (3, pytest.approx(values.mean()))
        return f"{values.mean():.3f} [{number(mean['low_both'])}, {number(mean['high_both'])}]"

    for answer in said:
        dataset, models = answer["dataset"], [cell.model for cell in answer["cells"]]
        clauses = []
        for model, sentence in zip(models, answer["finetuning"], strict=True):
            change = rows("deltas", model, dataset)["value"]
            mean = rows("means", model, dataset, step=400).query("from_step == 100").iloc[0]
            spread = f"changes of {change.min():.3f} to {change.max():.3f} nats"
            ends = f"[{mean['low_both']:.3f}, {mean['high_both']:.3f}]"
            assert sentence == (
                f"{model}: CG rose in 3 of 3 pairs ({spread}), "
                f"tested over seeds: +{change.mean():.3f} {ends}, "
                f"from {gap(model, dataset, 100)} at step 100 to {gap(model, dataset, 400)} at step 400."
            )
            loss = rows("evaluations", model, dataset, step=400)["loss"].mean()
            end = rows("metrics", model, dataset, step=400)["value"].mean()
            share = f"{100 * end / loss:.0f} % of the ends’ own test loss"
            error = gap(model, dataset, 400, "error")
            clauses.append(
                f"{model}: not connected: a gap of {gap(model, dataset, 400)} nats, {share}; "
                f"by the error rate not connected ({error})"
            )
        assert answer["connection"] == "; ".join(clauses) + "."
        for step, sentence in zip((400, 100), answer["pretraining"], strict=False):
            values = (
                f"{gap(model, dataset, step)} after {n}" for model, n in zip(models, (0, 600), strict=True)
            )
            assert (
                f"at step {step}: the gap is smaller with more pre-training ({', '.join(values)}" in sentence
            )
    assert [len(answer["pretraining"]) for answer in said] == [2, 0]
    lines = report.summary(results.experiment, *(frames[n] for n in ("metrics", "deltas", "evaluations")))
    for line, cell in zip(lines.splitlines()[2:], found, strict=False):
        scores = rows("evaluations", cell.model, cell.dataset, step=400)[["accuracy", "majority"]].mean()
        assert line.split()[2:4] == [f"{score:.3f}" for score in scores]
        assert f"{gap(cell.model, cell.dataset, 400)} (step 400)" in line


def _changes(results):
    frame = results.deltas
    wanted = (frame["metric"] == "CG") & (frame["set"] == "test") & (frame["quantity"] == "loss")
    return frame.loc[wanted & (frame["model"] == "tiny-0"), "value"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.1, 0.2, 0.05), "rose in 3 of 3 pairs"),
        ((0.1, 0.2, -0.05), "rose in 2 of 3 pairs"),
        ((0.02, 0.01, -0.5), "fell in 1 of 3 pairs"),  # the mean says where it went
        ((-0.1,), "fell in 1 of 1 pairs"),
        ((1e-9, 0.0), "did not change in the mean over 2 pairs"),
    ],
)
def test_where_a_change_went_pair_by_pair(values, said):
    assert report.Gap(np.mean(values), values=values).moved == said


FINDING = {
    **dict.fromkeys(FINDINGS, nan),
    **{"dataset": "d", "subject": "a", "verdict": "contradicted", "p_holm": 0.0123},
}


def test_what_the_findings_say_of_a_data_set_is_one_sentence():
    rows = [
        FINDING | {"hypothesis": "finetuning"},
        FINDING
        | {"hypothesis": "finetuning", "subject": "b", "verdict": "not judged", "p_holm": nan, "note": "why"},
        FINDING | {"hypothesis": "finetuning", "dataset": "e", "verdict": "supported"},
        FINDING | {"hypothesis": "finetuning", "dataset": None, "subject": None},
    ]
    said = report.claim(pd.DataFrame(rows), "finetuning", "d", ["a", "b"])
    assert said == (
        "The source paper reports a fall for each of its models; here that is contradicted "
        "(p 0.012, adjusted for all of its kind) for a, not judged (why) for b."
    )
    assert report.claim(pd.DataFrame(rows), "pretraining", "d", ["a"]) == ""
    assert report.claim(None, "finetuning", "d", ["a"]) == ""


def test_the_summary_has_a_line_a_finding(results):
    rows = [FINDING | {"hypothesis": "finetuning"}, FINDING | {"hypothesis": "finetuning", "subject": None}]
    frames = (getattr(results, name) for name in ("metrics", "deltas", "evaluations"))
    lines = report.summary(results.experiment, *frames, pd.DataFrame(rows)).splitlines()
    found = [line for line in lines if line.startswith("CG falls with fine-tuning")]
    assert found == [
        "CG falls with fine-tuning, d: contradicted (p 0.012, adjusted for all of its kind) for a"
    ]


def test_one_run_that_learnt_nothing_is_warned_of(results):
    seed = (results.evaluations["seed"] == 43) & (results.evaluations["step"] == 400)
    scores = results.evaluations.assign(accuracy_low=results.evaluations["accuracy_low"].mask(seed, 0.2))
    found = report.cells(results.experiment, results.metrics, results.deltas, scores)
    assert all(cell.failed == (43,) for cell in found)
    assert all(cell.accuracy > cell.majority for cell in found)
    (said,) = found[0].warnings
    assert said.startswith("tiny-0, step 400: the test accuracy of seed 43 is not clearly above")
    assert "not judged" in report.connection(found[:1], NEGLIGIBLE)


def test_one_run_that_had_learnt_nothing_at_the_start_is_warned_of(results):
    seed = (results.evaluations["seed"] == 43) & (results.evaluations["step"] == 100)
    scores = results.evaluations.assign(accuracy_low=results.evaluations["accuracy_low"].mask(seed, 0.2))
    found = report.cells(results.experiment, results.metrics, results.deltas, scores)[0]
    (said,) = found.warnings
    assert said.startswith("tiny-0, step 100: the test accuracy of seed 43 is not clearly above")
    assert "not connected" in report.connection([found], NEGLIGIBLE)  # at the end all have
    assert report.over_finetuning(found).endswith(
        "; not judged, since not all of its runs have clearly learnt the task."
    )
    assert said in report.summary(results.experiment, results.metrics, results.deltas, scores)


@pytest.fixture(scope="module")
def so_far(results):
    """The same results before the last step was measured, and before one pair of the step before it was."""
    frames = {name: getattr(results, name) for name in ("metrics", "deltas", "evaluations", *pages.FILES)}
    metrics, evaluations = results.metrics, results.evaluations
    lacking = (metrics["step"] == 200) & (metrics["seed_b"] == 44) & (metrics["model"] == "tiny-0")
    frames["metrics"] = metrics[(metrics["step"] < 400) & ~lacking]
    frames["evaluations"] = evaluations[evaluations["step"] < 400]
    frames["deltas"] = results.deltas.iloc[:0]
    return frames


def test_the_last_step_so_far_is_not_called_the_end(results, so_far):
    shown = [so_far[name] for name in ("metrics", "deltas", "evaluations")]
    found = report.cells(results.experiment, *shown)
    assert all(cell.so_far and (cell.to_step, cell.last_step) == (200, 400) for cell in found)
    assert found[0].warnings[0] == (
        "tiny-0, step 200: the last step that is measured so far, and not the end, which is step 400."
    )
    assert report.connection(found[:1], NEGLIGIBLE).startswith("tiny-0, at step 200 so far: ")
    assert "the only checkpoint after step 0 so far" in report.over_finetuning(found[0])
    text = report.summary(results.experiment, *shown)
    assert "CG at the last step so far" in text
    assert "CG at the end" not in text
    whole = report.cells(results.experiment, results.metrics, results.deltas, results.evaluations)
    assert not any(cell.so_far for cell in whole)
    assert "so far" not in _summary(results)


def test_where_only_step_0_is_measured_nothing_is_said_of_later_ones(results):
    metrics, evaluations = (frame[frame["step"] == 0] for frame in (results.metrics, results.evaluations))
    (cell, *_) = report.cells(results.experiment, metrics, results.deltas.iloc[:0], evaluations)
    assert report.over_finetuning(cell) == "tiny-0: only step 0 is measured so far."


def test_the_summary_names_what_is_missing(results, so_far):
    brief = missing.in_brief(results.experiment, so_far["metrics"], so_far["evaluations"])
    assert brief[:2] == [
        "tiny-0 on entailment: paths at step 200 (2 of 3), step 400 (3 of 3)",
        "tiny-0 on entailment: evaluations at step 400 (3 of 3)",
    ]
    assert len(brief) == 6
    shown = [so_far[name] for name in ("metrics", "deltas", "evaluations")]
    lines = report.summary(results.experiment, *shown, lacking=["the run x, seed 1", *brief]).splitlines()
    assert "! missing: the run x, seed 1" in lines
    assert f"! missing: {brief[0]}" in lines
    assert lines[-1] == "Look at results/synthetic/report.html"  # metrics.csv is none of a partial report's
    lines = report.summary(results.experiment, *shown, lacking=[f"run {i}" for i in range(40)]).splitlines()
    assert "! missing: 28 more, which the report names" in lines
    assert "missing" not in _summary(results)
    assert missing.in_brief(results.experiment, results.metrics, results.evaluations) == []


def cell(end, error=None, **scores):
    """A cell whose gap at the end is given."""
    scores = {"accuracy": 0.8, "majority": 0.5, "loss": 0.5} | scores
    return report.Cell("d", "m", 100, 400, end, end, end, None, error or end, **scores)


def test_what_the_brackets_are_is_said_for_each_cell():
    few, many = replace(GAP, over="units", values=(0.1,)), GAP
    assert report.values_in_words([cell(few)]) == "one pair of seeds, 95 % interval over evaluation units"
    said = report.values_in_words([cell(many)])
    assert said == "mean over pairs, 95 % interval over seeds and evaluation units"
    assert report.values_in_words([cell(few), cell(many)]).endswith(
        "over evaluation units or seeds and evaluation units"
    )


def test_a_model_that_learnt_nothing_is_warned_of(tmp_path):
    results = Results(experiment(), skilled=False)
    assert "does not beat the majority baseline" in _write(results, tmp_path).text
    assert "! entailment, tiny-0, step 400: mean test accuracy" in _summary(results)


def test_the_page_says_for_programs_what_made_it(page):
    linked = next(json.loads(text) for text in page.scripts if '"@context"' in text)
    results, made_by, _ = linked["@graph"]
    assert results["name"] == "synthetic"
    assert (made_by["name"], made_by["author"][0]["name"]) == ("Isthmus", "The Isthmus authors")
    assert f"software, version {made_by['version']}" in page.text
    assert f"software, repository {made_by['identifier']}" in page.text


def test_the_record_has_all_settings_and_no_more(tmp_path):
    """Those of which no result follows may differ between two runs of one experiment."""
    chosen, path = experiment(keep="last"), tmp_path / "provenance.json"
    stored.write_csv(tmp_path / "metrics.csv", pd.DataFrame({"value": [1]}))
    provenance.write(path, chosen, {"versions": {}}, partial=True)
    record = stored.read_json(path)
    assert record["settings"]["training"]["power"] == chosen.training.power  # a default
    assert record["settings"]["seeds"] == [42, 43, 44]
    assert not {"keep", "keep_states", "resources", "plan"} & record["settings"].keys()
    assert (record["experiment"], record["partial"]) == ("synthetic", True)
    assert record["files"] == stored.listed(tmp_path)
    assert set(record["files"]) == {"metrics.csv"}


def test_text_from_outside_is_escaped(page, tmp_path):
    chosen = experiment()
    chosen = chosen.model_copy(update={"experiment": "<script>alert(1)</script>"})
    results = Results(chosen)
    results.pairs["model"] = "<img src=x onerror=alert(1)>"
    results.evaluations["set"] = results.evaluations["set"].replace("overlap", "</script><b>bold</b>")
    claim = {"hypothesis": "finetuning", "dataset": "</td><u>", "subject": "m", "verdict": "<i>so</i>"}
    findings = pd.DataFrame([claim], columns=FINDINGS)
    findings.to_csv(tmp_path / "findings.csv", index=False)
    plain, page = page, _write(results, tmp_path)
    assert page.tags.count("script") == plain.tags.count("script")
    assert not {"img", "b", "i", "u"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "<i>so</i>" in page.text
    value = "<b>x</b>|</script><script>alert(1)</script>"  # a column that tests are broken down by
    results.evaluations["set"] = f"test/{value}"
    page = _write(results, tmp_path)
    assert page.tags.count("script") == plain.tags.count("script")
    assert not {"img", "b", "i", "u"} & set(page.tags)
    assert f"entailment, set test/{value} (100 examples)" in page.text
    assert f"test/{value}" in json.loads(page.scripts[0])["cells"][0]["runs"][0]["scores"]


def test_findings_are_shown_as_a_reader_wants_them(tmp_path):
    one = [
        "finetuning",
        "sick",
        "minilm",
        100,
        400,
        -0.0273296,
        -0.0486,
        -0.0063,
        "seeds and units",
        "supported",
        100,
        None,
        0.01,
        0.02,
    ]
    over_all = ["pretraining", *[None] * 8, "not judged", None, "no model", None, None]
    pd.DataFrame([one, over_all], columns=FINDINGS).to_csv(tmp_path / "findings.csv", index=False)
    text = _write(Results(experiment()), tmp_path).text
    shown = (
        "CG falls with fine-tuning sick minilm supported −0.027 [−0.049, −0.006] seeds and units 0.02 100 400"
    )
    assert f"{shown} 100" in text
    assert "CG is lower with more pre-training all all not judged – – – – – – no model" in text


def test_missing_things_are_named(tmp_path):
    results = Results(experiment(seeds=(1, 2), checkpoints=(50,)), intervals=False)
    results.metrics = results.metrics[
        ~((results.metrics["step"] == 50) & (results.metrics["set"] == "overlap"))
    ]
    page = _write(results, tmp_path)
    assert "tiny-0 on entailment, step 50, set overlap: 1 of 1 paths" in page.text
    assert "intervals: no bootstrap replicates" in page.text
    assert "This page is not whole: 3 things" in page.text
    assert "the only checkpoint after step 0" in page.text


def test_published_values_stand_beside_the_source_grid_only():
    block = pages._published("mnli", ["roberta-base", "bert-base-uncased", "other"])
    assert block.header == ["", "roberta-base", "bert-base-uncased"]
    assert block.rows[1] == ["CG", "0.6003", "0.4939"]
    assert "not a result of this run" in block.caption
    assert pages._published("mnli", ["other"]) is None
    assert pages._published("entailment", ["roberta-base"]) is None


NEGLIGIBLE = Negligible()
GAP = report.Gap(0.1, 0.08, 0.12, "seeds and units", (0.09, 0.1, 0.11), cross_fitted_low=0.07)


@pytest.mark.parametrize(
    ("gap", "error", "said"),
    [
        (
            GAP,
            replace(GAP, low=0.0),
            "not connected: a gap of 0.100 [0.080, 0.120] nats, 20 % of the ends’ own test loss; "
            "by the error rate cannot be told (0.100 [0, 0.120])",
        ),
        (
            replace(GAP, mean=0.01, low=0.004, high=0.016),
            GAP,
            "connected: a gap of 0.010 [0.004, 0.016] nats, 2 % of the ends’ own test loss; "
            "by the error rate not connected (0.100 [0.080, 0.120])",
        ),
        (
            replace(GAP, over="units", untested="fewer than three seeds"),
            GAP,
            "not tested over seeds: a gap of 0.100 [0.080, 0.120] nats, 20 % of the ends’ own test loss "
            "(fewer than three seeds)",
        ),
        (
            replace(GAP, mean=0.0, low=-0.06, high=0.06),
            GAP,
            "cannot be told: a gap of 0 [−0.060, 0.060] nats, 0 % of the ends’ own test loss; "
            "by the error rate not connected (0.100 [0.080, 0.120])",
        ),
        (
            report.Gap(0.0, 0.0, 0.0, "units", (0.0,), 0.0, "fewer than three seeds"),
            GAP,
            "not tested over seeds: a gap of 0 [0, 0] nats, 0 % of the ends’ own test loss "
            "(fewer than three seeds)",
        ),
        (
            replace(GAP, mean=0.01, low=0.004, high=0.016, over="seeds"),  # no replicates
            replace(GAP, over="seeds"),
            "cannot be told: a gap of 0.010 [0.004, 0.016] nats, 2 % of the ends’ own test loss; "
            "by the error rate cannot be told (0.100 [0.080, 0.120])",
        ),
        (report.Gap(nan), GAP, "not measured at step 400"),
    ],
)
def test_do_seeds_connect(gap, error, said):
    found = cell(gap, error)
    assert report.connection([found, found], NEGLIGIBLE) == f"m: {said}; m: {said}."


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"accuracy": 0.5}, "not judged (a gap of"),
        ({"failed": (2,)}, "not judged (a gap of"),
        ({"accuracy": nan}, "; whether its runs have learnt the task is not known yet"),
    ],
)
def test_what_learnt_nothing_is_not_answered(scores, said):
    for gap in (GAP, replace(GAP, mean=0.0, low=0.0, high=0.0)):
        found = report.connection([cell(gap, **scores)], NEGLIGIBLE)
        assert said in found
        assert "connected" not in found


def test_provenance_adds_up_the_last_record_of_each_run(tmp_path):
    def record(place, content):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))

    for step, seconds in ((0, 0), (90, 60), (100, 120)):
        spent = {"attempts": 2, "seconds": {"cpu": seconds}, "cpu_seconds": 2 * seconds}
        content = {"step": step, "spent": spent, "versions": {"torch": "2.9"}}
        for seed in (1, 2):
            record(f"checkpoints/m/d/seed{seed}/step{step}/checkpoint.json", content)
    # Three rungs of one pre-training, and one of another: each has what its pre-training had taken by then.
    rungs = [("tiny-0", 0, 0), ("tiny_400", 2, 60), ("tiny_600", 3, 90), ("other_9", 1, 30)]
    for name, attempts, seconds in rungs:
        spent = {"attempts": attempts, "seconds": {"cpu": seconds}, "cpu_seconds": seconds}
        record(f"models/{name}/model.json", {"origin": "here", "spent": spent})
    record("models/m/model.json", {"origin": "x/y", "revision": None, "sha256": "abc"})
    part = {"rows": 5, "ids_sha256": "def", "class_balance": {}}
    left_out = {
        "rows_read": 9,
        "unlabelled_dropped": 0,
        "empty_dropped": 1,
        "duplicates_dropped_from_test": 2,
    }
    source = {"source": {"kind": "toy"}, "revision": None, "counts": left_out}
    record("data/d/subset.json", {**source, "train": part, "test": part})
    counts = {"rows_read": 9, "subset": 7, "also_in_train": 3}
    (tmp_path / "data/d/far.json").write_text(json.dumps({"counts": counts}))
    (tmp_path / "data/d/older.json").write_text(json.dumps({"counts": {"rows_read": 9, "subset": 8}}))
    for name, device in (("step90/seed1/attempts/a", "cpu"), ("step90/seed2/attempts/b", "cuda")):
        record(f"journal/m/d/{name}.json", {"device": device, "seconds": 30, "cpu_seconds": 18})
    record("benchmarks/subset/d.tsv", {})
    tiny = {
        f"tiny{n}": {"pretraining": "mlm", "pretraining_steps": int(n[1:])} for n in ("-0", "_400", "_600")
    }
    other = {"other_9": {"pretraining": "other", "pretraining_steps": 9}}
    recipes = {name: {"training": {"steps": 600, "warmup_steps": 10}} for name in ("mlm", "other")}
    chosen = experiment(models=tiny | other, pretraining=recipes)
    found = provenance.read(chosen, tmp_path)
    assert found["time spent"] == {
        "pre-training": ["2.0 minutes on cpu", "0.03 CPU hours", "attempts: 4"],
        "fine-tuning": ["4.0 minutes on cpu", "0.13 CPU hours", "attempts: 4"],
        "measuring": ["0.5 minutes on cpu", "0.5 minutes on cuda", "0.01 CPU hours", "attempts: 2"],
        "jobs": 1,
    }
    assert found["versions"]["torch"] == ["2.9"]
    assert found["model"]["m"] == {"origin": "x/y", "sha256": "abc"}
    assert found["data"]["d"]["test"] == {"rows": 5, "ids_sha256": "def"}
    assert ("data, d, far, rows whose input is in train too", "3") in provenance.lines(found)
    assert found["data"]["d"]["older"] == {"rows": 8}
    assert ("data, d, rows without a text, left out", "1") in provenance.lines(found)
    assert ("data, d, rows of test whose input is in train, left out", "2") in provenance.lines(found)
    assert "without a label" not in str(found)
    said = ("time spent, fine-tuning", "4.0 minutes on cpu, 0.13 CPU hours, attempts: 4")
    assert said in provenance.lines(found)


def test_provenance_counts_a_common_trunk_once_and_equal_runs_of_two_models_twice(tmp_path):
    def spent(seconds):
        return {"attempts": 1, "seconds": {"cpu": seconds}, "cpu_seconds": seconds}

    for model in "mn":
        for seed, waited in ((1, 60), (2, 30)):  # what the trunk had taken when each record was written
            path = tmp_path / f"checkpoints/{model}/d/seed{seed}/step9/checkpoint.json"
            path.parent.mkdir(parents=True)
            own = {"step": 9, "identity": f"run {seed}", "spent": spent(120)}
            path.write_text(json.dumps(own | {"trunk": {"identity": "trunk", "spent": spent(waited)}}))
    found = provenance.read(experiment(), tmp_path)["time spent"]
    assert found["fine-tuning"] == ["10.0 minutes on cpu", "0.17 CPU hours", "attempts: 6"]


def test_summary(results):
    lines = _summary(results).splitlines()
    assert lines[0].startswith("synthetic: convexity gap (CG)")
    assert len(lines) == 2 + 3 + 1
    assert lines[-1] == "Look at results/synthetic/report.html; all numbers: results/synthetic/metrics.csv"
    assert "(step 100)" in lines[2]
    single = Results(experiment(seeds=(1, 2), checkpoints=(50,)), intervals=False)
    assert "one pair of seeds" in _summary(single)
    assert "nan" not in _summary(single)


def test_what_is_said_of_the_claims_follows_from_the_files(tmp_path):
    """Verdicts and p-values of the sentences, recomputed from `metrics.csv` by leaving out each seed."""
    results = Results(experiment())
    results.save(tmp_path)
    raw = pd.read_csv(tmp_path / "metrics.csv")
    raw = raw[(raw["metric"] == "CG") & (raw["quantity"] == "loss") & (raw["set"] == "test")]
    means, p_values, moves = {}, {}, {}
    for cell, own in raw.groupby(["model", "dataset"], sort=False):
        steps = own.groupby("step")
        kept = steps.agg(values=("value", list), pair_a=("seed_a", list), pair_b=("seed_b", list))
        kept["value"], kept["samples"] = steps["value"].mean(), [np.empty(0)] * len(kept)
        fixed = {"set": "test", "quantity": "loss", "metric": "CG", "from_step": None}
        means[cell] = kept.reset_index().assign(**fixed)
        at = {step: part.set_index(["seed_a", "seed_b"])["value"] for step, part in steps}
        change = at[400] - at[100]
        left = [change[[seed not in pair for pair in change.index]].mean() for seed in (42, 43, 44)]
        error = np.sqrt(2 / 3 * np.var(left) * 3)
        moves[cell], p_values[cell] = change.mean(), 2 * stats.t.sf(abs(change.mean()) / error, 2)
    cells = dict.fromkeys(means, (results.experiment.cell_steps("tiny-0", "entailment"), 100))
    frame = findings.table(findings.Gaps(results.evaluations, means), cells, [])
    found = report.cells(results.experiment, results.metrics, results.deltas, results.evaluations)
    said = {a["dataset"]: a["claim"] for a in report.answers(results.experiment, found, frame)}
    summary = report.summary(results.experiment, results.metrics, results.deltas, results.evaluations, frame)
    largest = 0.0
    for rank, (cell, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (3 - rank) * p))
        clear = "contradicted" if moves[cell] > 0 else "supported"
        word = clear if largest < 0.05 else "cannot be told"
        clause = f"{word} (p {largest:.2g}, adjusted for all of its kind) for {cell[0]}"
        assert clause in said[cell[1]]
        assert f"CG falls with fine-tuning, {cell[1]}: {clause}" in summary


def test_curves_stand_beside_their_lines(tmp_path):
    asked = {"curves": [{"pairs": "all"}], "planes": [{"curve": "bezier", "resolution": 5}]}
    results = Results(experiment(**asked))
    histories, rows = results.save(tmp_path)
    frames = {name: getattr(results, name) for name in pages.FILES}
    files = rows, histories, results.planes(tmp_path), [], results.curves(tmp_path)
    pages.write(results.experiment, frames, tmp_path / "report.html", PROVENANCE, *files)
    page = Page((tmp_path / "report.html").read_text())
    assert "barriers" in page.ids
    assert "bezier same 3 0.3000 [0.2900, 0.3100] 0.0500 [0.0400, 0.0600] -0.2500" in page.text.replace(
        "−", "-"
    )
    (plane, *_) = json.loads(page.scripts[0])["planes"]
    assert plane["name"] == "42.400-43.400-bezier.400"
    assert plane["corners"] == "a: 42, b: 43, c: bezier bend, step 400"
    x, y, name = plane["curve"]
    assert name == "bezier"
    assert (x[0], y[0], x[-1], y[-1], x[30], y[30]) == (0, 0, 2, 0, 1, 1)


def test_sections_are_there_where_something_was_asked_for(tmp_path, page):
    assert {"layers", "planes", "map", "along", "examples"}.isdisjoint(page.ids)
    assert "averages" in page.ids
    planes = [{"seeds": [42, 43, 44], "resolution": 5}, {"through": [[42, 0], [42, "last"], [43, 400]]}]
    asked = {"layers": {"pairs": "all"}, "planes": planes, "averages": {"at": []}, "paths": {"along": True}}
    asked["map"] = True
    results = Results(experiment(**asked))
    histories, rows = results.save(tmp_path)
    frames = {name: getattr(results, name) for name in pages.FILES}
    files = rows, histories, results.planes(tmp_path), results.maps(tmp_path), results.curves(tmp_path)
    risen = {"examples": results.examples(tmp_path)}
    pages.write(results.experiment, frames, tmp_path / "report.html", PROVENANCE, *files, **risen)
    other = Page((tmp_path / "report.html").read_text())
    assert {"layers", "planes", "map", "along", "examples"} <= set(other.ids)
    # Of three runs from step 100 of 400: CG from 0.075 to 0.095, and a tenth of it lost by the middle.
    assert "0.0850 (0.0750 to 0.0950) -0.0085 (-0.0095 to -0.0075)" in other.text.replace("−", "-")
    assert "averages" not in other.ids
    data = json.loads(other.scripts[0])
    assert [plane["name"] for plane in data["planes"]][:2] == ["42.400-43.400-44.400", "42.0-42.400-43.400"]
    assert data["planes"][0]["places"]["b"][:2] == [2.0, 0.0]
    assert np.shape(data["planes"][0]["loss"]) == (5, 5)
    map_of_runs = next(m for m in data["maps"] if (m["model"], m["dataset"]) == ("tiny-0", "entailment"))
    assert map_of_runs["share"] == 0.75
    assert map_of_runs["runs"][1] == {
        "seed": 43, "steps": [0, 100, 200, 400], "x": [0, 1, 2, 4], "y": [1, 1, 1, 1],
    }  # fmt: skip
    groups, means, lowest, highest = data["cells"][0]["layers"]["400"]["loss"]["CG"]["shallow"]
    assert groups == ["embeddings", "block 0"]
    assert (means, lowest, highest) == ([0.0105, 0.0205], [0.01, 0.02], [0.011, 0.021])
