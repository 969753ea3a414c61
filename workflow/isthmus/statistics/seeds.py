"""Intervals over seeds: what a mean over pairs of fine-tuned models says of seeds in general.

A mean over all pairs of N seeds is a U-statistic of degree two: a seed stands in N - 1 of its pairs, so pairs
are not independent. Its variance comes from leaving out one seed at a time (the jackknife of U-statistics:
Arvesen 1969, Ann. Math. Statist. 40), its interval from Student's t with N - 1 degrees of freedom. To draw
the seeds again in its place (a bootstrap of the nodes) covers far less than it says for the few seeds that
are fine-tuned: `docs/metrics.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from isthmus.bootstrap import percentile_interval

Members = tuple[int, ...]  # of what is averaged over; most often a pair
LEVEL = 0.95
FEWEST = 3  # with two seeds there is one pair, and nothing to leave out


def seeds_of(pairs: Sequence[Members]) -> list[int]:
    """The seeds that the pairs join, rising."""
    return sorted({seed for pair in pairs for seed in pair})


def untested(pairs: Sequence[Members]) -> str:
    """Why there is no interval over seeds; empty where there is one."""
    seeds = seeds_of(pairs)
    if len(seeds) < FEWEST:
        return "fewer than three seeds"
    hubs = [seed for seed in seeds if all(seed in pair for pair in pairs)]
    if hubs:
        return f"all pairs share seed {hubs[0]}, which cannot be left out"
    # With one seed in nearly all pairs, leaving it out leaves next to nothing: intervals are too narrow.
    # Of larger groups some at random will do: each seed is in about as many.
    every = len(seeds) * (len(seeds) - 1) // 2 if len(pairs[0]) == 2 else len(pairs)
    return "" if len(pairs) == every else f"{len(pairs)} of {every} pairs of these seeds are measured"


def variance(pairs: Sequence[Members], values) -> np.ndarray:
    """The jackknife's variance, over seeds, of a mean over pairs.

    Args:
        pairs: the pairs of seeds, each once.
        values: one a pair, shape (..., pairs).

    Returns:
        Shape (...); NaN where `untested(pairs)` says why there is none.
    """
    values = np.asarray(values, dtype=np.float64)
    if untested(pairs):
        return np.full(values.shape[:-1], np.nan)[()]
    seeds = seeds_of(pairs)
    without = np.array([[seed not in pair for pair in pairs] for seed in seeds], dtype=np.float64)
    left = values @ (without / without.sum(axis=1, keepdims=True)).T
    apart = left - left.mean(axis=-1, keepdims=True)
    return ((len(seeds) - 1) / len(seeds) * (apart**2).sum(axis=-1))[()]


@dataclass(frozen=True)
class Mean:
    """A value of each pair of seeds, of which the mean is meant.

    Attributes:
        pairs: the pairs.
        values: one a pair, shape (pairs,).
        samples: the mean over pairs in each bootstrap replicate of the evaluation units, shape (replicates,).
    """

    pairs: tuple[Members, ...]
    values: np.ndarray
    samples: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs, or a sum of such, with what its uncertainty comes from.

    Attributes:
        value: the estimate.
        samples: the same in each bootstrap replicate of the evaluation units, shape (replicates,).
        seeds: how many there are; of several groups the fewest.
        parts: variance over seeds and degrees of freedom of each independent part of it; NaN: not tested.
        untested: why nothing is said of seeds in general; empty where something is.
    """

    value: float
    samples: np.ndarray
    seeds: int
    parts: tuple[tuple[float, float], ...]
    untested: str = ""

    @property
    def over_units(self) -> tuple[float, float]:
        """The percentile interval over evaluation units; NaN without replicates."""
        return tuple(map(float, percentile_interval(self.samples)))

    @property
    def over_seeds(self) -> tuple[float, float]:
        """The interval over seeds; NaN where they are not tested."""
        return self._interval(self._seeds)

    @property
    def over_both(self) -> tuple[float, float]:
        """The interval over seeds and units: their variances add up; NaN where either is not known."""
        return self._interval(self._both)

    @property
    def interval(self) -> tuple[float, float, str]:
        """The widest interval that is known, and what it is over; NaN and nothing where none is."""
        names = {"seeds and units": self.over_both, "seeds": self.over_seeds, "units": self.over_units}
        known = [(*ends, over) for over, ends in names.items() if ends[0] == ends[0]]
        return known[0] if known else (np.nan, np.nan, "")

    @property
    def p(self) -> float:
        """The two-sided p-value of a true value of 0, over seeds, and units where there are replicates.

        NaN where seeds are not tested.
        """
        spread = np.sqrt(self._seeds if np.isnan(self._both) else self._both)
        if spread == 0:
            return float(self.value == 0)
        return float(2 * special.stdtr(self._degrees, -abs(self.value) / spread))

    @property
    def _seeds(self) -> float:
        return sum(variance for variance, _ in self.parts)

    @property
    def _both(self) -> float:
        return self._seeds + (np.var(self.samples, ddof=1) if len(self.samples) > 1 else np.nan)

    @property
    def _degrees(self) -> float:
        """Those of Welch and Satterthwaite; of a single part its own."""
        if not self._seeds > 0:
            return min(degrees for _, degrees in self.parts)
        return self._seeds**2 / sum(variance**2 / degrees for variance, degrees in self.parts)

    def _interval(self, spread: float) -> tuple[float, float]:
        half = special.stdtrit(self._degrees, (1 + LEVEL) / 2) * np.sqrt(spread)
        return float(self.value - half), float(self.value + half)


def combined(means: Sequence[Mean], weights: Sequence[float]) -> Estimate:
    """A weighted sum of means: a change, a difference between models, a mean over cells.

    Means over the same pairs are taken pair by pair, which leaves out what they share; those over other pairs
    count as independent.

    Args:
        means: one or more.
        weights: one a mean.
    """
    weighted = list(zip(weights, means, strict=True))
    value = sum(weight * float(np.mean(mean.values)) for weight, mean in weighted)
    samples = sum(weight * np.asarray(mean.samples, np.float64) for weight, mean in weighted)
    together: dict[tuple[Members, ...], np.ndarray] = {}
    for weight, mean in weighted:
        together[mean.pairs] = together.get(mean.pairs, 0.0) + weight * np.asarray(mean.values, np.float64)
    reason = next(filter(None, [*map(untested, together), _shared(together)]), "")
    parts = tuple(
        (np.nan if reason else float(variance(pairs, values)), len(seeds_of(pairs)) - 1.0)
        for pairs, values in together.items()
    )
    count = min(len(seeds_of(pairs)) for pairs in together)
    return Estimate(value, samples, count, parts, reason)


def _shared(groups: Iterable[Sequence[Members]]) -> str:
    """Why groups of pairs are neither of the same seeds nor independent; empty where they are."""
    seeds = [set(seeds_of(pairs)) for pairs in groups]
    if any(a & b for a, b in combinations(seeds, 2)):
        return "what is compared has some of its seeds in common, and not all"
    return ""


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for there being several (Holm 1979); those that are NaN count as none."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p == p)
    adjusted, largest = [float("nan")] * len(p_values), 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = largest
    return adjusted
