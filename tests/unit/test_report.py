"""The report is one file, says what the numbers say, and runs nothing that came from a config."""

import base64
import gzip
import json
from html.parser import HTMLParser
from math import nan

import pandas as pd
import pytest
from isthmus import page as pages
from isthmus import provenance, report, views
from isthmus.findings import COLUMNS as FINDINGS

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


def test_a_model_that_learnt_nothing_is_warned_of(tmp_path):
    results = Results(experiment(), skilled=False)
    assert "does not beat the majority baseline" in _write(results, tmp_path).text
    assert "! entailment, tiny-0, step 400: mean test accuracy" in _summary(results)


def test_text_from_outside_is_escaped(tmp_path):
    chosen = experiment()
    chosen = chosen.model_copy(update={"experiment": "<script>alert(1)</script>"})
    results = Results(chosen)
    results.pairs["model"] = "<img src=x onerror=alert(1)>"
    results.evaluations["set"] = results.evaluations["set"].replace("overlap", "</script><b>bold</b>")
    claim = {"hypothesis": "finetuning", "dataset": "</td><u>", "subject": "m", "verdict": "<i>so</i>"}
    findings = pd.DataFrame([claim], columns=FINDINGS)
    findings.to_csv(tmp_path / "findings.csv", index=False)
    page = _write(results, tmp_path)
    plain = _write(Results(experiment()), tmp_path)
    assert page.tags.count("script") == plain.tags.count("script")
    assert not {"img", "b", "i", "u"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "<i>so</i>" in page.text


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
            (0.02, 0.01, 0.03),
            "no, there is a gap of 0.020 [0.010, 0.030] nats, 4 % of the ends’ own test loss",
        ),
        ((0.001, 0.0, 0.006), "a gap of 0.001 [0, 0.006] nats, which cannot be told from none"),
        ((1e-9, 0.0, 1e-9), "yes, the test loss has no gap beyond rounding"),
        ((0.02, nan, nan), "no, there is a gap of 0.020 nats, 4 % of the ends’ own test loss"),
        ((nan, nan, nan), "not measured at step 400"),
    ],
)
def test_do_seeds_connect(gap, said):
    end = report.Gap(*gap, least=gap[0], most=gap[0], pairs=1, over_seeds=False)
    cell = report.Cell("d", "m", 100, 400, end, end, end, None, 0.0, 0.8, 0.5, loss=0.5)
    assert report.connection([cell, cell]) == f"m: {said}; m: {said}."


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
    found = provenance.read(tmp_path)
    assert found["time spent"] == {
        "pre-training": "none recorded",
        "fine-tuning": ["4.0 minutes on cpu", "0.13 CPU hours", "attempts: 4"],
        "measuring": ["0.5 minutes on cpu", "0.5 minutes on cuda", "0.01 CPU hours", "attempts: 2"],
        "jobs": 1,
    }
    assert found["versions"]["torch"] == ["2.9"]
    assert found["model"] == {"m": {"origin": "x/y", "sha256": "abc"}}
    assert found["data"]["d"]["test"] == {"rows": 5, "ids_sha256": "def"}
    assert ("data, d, far, rows whose input is in train too", "3") in provenance.lines(found)
    assert found["data"]["d"]["older"] == {"rows": 8}
    assert ("data, d, rows without a text, left out", "1") in provenance.lines(found)
    assert ("data, d, rows of test whose input is in train, left out", "2") in provenance.lines(found)
    assert "without a label" not in str(found)
    said = ("time spent, fine-tuning", "4.0 minutes on cpu, 0.13 CPU hours, attempts: 4")
    assert said in provenance.lines(found)


def test_summary(results):
    lines = _summary(results).splitlines()
    assert lines[0].startswith("synthetic: convexity gap (CG)")
    assert len(lines) == 2 + 3 + 1
    assert lines[-1] == "Look at results/synthetic/report.html; all numbers: results/synthetic/metrics.csv"
    assert "(step 100)" in lines[2]
    single = Results(experiment(seeds=(1, 2), checkpoints=(50,)), intervals=False)
    assert "one pair of seeds" in _summary(single)
    assert "nan" not in _summary(single)
