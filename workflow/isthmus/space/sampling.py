"""Which alpha to measure next, and how far the gaps may still move: pure functions of the measured points.

A curve is a list of rising alphas from 0 to 1 with one loss each. Between two neighbouring points it is taken
to lie in a band that parabolas through the nearest points span; `docs/metrics.md` says what that assumes and
what it can miss. A gap's estimated error is its largest value for a curve in the band, less the measured one.
The measured value itself can only be too small: more points never lower it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np

from isthmus.metrics import barrier_height, convexity_gap, lower_hull

# Where the band is looked at in each interval, as shares of it; the first is the measured point.
_INNER = np.arange(8) / 8
# The band reaches beyond the parabolas by this share of their distance from the chord, more in the first and
# the last interval, where neighbours exist on one side only. Both were fitted on generated curves, so that an
# estimate is rarely too small.
_BEND = 0.5
_BEND_AT_ENDS = 1.0
# New alphas are multiples of this, so that paths which ask for the same place ask for the same bits.
_LATTICE = 2.0**-16


@dataclass(frozen=True)
class Uniform:
    """Equally spaced alphas: how many `points`."""

    points: int


@dataclass(frozen=True)
class Adaptive:
    """`intervals` equal ones to start with, then as `next_alpha` asks."""

    intervals: int
    tolerance: float
    max_alphas: int


Sampler = Uniform | Adaptive
MIDDLE = 0.5  # always measured: the mean of the two ends


def sampler(settings: Mapping[str, Any]) -> Sampler:
    """The sampler of `Paths.sampler()`."""
    kinds = {"uniform": Uniform, "adaptive": Adaptive}
    return kinds[settings["grid"]](**{name: value for name, value in settings.items() if name != "grid"})


def replay(at: Callable[[float], float], sampler: Sampler) -> list[float]:
    """Run a sampler from its start; what `at` answers decides which alpha is asked for next.

    Args:
        at: gives the chosen loss at an alpha, known or measured now.
        sampler: which alphas are wanted.

    Returns:
        All alphas, rising.
    """
    uniformly = isinstance(sampler, Uniform)
    grid = uniform(sampler.points) if uniformly else start_grid(sampler.intervals)
    curve = {alpha: at(alpha) for alpha in sorted({*grid, MIDDLE})}
    if uniformly:
        return sorted(curve)
    limits = {"tolerance": sampler.tolerance, "max_alphas": sampler.max_alphas}
    while True:
        alphas = sorted(curve)
        alpha = next_alpha(alphas, [curve[x] for x in alphas], **limits)
        if alpha is None:
            return alphas
        curve[alpha] = at(alpha)


@dataclass(frozen=True)
class GapErrors:
    """How far each gap may still rise, in the unit of the losses."""

    barrier_height: float
    convexity_gap: float


def start_grid(k: int) -> list[float]:
    """The k + 1 equally spaced alphas from 0 to 1. ValueError: `k` below 1."""
    if k < 1:
        raise ValueError(f"k is {k}; allowed is at least one interval")
    return [i / k for i in range(k + 1)]


def uniform(points: int) -> list[float]:
    """`points` equally spaced alphas from 0 to 1. ValueError: fewer than two."""
    if points < 2:
        raise ValueError(f"{points} points; allowed are two or more, alpha 0 and alpha 1")
    return start_grid(points - 1)


def next_alpha(alphas, losses, *, tolerance: float, max_alphas: int) -> float | None:
    """The alpha to measure next, strictly between 0 and 1 and not among `alphas`, or None when done.

    Done is: both errors of `gap_errors` are under `tolerance` (in the unit of the losses), or 0; or there are
    `max_alphas` points. The answer depends on the points alone, not on the order in which they came. Errors
    are those of `gap_errors`.
    """
    forecasts = _forecasts(alphas, losses)
    if len(alphas) < max_alphas:
        for forecast in forecasts:
            alpha = _on_lattice(forecast.target, alphas)
            if forecast.error >= tolerance and alpha is not None:
                return alpha
    return None


def gap_errors(alphas, losses) -> GapErrors:
    """The estimated errors of `barrier_height` and `convexity_gap` at these points, in the losses' unit.

    Infinite for two points, which say nothing of the curve between them. ValueError: the points are not a
    curve (see `metrics.barrier_height`).
    """
    convexity, barrier = _forecasts(alphas, losses)
    return GapErrors(barrier_height=barrier.error, convexity_gap=convexity.error)


@dataclass(frozen=True)
class _Forecast:
    """How far one gap may rise, and the alpha whose loss bears most on that."""

    error: float
    target: float


def _forecasts(alphas, losses):
    """The forecasts of the convexity gap and of the barrier height."""
    measured_gap, measured_barrier = convexity_gap(alphas, losses).value, barrier_height(alphas, losses).value
    if len(alphas) < 3:
        return _Forecast(np.inf, 0.5), _Forecast(np.inf, 0.5)
    alphas, losses = np.asarray(alphas, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    at, low, high = _band(alphas, losses)
    gap, target = _highest_gap(alphas, losses, at, low, high)
    rise = high - np.interp(at, alphas[[0, -1]], losses[[0, -1]])
    top = int(np.argmax(rise))
    return (
        _Forecast(max(float(gap - measured_gap), 0.0), target),
        _Forecast(max(float(rise[top] - measured_barrier), 0.0), float(at[top])),
    )


def _highest_gap(alphas, losses, at, low, high):
    """The largest convexity gap of a curve in the band, and the unmeasured alpha that adds most to it.

    Such a curve is high in the interval of its maximiser and low in all others. `bound` lets it be both in
    the one interval, which is quick and never too small, so that few intervals need a hull of their own.
    """
    size = len(_INNER)
    bound = (high - _envelope(at, low)[0])[:-1].reshape(-1, size).max(axis=1)
    best = -np.inf
    for interval in np.argsort(-bound, kind="stable").tolist():
        if best >= bound[interval]:
            break
        inside = slice(interval * size, (interval + 1) * size)
        curve = low.copy()
        curve[inside] = high[inside]
        envelope, hull = _envelope(at, curve)
        gaps = (curve - envelope)[inside]
        if gaps.max() > best:
            best = gaps.max()
            target = _decisive(alphas, losses, at, curve, hull, inside.start + int(np.argmax(gaps)))
    return best, target


def _decisive(alphas, losses, at, curve, hull, top):
    """Which of the maximiser and the two ends of the chord under it moves the gap most, against the measured
    points joined by straight lines. These three parts add up, and at a measured point the part is 0."""
    right = min(int(np.searchsorted(hull, top, side="right")), len(hull) - 1)
    three = np.array([top, hull[right - 1], hull[right]])
    share = (at[three[0]] - at[three[1]]) / (at[three[2]] - at[three[1]])
    moves = (curve[three] - np.interp(at[three], alphas, losses)) * [1, share - 1, -share]
    return float(at[three[np.argmax(moves)]])


def _band(alphas, losses):
    """The lowest and the highest curve that the points leave room for: three vectors `at`, `low`, `high`.

    In each interval two parabolas pass through both its ends and one more neighbour. Two more come from three
    points on one side each: where the slope jumps inside the interval they meet at the kink, which the first
    two round off.
    """
    at = alphas[:-1, None] + np.diff(alphas)[:, None] * _INNER
    chord = losses[:-1, None] + np.diff(losses)[:, None] * _INNER
    before, left, right, after = (_parabolas(alphas, losses, at, offset) for offset in (-2, -1, 0, 1))
    from_left, from_right = _prolonged(alphas, losses, at)
    before = np.where(np.isnan(before), from_left, before)
    after = np.where(np.isnan(after), from_right, after)
    # fmin and fmax pass over the NaN of what does not exist near the ends; minimum and maximum keep it.
    lowest = np.fmin(np.fmin(left, right), np.maximum(before, after))
    highest = np.fmax(np.fmax(left, right), np.minimum(before, after))
    bend = np.full((len(at), 1), _BEND)
    bend[[0, -1]] = _BEND_AT_ENDS
    low, high = lowest - bend * np.abs(lowest - chord), highest + bend * np.abs(highest - chord)
    low[:, 0] = high[:, 0] = losses[:-1]
    settled = np.diff(alphas) <= _LATTICE  # nothing more to ask for: a jump, not a bend
    low[settled] = high[settled] = chord[settled]
    return np.append(at, alphas[-1]), np.append(low, losses[-1]), np.append(high, losses[-1])


def _parabolas(alphas, losses, at, offset):
    """In each interval i, at `at[i]`, the parabola through the points i + offset and the two after it; NaN
    where these do not exist."""
    first = np.arange(len(at)) + offset
    exists = (first >= 0) & (first + 2 < len(alphas))
    first = np.clip(first, 0, len(alphas) - 3)[:, None]
    slopes = np.diff(losses) / np.diff(alphas)
    curvature = (slopes[first + 1] - slopes[first]) / (alphas[first + 2] - alphas[first])
    rise = (slopes[first] + curvature * (at - alphas[first + 1])) * (at - alphas[first])
    return np.where(exists[:, None], losses[first] + rise, np.nan)


def _prolonged(alphas, losses, at):
    """In each interval, the chords of the interval before it and of the one after it, prolonged; NaN where
    there is none."""
    slopes = (np.diff(losses) / np.diff(alphas))[:, None]
    from_left, from_right = np.full_like(at, np.nan), np.full_like(at, np.nan)
    from_left[1:] = losses[1:-1, None] + slopes[:-1] * (at[1:] - alphas[1:-1, None])
    from_right[:-1] = losses[1:-1, None] + slopes[1:] * (at[:-1] - alphas[1:-1, None])
    return from_left, from_right


def _envelope(at, curve):
    """The lower convex envelope of a curve at all its points, and the indices of its vertices."""
    hull = lower_hull(at.tolist(), curve.tolist())
    return np.interp(at, at[hull], curve[hull]), hull


def _on_lattice(target, alphas):
    """The lattice's alpha nearest to the target among those between the measured points around it, or None
    where the target itself is measured or they leave no room."""
    if target in alphas:
        return None
    right = int(np.searchsorted(alphas, target))
    lowest, highest = floor(alphas[right - 1] / _LATTICE) + 1, ceil(alphas[right] / _LATTICE) - 1
    return min(max(round(target / _LATTICE), lowest), highest) * _LATTICE if lowest <= highest else None
