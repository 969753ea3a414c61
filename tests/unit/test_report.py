"""The report is one file, says what the numbers say, and runs nothing that came from a config."""

import base64
import gzip
import itertools
import json
from dataclasses import replace
from html.parser import HTMLParser
from math import nan

import numpy as np
import pandas as pd
import pytest
from isthmus import bootstrap
from isthmus.experiment import outputs
from isthmus.showing import heatmaps, paper_tables, provenance, report, views
from isthmus.showing import page as pages
from isthmus.statistics import connectivity, tidy
from isthmus.statistics.findings import COLUMNS as FINDINGS

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
    assert [name for name in page.ids if name in pages.SECTIONS] == list(pages.SECTIONS)
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} == set(pages.SECTIONS)
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert "every path and evaluation" in page.text
    assert len(page.ids) == len(set(page.ids))


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
    assert "; of 3 pairs at the start and 1 at the end)." in report.over_finetuning(found[0])
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
    assert f"tiny-0: CG rose, from {start:.3f} [" in page.text
    assert f"at step 100 to {end:.3f} [" in page.text
    assert f"range over 3 pairs {(0 + _changes(results)).min():.3f}" in page.text
    assert (
        "The source paper reports a fall for each of its models; here the gap rose for 2 of 2 models."
        in page.text
    )
    assert "the gap is smaller with more pre-training" in page.text
    assert "No ladder has two rungs on this data set" in page.text


def test_each_number_of_the_answer_is_that_of_the_files(tmp_path):
    results = Results(experiment())
    larger = results.deltas["metric"] == "ICG_nested"  # or all three would be alike
    results.deltas["value"] *= np.where(larger, 1.1, 1)
    results.save(tmp_path)
    frames = tidy.load(tmp_path)
    found = report.cells(results.experiment, frames["metrics"], frames["deltas"], frames["evaluations"])
    said = report.answers(results.experiment, frames["deltas"], found)
    raw = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in outputs.TIDY}

    def rows(name, model, dataset, metric="CG", **more):
        frame = raw[name]
        wanted = {"model": model, "dataset": dataset, "set": "test"} | more
        if name != "evaluations":
            wanted |= {"quantity": "loss", "metric": metric}
        for key, value in wanted.items():
            frame = frame[frame[key] == value]
        return frame

    def gap(model, dataset, step):
        values = rows("metrics", model, dataset, step=step)["value"]
        mean = rows("means", model, dataset, step=step).query("from_step.isna()").iloc[0]
        assert (len(values), mean["value"]) == (3, pytest.approx(values.mean()))
        return f"{values.mean():.3f} [{mean['low']:.3f}, {mean['high']:.3f}]"

    for answer in said:
        dataset, models = answer["dataset"], [cell.model for cell in answer["cells"]]
        clauses = []
        for model, sentence in zip(models, answer["finetuning"], strict=True):
            change = rows("deltas", model, dataset)["value"]
            mean = rows("means", model, dataset, step=400).query("from_step == 100").iloc[0]
            assert sentence == (
                f"{model}: CG rose, from {gap(model, dataset, 100)} at step 100 "
                f"to {gap(model, dataset, 400)} at step 400 "
                f"(change +{change.mean():.3f} [{mean['low']:.3f}, {mean['high']:.3f}], "
                f"range over 3 pairs {change.min():.3f} to {change.max():.3f})."
            )
            loss = rows("evaluations", model, dataset, step=400)["loss"].mean()
            end = rows("metrics", model, dataset, step=400)["value"].mean()
            share = f"{100 * end / loss:.0f} % of the ends’ own test loss"
            clauses.append(f"{model}: no, there is a gap of {gap(model, dataset, 400)} nats, {share}")
        assert answer["connection"] == "; ".join(clauses) + "."
        for step, sentence in zip((400, 100), answer["pretraining"], strict=False):
            values = (
                f"{gap(model, dataset, step)} after {n}" for model, n in zip(models, (0, 600), strict=True)
            )
            assert (
                f"at step {step}: the gap is smaller with more pre-training ({', '.join(values)}" in sentence
            )
        for model in models:
            nested = [
                abs(rows("deltas", model, dataset, f"{m}_nested")["value"].mean())
                for m in ("BH", "CG", "ICG")
            ]
            assert f"for {model} ({max(nested):.4f})" in answer["largest"]
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
    ("value", "low", "high", "word"),
    [
        (0.1, 0.05, 0.2, "rose"),
        (-0.1, -0.2, -0.05, "fell"),
        (-0.1, -0.2, 0.05, "did not clearly change"),
        (-0.1, None, None, "fell"),
        (0.0, None, None, "did not clearly change"),
        (1e-9, 1e-10, 2e-9, "did not clearly change"),
    ],
)
def test_where_a_change_went(value, low, high, word):
    ends = {"mean_low": [low], "mean_high": [high]}
    frame = pd.DataFrame({"value": [value], "seed_a": [1], "seed_b": [2], **ends})
    assert report._gap(frame.astype({"mean_low": float, "mean_high": float})).moved == word


