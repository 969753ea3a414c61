"""Basins: known ones are found, none are found where there are none, and few seeds say nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.statistics import basins

HOW = {"linkage": "average", "cut": None}


def gaps(groups, within, between, seed=0, spread=0.2):
    """A made-up matrix: gaps of size `within` inside a group and `between` across, with some spread."""
    rng = np.random.default_rng(seed)
    groups = np.array(groups)
    size = np.where(groups[:, None] == groups, within, between)
    found = np.triu(size * rng.uniform(1 - spread, 1 + spread, size.shape), 1)
    return found + found.T


@pytest.mark.parametrize("linkage", ["average", "complete", "single"])
@pytest.mark.parametrize("groups", [[1, 1, 1, 2, 2], [1, 2, 1, 2, 3, 3, 1, 2], [1] * 11 + [2] * 13])
def test_known_basins_are_found(groups, linkage):
    labels, order, width = basins.grouped(gaps(groups, 0.02, 0.3), linkage=linkage, cut=None)
    assert labels.tolist() == groups
    assert width > 0.8
    assert sorted(order.tolist()) == list(range(len(groups)))
    in_order = np.array(groups)[order]
    assert (np.diff(in_order) != 0).sum() == len(set(groups)) - 1  # groups stand together


@pytest.mark.parametrize("n", [5, 8, 24])
@pytest.mark.parametrize("seed", range(10))
def test_where_all_gaps_are_alike_there_is_one_basin(n, seed):
    labels, _, width = basins.grouped(gaps([1] * n, 0.1, 0.1, seed, spread=0.3), **HOW)
    assert (labels == 1).all()
    assert np.isnan(width)
    assert (basins.grouped(np.zeros((n, n)), **HOW)[0] == 1).all()


def test_a_cut_is_a_height_in_nats():
    near = gaps([1, 1, 2, 2, 2], 0.02, 0.3, spread=0.05)
    assert basins.grouped(near, linkage="average", cut=0.1)[0].tolist() == [1, 1, 2, 2, 2]
    assert basins.grouped(near, linkage="average", cut=1.0)[0].tolist() == [1] * 5
    assert basins.grouped(near, linkage="average", cut=0.001)[0].tolist() == [1, 2, 3, 4, 5]


@settings(deadline=None)
@given(st.integers(3, 8), st.integers(0, 10_000))
def test_silhouette_is_that_of_its_definition(n, seed):
    rng = np.random.default_rng(seed)
    near = gaps([1] * n, 1, 1, seed, spread=0.9)
    labels = np.r_[1, 2, rng.integers(1, 4, n - 2)]
    widths = []
    for i in range(n):
        own = [j for j in range(n) if labels[j] == labels[i] and j != i]
        others = {k: [near[i, j] for j in range(n) if labels[j] == k] for k in set(labels) - {labels[i]}}
        a, b = np.mean([near[i, j] for j in own]) if own else 0, min(map(np.mean, others.values()))
        widths.append((b - a) / max(a, b) if own else 0)
    assert basins.silhouette(near, labels) == pytest.approx(np.mean(widths))


def test_stability_is_that_of_the_run_s_own_basin():
    near = gaps([1, 1, 1, 2, 2, 2], 0.02, 0.3)
    labels = np.array([1, 1, 1, 2, 2, 2])
    same = np.stack([near, gaps([1, 1, 1, 2, 2, 2], 0.02, 0.3, seed=1)])
    assert basins.stability(labels, same, **HOW).tolist() == [1] * 6
    moved = gaps([1, 1, 2, 2, 2, 2], 0.02, 0.3)[None]
    assert basins.stability(labels, moved, **HOW) == pytest.approx([2 / 3] * 2 + [1 / 6] + [3 / 4] * 3)
    assert np.isnan(basins.stability(labels, moved[:0], **HOW)).all()


def write(folder, groups, seeds, replicates=20):
    """Rows of made-up paths whose gap at alpha 0.5 is the matrix's."""
    near, rng = gaps(groups, 0.02, 0.3), np.random.default_rng(1)
    files = []
    for j in range(1, len(seeds)):
        rows = []
        for i in range(j):
            for alpha, gap in ((0.0, 0.0), (0.5, near[i, j]), (1.0, 0.0)):
                noise = rng.normal(0, 0.001, replicates).astype(np.float32)
                values = {"seed_a": seeds[i], "seed_b": seeds[j], "alpha": alpha, "loss": 1 + gap}
                rows.append(values | {"set": "test", "loss_replicates": noise + np.float32(1 + gap)})
                rows.append(rows[-1] | {"set": "train", "loss": 5.0 + alpha**2})
        files.append(folder / f"seed{seeds[j]}.parquet")
        pd.DataFrame(rows).to_parquet(files[-1])
    return near, files


def test_a_cell_s_rows(tmp_path):
    seeds = [7, 3, 9, 4, 1]
    near, files = write(tmp_path, [1, 2, 1, 1, 2], seeds)
    frame = basins.cell(files, seeds, 400, "average", None)
    assert frame.columns.tolist() == basins.COLUMNS
    assert frame["seed"].tolist() == seeds
    assert frame["basin"].tolist() == [1, 2, 1, 1, 2]
    assert frame["basins"].eq(2).all()
    assert frame["stability"].eq(1).all()
    assert frame["mean_gap"].to_numpy() == pytest.approx(near.sum(1) / 4)
    assert sorted(frame["order"]) == [0, 1, 2, 3, 4]


def test_few_seeds_or_missing_pairs_say_nothing(tmp_path):
    seeds = [7, 3, 9, 4, 1]
    _, files = write(tmp_path, [1, 2, 1, 1, 2], seeds)
    for found in (
        basins.cell(files[:3], seeds[:4], 400, "average", None),
        basins.cell(files[1:], seeds, 400, "average", None),
    ):
        assert found[["basin", "basins", "stability", "silhouette"]].isna().all(axis=None)
        assert found["mean_gap"].notna().all()
