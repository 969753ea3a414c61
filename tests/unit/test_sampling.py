"""The adaptive alphas: few, repeatable, and right to the tolerance where curves are as smooth as assumed."""

from bisect import insort
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.metrics import barrier_height, convexity_gap
from isthmus.space import sampling
from isthmus.space.sampling import Adaptive, Uniform, gap_errors, next_alpha, replay, start_grid, uniform

from tests.benchmarks.sampler_study import SLACK, TOLERANCE, enough, generated, grid_errors, narrow, sample


def follow(curve, start, tolerance=1e-3, max_alphas=41):
    """The alphas that the sampler asks for, in its order."""
    alphas, asked = list(start), []
    while (
        new := next_alpha(alphas, curve(np.array(alphas)), tolerance=tolerance, max_alphas=max_alphas)
    ) is not None:
        insort(alphas, new)
        asked.append(new)
    return asked


def two_bumps(alpha):
    return np.exp(-(((alpha - 0.3) / 0.1) ** 2)) + 0.4 * np.sin(7 * alpha) + alpha


def test_grids():
    assert start_grid(4) == [0, 0.25, 0.5, 0.75, 1]
    assert start_grid(10) == uniform(11) == [i / 10 for i in range(11)]
    with pytest.raises(ValueError, match="at least one interval"):
        start_grid(0)
    with pytest.raises(ValueError, match="two or more"):
        uniform(1)


def test_curves_of_all_families_are_right_within_few_evaluations():
    """A small version of the study."""
    sampled = [sample(curve) for curves in generated(count=8, seed=3).values() for curve in curves]
    evaluations = [len(one.alphas) for one in sampled]
    last = np.array([[one.true[-1], one.stated[-1]] for one in sampled])
    assert np.mean(np.abs(last[:, 0]) <= TOLERANCE, axis=0).min() >= 0.98
    assert np.median(evaluations) <= 22
    assert max(evaluations) <= 41
    assert np.mean(last[:, 0] > last[:, 1] + SLACK, axis=0).max() <= 0.03


def test_a_uniform_grid_needs_more_points_for_a_ridge():
    curve = narrow(np.random.default_rng(5), 0.06)
    assert len(sample(curve).alphas) * 2 < enough(grid_errors(curve))


def test_gentle_convex_curves_cost_the_start_grid_only():
    for curve in (np.square, lambda alpha: np.exp(-alpha), lambda alpha: 2 - 3 * alpha):
        assert follow(curve, start_grid(10)) == []


def test_replay_from_any_stage_asks_for_the_same():
    asked = follow(two_bumps, start_grid(10))
    assert len(asked) > 2
    for known in range(len(asked)):
        assert follow(two_bumps, sorted([*start_grid(10), *asked[:known]])) == asked[known:]


def test_smaller_tolerance_goes_on_where_the_larger_one_stopped():
    coarse, fine = (follow(two_bumps, start_grid(10), tolerance) for tolerance in (1e-2, 1e-4))
    assert fine[: len(coarse)] == coarse
    assert len(fine) > len(coarse)


def test_never_more_than_max_alphas():
    assert len(follow(two_bumps, start_grid(10), tolerance=0, max_alphas=17)) == 6
    assert follow(two_bumps, start_grid(10), tolerance=0, max_alphas=5) == []


def test_no_tolerance_still_ends_where_nothing_is_open():
    assert follow(lambda alpha: 0 * alpha, start_grid(10), tolerance=0) == []
    asked = follow(lambda alpha: 0.1 + 0.7 * alpha, start_grid(10), tolerance=0)
    assert all(0 < alpha < 1 for alpha in asked)


def test_works_from_two_points():
    errors = gap_errors([0, 1], [0, 0])
    assert errors.convexity_gap == errors.barrier_height == np.inf
    assert follow(two_bumps, [0, 1], max_alphas=4)[0] == 0.5


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.lists(st.floats(-5, 5), min_size=41, max_size=41))
def test_any_losses_give_new_alphas_and_end(k, losses):
    """Also where the losses have nothing of a curve."""
    known = {}

    def curve(alphas):
        return [known.setdefault(alpha, losses[len(known) % 41]) for alpha in np.asarray(alphas).tolist()]

    asked = follow(curve, start_grid(k))
    assert len({*asked, *start_grid(k)}) == len(asked) + k + 1 <= 41
    assert all(0 < alpha < 1 and (alpha * 2**16).is_integer() for alpha in asked)


