"""Is there a gap at all? The rise above a chord, judged by other units than those that chose where to look.

A gap is a maximum, and chance lifts a maximum: the barrier height and the convexity gap of a straight curve
lie above 0, and their percentile intervals mostly too, whatever the number of units. So the units are halved
at random; alpha and chord are chosen on one half, `f(alpha) - chord` is measured on the other, and both ways,
and several halvings, are averaged. The value is signed, and a mean over units once alpha and chord are
chosen: with no gap it is around 0 or below. Where there is a gap it is a little too small, since the choice
is not the best one.
"""

from collections.abc import Callable

import numpy as np

from isthmus.metrics import Gap

HALVINGS = 5  # more add nothing: docs/metrics.md


def halves(n: int, seed: int, count: int = HALVINGS) -> np.ndarray:
    """Which of `n` units are in the second half, `count` times; the same wherever `n` and `seed` agree.

    Returns:
        bool, shape (count, n).
    """
    # Raw bits, not numpy's permutation: that may change with its version.
    drawn = np.random.Philox(key=np.array([seed, n], dtype=np.uint64)).random_raw((count, n))
    second = np.zeros((count, n), dtype=bool)
    np.put_along_axis(second, np.argsort(drawn, axis=1, kind="stable")[:, : n // 2], True, axis=1)
    return second


def contributions(
    alphas: np.ndarray, losses: np.ndarray, halves: np.ndarray, gap: Callable[[np.ndarray, np.ndarray], Gap]
) -> np.ndarray:
    """What each unit adds to the cross-fitted gap, which is the mean of this.

    Args:
        alphas: rising from 0 to 1, shape (n,).
        losses: of each unit at each alpha, shape (n, units).
        halves: shape (count, units); the value is the mean over these halvings.
        gap: `metrics.barrier_height` or `metrics.convexity_gap`; errors are theirs.

    Returns:
        float64, shape (units,); 0 for a half whose other half has no gap.
    """
    result = np.zeros(losses.shape[1])
    for judging in [half for second in halves for half in (second, ~second)]:
        if not judging.any() or judging.all():  # a single unit cannot be halved
            continue
        found = gap(alphas, losses[:, ~judging].mean(axis=1, dtype=np.float64))
        if found.value == 0:
            continue
        at, low, high = (
            losses[np.searchsorted(alphas, place), judging].astype(np.float64)
            for place in (found.alpha, found.chord_low, found.chord_high)
        )
        share = (found.alpha - found.chord_low) / (found.chord_high - found.chord_low)
        rise = at - ((1 - share) * low + share * high)
        result[judging] += rise * (len(judging) / (2 * judging.sum()))  # both halves weigh the same
    return result / len(halves)
