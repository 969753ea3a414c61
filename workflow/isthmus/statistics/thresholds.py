"""What counts as no gap, and as having learnt."""

from math import sqrt

import numpy as np
from scipy import special  # `stats`, which calls the same functions, takes most of a second to import

from isthmus.metrics import FLOOR


def floored(value: float) -> float:
    """The value as it is shown: 0 where it is under the floor."""
    return 0.0 if abs(value) < FLOOR else float(value)


def accuracy_interval(accuracy: float, n: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy over `n` examples, by Wilson's method."""
    hits = round(accuracy * n)
    p, z = hits / n, special.ndtri(0.975)
    centre, half = 2 * n * p + z**2, z / (2 * (n + z**2)) * sqrt(4 * n * p * (1 - p) + z**2)
    centre /= 2 * (n + z**2)
    low, high = (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)
    return float(low), float(high)


def ratio_interval(hits: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of `sum(hits) / sum(counts)` over units that differ in their counts.

    Linearised (Taylor): tokens of one block are not drawn by themselves. One unit says nothing: (0, 1).
    """
    n, ratio = len(counts), hits.sum() / counts.sum()
    if n < 2:
        return 0.0, 1.0
    variance = n / (n - 1) * ((hits - ratio * counts) ** 2).sum() / counts.sum() ** 2
    half = special.stdtrit(n - 1, 0.975) * variance**0.5
    return float(ratio - half), float(ratio + half)


def learnt(accuracy: float, majority: float) -> bool:
    """Whether an accuracy is above that of always naming the majority class; an unknown one passes.

    Of a run, the low end of its interval is asked: one that is not clearly above may have learnt nothing.
    """
    return not accuracy <= majority