def test_a_fall_agrees_with_the_source(results):
    deltas = results.deltas.assign(
        value=-results.deltas["value"],
        mean_low=-results.deltas["mean_high"],
        mean_high=-results.deltas["mean_low"],
    )
    found = report.cells(results.experiment, results.metrics, deltas, results.evaluations)
    assert report.claim_finetuning(found).endswith("so it is here.")


def test_largest_change_names_the_metric(results):
    grown = results.deltas["value"].where(results.deltas["metric"] != "ICG_nested", 0.75)
    said = report.largest_change(results.experiment, results.deltas.assign(value=grown), "entailment")
    assert "ICG for tiny-0 (0.7500), ICG for tiny_600 (0.7500)" in said


@pytest.mark.parametrize(
    ("unskilled", "said"),
    [
        ((), "here the gap rose for 2 of 2 models."),
        (("a",), "here the gap rose for 1 of 1 model. Left out, since not above the majority class: a."),
        (("a", "b"), "here no model has learnt its task, so this is not tested. Left out, since not"),
    ],
)
def test_the_source_s_claim_is_not_judged_on_models_that_learnt_nothing(unskilled, said):
    cells = [
        report.Cell("d", m, 100, 400, *[GAP] * 4, 0.0, 0.5 if m in unskilled else 0.8, 0.5, 0.5) for m in "ab"
    ]
    assert said in report.claim_finetuning(cells)


@pytest.mark.parametrize(
    ("gaps", "skilled", "said"),
    [
        ([(0.3, 0.28, 0.32), (0.1, 0.08, 0.12)], True, "as the source paper claims."),
        ([(0.1, 0.08, 0.12), (0.3, 0.28, 0.32)], True, "which is not what the source paper claims."),
        ([(0.3, 0.2, 0.4), (0.25, 0.2, 0.3)], True, "overlap, so this is not settled."),
        ([(0.3, nan, nan), (0.1, nan, nan)], True, "but without intervals this is not settled."),
        ([(0.3, 0.28, 0.32), (0.1, 0.08, 0.12)], False, "but tiny_600 did not beat the majority class there"),
        (
            [(0.3, 0.28, 0.32), (0.4, 0.38, 0.42), (0.1, 0.08, 0.12)],
            True,
            "though smaller with the most than with the least, as the source paper claims.",
        ),
    ],
)
@pytest.mark.parametrize("when", ["start", "end"])
def test_what_a_ladder_says(gaps, skilled, said, when):
    names = ["tiny-0", "tiny-0", "tiny_600"][-len(gaps) :]
    found = [replace(GAP, mean=mean, low=low, high=high) for mean, low, high in gaps]
    rungs = [
        report.Cell("d", m, 100, 400, *[gap] * 4, 0.0, 0.8, 0.5, 0.5)
        for m, gap in zip(names, found, strict=True)
    ]
    changed = {"start": {"start_skilled": skilled}, "end": {"failed": () if skilled else (3,)}}[when]
    rungs[-1] = replace(rungs[-1], **changed)
    assert said in report._ladder(experiment(), "mlm", rungs, when)


