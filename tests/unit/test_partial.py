"""What an experiment has so far, from the files that are there."""

import numpy as np
import pandas as pd
from isthmus.showing import page, partial
from isthmus.statistics import connectivity

from tests.unit.synthetic import experiment


def test_with_several_cells_each_file_is_found_once(tmp_path, monkeypatch):
    """Of a row's file that no seed of the config makes, nothing is shown."""
    row = tmp_path / "paths/tiny-0/entailment/step100/seed43.parquet"
    row.parent.mkdir(parents=True)
    row.touch()
    (row.parent / "seed99.parquet").touch()
    reduced = []
    monkeypatch.setattr(
        partial,
        "_reduce",
        lambda cell, rows, *_: reduced.append((cell.key, rows)) or [row] * len(connectivity.CELL_FILES),
    )
    monkeypatch.setattr(partial.connectivity, "collect", lambda *_: None)
    monkeypatch.setattr(partial.tidy, "read", lambda path: partial._empty(path.stem))
    assert partial.find(experiment(), tmp_path).rows == [row]
    assert reduced == [(("tiny-0", "entailment"), [row])]


def test_a_run_that_did_not_end_is_named_with_its_log(tmp_path):
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]])
    for seed, step in ((42, 0), (42, 100), (43, 0)):
        weights = tmp_path / f"checkpoints/tiny-0/entailment/seed{seed}/step{step}/model.safetensors"
        weights.parent.mkdir(parents=True)
        weights.touch()
    log = tmp_path / "logs/finetune/tiny-0-entailment-seed43-step100.log"
    log.parent.mkdir(parents=True)
    log.touch()
    assert partial.unfinished(chosen, tmp_path) == [
        f"the run tiny-0 on entailment, seed 43: no checkpoint at step 100; log: {log}",
        "the run tiny-0 on entailment, seed 44: no checkpoint at step 0",
    ]


def test_what_is_measured_beside_paths_and_is_not_there_is_counted(tmp_path):
    planes = [{"seeds": [42, 43, 44], "resolution": 9}]  # two jobs
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]], map=True, planes=planes)
    (tmp_path / "map/tiny-0").mkdir(parents=True)
    (tmp_path / "map/tiny-0/entailment.parquet").touch()
    assert partial.unmeasured(chosen, tmp_path) == [
        "averages of a cell at a step: 1 of 1",
        "parts of planes: 2 of 2",
        "cells' examples: 1 of 1",
    ]


def test_what_the_workflow_made_with_other_settings_is_made_again(tmp_path):
    """The reductions on disk are those of an earlier call, whose K, start and seeds may have been others."""
    cell = {"cells": [["tiny-0", "entailment"]], "further": False}
    before = experiment(seeds=(1, 2, 3), checkpoints=(100, 200), **cell)
    random = np.random.default_rng(0)
    alphas = np.linspace(0, 1, 5)
    for step in (0, 100, 200):
        for seed_b in (2, 3):
            keys = {"model": "tiny-0", "dataset": "entailment", "step": step, "seed_b": seed_b, "n": 9}
            rows = [
                {**keys, "seed_a": a, "set": "test", "alpha": x, "loss": y, "error": y / 3}
                for a in range(1, seed_b)
                for x, y in zip(alphas, random.random(5), strict=True)
            ]
            frame = pd.DataFrame(rows).assign(
                loss_replicates=[[]] * len(rows), error_replicates=[[]] * len(rows)
            )
            path = tmp_path / f"paths/tiny-0/entailment/step{step}/seed{seed_b}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(path)
            pairs = frame.groupby(["model", "dataset", "step", "seed_a", "seed_b"], as_index=False)[
                ["n"]
            ].first()
            pairs.assign(distance=1.0).to_parquet(path.with_suffix(".pairs.parquet"))
    rows = sorted((tmp_path / "paths").glob("*/*/*/seed?.parquet"))
    reduced = connectivity.cell(rows, before.paths.intervals, before.cell_delta_from("tiny-0", "entailment"))
    made = {"": reduced.metrics, ".deltas": reduced.deltas, ".means": reduced.means}
    folder = tmp_path / "connectivity" / "tiny-0"
    folder.mkdir(parents=True)
    for part, frame in made.items():
        frame.to_parquet(folder / f"entailment{part}.parquet")
    changes = [
        ({"paths": {"intervals": 3}}, (1, 2, 3)),
        ({"delta_from": 0}, (1, 2, 3)),
        ({}, (1, 2)),
    ]
    for change, seeds in changes:
        now = experiment(seeds=seeds, checkpoints=(100, 200), **cell, **change)
        frames = partial.find(now, tmp_path).frames
        assert set(frames["metrics"]["k"].dropna()) == {now.paths.intervals}
        assert set(frames["deltas"]["from_step"]) == {now.cell_delta_from("tiny-0", "entailment")}
        assert set(frames["metrics"]["seed_b"]) == set(seeds[1:])
        assert set(page.FILES) <= frames.keys()
    # Lines along a run stand apart from those between runs, whether reduced before or now.
    now = experiment(seeds=(1, 2), checkpoints=(100, 200), **cell, paths={"along": True})
    path = tmp_path / "along/tiny-0/entailment/seed1.parquet"
    path.parent.mkdir(parents=True)
    line = pd.read_parquet(rows[-1]).query("seed_a == 1").assign(seed_b=1, step_a=0, step_b=200)
    line.to_parquet(path)
    for _ in range(2):
        frames = partial.find(now, tmp_path).frames
        assert set(frames["along"]["metric"]) >= {"CG", "gain"}
        assert set(frames["along"]["step_a"]) == {0}
        assert set(frames["metrics"]["path"]) == {"line"}
        two = [row for row in rows if row.stem == "seed2"]
        again = connectivity.cell(two, now.paths.intervals, 100, along=[path])
        again.metrics.to_parquet(folder / "entailment.parquet")
