"""Effects against SciPy's own, p-values against all permutations, silence where there is little to say."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.statistics import generalisation as g
from scipy import stats

numbers = st.lists(st.integers(0, 5), min_size=4, max_size=12)


@settings(deadline=None)
@given(numbers, st.integers(0, 1000))
def test_rank_correlation_is_scipy_s(values, seed):
    x, y = np.array(values, float), np.random.default_rng(seed).normal(size=len(values))
    found = g.spearman(x, y)
    if len(set(values)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(x, y).statistic)


def test_eta_squared_is_the_share_between_groups():
    groups, y = np.array([1, 1, 2, 2]), np.array([0.0, 2.0, 4.0, 6.0])
    assert g.eta_squared(groups, y) == pytest.approx(16 / 20)
    assert g.eta_squared(groups, np.array([1.0, 3.0, 1.0, 3.0])) == 0
    assert np.isnan(g.eta_squared(groups, np.ones(4)))
    several = np.array([[0.0, 2.0, 4.0, 6.0], [1.0, 3.0, 1.0, 3.0], [1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(g.eta_squared(groups, several), [16 / 20, 0, np.nan])


def test_p_is_the_share_of_permutations():
    x, y = np.arange(6.0), np.array([0.1, 0.3, 0.2, 0.5, 0.6, 0.4])
    effect, p = g.permutation(g.spearman, x, y)
    every = [abs(g.spearman(x, np.array(order))) for order in itertools.permutations(y)]
    exact = np.mean(np.array(every) >= abs(effect) - 1e-12)
    assert p == pytest.approx(exact)  # there are few enough to go through all
    x, y = np.arange(12.0), np.array([0.1, 0.9, 0.2, 0.7, 0.4, 0.8, 0.3, 1.2, 0.6, 1.0, 0.5, 1.1])
    effect, p = g.permutation(g.spearman, x, y)
    expected = stats.spearmanr(x, y)
    assert effect == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, abs=4 * np.sqrt(expected.pvalue / g.PERMUTATIONS) + 0.002)
    assert g.permutation(g.spearman, x, y) == (effect, p)


def frames(accuracy, basin, gap=None):
    seeds = range(len(accuracy))
    basins = pd.DataFrame({"seed": seeds, "basin": basin, "mean_gap": accuracy if gap is None else gap})
    rows = {"seed": seeds, "set": "shifted", "accuracy": accuracy}
    return basins, pd.concat([pd.DataFrame(rows), pd.DataFrame(rows | {"set": "test", "accuracy": 0.5})])


def verdicts(*arguments):
    found = g.cell(*frames(*arguments))
    assert found.columns.tolist() == g.COLUMNS
    return dict(zip(zip(found["set"], found["against"], strict=True), found["verdict"], strict=True))


def test_verdicts():
    rng = np.random.default_rng(0)
    basin = np.repeat([1, 2], 6)
    apart = 0.6 + 0.1 * basin + rng.normal(0, 0.01, 12)
    assert verdicts(apart, basin) == {
        ("shifted", "mean gap"): "related",
        ("shifted", "basin"): "related",
        ("test", "mean gap"): "no spread",
        ("test", "basin"): "no spread",
    }
    unrelated = verdicts(np.tile([0.6, 0.7, 0.8], 4), basin, np.tile([0.1, 0.3, 0.1], 4))
    assert unrelated["shifted", "mean gap"] == unrelated["shifted", "basin"] == "not shown"
    assert verdicts(apart, [1] * 12)["shifted", "basin"] == "one basin"
    assert set(verdicts(apart[:5], basin[:5]).values()) == {"too few runs"}
    assert verdicts(apart, [None] * 12)["shifted", "basin"] == "too few runs"
