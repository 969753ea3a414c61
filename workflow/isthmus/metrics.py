"""How far a loss curve on a path rises above its chords: barrier height, convexity gap, the nested estimator.

A curve is the mean loss (or the error rate) `f(alpha)` at rising alphas from 0 to 1. The definitions follow
"Effects of Pre-training and Fine-tuning Time on the Linear Connectivity of Language Models for Natural
Language Inference", whose convexity gap is that of Juneja et al. (2022); `docs/metrics.md` has the proofs.
Everything here is exact for the piecewise-linear curve through the given points, for any spacing of them.
Gaps come in the unit of the losses (nats for a cross-entropy); alphas have none.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

FLOOR = 1e-6  # nats; what rounding alone makes of the gap of a convex float32 path

# Values held at once by the nested estimator, about 8 MB: beyond that a block of curves leaves the cache.
_BLOCK = 2**20


@dataclass(frozen=True)
class Gap:
    """The largest rise `value` of a curve above a chord, at `alpha`, over [`chord_low`, `chord_high`]."""

    value: float
    alpha: float
    chord_low: float
    chord_high: float


@dataclass(frozen=True)
class Nested:
    """The three values of the nested estimator, in the unit of the losses and in rising order."""

    barrier_height: float
    convexity_gap: float
    improved_convexity_gap: float


def barrier_height(alphas, losses) -> Gap:
    """`max_alpha [f(alpha) - ((1 - alpha) f(0) + alpha f(1))]`, with the first alpha that attains it.

    `alphas` and `losses` are two sequences of one length. The value is never negative: the ends count, and
    are 0. ValueError: fewer than two points, lengths that differ, NaN or infinite losses, alphas that do not
    rise strictly from 0 to 1.
    """
    alphas, losses = _checked(alphas, losses, one_curve=True)
    return _barrier(alphas, losses)


def convexity_gap(alphas, losses) -> Gap:
    """The largest barrier height over all sub-segments [g, h], with its alpha and that sub-segment.

    For one alpha the lowest chord above it is the lower convex envelope, so one hull gives the maximum over
    all of them in O(n). Arguments and errors are those of `barrier_height`, whose value is never larger.
    """
    alphas, losses = _checked(alphas, losses, one_curve=True)
    edges = pairwise(lower_hull(alphas.tolist(), losses.tolist()))
    gaps = [_barrier(alphas[low : high + 1], losses[low : high + 1]) for low, high in edges]
    # The whole curve counts too, so that rounding cannot put the barrier height above the convexity gap.
    return max([_barrier(alphas, losses), *gaps], key=lambda gap: gap.value)


def nested(alphas, losses, k: int) -> Nested:
    """The nested estimator with `k` intervals a level, on the piecewise-linear curve through the points.

    `barrier_height` looks at the k + 1 equal points of [0, 1]; `convexity_gap` at the k + 1 equal points of
    each sub-segment whose ends lie on that grid; `improved_convexity_gap` nests once more. None exceeds the
    next, in floating point too. Errors are those of `barrier_height`, and `k` below 2.
    """
    alphas, losses = _checked(alphas, losses, one_curve=True)
    return Nested(*nested_many(alphas, losses, k).tolist())


def barrier_heights(alphas, curves) -> np.ndarray:
    """`barrier_height(...).value` of many curves on one grid: `curves` (..., n) to float64 (...)."""
    alphas, curves = _checked(alphas, curves)
    return np.maximum((curves - _end_chord(alphas, curves))[..., 1:-1].max(axis=-1, initial=0.0), 0.0)


def convexity_gaps(alphas, curves) -> np.ndarray:
    """`convexity_gap(...).value` of many curves on one grid: `curves` (..., n) to float64 (...)."""
    alphas, curves = _checked(alphas, curves)
    columns = np.ascontiguousarray(curves.reshape(-1, len(alphas)).T)  # (n, curves): one row a point
    previous = _hull_links(alphas, columns)
    every = np.arange(columns.shape[1])
    gaps = barrier_heights(alphas, columns.T)  # so that BH <= CG survives rounding
    high = np.full(len(every), len(alphas) - 1)
    for k in range(len(alphas) - 2, 0, -1):
        low = previous[high, every]
        chord = _chord(alphas[k], alphas[low], alphas[high], columns[low, every], columns[high, every])
        np.maximum(gaps, columns[k] - chord, out=gaps, where=low < k)
        high = np.where(low == k, k, high)
    return gaps.reshape(curves.shape[:-1])


def nested_many(alphas, curves, k: int) -> np.ndarray:
    """`nested` of many curves on one grid: `curves` (..., n) to float64 (..., 3), in the order BH, CG, ICG.

    All points that the three levels look at are multiples of k**-3. So each curve is interpolated there once,
    and a sub-segment is a start and a step among those values.
    """
    alphas, curves = _checked(alphas, curves)
    if k != int(k) or k < 2:
        raise ValueError(f"k is {k!r}; allowed is a whole number of intervals, 2 or more")
    start, step, levels = _segments(int(k))
    flat = curves.reshape(-1, len(alphas))
    result = np.empty((len(flat), 3))
    rows = max(1, _BLOCK // len(start))
    for block in range(0, len(flat), rows):
        values = _interpolated(alphas, flat[block : block + rows].T, np.arange(k**3 + 1) / k**3)
        gaps = _segment_barriers(values, start, step, k)
        result[block : block + rows] = np.stack([gaps[:level].max(axis=0) for level in levels], axis=-1)
    return result.reshape(*curves.shape[:-1], 3)


def lower_hull(alphas: list[float], losses: list[float]) -> list[int]:
    """The indices of the vertices of the lower convex envelope, both ends included, by a monotone chain."""
    hull = [0]
    for k in range(1, len(alphas)):
        while len(hull) > 1 and not _below(alphas, losses, hull[-2], hull[-1], k):
            hull.pop()
        hull.append(k)
    return hull


def _below(alphas, losses, low, middle, high):
    """Whether the point `middle` lies under the chord from `low` to `high` (without a division)."""
    rise = (losses[middle] - losses[low]) * (alphas[high] - alphas[low])
    return rise < (losses[high] - losses[low]) * (alphas[middle] - alphas[low])


def _hull_links(alphas, columns):
    """For each point and curve, the vertex before it on the lower hull of the points up to it: (n, curves).

    This is the monotone chain of `lower_hull` for all curves at once: the stack under a point is the chain of
    links from it, and popping is following a link.
    """
    previous = np.zeros(columns.shape, dtype=np.intp)
    for k in range(2, len(alphas)):
        vertex = np.full(columns.shape[1], k - 1)
        popping = np.arange(columns.shape[1])
        while len(popping):
            middle = vertex[popping]
            low = previous[middle, popping]
            rise = (columns[middle, popping] - columns[low, popping]) * (alphas[k] - alphas[low])
            above = rise >= (columns[k, popping] - columns[low, popping]) * (alphas[middle] - alphas[low])
            popping, low = popping[above], low[above]
            vertex[popping] = low
            popping = popping[low > 0]
        previous[k] = vertex
    return previous


def _chord(alpha, low, high, loss_low, loss_high):
    """The chord at `alpha`; where both its ends are equal it is exactly their value."""
    return loss_low + (loss_high - loss_low) * ((alpha - low) / (high - low))


def _end_chord(alphas, losses):
    """The chord between the first and the last point, at every alpha, exact at both: (..., n)."""
    chord = _chord(alphas, alphas[0], alphas[-1], losses[..., :1], losses[..., -1:])
    chord[..., -1] = losses[..., -1]
    return chord


def _barrier(alphas, losses):
    """The barrier height of one curve or of a part of it."""
    gaps = losses - _end_chord(alphas, losses)
    best = int(np.argmax(gaps))
    return Gap(float(gaps[best]), float(alphas[best]), float(alphas[0]), float(alphas[-1]))


@lru_cache(maxsize=8)
def _segments(k):
    """The distinct sub-segments of the nested estimator: their starts and steps in units of k**-3, and how
    many of the first of them make up each level. Each level's sub-segments include those of the level before.
    """
    outer = [(low, high) for low in range(k) for high in range(low + 1, k + 1)]
    units = [(0, k * k)] + [(low * k * k, (high - low) * k) for low, high in outer]
    for low, high in outer:
        length = high - low
        units += [(k * (low * k + length * start), length * (end - start)) for start, end in outer]
    distinct = np.array(list(dict.fromkeys(units)))
    return distinct[:, 0], distinct[:, 1], (1, len(outer), len(distinct))


def _segment_barriers(values, start, step, k):
    """The barrier height of each sub-segment at its k + 1 points: from (points, curves) to (m, curves)."""
    low, high = values[start], values[start + k * step]
    gaps = np.zeros_like(low)
    for j in range(1, k):
        np.maximum(gaps, values[start + j * step] - (low + (high - low) * (j / k)), out=gaps)
    return gaps


def _interpolated(alphas, columns, at):
    """The piecewise-linear curves (n, curves) at the alphas `at`, exactly the given values where measured."""
    right = np.clip(np.searchsorted(alphas, at, side="left"), 1, len(alphas) - 1)
    left = right - 1
    weight = ((at - alphas[left]) / (alphas[right] - alphas[left]))[:, None]
    return np.where(weight == 1, columns[right], columns[left] + (columns[right] - columns[left]) * weight)


def _checked(alphas, curves, one_curve=False):
    """Both as float64 arrays, or a ValueError that says what was found and what is allowed."""
    alphas, curves = np.asarray(alphas, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    if alphas.ndim != 1 or curves.ndim < 1 or (one_curve and curves.ndim != 1):
        allowed = "two sequences" if one_curve else "a sequence of alphas and an array (..., n) of losses"
        raise ValueError(f"alphas have shape {alphas.shape}, losses {curves.shape}; allowed: {allowed}")
    if len(alphas) != curves.shape[-1]:
        raise ValueError(f"{len(alphas)} alphas but {curves.shape[-1]} losses; allowed: one loss an alpha")
    if len(alphas) < 2:
        raise ValueError(f"too few points: {len(alphas)}; allowed: at least two, alpha 0 and alpha 1")
    _check_rising(alphas)
    if not np.isfinite(curves).all():
        place = tuple(np.argwhere(~np.isfinite(curves))[0].tolist())
        raise ValueError(f"the loss at alpha {alphas[place[-1]]} is {curves[place]}; allowed: finite losses")
    return alphas, curves


def _check_rising(alphas):
    if not np.isfinite(alphas).all():
        raise ValueError(f"an alpha is {alphas[~np.isfinite(alphas)][0]}; allowed: numbers from 0 to 1")
    for low, high in pairwise(alphas.tolist()):
        if low == high:
            raise ValueError(f"alpha {low} is repeated; allowed: each alpha once")
        if low > high:
            raise ValueError(f"alphas are not sorted: {high} follows {low}; allowed: rising alphas")
    if alphas[0] != 0 or alphas[-1] != 1:
        raise ValueError(f"alphas run from {alphas[0]} to {alphas[-1]}; allowed: from 0 to 1, both included")
