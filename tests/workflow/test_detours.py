"""Curves and aligned lines in a whole run: what is made, and numbers that agree with plain Transformers."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus.data import tokens
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from tests.workflow.lab import Lab, changed

ASKED = {
    "curves": [
        {"kind": "bezier", "steps": 60, "learning_rate": 3e-3},
        {"kind": "polychain", "bends": 2, "steps": 30},
    ],
    "alignment": {"method": "activations", "examples": 50},
    "planes": [{"curve": "bezier", "resolution": 4}],
}
PAIR = "dataset=toy model=tiny other=2 seed=1 step=120"
COLLECTED = ("collect", "findings", "tables", "figures", "report")


@pytest.fixture(scope="module")
def run(nano, tmp_path_factory):
    """The small experiment, and what the settings above add to it."""
    lab = nano.copied(tmp_path_factory.mktemp("detours") / "copy")
    lab.run(ASKED)
    yield Lab(lab.repository, lab.directory, changed(lab.config, ASKED))
    shutil.rmtree(lab.directory)


def test_they_add_their_own_jobs_and_no_other(nano):
    planned = nano.dry_run(ASKED)
    own = {name: planned.pop(name) for name in ("bend", "bend_two", "curve", "align", "aligned", "plane")}
    curves = [f"curve={name} {PAIR}" for name in ("bezier", "polychain-2")]
    assert own == {
        "bend": {curves[0]},
        "bend_two": {curves[1]},
        "curve": set(curves),
        "align": {PAIR},
        "aligned": {PAIR},
        "plane": {"dataset=toy model=tiny part=0 plane=1.120-2.120-bezier.120"},
    }
    assert planned.keys() == {"connectivity", *COLLECTED}


CHANGES = {
    "nothing": ({}, set()),
    "updates": (
        {"curves": [ASKED["curves"][0] | {"steps": 50}, ASKED["curves"][1]]},
        {"bend", "curve", "plane"},
    ),
    "another method": ({"alignment.method": "weights"}, {"align", "aligned"}),
    "the alphas": (
        {"paths.grid": "uniform", "paths.points": 9},
        {"curve", "aligned", "interpolate", "basins", "examples"},
    ),
    "negligible": ({"negligible.loss": 0.05}, {"findings", "figures", "report"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_runs_its_own_consequences(run, change):
    settings, expected = CHANGES[change]
    planned = run.dry_run(settings)
    assert planned.keys() - {"connectivity", *COLLECTED} == expected - set(COLLECTED)
    if change != "updates":
        return
    assert planned["bend"] == {f"curve=bezier {PAIR}"} == planned["curve"]


def test_losses_on_a_curve_are_those_of_plain_transformers(run):
    """Each tensor combined by hand, each example by itself, at three positions."""
    from transformers import AutoModelForSequenceClassification

    folder = run.results / "detours/tiny/toy/step120/seed1-2"
    ends = [run.results / f"checkpoints/tiny/toy/seed{seed}/step120" for seed in (1, 2)]
    examples = tokens.read(run.results / "tokens/tiny/toy/test.safetensors")
    model = AutoModelForSequenceClassification.from_pretrained(ends[0]).eval()
    by_hand = {
        "bezier": (1, lambda t: [(1 - t) ** 2, 2 * t * (1 - t), t**2]),
        "polychain-2": (2, lambda t: [max(0.0, 1 - abs(3 * t - i)) for i in range(4)]),
    }
    for name, (bends, of) in by_hand.items():
        files = [ends[0], *(folder / name / f"bend{i + 1}" for i in range(bends)), ends[1]]
        weights = [load_file(path / "model.safetensors") for path in files]
        points = pd.read_parquet(folder / name / "points.parquet")
        points = points[points["set"] == "test"].set_index("alpha")["loss"]
        for t in (0.25, 0.5, 0.75):
            shares = of(t)
            at = {key: sum(s * w[key] for s, w in zip(shares, weights, strict=True)) for key in weights[0]}
            model.load_state_dict(at)
            assert points[t] == pytest.approx(plain_loss(model, examples), abs=1e-5), (name, t)


def plain_loss(model, examples):
    losses = []
    with torch.inference_mode():
        for i in range(len(examples)):
            own = slice(examples.offsets[i], examples.offsets[i + 1])
            ids, types = (
                torch.from_numpy(np.asarray(x[own], np.int64))[None] for x in (examples.ids, examples.types)
            )
            logits = model(input_ids=ids, token_type_ids=types).logits
            losses.append(float(cross_entropy(logits, torch.tensor([int(examples.labels[i])]))))
    return np.mean(losses)


def test_their_rows_stand_beside_those_of_the_lines(run):
    metrics = pd.read_csv(run.results / "metrics.csv")
    cg = metrics[(metrics["metric"] == "CG") & (metrics["set"] == "test") & (metrics["quantity"] == "loss")]
    last = cg[cg["step"] == 120].set_index("path")
    assert set(last.index) == {"line", "bezier", "polychain-2", "aligned"}
    assert last.loc["line", "relative_length"] == 1
    assert (last.loc[["bezier", "polychain-2"], "relative_length"] > 1).all()
    assert 0 < last.loc["aligned", "relative_length"] <= 1.0001
    ends = {}
    for name in ("bezier", "polychain-2", "aligned"):
        points = pd.read_parquet(run.results / f"detours/tiny/toy/step120/seed1-2/{name}/points.parquet")
        ends[name] = points[points["alpha"].isin([0, 1])].sort_values(["set", "alpha"])["loss"].to_numpy()
    line = pd.read_parquet(run.results / "paths/tiny/toy/step120/seed2.parquet")
    line = line[line["alpha"].isin([0, 1])].sort_values(["set", "alpha"])["loss"].to_numpy()
    for name, own in ends.items():  # to the bit on curves; of reordered units sums go another way
        np.testing.assert_allclose(own, line, rtol=1e-6 if name == "aligned" else 0)
    table = pd.read_csv(run.results / "barriers.csv")
    table = table[(table["metric"] == "CG") & (table["set"] == "test") & (table["quantity"] == "loss")]
    for name, rows in table.groupby("path"):
        value = rows.set_index("of")["value"]
        assert value["path"] == pytest.approx(last.loc[name, "value"])
        assert value["line"] == pytest.approx(last.loc["line", "value"])
        assert value["change"] == pytest.approx(value["path"] - value["line"])
    findings = pd.read_csv(run.results / "findings.csv")
    assert {f"barrier on {name}" for name in ends} <= set(findings["hypothesis"])


def test_lengths_are_those_of_the_weights(run):
    folder = run.results / "detours/tiny/toy/step120/seed1-2"
    ends = [run.results / f"checkpoints/tiny/toy/seed{seed}/step120/model.safetensors" for seed in (1, 2)]
    paths = [ends[0], folder / "bezier/bend1/model.safetensors", ends[1]]
    a, bend, b = (torch.cat([w.double().ravel() for w in load_file(path).values()]) for path in paths)
    ts = torch.linspace(0, 1, 201, dtype=torch.float64)
    places = [(1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b for t in ts]
    length = sum(float((q - p).norm()) for p, q in pairwise(places))
    found = pd.read_parquet(folder / "bezier/points.parquet")["relative_length"].iloc[0]
    assert found == pytest.approx(length / float((b - a).norm()), rel=1e-4)


def test_an_alignment_says_what_moved_and_the_page_shows_it_all(run):
    record = json.loads((run.results / "detours/tiny/toy/step120/seed1-2/aligned/orders.json").read_text())
    assert record["method"] == "activations"
    assert all(0 <= share <= 1 for share in record["moved"].values())
    assert record["difference"] < 1e-9
    page = (run.results / "report.html").read_text()
    assert 'id="barriers"' in page
    assert (run.results / "figures/barriers-toy.png").stat().st_size > 5000


@pytest.mark.long
def test_with_the_last_weights_alone_bends_of_the_last_step_stay(nano_copy):
    kept = ASKED | {"keep": "last", "curves": [{"kind": "bezier", "steps": 5, "at": [60, 120]}]}
    nano_copy.run(kept)
    there = nano_copy.results.glob("detours/tiny/toy/step*/seed1-2/bezier/bend1/model.safetensors")
    assert [path.parts[-5] for path in there] == ["step120"]
    assert nano_copy.dry_run(kept) == {}


@pytest.mark.rare
def test_runs_of_two_bodies_begin_from_their_own(nano_copy):
    """Each run's body at step 0 is that of its model; pairs of one body and of two stand apart."""
    second = nano_copy.config["pretraining"]["small"] | {"seed": 1}
    bodies = {
        "pretraining.second": second,
        "models.other": {"pretraining": "second", "pretraining_steps": 10},
        "models.both": {"bodies": ["tiny", "other"]},
        "cells": [["both", "toy"]],
        "seeds": [1, 2, 3],
        "alignment": {"method": "weights", "pairs": "all"},
        "training.checkpoints": [120],
    }
    nano_copy.run(bodies, "barriers.csv", "pairs.csv")
    for seed, name in ((1, "tiny"), (2, "other"), (3, "tiny")):
        body = load_file(nano_copy.results / f"models/{name}/model.safetensors")
        start = load_file(nano_copy.results / f"checkpoints/both/toy/seed{seed}/step0/model.safetensors")
        shared = [key for key in start if key in body]
        assert len(shared) > 10
        assert all(torch.equal(start[key], body[key]) for key in shared)
    table = pd.read_csv(nano_copy.results / "barriers.csv")
    pairs = table[(table["of"] == "line") & (table["step"] == 120)].groupby("bodies")["pairs"].max()
    assert pairs.to_dict() == {"same": 1, "different": 2}
    cosines = pd.read_csv(nano_copy.results / "pairs.csv").query("step == 120")
    known = cosines.set_index(["seed_a", "seed_b"])["cosine"].notna().to_dict()
    assert known == {(1, 2): False, (1, 3): True, (2, 3): False}  # of two bodies there is no common origin