def test_one_run_that_learnt_nothing_is_warned_of(results):
    seed = (results.evaluations["seed"] == 43) & (results.evaluations["step"] == 400)
    scores = results.evaluations.assign(accuracy=results.evaluations["accuracy"].mask(seed, 0.2))
    found = report.cells(results.experiment, results.metrics, results.deltas, scores)
    assert all(cell.failed == (43,) for cell in found)
    assert all(cell.accuracy > cell.majority for cell in found)
    assert found[0].warning.startswith("tiny-0, step 400: the test accuracy of seed 43 does not beat")
    assert "says nothing" in report.connection(found[:1])


def test_what_the_brackets_are_is_said_for_each_cell():
    few = report.Cell("d", "m", 100, 400, *[GAP] * 4, 0.0, 0.8, 0.5, 0.5)
    many = replace(few, end=replace(GAP, over_seeds=True, pairs=10))
    assert report.values_in_words([few]) == "one pair of seeds, 95 % interval over evaluation examples"
    assert report.values_in_words([many]) == "mean over pairs, 95 % interval over seeds"
    assert report.values_in_words([few, many]).endswith(
        "over seeds where there are five or more, else over evaluation examples"
    )


def test_a_model_that_learnt_nothing_is_warned_of(tmp_path):
    results = Results(experiment(), skilled=False)
    assert "does not beat the majority baseline" in _write(results, tmp_path).text
    assert "! entailment, tiny-0, step 400: mean test accuracy" in _summary(results)


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
        "seeds",
        "supported",
        100,
        None,
    ]
    over_all = ["pretraining", None, None, None, None, None, None, None, None, "undecided", None, "no model"]
    pd.DataFrame([one, over_all], columns=FINDINGS).to_csv(tmp_path / "findings.csv", index=False)
    text = _write(Results(experiment()), tmp_path).text
    shown = "falls with fine-tuning sick minilm supported −0.027 [−0.049, −0.006] seeds 100 400 100"
    assert shown in text
    assert "lower with more pre-training all all undecided – – – – – no model" in text


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


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (
            (0.04, 0.03, 0.05),
            "no, there is a gap of 0.040 [0.030, 0.050] nats, 8 % of the ends’ own test loss",
        ),
        (
            (0.02, 0.01, 0.03),
            "a gap of 0.020 [0.010, 0.030] nats, which is not clearly more than the 0.02 that matter",
        ),
        (  # the replicates lie above the value, so the value itself may be chance
            (0.03, 0.021, 0.07),
            "a gap of 0.030 [0.021, 0.070] nats, which is not clearly more than the 0.02 that matter",
        ),
        (
            (0.01, 0.007, 0.013),
            "yes, but for a gap of 0.010 [0.007, 0.013] nats, less than the 0.02 that matter",
        ),
        ((0.001, 0.0, 0.006), "a gap of 0.001 [0, 0.006] nats, which cannot be told from none"),
        ((1e-9, 0.0, 1e-9), "yes, the test loss has no gap beyond rounding"),
        (
            (0.04, nan, nan),
            "a gap of 0.040 nats without an interval over examples, so it cannot be told from none",
        ),
        ((nan, nan, nan), "not measured at step 400"),
    ],
)
def test_do_seeds_connect(gap, said):
    end = report.Gap(*gap, least=gap[0], most=gap[0], pairs=1, over_seeds=False)
    cell = report.Cell("d", "m", 100, 400, end, end, end, None, 0.0, 0.8, 0.5, loss=0.5)
    assert report.connection([cell, cell]) == f"m: {said}; m: {said}."


GAP = report.Gap(0.1, 0.08, 0.12, least=0.1, most=0.1, pairs=1, over_seeds=False)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"accuracy": 0.5}, "which says nothing: not all of its runs have learnt the task"),
        ({"failed": (2,)}, "which says nothing: not all of its runs have learnt the task"),
        ({"accuracy": nan}, "; whether its runs have learnt the task is not known yet"),
        ({}, "m: no, there is a gap of 0.100 [0.080, 0.120] nats"),
    ],
)
@pytest.mark.parametrize("gap", [GAP, replace(GAP, mean=0.0, low=0.0, high=0.0)])
def test_what_learnt_nothing_is_not_answered(scores, said, gap):
    scores = {"accuracy": 0.8, "majority": 0.5, "loss": 0.5} | scores
    cell = report.Cell("d", "m", 100, 400, gap, gap, gap, None, 0.0, **scores)
    found = report.connection([cell])
    if scores["accuracy"] == 0.8 and "failed" not in scores:
        assert ("m: yes" in found) == (gap.mean == 0)
        assert (said in found) == (gap.mean > 0)
    else:
        assert said in found
        assert not {"yes,", "no,"} & set(found.split())


