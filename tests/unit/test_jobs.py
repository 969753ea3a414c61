"""All jobs of an experiment, and what they read; tests/workflow/test_planning.py asks Snakemake too."""

from collections import Counter
from pathlib import Path

from isthmus.experiment import dependencies, jobs, layout
from isthmus.experiment.cells import cells
from isthmus.experiment.config import load

TOY = {"source": {"kind": "toy", "task": "paraphrase", "rows": 100}}
HUB = {"source": {"kind": "hub", "id": "a/b"}, "text": ["s"], "label": "l"}
RAW = {
    "experiment": "e",
    "seeds": [3, 1, 2],
    "models": {
        "given": {"checkpoints": [{"hub": f"x/{seed}", "seed": seed, "step": 5} for seed in (8, 9)]},
        "body": {"hub": "x/y"},
    },
    "ladders": {"rung": {"pretraining": "small", "steps": [0, 5, 10, 20]}},
    "pretraining": {"small": {"training": {"steps": 20, "warmup_steps": 1}}},
    "datasets": {"toy": TOY | {"sets": {"far": HUB | {"by": "kind"}}}, "other": HUB},
    "cells": [["rung-10", "toy"], ["given", "toy"]],
    "training": {"steps": 9, "checkpoints": [4, 9], "warmup_steps": 1},
    "pairs": "first",
}


def test_jobs_by_hand():
    """Two cells: three runs of three checkpoints, and two runs of one that others trained."""
    listed = jobs.jobs(load(RAW))
    assert Counter(job.rule for job in listed) == {
        "fetch_dataset": 1,  # of the further set; no cell has the other data set
        "fetch_model": 1,
        "pretrain": 2,  # the rung goes on from the one before it
        "subset": 1,
        "further_set": 1,
        "breakdown": 1,
        "tokenize": 2,
        "tokenize_further": 2,
        "adopt": 2,
        "initialize": 3,
        "finetune": 6,
        "evaluate": 11,
        "interpolate": 7,  # two rows at each of three steps, and one
        "average": 2,
        "examples": 2,
        "connectivity": 2,
        "basins": 2,
        **dict.fromkeys(("collect", "findings", "tables", "figures", "report"), 1),
    }
    assert len({job.file for job in listed}) == len(listed)
    files = {(job.rule, *job.wildcards.values()): job.file for job in listed}
    assert files["finetune", "rung-10", "toy", 3, 9] == Path(
        "results/e/checkpoints/rung-10/toy/seed3/step9/checkpoint.json"
    )
    assert files["fetch_dataset", "toy", "far"] == Path("results/e/data/toy/fetched/far.parquet")


def test_rows_stand_in_the_order_of_steps():
    chosen = load(RAW)
    cell = cells(chosen)["rung-10", "toy"]
    names = jobs.files(chosen, [cell], "interpolate", layout.ROW_PAIRS)
    assert names == [
        f"paths/rung-10/toy/step{step}/seed{seed}.pairs.parquet" for step in (0, 4, 9) for seed in (1, 2)
    ]


def test_a_rung_goes_on_from_the_nearest_one_that_is_trained():
    chosen = load(RAW)
    assert jobs.rungs_before(chosen, "rung-20") == ["rung-5", "rung-10"]
    assert jobs.rungs_before(chosen, "rung-5") == jobs.rungs_before(chosen, "body") == []
    assert dependencies.previous_rung(chosen, "rung-20") == ["models/rung-10/model.safetensors"]


def test_cells_know_their_rows_and_steps():
    cell = cells(load(RAW))["rung-10", "toy"]
    assert cell.rows == {1: [3], 2: [3]}
    assert (cell.rows_of(3), cell.rows_of(2)) == ([1, 2], [2])
    assert (cell.step_before(9), cell.step_before(4), cell.delta_from) == (4, 0, 4)


def test_starts_are_read_where_they_are_known():
    first = {"checkpoints": [{"hub": f"x/{s}-{t}", "seed": s, "step": t} for s in (8, 9) for t in (0, 5)]}
    known = cells(load(RAW | {"models": {"given": first}}))["given", "toy"]
    ours, unknown = (cells(load(RAW))[key] for key in (("rung-10", "toy"), ("given", "toy")))
    assert dependencies.start(ours, 1) == ["checkpoints/rung-10/toy/seed1/step0/model.safetensors"]
    assert dependencies.other_starts(ours, 1) == []  # all begin from one body
    assert dependencies.start(unknown, 9) == dependencies.other_starts(unknown, 9) == []
    assert dependencies.start(known, 9) == ["checkpoints/given/toy/seed9/step0/model.safetensors"]
    assert dependencies.other_starts(known, 9) == ["checkpoints/given/toy/seed8/step0/model.safetensors"]


def test_what_a_breakdown_reads():
    chosen = load(RAW)
    far = jobs.columns(chosen, "toy", "far")
    assert dependencies.fetched_rows(far, "toy", "far") == ["data/toy/fetched/far.parquet"]
    assert dependencies.fetched_rows(jobs.columns(chosen, "toy", jobs.MAIN), "toy", jobs.MAIN) == []
    assert dependencies.rows_broken_down("toy", "far") == ["data/toy/far.parquet"]
    assert dependencies.rows_broken_down("toy", jobs.MAIN) == [
        "data/toy/train.parquet",
        "data/toy/test.parquet",
    ]
