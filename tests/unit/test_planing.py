"""Planes through three checkpoints: their corners, lines and units, against paths and plain arithmetic."""

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus.errors import MismatchedEnds
from isthmus.measuring.planing import MeasuredPlane, measure_plane
from isthmus.models import hf_folders, weight_files
from isthmus.space.sampling import Uniform

from tests.unit import tiny

SEEDS, RESOLUTION, MARGIN = (1, 2, 3), 5, 0.25


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    return tiny.Cell(tmp_path_factory.mktemp("planes") / "cell", seeds=SEEDS)


def opened(cell, journal="planes", ends=None):
    examples = cell.sets["test"]
    return MeasuredPlane(ends or cell.ends, examples, tiny.BUDGET, tiny.cpu(), cell.folder / journal)


def job(cell, rows, out="plane", **changes):
    plane, path = opened(cell, **changes), cell.folder / f"{out}.parquet"
    labels = {"model": "tiny", "dataset": "toy", "plane": "p"}
    measure_plane(plane=plane, resolution=RESOLUTION, margin=MARGIN, rows=rows, labels=labels, out=path)
    return pd.read_parquet(path), plane.engine.measured


@pytest.fixture(scope="module")
def measured(cell):
    return job(cell, range(RESOLUTION))[0]


def flat(folder):
    state = weight_files.load(folder / hf_folders.WEIGHTS)
    return torch.cat([state[name].double().flatten() for name in sorted(state)]).numpy()


def test_corners_have_the_distances_of_their_weights(cell, measured):
    corners = measured[measured["place"].isin(list("abc"))].set_index("place")
    weights = dict(zip("abc", (flat(end.folder) for end in cell.ends), strict=True))
    for one, other in ("ab", "ac", "bc"):
        apart = np.hypot(*(corners.loc[one, ["x", "y"]] - corners.loc[other, ["x", "y"]]))
        assert apart == pytest.approx(np.linalg.norm(weights[one] - weights[other]), rel=1e-6)
    assert corners.loc["c", "y"] > 0 == corners.loc["b", "y"]


def test_the_grid_holds_the_corners_with_a_margin(measured):
    grid, corners = (measured[measured["place"].isin(places)] for places in (["grid"], list("abc")))
    assert len(grid) == RESOLUTION**2
    for axis in "xy":
        low, high = corners[axis].min(), corners[axis].max()
        assert grid[axis].min() == pytest.approx(low - MARGIN * (high - low))
        assert grid[axis].max() == pytest.approx(high + MARGIN * (high - low))


def test_corners_and_lines_agree_with_paths(cell, measured):
    path = cell.interpolate("row", Uniform(5), others=cell.ends[:1], end=cell.ends[1]).points
    path = path[path["set"] == "test"].set_index("alpha")["loss"]
    plane = opened(cell)
    geometry = plane.opened()
    for alpha in (0.25, 0.5, 0.75):
        found = plane.measured(geometry.at(alpha * geometry.ab, 0.0))["loss"]
        assert found == pytest.approx(path[alpha], abs=1e-6)
    corners = measured.set_index("place")["loss"]
    assert (corners["a"], corners["b"]) == (path[0.0], path[1.0])


def test_each_point_is_where_it_says(cell, measured):
    """Any point of the grid, by the coordinates alone and plain arithmetic on the weights."""
    from isthmus.models import classifiers
    from isthmus.tasks.classification import Classification

    states = [weight_files.load(end.folder / hf_folders.WEIGHTS) for end in cell.ends]
    a, b, c = (flat(end.folder) for end in cell.ends)
    u = (b - a) / np.linalg.norm(b - a)
    v = (c - a) - ((c - a) @ u) * u
    v /= np.linalg.norm(v)
    model = classifiers.open_classifier(cell.ends[0].folder, attention="eager")
    placed = Classification(0, tiny.cpu()).place(cell.sets["test"], tiny.BUDGET)
    for row in measured[measured["place"].isin(["grid", "mean"])].iloc[[0, 7, 12, 24, 25]].itertuples():
        vector, at, state = torch.from_numpy(a + row.x * u + row.y * v), 0, {}
        for name in sorted(states[0]):
            size = states[0][name].numel()
            state[name] = vector[at : at + size].reshape(states[0][name].shape).float()
            at += size
        model.load_state_dict(state, strict=False)
        assert placed.measure(model)["losses"].mean() == pytest.approx(row.loss, abs=1e-5)


def test_parts_make_the_whole(cell, measured):
    parts = [job(cell, rows, f"part{rows[0]}", journal="parts")[0] for rows in (range(3), range(3, 5))]
    both = pd.concat(parts)
    keys = ["place", "y", "x"]
    whole = measured.sort_values(keys, ignore_index=True)
    assert both.sort_values(keys, ignore_index=True).equals(whole)
    assert job(cell, range(RESOLUTION), "again")[1] == 0  # all of it is in the journal


def test_three_on_one_line_span_none(tmp_path):
    cell = tiny.Cell(tmp_path / "cell", seeds=SEEDS)
    a, b, c = (end.folder / hf_folders.WEIGHTS for end in cell.ends)
    other = weight_files.load(b)
    between = {name: t + (other[name] - t) / 4 for name, t in weight_files.load(a).items()}
    weight_files.save(between, c)
    tiny.stored.write_json(c.parent / "checkpoint.json", {"sha256": tiny.hashing.of_file(c)})
    cell = tiny.Cell(tmp_path / "cell", seeds=SEEDS)
    one, two, _ = cell.ends
    for ends in (cell.ends, [one, two, one]):
        with pytest.raises(
            MismatchedEnds, match=r"no plane passes through .*allowed: three anchors that are"
        ):
            job(cell, [0], "none", ends=ends)