@pytest.mark.parametrize(
    ("seeds", "examples", "word"),
    [
        ((0.09, 0.11), (0.06, 0.14), "no,"),
        ((0.09, 0.11), (0.01, 0.14), "clearly"),  # chance of the examples, which seeds do not show
        ((0.01, 0.18), (0.09, 0.11), "clearly"),
        ((0.09, 0.11), (nan, nan), "without"),
    ],
)
def test_over_seeds_the_examples_count_too(seeds, examples, word):
    gap = report.Gap(0.1, *seeds, 0.1, 0.1, pairs=10, over_seeds=True, examples=examples)
    cell = report.Cell("d", "m", 100, 400, gap, gap, gap, None, 0.0, 0.8, 0.5, loss=0.5)
    assert {"no,", "clearly", "without"} & set(report.connection([cell]).split()) == {word}


def _straight(random, n, pairs=1):
    """A cell whose curves are straight but for chance: its CG, measured as the workflow does."""
    alphas = np.linspace(0, 1, 11)
    bends = np.stack([np.sin(np.pi * k * alphas) / k for k in (1, 2, 3)])
    resampling = bootstrap.Bootstrap(n, replicates=200, seed=0)
    level, values, samples = random.gamma(1.0, 0.5, (n, 1)), [], []
    for _ in range(pairs):
        bent = 0.5 * random.normal(size=(n, 3)) @ bends  # each example's own, of mean 0
        losses = level + 0.3 * random.normal(size=(n, 1)) * alphas + bent
        replicates = resampling.replicate_means(losses.T).T.astype(float)
        rows = connectivity.path_metrics(alphas, losses.mean(axis=0), replicates, k=4)
        gap = next(row for row in rows if row["metric"] == "CG")
        values.append(gap["value"])
        samples.append(gap["samples"])
    low, high = bootstrap.percentile_interval(np.mean(samples, axis=0))
    mean = float(np.mean(values))
    gap = report.Gap(mean, float(low), float(high), min(values), max(values), pairs, over_seeds=False)
    return report.Cell("d", "m", 100, 400, gap, gap, gap, None, 0.0, 0.8, 0.5, loss=0.5)


@pytest.mark.parametrize(("n", "pairs"), [(200, 1), (200, 3), (1000, 1)])
def test_straight_curves_are_hardly_ever_said_to_have_a_gap(n, pairs):
    random = np.random.default_rng(0)
    found = [_straight(random, n, pairs) for _ in range(60)]
    assert np.mean([cell.end.low > 1e-6 for cell in found]) > 0.5  # an interval above 0 is no evidence
    assert sum("m: no," in report.connection([cell]) for cell in found) <= 4


def test_a_gap_that_is_there_is_found():
    random = np.random.default_rng(0)
    hill = 0.15 * np.sin(np.pi * np.linspace(0, 1, 11)) ** 2
    for _ in range(5):
        losses = random.gamma(1.0, 0.5, (500, 1)) + 0.3 * random.normal(size=(500, 1)) * hill + hill
        replicates = bootstrap.Bootstrap(500, 200, 0).replicate_means(losses.T).T.astype(float)
        row = connectivity.path_metrics(np.linspace(0, 1, 11), losses.mean(axis=0), replicates, k=4)[1]
        gap = report.Gap(row["value"], *bootstrap.percentile_interval(row["samples"]), 0, 0, 1, False)
        cell = report.Cell("d", "m", 100, 400, gap, gap, gap, None, 0.0, 0.8, 0.5, loss=0.5)
        assert "m: no, there is a gap" in report.connection([cell])


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