def test_a_jump_is_narrowed_down_and_left():
    asked = follow(lambda alpha: np.where(alpha < 0.5371, 0.0, -1.0) + alpha, start_grid(10), max_alphas=200)
    assert len(asked) < 60
    assert min(abs(np.array(asked) - 0.5371)) < 2e-5


@given(st.lists(st.floats(-5, 5), min_size=11, max_size=11), st.floats(-5, 5), st.floats(-5, 5))
def test_a_straight_line_moves_no_error(losses, start, slope):
    alphas = np.array(start_grid(10))
    plain, moved = gap_errors(alphas, losses), gap_errors(alphas, np.array(losses) + start + slope * alphas)
    assert moved.convexity_gap == pytest.approx(plain.convexity_gap, abs=1e-10)
    assert moved.barrier_height == pytest.approx(plain.barrier_height, abs=1e-10)


def test_errors_shrink_as_points_come():
    coarse, fine = uniform(11), uniform(81)
    before = gap_errors(coarse, two_bumps(np.array(coarse)))
    after = gap_errors(fine, two_bumps(np.array(fine)))
    assert 0 < after.convexity_gap < before.convexity_gap / 10
    truth = convexity_gap(uniform(1001), two_bumps(np.array(uniform(1001)))).value
    assert truth - convexity_gap(coarse, two_bumps(np.array(coarse))).value <= before.convexity_gap


def test_errors_say_what_is_wrong():
    for function in (gap_errors, lambda *points: next_alpha(*points, tolerance=1e-3, max_alphas=41)):
        with pytest.raises(ValueError, match="not sorted"):
            function([0, 0.5, 0.4, 1], [0, 0, 0, 0])


# ---------------------------------------------------------------------------------- what it asks for, by hand


def test_three_points_by_hand():
    """Both intervals have one parabola, 4a(1 - a); the band reaches as far beyond it as it is from its chord,
    so up to 6a - 8a**2 = 1.125 at 3/8, a point of the grid, and down to the chord."""
    errors = gap_errors([0, 0.5, 1], [0, 1, 0])
    assert (errors.convexity_gap, errors.barrier_height) == (0.125, 0.125)
    assert next_alpha([0, 0.5, 1], [0, 1, 0], tolerance=0.125, max_alphas=4) == 0.375
    assert next_alpha([0, 0.5, 1], [0, 1, 0], tolerance=0.1251, max_alphas=4) is None
    assert next_alpha([0, 0.5, 1], [0, 1, 0], tolerance=0.1, max_alphas=3) is None


def peak(alpha, centre, width):
    """Divisions and products only, which are the same bits everywhere."""
    return 1 / (1 + ((alpha - centre) / width) * ((alpha - centre) / width))


def two_peaks(alpha):
    return peak(alpha, 0.3, 0.05) + 0.4 * peak(alpha, 0.8, 0.1) + alpha


def valley(alpha):
    return 1 / (0.05 + alpha) - peak(alpha, 0.55, 0.2)


@pytest.mark.parametrize(
    ("curve", "start", "gap", "barrier", "asked"),
    [
        (two_peaks, start_grid(10), 0.0635351332107078, 0.03132647576401315,
         [18842, 21299, 19354, 9011, 30310, 19546, 19866, 1638]),
        (two_peaks, [0, 0.1, 0.5, 0.6, 1], 0.022136270547139514, 0.022136270547139514,
         [19661, 18023, 24576, 15156, 9780, 25600, 19252, 20890]),
        (two_peaks, [0, 0.3, 1], 0.6947690223413577, 0.6947690223413577,
         [36864, 14746, 26112, 7373, 21274, 18432, 31488, 10138]),
        (valley, start_grid(10), 0.9767556589927257, 0.0,
         [10650, 9114, 5734, 5017, 4390, 3841, 3361, 2941]),
        (valley, [0, 0.1, 0.5, 0.6, 1], 8.761410912061821, 0.0,
         [22938, 16794, 12954, 10554, 9054, 5734, 5017, 4390]),
        (valley, [0, 0.3, 1], 0.7422555192711311, 0.0,
         [25395, 17203, 12902, 11289, 9878, 8643, 7563, 6618]),
    ],
)  # fmt: skip
def test_asks_for_what_it_always_asked_for(curve, start, gap, barrier, asked):
    """Another alpha is another measurement: finished grids would be measured again."""
    errors = gap_errors(start, curve(np.array(start)))
    assert errors.convexity_gap == pytest.approx(gap, rel=1e-9)
    assert errors.barrier_height == pytest.approx(barrier, rel=1e-9)
    found = follow(curve, start, max_alphas=len(start) + 8)
    assert [alpha * 2**16 for alpha in found] == asked


