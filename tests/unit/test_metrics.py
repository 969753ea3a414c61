"""The gaps against brute force, and the properties that their definitions promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus import metrics
from isthmus.metrics import (
    barrier_height,
    barrier_heights,
    convexity_gap,
    convexity_gaps,
    nested,
    nested_many,
)

EPS = np.finfo(np.float64).eps
values = st.floats(-10, 10, allow_subnormal=False)


@st.composite
def grids(draw, most=14):
    """Equal or unequal alphas, 2 to `most` of them; unequal ones are dyadic, so that 1 - alpha is exact."""
    if draw(st.booleans()):
        n = draw(st.integers(2, most))
        return np.arange(n) / (n - 1)
    inner = draw(st.sets(st.integers(1, 2**20 - 1), max_size=most - 2))
    return np.array([0, *sorted(inner), 2**20]) / 2**20


@st.composite
def curves(draw, most=14):
    alphas = draw(grids(most))
    return alphas, np.array(draw(st.lists(values, min_size=len(alphas), max_size=len(alphas))))


@st.composite
def convex_curves(draw):
    """Convex in exact arithmetic: whole slopes over dyadic steps, then one factor."""
    inner = sorted(draw(st.sets(st.integers(1, 1023), max_size=30)))
    steps = np.diff([0, *inner, 1024])
    slopes = sorted(draw(st.lists(st.integers(-999, 999), min_size=len(steps), max_size=len(steps))))
    start, factor = draw(st.integers(-9999, 9999)), draw(st.floats(1e-3, 1e3))
    losses = np.cumsum([start * 1024, *(steps * slopes)]) / 1024
    return np.array([0, *inner, 1024]) / 1024, losses * factor


def chord(alphas, losses, low, high):
    return losses[low] + (losses[high] - losses[low]) * (alphas - alphas[low]) / (alphas[high] - alphas[low])


def loop_over_all(alphas, losses):
    """The convexity gap as it is defined: every sub-segment, every point in it."""
    n = len(alphas)
    return max(
        (losses - chord(alphas, losses, low, high))[low : high + 1].max()
        for low in range(n)
        for high in range(low + 1, n)
    )


def nested_by_definition(alphas, losses, k):
    """The three levels, each calling the one below."""

    def points(low, high):
        return [low + (high - low) * i / k for i in range(k + 1)]

    def barrier(low, high):
        at = np.array(points(low, high))
        curve = np.interp(at, alphas, losses)
        return max(0.0, float((curve - chord(at, curve, 0, k)).max()))

    def over_segments(gap, low, high):
        ends = points(low, high)
        return max(gap(ends[i], ends[j]) for i in range(k + 1) for j in range(i + 1, k + 1))

    def gap(low, high):
        return over_segments(barrier, low, high)

    return barrier(0, 1), gap(0, 1), over_segments(gap, 0, 1)


def test_a_tent_by_hand():
    found = convexity_gap([0, 0.25, 0.5, 1], [1, 3, 0, 2])
    assert (found.value, found.alpha, found.chord_low, found.chord_high) == (2.5, 0.25, 0.0, 0.5)
    barrier = barrier_height([0, 0.25, 0.5, 1], [1, 3, 0, 2])
    assert (barrier.value, barrier.alpha, barrier.chord_low, barrier.chord_high) == (1.75, 0.25, 0.0, 1.0)


@given(curves())
def test_gap_equals_the_loop_over_all_segments(curve):
    assert convexity_gap(*curve).value == pytest.approx(loop_over_all(*curve), abs=1e-12)


@given(curves())
def test_gaps_are_attained_where_they_say(curve):
    alphas, losses = curve
    for gap in (barrier_height(*curve), convexity_gap(*curve)):
        low, at, high = np.searchsorted(alphas, [gap.chord_low, gap.alpha, gap.chord_high])
        assert gap.chord_low <= gap.alpha <= gap.chord_high
        assert gap.value == pytest.approx((losses - chord(alphas, losses, low, high))[at], abs=1e-12)


@given(curves())
def test_barrier_is_not_negative_and_not_above_the_gap(curve):
    assert 0 <= barrier_height(*curve).value <= convexity_gap(*curve).value


@given(curves(), values, values)
def test_an_affine_function_changes_nothing(curve, start, slope):
    alphas, losses = curve
    for gap in (barrier_height, convexity_gap):
        moved = gap(alphas, losses + start + slope * alphas).value
        assert moved == pytest.approx(gap(alphas, losses).value, abs=1e-12)


@given(curves())
def test_reversal_changes_nothing(curve):
    alphas, losses = curve
    for gap in (barrier_height, convexity_gap):
        reverse = gap(1 - alphas[::-1], losses[::-1]).value
        assert reverse == pytest.approx(gap(alphas, losses).value, abs=1e-12)


@given(curves(), st.floats(1e-3, 1e3))
def test_gaps_scale_with_the_losses(curve, factor):
    alphas, losses = curve
    for gap in (barrier_height, convexity_gap):
        assert gap(alphas, factor * losses).value == pytest.approx(
            factor * gap(alphas, losses).value, abs=1e-12 * max(1, factor)
        )


@given(convex_curves())
def test_convex_curves_have_no_gap(curve):
    assert convexity_gap(*curve).value <= 8 * EPS * np.abs(curve[1]).max()


@given(curves(), st.data())
def test_fewer_points_never_give_a_larger_gap(curve, data):
    alphas, losses = curve
    kept = data.draw(st.lists(st.booleans(), min_size=len(alphas), max_size=len(alphas)))
    kept[0] = kept[-1] = True
    assert convexity_gap(alphas[kept], losses[kept]).value <= convexity_gap(*curve).value + 1e-12


@given(grids(), st.data())
def test_many_curves_give_the_same_bits_as_one(alphas, data):
    n = len(alphas)
    stack = np.array(data.draw(st.lists(values, min_size=6 * n, max_size=6 * n))).reshape(2, 3, n)
    for many, one in ((barrier_heights, barrier_height), (convexity_gaps, convexity_gap)):
        expected = [[one(alphas, losses).value for losses in row] for row in stack]
        assert np.array_equal(many(alphas, stack), expected)
    rows = nested_many(alphas, stack, 3)
    expected = [[nested(alphas, losses, 3) for losses in row] for row in stack]
    assert np.array_equal(
        rows,
        [[[e.barrier_height, e.convexity_gap, e.improved_convexity_gap] for e in row] for row in expected],
    )


@given(curves(), st.integers(2, 4))
def test_nested_equals_its_definition(curve, k):
    expected = nested_by_definition(*curve, k)
    assert nested_many(*curve, k) == pytest.approx(expected, abs=1e-11)


@given(curves(), st.integers(2, 10))
def test_nested_values_are_ordered(curve, k):
    found = nested(*curve, k)
    assert 0 <= found.barrier_height <= found.convexity_gap <= found.improved_convexity_gap
    assert found.improved_convexity_gap <= convexity_gap(*curve).value + 1e-11


@given(curves(), st.integers(2, 5))
def test_nested_values_grow_with_a_finer_grid(curve, k):
    assert (nested_many(*curve, k) <= nested_many(*curve, 2 * k) + 1e-11).all()


def test_nested_values_tend_to_the_gap():
    alphas = np.arange(41) / 40
    losses = np.sin(9 * alphas) + alphas**2
    gap = convexity_gap(alphas, losses).value
    found = nested(alphas, losses, 20)
    assert found.improved_convexity_gap == pytest.approx(gap, abs=1e-3)
    assert found.convexity_gap == pytest.approx(gap, abs=1e-2)


def test_nested_barrier_uses_the_measured_points():
    alphas, losses = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1], np.cos(np.arange(11) ** 2)
    assert nested(alphas, losses, 10).barrier_height == pytest.approx(
        barrier_height(alphas, losses).value, abs=1e-15
    )


@pytest.mark.parametrize(
    ("alphas", "losses", "message"),
    [
        ([0, 0.5, 1], [1, float("nan"), 1], r"loss at alpha 0.5 is nan; allowed: finite"),
        ([0, 0.5, 1], [1, 1, float("inf")], r"loss at alpha 1.0 is inf; allowed: finite"),
        ([0, 0.6, 0.4, 1], [1, 1, 1, 1], r"not sorted: 0.4 follows 0.6"),
        ([0, 0.5, 0.5, 1], [1, 1, 1, 1], r"alpha 0.5 is repeated"),
        ([0], [1], r"too few points: 1; allowed: at least two"),
        ([], [], r"too few points: 0; allowed: at least two"),
        ([0.1, 1], [1, 1], r"from 0.1 to 1.0; allowed: from 0 to 1"),
        ([0, 0.9], [1, 1], r"from 0.0 to 0.9; allowed: from 0 to 1"),
        ([0, float("nan"), 1], [1, 1, 1], r"an alpha is nan"),
        ([0, 1], [1, 1, 1], r"2 alphas but 3 losses"),
    ],
)
def test_errors_say_what_is_wrong(alphas, losses, message):
    for function in (barrier_height, convexity_gap, barrier_heights, convexity_gaps):
        with pytest.raises(ValueError, match=message):
            function(alphas, losses)
    with pytest.raises(ValueError, match=message):
        nested(alphas, losses, 10)


@pytest.mark.parametrize("k", [0, 1, 2.5])
def test_nested_needs_two_intervals(k):
    with pytest.raises(ValueError, match="allowed"):
        nested([0, 1], [0, 0], k)


def test_one_curve_is_not_many():
    with pytest.raises(ValueError, match=r"losses \(2, 3\); allowed: two sequences"):
        convexity_gap([0, 0.5, 1], np.zeros((2, 3)))


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 12), st.integers(0, 2**32))
def test_barrier_is_not_above_the_gap_where_only_rounding_bends_a_line(n, seed):
    """A straight line with one bump: rounding alone makes vertices of its other points, and chords over parts
    of it then lie above the whole one by a few ulp."""
    alphas, rng = np.arange(n) / (n - 1), np.random.default_rng(seed)
    start, slope = rng.uniform(-1, 1, (2, 400, 1))
    stack = start + slope * alphas
    stack[np.arange(400), rng.integers(1, n - 1, 400)] += rng.uniform(0, 1, 400)
    assert (barrier_heights(alphas, stack) <= convexity_gaps(alphas, stack)).all()
    for losses in stack:
        assert barrier_height(alphas, losses).value <= convexity_gap(alphas, losses).value


@given(grids(8), st.data())
def test_many_curves_give_the_same_bits_as_one_where_points_are_in_line(alphas, data):
    """Few different losses, so that many points stand exactly on the chord of two others, or nearly."""
    n = len(alphas)
    tenths = data.draw(st.lists(st.integers(0, 3), min_size=20 * n, max_size=20 * n))
    stack = np.array(tenths).reshape(20, n) / 10
    stack = np.concatenate([stack, stack + 0.7 * alphas])
    assert np.array_equal(convexity_gaps(alphas, stack), [convexity_gap(alphas, row).value for row in stack])


@pytest.mark.parametrize("block", [1, 200, 2**20])
def test_blocks_of_curves_change_nothing(monkeypatch, block):
    stack = np.random.default_rng(0).normal(size=(25, 9))
    alphas = np.arange(9) / 8
    monkeypatch.setattr(metrics, "_BLOCK", block)
    for k in (2, 3):
        expected = [nested_by_definition(alphas, losses, k) for losses in stack]
        assert nested_many(alphas, stack, k) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("function", [barrier_height, convexity_gap, lambda *curve: nested(*curve, 2)])
def test_no_gap_of_one_curve_takes_many(function):
    with pytest.raises(ValueError, match=r"losses \(2, 3\); allowed: two sequences"):
        function([0, 0.5, 1], np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"losses \(1, 3\); allowed: two sequences"):
        function([0, 0.5, 1], np.zeros((1, 3)))


@given(st.integers(0, 2**32))
def test_nested_takes_measured_points_to_the_bit(seed):
    losses = np.random.default_rng(seed).lognormal(size=(5, 11))
    chords = losses[:, :1] + (losses[:, -1:] - losses[:, :1]) * (np.arange(11) / 10)
    expected = np.maximum((losses - chords)[:, 1:-1].max(axis=1), 0)
    assert np.array_equal(nested_many(np.arange(11) / 10, losses, 10)[:, 0], expected)


def test_single_precision_is_left_before_anything_is_computed():
    rng = np.random.default_rng(0)
    alphas, losses = np.arange(9, dtype=np.float32) / 8, rng.normal(size=(20, 9)).astype(np.float32)
    for many in (barrier_heights, convexity_gaps, lambda *curves: nested_many(*curves, 3)):
        found = many(alphas, losses)
        assert found.dtype == np.float64
        assert np.array_equal(found, many(alphas.astype(np.float64), losses.astype(np.float64)))
    thirds = np.array([0, 1 / 3, 1], np.float32)  # no chord is rounded to the precision of the alphas
    assert np.array_equal(
        barrier_heights(thirds, losses[:, :3]), barrier_heights(thirds.tolist(), losses[:, :3])
    )


@pytest.mark.parametrize(("alphas", "losses"), [([[0, 1]], [0, 1]), (0, [0]), ([0, 1], 0)])
def test_what_is_no_curve_is_named(alphas, losses):
    for function in (barrier_heights, convexity_gaps):
        with pytest.raises(ValueError, match="allowed: a sequence of alphas and an array"):
            function(alphas, losses)
