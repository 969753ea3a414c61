"""The cross-fitted gap, against the definition and on curves whose truth is planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus import cross_fitting, metrics
from isthmus.bootstrap import Bootstrap, percentile_interval

ALPHAS = np.linspace(0, 1, 11)


def losses(units: int, seed: int, height: float = 0.0, bend: float = 0.5) -> np.ndarray:
    """Units whose curves bend at random around a mean that is straight, or has a hill of some height."""
    generator = np.random.default_rng(seed)
    hill = 4 * ALPHAS * (1 - ALPHAS)
    wave = np.sin(np.pi * np.outer(np.arange(1, 4), ALPHAS))
    own = generator.normal(size=(units, 3)) * bend / np.sqrt(3)
    start = generator.normal(1, 0.3, size=(units, 1))
    return (start + height * hill + own @ wave).T


@given(
    st.integers(2, 60),
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.sampled_from(["barrier_height", "convexity_gap"]),
)
def test_it_is_what_each_half_finds_where_the_other_looks(units, seed, count, name):
    gap, values = getattr(metrics, name), losses(units, seed, 0.1)
    halves = cross_fitting.halves(units, seed, count)
    assert (halves.sum(axis=1) == units // 2).all()
    found = []
    for chooser, judge in [pair for half in halves for pair in ((half, ~half), (~half, half))]:
        place = gap(ALPHAS, values[:, chooser].mean(axis=1))
        ends = [place.chord_low, place.chord_high]
        curve = values[:, judge].mean(axis=1)
        chord = np.interp(place.alpha, ends, np.interp(ends, ALPHAS, curve))
        found.append(np.interp(place.alpha, ALPHAS, curve) - chord if place.value else 0.0)
    mean = cross_fitting.contributions(ALPHAS, values, halves, gap).mean()
    assert mean == pytest.approx(np.mean(found), abs=1e-12)


def test_halves_are_the_same_for_all_paths_of_a_set_and_others_for_another_seed():
    one, again, other = (cross_fitting.halves(101, seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert not (one == other).all()
    assert (one.sum(axis=1) == 50).all()
    assert not (one[0] == one[1]).all()


def test_a_convex_curve_has_none():
    values = np.outer((ALPHAS - 0.4) ** 2, np.ones(20))
    halves = cross_fitting.halves(20, 0)
    assert not cross_fitting.contributions(ALPHAS, values, halves, metrics.convexity_gap).any()


def test_a_single_unit_is_not_judged():
    values = losses(1, 0, 1.0)
    halves = cross_fitting.halves(1, 0)
    assert not cross_fitting.contributions(ALPHAS, values, halves, metrics.convexity_gap).any()


def test_straight_curves_are_called_a_gap_seldom_where_the_maximum_nearly_always_is():
    weights = Bootstrap(200, 400, 0)
    halves, called, maximum = cross_fitting.halves(200, 0), [], []
    for seed in range(300):
        values = losses(200, seed)
        own = cross_fitting.contributions(ALPHAS, values, halves, metrics.convexity_gap)
        called.append(percentile_interval(weights.replicate_means(own))[0] > 0)
        curves = weights.replicate_means(values).T.astype(np.float64)
        maximum.append(percentile_interval(metrics.convexity_gaps(ALPHAS, curves))[0] > 1e-6)
    assert np.mean(called) < 0.06
    assert np.mean(maximum) > 0.3


def test_a_gap_that_is_there_is_found():
    weights, halves = Bootstrap(1000, 400, 0), cross_fitting.halves(1000, 0)
    found = [
        cross_fitting.contributions(ALPHAS, losses(1000, seed, 0.1), halves, metrics.convexity_gap)
        for seed in range(40)
    ]
    assert np.mean([own.mean() for own in found]) == pytest.approx(0.1, abs=0.02)
    assert np.mean([percentile_interval(weights.replicate_means(own))[0] > 0 for own in found]) > 0.9
