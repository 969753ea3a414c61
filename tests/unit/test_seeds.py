"""Intervals over seeds, against the definition and against populations whose truth is planted."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.statistics import seeds
from isthmus.statistics.seeds import Estimate, Mean, combined
from isthmus.statistics.thresholds import accuracy_interval
from scipy import stats

PAIRS = ((1, 2), (1, 3), (2, 3), (1, 4), (2, 4), (3, 4))
NONE = np.empty(0)


@given(st.integers(3, 9), st.integers(0, 2**32 - 1))
def test_the_variance_is_that_of_leaving_out_each_seed(count, seed):
    generator = np.random.default_rng(seed)
    pairs = list(combinations(range(10, 10 + count), 2))
    values = generator.normal(size=len(pairs))
    left = []
    for gone in range(10, 10 + count):
        kept = [value for pair, value in zip(pairs, values, strict=True) if gone not in pair]
        left.append(sum(kept) / len(kept))
    expected = (count - 1) / count * sum((one - sum(left) / count) ** 2 for one in left)
    assert seeds.variance(pairs, values) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_seeds_that_add_up_have_the_variance_of_a_mean():
    """Where a pair's value is the sum of its seeds' own, the mean is twice that of N independent numbers."""
    own = {1: 0.3, 2: -1.2, 3: 0.7, 4: 2.0}
    values = [own[a] + own[b] for a, b in PAIRS]
    assert seeds.variance(PAIRS, values) == pytest.approx(4 * np.var(list(own.values()), ddof=1) / 4)


def test_many_rows_at_once_are_each_their_own():
    rows = np.random.default_rng(0).normal(size=(5, len(PAIRS)))
    assert seeds.variance(PAIRS, rows) == pytest.approx([seeds.variance(PAIRS, row) for row in rows])


def test_intervals_are_those_of_students_t_over_seeds_and_of_both_variances_added():
    values = np.array([0.1, 0.4, 0.3, 0.2, 0.6, 0.5])
    samples = np.random.default_rng(0).normal(values.mean(), 0.2, 500)
    found = combined([Mean(PAIRS, values, samples)], [1.0])
    own, t = seeds.variance(PAIRS, values), 3.182446  # three degrees of freedom, 97.5 %
    assert found.value == pytest.approx(0.35)
    assert found.seeds == 4
    assert found.over_units == pytest.approx(np.quantile(samples, [0.025, 0.975]))
    assert found.over_seeds == pytest.approx((0.35 - t * own**0.5, 0.35 + t * own**0.5), abs=1e-6)
    half = t * (own + np.var(samples, ddof=1)) ** 0.5
    assert found.over_both == pytest.approx((0.35 - half, 0.35 + half), abs=1e-6)
    assert found.untested == ""


def test_the_p_value_is_0_05_where_the_interval_ends_at_0():
    values, samples = np.array([0.1, 0.4, 0.3, 0.2, 0.6, 0.5]), np.random.default_rng(0).normal(0, 0.2, 500)
    low, _ = combined([Mean(PAIRS, values, samples)], [1.0]).over_both
    assert combined([Mean(PAIRS, values - low, samples)], [1.0]).p == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([(1, 2)], "fewer than three seeds"),
        ([(1, 2), (1, 3), (1, 4)], "all pairs share seed 1, which cannot be left out"),
        ([(1, 2), (1, 3)], "all pairs share seed 1, which cannot be left out"),
        ([(1, 2), (1, 3), (1, 4), (2, 3)], "4 of 6 pairs of these seeds are measured"),
        ([(1, 2), (3, 4)], "2 of 6 pairs of these seeds are measured"),
    ],
)
def test_no_interval_where_a_seed_cannot_be_left_out(pairs, reason):
    found = combined([Mean(tuple(pairs), np.ones(len(pairs)), np.ones(10))], [1.0])
    assert found.untested == reason
    assert np.isnan([*found.over_seeds, *found.over_both, found.p]).all()
    assert found.over_units == (1, 1)


def test_seeds_that_are_shared_in_part_are_neither_paired_nor_independent():
    def all_pairs(seeds):
        pairs = tuple(combinations(seeds, 2))
        return Mean(pairs, np.arange(len(pairs), dtype=float), np.ones(10))

    found = combined([all_pairs((1, 2, 3, 4)), all_pairs((2, 3, 4, 5))], [1.0, -1.0])
    assert found.untested == "what is compared has some of its seeds in common, and not all"
    assert np.isnan([*found.over_seeds, *found.over_both, found.p]).all()
    for others in ((1, 2, 3, 4), (5, 6, 7, 8)):
        assert not combined([all_pairs((1, 2, 3, 4)), all_pairs(others)], [1.0, -1.0]).untested


def test_without_replicates_there_is_the_interval_over_seeds_alone():
    found = combined([Mean(PAIRS, np.arange(6.0), NONE)], [1.0])
    assert np.isnan([*found.over_units, *found.over_both]).all()
    assert np.isfinite(found.over_seeds).all()


def test_what_the_same_pairs_share_cancels():
    shared, own = np.random.default_rng(0).normal(size=(2, 6))
    found = combined([Mean(PAIRS, 5 * shared + own, NONE), Mean(PAIRS, 5 * shared, NONE)], [1.0, -1.0])
    assert found.over_seeds == pytest.approx(combined([Mean(PAIRS, own, NONE)], [1.0]).over_seeds)


def test_means_over_other_seeds_are_independent():
    """Variances add up, and the degrees of freedom are those of Welch and Satterthwaite."""
    others = ((7, 8), (7, 9), (8, 9))
    first, second = np.arange(6.0) / 10, np.array([0.1, 0.5, 0.2])
    found = combined([Mean(PAIRS, first, NONE), Mean(others, second, NONE)], [0.5, -0.5])
    parts = seeds.variance(PAIRS, first) / 4, seeds.variance(others, second) / 4
    assert np.array(found.parts) == pytest.approx(np.array([(parts[0], 3), (parts[1], 2)]))
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 2)
    low, high = found.over_seeds
    assert 2 < degrees < 5

    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, degrees) * sum(parts) ** 0.5)


def test_holm():
    """By hand: 0.01 * 3, then 0.02 * 2, then 0.03, which may not be less than what came before."""
    found = seeds.holm([0.03, 0.01, float("nan"), 0.02])
    assert found[:2] == pytest.approx([0.04, 0.03])
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(0.04)
    assert seeds.holm([0.6, 0.9]) == [1.0, 1.0]


def test_it_covers_where_drawing_the_seeds_again_does_not():
    """Five seeds whose pairs add up: of 600 draws the jackknife's interval holds the truth in about 95 %."""
    generator = np.random.default_rng(1)
    pairs = tuple(combinations(range(5), 2))
    own = generator.normal(size=(600, 5))
    values = np.stack([own[:, a] + own[:, b] for a, b in pairs], axis=1)
    ends = np.array([combined([Mean(pairs, row, NONE)], [1.0]).over_seeds for row in values])
    assert 0.92 < np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)) < 0.98
    drawn = generator.multinomial(5, [0.2] * 5, size=400)
    weights = np.stack([drawn[:, a] * drawn[:, b] for a, b in pairs], axis=1).astype(float)
    weights = weights[weights.sum(axis=1) > 0]
    again = values @ (weights / weights.sum(axis=1, keepdims=True)).T
    low, high = np.quantile(again, [0.025, 0.975], axis=1)
    assert np.mean((low <= 0) & (high >= 0)) < 0.88


def test_intervals_are_bit_for_bit_those_of_scipy_stats():
    """Its functions are called without it, since it takes most of a second to import."""
    for n in (1, 2, 7, 100, 2000):
        for hits in {*range(min(n, 30) + 1), n // 3, n}:
            found = stats.binomtest(hits, n).proportion_ci(method="wilson")
            assert accuracy_interval(hits / n, n) == tuple(found)
    for degrees, value in ((1, 0.3), (2.5, -1.2), (41.7, 3.0)):
        estimate = Estimate(value, NONE, 3, ((1.0, degrees),))
        assert estimate.p == 2 * stats.t.sf(abs(value), estimate._degrees)
        assert estimate.over_seeds[1] == value + stats.t.ppf(0.975, estimate._degrees)