def lowest_chords(at, curve, points):
    """For each of the points the lowest of all chords over it."""
    low, high = np.triu_indices(len(at), 1)
    slope = (curve[high] - curve[low]) / (at[high] - at[low])
    return [
        (curve[low] + slope * (at[point] - at[low]))[(low <= point) & (point <= high)].min()
        for point in points
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=6), st.booleans(), st.data())
def test_the_error_is_the_largest_gap_of_a_curve_in_the_band(losses, equal, data):
    """Against all curves that are high in one interval, where their maximiser is, and low in the others."""
    n = len(losses)
    inner = data.draw(st.sets(st.integers(1, 255), min_size=n - 2, max_size=n - 2))
    alphas = np.array(start_grid(n - 1) if equal else [0, *(x / 256 for x in sorted(inner)), 1])
    at, low, high = sampling._band(alphas, np.array(losses))
    largest = 0.0
    for left, right in pairwise(alphas):
        inside = np.flatnonzero((at >= left) & (at < right))
        curve = low.copy()
        curve[inside] = high[inside]
        largest = max(largest, (curve[inside] - lowest_chords(at, curve, inside)).max())
    found = gap_errors(alphas, losses)
    expected = max(largest - convexity_gap(alphas, losses).value, 0)
    assert found.convexity_gap == pytest.approx(expected, abs=1e-9)
    rise = (high - np.interp(at, [0, 1], [losses[0], losses[-1]])).max()
    expected = max(rise - barrier_height(alphas, losses).value, 0)
    assert found.barrier_height == pytest.approx(expected, abs=1e-9)


def test_two_points_are_a_grid():
    assert sampling.uniform(2) == [0, 1]


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_a_mirrored_curve_has_the_same_barrier_error(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        inner = np.sort(rng.choice(np.arange(1, 64), n - 2, replace=False)) / 64
        alphas, losses = np.array([0, *inner, 1]), rng.normal(size=n)
        one = sampling.gap_errors(alphas, losses)
        other = sampling.gap_errors(1 - alphas[::-1], losses[::-1])
        assert one.barrier_height == pytest.approx(other.barrier_height, abs=1e-9)


def test_the_lattice_reaches_up_to_a_point_that_is_not_on_it():
    assert sampling._on_lattice(0.09999, [0, 0.1, 1]) * 2**16 == 6553


def test_a_gap_without_room_does_not_keep_the_other_from_its_alpha(monkeypatch):
    """The larger error may be where no alpha is left between two points; the other is asked for then."""
    near = sampling._Forecast(error=1.0, target=2.0**-17)
    far = sampling._Forecast(error=0.5, target=0.5)
    monkeypatch.setattr(sampling, "_forecasts", lambda *_: (near, far))
    alphas = [0, 2.0**-16, 1]
    assert next_alpha(alphas, [0, 0, 0], tolerance=1e-3, max_alphas=9) == 0.5


# ------------------------------------------------------------------------------------------------ the sampler


def narrow_peak(alpha):
    return float(np.exp(-(((alpha - 0.4) / 0.1) ** 2)))


def test_uniform_grid_asks_for_its_points():
    asked = []
    assert replay(lambda x: asked.append(x) or narrow_peak(x), Uniform(5)) == asked == [0, 0.25, 0.5, 0.75, 1]


def test_adaptive_grid_asks_as_the_sampler_says_and_never_twice():
    asked = []
    found = replay(
        lambda x: asked.append(x) or narrow_peak(x), Adaptive(intervals=4, tolerance=1e-3, max_alphas=20)
    )
    assert asked[:5] == start_grid(4)
    assert found == sorted(set(asked))
    assert len(found) == len(asked)
    assert 5 < len(found) <= 20
    limits = {"tolerance": 1e-3, "max_alphas": 20}
    assert next_alpha(found, [narrow_peak(x) for x in found], **limits) is None
    for n in range(5, len(asked)):
        points = sorted(asked[:n])
        assert next_alpha(points, [narrow_peak(x) for x in points], **limits) == asked[n]


def test_a_sampler_is_what_the_settings_say():
    from isthmus.experiment.config import Paths

    assert sampling.sampler(Paths(grid="uniform", points=21).sampler()) == Uniform(21)
    found = sampling.sampler(Paths(intervals=5, tolerance=0.01, max_alphas=9).sampler())
    assert found == Adaptive(intervals=5, tolerance=0.01, max_alphas=9)
    with pytest.raises(TypeError):
        sampling.sampler({"grid": "uniform", "points": 21, "more": 1})
