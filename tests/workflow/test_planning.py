"""`make plan` counts the jobs that Snakemake would run; the cluster's profile has a place for each rule."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from isthmus.experiment.config import load
from isthmus.showing import plan

from tests.workflow.lab import NANO, Lab, changed, planned, snakemake

RUNS = [{"hub": f"me/{seed}", "seed": seed, "step": step} for seed in (5, 7, 9) for step in (0, 9)]
OWN = {
    "experiment": "own",
    "models": {"given": {"checkpoints": RUNS}},
    "datasets": {"toy": {**NANO["datasets"]["toy"], "by": "label"}},
    "pairs": [[5, 9]],
    "device": "cpu",
}
SHIFTED = {"source": {"kind": "toy", "task": "paraphrase", "rows": 50, "seed": 1}}
WIDE = changed(
    NANO,
    {
        "seeds": [1, 2, 3, 4],
        "pairs": "first",
        "ladders": {"rung": {"pretraining": "small", "steps": [0, 10]}},
        "datasets.toy.sets": {"shifted": SHIFTED},
        "training.fork_at": 60,
    },
)
# A rung and a data set that no cell has; the first rung is needed, since the second one goes on from it.
PART = changed(
    NANO,
    {
        "ladders": {"rung": {"pretraining": "small", "steps": [5, 10, 20]}},
        "datasets.other": {**NANO["datasets"]["toy"], "sets": {"shifted": SHIFTED}, "by": "label"},
        "cells": [["rung-10", "toy"]],
    },
)


@pytest.mark.parametrize("config", [NANO, WIDE, OWN, PART], ids=["nano", "wide", "own", "part"])
def test_the_plan_counts_what_snakemake_would_run(repository, tmp_path, config):
    lab = Lab(repository, tmp_path, config)
    would = {rule: len(jobs) for rule, jobs in lab.dry_run().items()}
    done = lab.call(None, "plan", "--cores", "1")
    assert done.returncode == 0, done.stdout
    table = done.stdout[done.stdout.index("jobs  ") :].split("total")[0]
    counted = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+) +(\d+) +0 +\2\b", table, re.MULTILINE)}
    assert {rule: count for rule, count in counted.items() if count} == would


def test_the_plan_of_the_embedded_experiment(repository, tmp_path):
    shutil.copy2(repository / "config.yaml", tmp_path)
    would = planned(snakemake(repository, tmp_path, "--dry-run").stdout)
    said = snakemake(repository, tmp_path, "plan", "--cores", "1").stdout
    total = sum(map(len, would.values()))
    assert re.search(rf"^total +{total} +0 +{total}$", said, re.MULTILINE), said


def test_measured_shapes_tokens_and_rates_go_before_assumed_ones(nano):
    """In a finished experiment nothing is assumed of model and data; the rate is that of its own training."""
    chosen = load(nano.config)
    sizes = plan.Sizes(chosen, nano.results)
    costs = plan.Costs(chosen, nano.results, sizes)
    weights = nano.results / "models" / "tiny" / "model.safetensors"
    assert sizes.length("tiny", "toy") > 5
    assert 4 * sizes.shape("tiny").parameters == pytest.approx(weights.stat().st_size, rel=0.4)
    assert costs.measured.keys() == {("tiny", "toy")}
    text = plan.describe(chosen, [], nano.results)
    assert "measured in 1 cell(s)" in text
    assert sizes.assumed == []


def test_each_rule_has_its_place_on_a_cluster(repository):
    """In the order of the DAG, so that no group waits for itself: Snakemake stops at such a cycle."""
    profile = yaml.safe_load((repository / "profiles/slurm/config.yaml").read_text())
    listed = [sys.executable, "-m", "snakemake", "--list-rules"]
    rules = set(subprocess.run(listed, cwd=repository, text=True, capture_output=True).stdout.split())
    local = {"all", "plan", "fetch_dataset", "fetch_model", "adopt"}
    with_model = {"pretrain", "finetune", "interpolate", "evaluate"}
    assert local | with_model | set(profile["groups"]) == rules
    assert not (local | with_model) & set(profile["groups"])
