"""`make plan` counts the jobs that Snakemake would run; the cluster's profile has a place for each rule."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from isthmus.experiment import experiment_files, jobs
from isthmus.experiment.config import load
from isthmus.planning import plan
from isthmus.planning.costs import Costs
from isthmus.planning.sizes import Sizes
from safetensors.numpy import save_file

from tests.workflow.lab import NANO, ROOT, Lab, changed, planned, snakemake

HEADERS = {
    "sick": "pair_ID\tsentence_A\tsentence_B\tentailment_judgment\n",
    "paws_qqp": "id\tsentence1\tsentence2\tlabel\n",
    "hans": "gold_label\tsentence1\tsentence2\theuristic\n",
}
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "experiments").glob("*.yaml"))]

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


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(NANO, id="nano"),
        pytest.param(WIDE, id="wide", marks=pytest.mark.long),
        pytest.param(OWN, id="own", marks=pytest.mark.long),
        pytest.param(PART, id="part", marks=pytest.mark.long),
    ],
)
def test_the_plan_counts_what_snakemake_would_run(repository, tmp_path, config):
    lab = Lab(repository, tmp_path, config)
    would = {rule: len(jobs) for rule, jobs in lab.dry_run().items()}
    done = lab.call(None, "plan", "--cores", "1")
    assert done.returncode == 0, done.stdout
    table = done.stdout[done.stdout.index("jobs  ") :].split("total")[0]
    counted = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+) +(\d+) +0 +\2\b", table, re.MULTILINE)}
    assert {rule: count for rule, count in counted.items() if count} == would


@pytest.mark.long
def test_the_plan_of_the_embedded_experiment(repository, tmp_path):
    shutil.copy2(repository / "config.yaml", tmp_path)
    would = planned(snakemake(repository, tmp_path, "--dry-run").stdout)
    said = snakemake(repository, tmp_path, "plan", "--cores", "1").stdout
    total = sum(map(len, would.values()))
    assert re.search(rf"^total +{total} +0 +{total} ", said, re.MULTILINE), said


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Places for the folders and files that shipped experiments name, with nothing but headers in them."""
    folder = tmp_path_factory.mktemp("sources")
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 512}')
    save_file({"weight": np.zeros(2, np.float32)}, model / "model.safetensors")
    for path in re.findall(r"\$ISTHMUS_DATA/([\w/.]+)", "".join(map(Path.read_text, SHIPPED))):
        (folder / path).parent.mkdir(exist_ok=True)
        # Of each task its header, and a line that differs, since the same file twice is an error.
        (folder / path).write_text(f"{HEADERS.get(path.partition('/')[0], '')}{path}\t1\t\tsentence\n")
    return {"ISTHMUS_DATA": str(folder), "ISTHMUS_MODEL": str(model)}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.long] * (path.stem != "config")) for path in SHIPPED],
    ids=lambda path: path.stem,
)
def test_the_jobs_of_each_shipped_experiment_are_snakemake_s(
    repository, tmp_path, sources, monkeypatch, path
):
    done = snakemake(repository, tmp_path, "--dry-run", "--configfile", str(path), **sources)
    assert done.returncode == 0, done.stdout
    for name, place in sources.items():
        monkeypatch.setenv(name, place)
    listed = {}
    for job in jobs.jobs(load(experiment_files.read([path]))):
        wildcards = " ".join(sorted(f"{name}={value}" for name, value in job.wildcards.items()))
        listed.setdefault(job.rule, set()).add(wildcards)
    assert listed == planned(done.stdout)


def test_measured_shapes_tokens_and_rates_go_before_assumed_ones(nano):
    """In a finished experiment nothing is assumed of model and data; the rate is that of its own training."""
    chosen = load(nano.config)
    sizes = Sizes(chosen, nano.results)
    costs = Costs(chosen, nano.results, sizes)
    weights = nano.results / "models" / "tiny" / "model.safetensors"
    assert sizes.length("tiny", "toy") > 5
    assert 4 * sizes.shape("tiny").parameters == pytest.approx(weights.stat().st_size, rel=0.4)
    ran = {job.rule: job for job in costs.own if job.cell == ("tiny", "toy")}
    assert ran["finetune"].work > 0 < ran["interpolate"].work
    missing = [job._replace(file=nano.results / "none") for job in jobs.jobs(chosen)]
    text = plan.describe(chosen, missing, nano.results)
    assert re.search(r"^finetune .* alike in nano$", text, re.MULTILINE), text
    assert re.search(r"alphas a path, (as in nano so far|as configured)", text), text
    assert sizes.assumed == []
    # What each job is thought to take together is near to what all of them took.
    took = sum(job.seconds for job in costs.own)
    assert sum(costs.of(job).seconds for job in missing) == pytest.approx(took, rel=0.5)


def test_each_rule_has_its_place_on_a_cluster(repository):
    """In the order of the DAG, so that no group waits for itself: Snakemake stops at such a cycle."""
    profile = yaml.safe_load((repository / "profiles/slurm/config.yaml").read_text())
    listed = [sys.executable, "-m", "snakemake", "--list-rules"]
    rules = set(subprocess.run(listed, cwd=repository, text=True, capture_output=True).stdout.split())
    local = {"all", "plan", "fetch_dataset", "fetch_model", "adopt", "adopt_adapter"}
    with_model = {"pretrain", "finetune", "interpolate", "evaluate", "average", "layers", "plane", "along"}
    with_model |= {"finetune_adapter", "interpolate_factors", "bend", "bend_two", "curve", "align", "aligned"}
    with_model |= {"examples"}
    assert local | with_model | set(profile["groups"]) == rules
    assert not (local | with_model) & set(profile["groups"])
