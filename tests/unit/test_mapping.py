"""Maps of checkpoints: classical scaling against distances that are planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from isthmus.measuring import mapping
from isthmus.measuring.mapping import inner_products, map_of_runs, scaled

from tests.unit import tiny


def apart(places):
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


@given(st.integers(3, 9), st.integers(0, 100))
def test_points_of_a_plane_come_back_up_to_a_rotation(count, seed):
    draw = np.random.default_rng(seed)
    plane, basis = draw.normal(size=(count, 2)), np.linalg.qr(draw.normal(size=(50, 2)))[0]
    points = plane @ basis.T + draw.normal(size=50)  # somewhere in 50 dimensions
    places, share = scaled(points @ points.T)
    np.testing.assert_allclose(apart(places), apart(plane), atol=1e-8)
    assert share == pytest.approx(1)


def test_the_share_is_that_of_squared_distances():
    points = np.diag([3.0, 2.0, 1.0, 0.5])
    points = np.vstack([points, -points])
    places, share = scaled(points @ points.T)
    assert share == pytest.approx((9 + 4) / (9 + 4 + 1 + 0.25))
    assert (apart(places) ** 2).sum() / (apart(points) ** 2).sum() == pytest.approx(share)


def test_equal_checkpoints_lie_in_one_place():
    places, share = scaled(np.zeros((4, 4)))
    assert (places == 0).all()
    assert share == 1


def test_inner_products_are_over_all_floating_tensors(monkeypatch):
    monkeypatch.setattr(mapping, "CHUNK", 7)  # several parts of each tensor
    generator = torch.Generator().manual_seed(0)
    models = [
        {"a": torch.randn(3, 5, generator=generator), "b": torch.randn(4, generator=generator),
         "n": torch.tensor(i)}
        for i in range(4)
    ]  # fmt: skip
    flat = np.array([np.concatenate([m["a"].numpy().ravel(), m["b"].numpy()]) for m in models], np.float64)
    flat -= flat[0]
    np.testing.assert_allclose(inner_products(models), flat @ flat.T, rtol=1e-12)


def test_a_job_writes_each_checkpoint(tmp_path):
    cell = tiny.Cell(tmp_path / "cell", seeds=(1, 2, 3))
    ends = [(0, cell.start), *((100, end) for end in cell.ends)]
    map_of_runs(ends=ends, labels={"model": "m", "dataset": "d"}, out=tmp_path / "map.parquet")
    found = pd.read_parquet(tmp_path / "map.parquet")
    assert found[["seed", "step"]].to_numpy().tolist() == [[3, 0], [1, 100], [2, 100], [3, 100]]
    assert 0.3 < found["share"].iloc[0] < 1  # four checkpoints span three dimensions
    places = found[["x", "y"]].to_numpy()
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-6)
