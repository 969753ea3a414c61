"""Lines along one run: those of any two checkpoints, with the steps that they join."""

import numpy as np
import pandas as pd
import pytest
from isthmus.measuring.along import Trajectory, along
from isthmus.measuring.ends import End
from isthmus.space.sampling import Uniform
from isthmus.statistics import connectivity

from tests.unit import tiny


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    return tiny.Cell(tmp_path_factory.mktemp("along") / "cell", seeds=(1, 2, 3))


def job(cell, out="along"):
    """Three checkpoints taken for those of one run, seed 7, at steps 0, 50 and 100."""
    ends = {step: End.read(7, end.folder) for step, end in zip((0, 50, 100), cell.ends, strict=True)}
    run = Trajectory(ends, cell.sets, tiny.BUDGET, tiny.cpu(), cell.folder / "cell_journal")
    path = cell.folder / f"{out}.parquet"
    labels = {"model": "tiny", "dataset": "toy"}
    arguments = {"sampler": Uniform(5), "resampling": tiny.RESAMPLING, "labels": labels, "out": path}
    along(run=run, steps=[0, 50], **arguments)
    return path, run.engine.measured


def test_they_are_the_lines_between_those_checkpoints(cell):
    path, count = job(cell)
    found = pd.read_parquet(path)
    assert count == 2 * (3 + 2 * 3)  # on both sets three ends once, and three points within each line
    assert set(zip(found["step"], found["seed_a"], found["seed_b"], found["step_b"], strict=True)) == {
        (100, 7, 7, 100)
    }
    between = cell.interpolate("row", Uniform(5)).points
    for step, seed in ((0, 1), (50, 2)):
        mine = found[found["step_a"] == step].reset_index()
        theirs = between[between["seed_a"] == seed].reset_index()
        pd.testing.assert_frame_equal(
            mine[["set", "alpha", "loss", "error", "n"]], theirs[["set", "alpha", "loss", "error", "n"]]
        )
        np.testing.assert_array_equal(np.stack(mine["loss_replicates"]), np.stack(theirs["loss_replicates"]))
    assert job(cell, "again")[1] == 0


def test_their_metrics_say_which_steps_and_what_averaging_gains(cell):
    path, _ = job(cell)
    rows = pd.DataFrame(connectivity._along([path], 2))
    assert set(rows["path"]) == {"along"}
    assert set(zip(rows["step_a"], rows["step_b"], strict=True)) == {(0, 100), (50, 100)}
    points = pd.read_parquet(path)
    for step in (0, 50):
        own = points[(points["step_a"] == step) & (points["set"] == "test")].set_index("alpha")["loss"]
        row = rows[
            (rows["step_a"] == step) & (rows["set"] == "test") & (rows["quantity"] == "loss")
        ].set_index("metric")
        assert row.loc["gain", "value"] == pytest.approx((own[0.0] + own[1.0]) / 2 - own[0.5])
        assert row.loc["gain", "low"] <= row.loc["gain", "value"] <= row.loc["gain", "high"]
        chord = own.iloc[0] + (own.iloc[-1] - own.iloc[0]) * own.index.to_numpy()
        assert row.loc["BH", "value"] == pytest.approx((own - chord).max())
