"""What counts as no gap, and as having learnt."""

import numpy as np
from scipy import stats

FLOOR = 1e-6  # nats; what rounding alone makes of the gap of a convex float32 path


def floored(value: float) -> float:
    """The value as it is shown: 0 where it is under the floor."""
    return 0.0 if abs(value) < FLOOR else float(value)


def accuracy_interval(accuracy: float, n: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy over `n` examples, by Wilson's method."""
    low, high = stats.binomtest(round(accuracy * n), n).proportion_ci(method="wilson")
    return float(low), float(high)


def ratio_interval(hits: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of `sum(hits) / sum(counts)` over units that differ in their counts.

    Linearised (Taylor): tokens of one block are not drawn by themselves. One unit says nothing: (0, 1).
    """
    n, ratio = len(counts), hits.sum() / counts.sum()
    if n < 2:
        return 0.0, 1.0
    variance = n / (n - 1) * ((hits - ratio * counts) ** 2).sum() / counts.sum() ** 2
    half = stats.t.ppf(0.975, n - 1) * variance**0.5
    return float(ratio - half), float(ratio + half)


def learnt(accuracy: float, majority: float) -> bool:
    """Whether an accuracy is above that of always naming the majority class; an unknown one passes.

    Of a run, the low end of its interval is asked: one that is not clearly above may have learnt nothing.
    """
    return not accuracy <= majority
