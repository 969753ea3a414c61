"""Uncertainty from the evaluation examples: fixed bootstrap replicates of means, and percentile intervals.

The weights are a function of the seed and the number of examples alone, so every path, step and model that is
evaluated on one set (in one order) sees the same replicates, and their differences are paired.
"""

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import numpy as np

# Weights turned to float64 at once, about 8 MB: the whole matrix would be eight times the stored one.
_BLOCK = 2**20


class Bootstrap:
    """`replicates` resamplings of `n` examples with replacement, the same ones wherever `seed` and `n` agree.

    The first replicates do not depend on how many follow. `counts` (replicates, n, uint8) says how often each
    example occurs in each; it takes replicates * n bytes. ValueError: `n` below 1, `replicates` below 0, a
    `seed` outside 0 ... 2**64 - 1.
    """

    def __init__(self, n: int, replicates: int, seed: int):
        if n < 1 or replicates < 0 or not 0 <= seed < 2**64:
            found = f"n is {n}, replicates {replicates}, seed {seed}"
            raise ValueError(f"{found}; allowed are n >= 1, replicates >= 0 and 0 <= seed < 2**64")
        self.n, self.replicates, self.seed = n, replicates, seed
        # Raw bits of a counter-based generator, not numpy's distributions: those may change with its version.
        # Scaling 32 bits favours no example over another by more than n / 2**32.
        bits = np.random.Philox(key=np.array([seed, n], dtype=np.uint64))
        self.counts = np.empty((replicates, n), dtype=np.uint8)  # a count over 255 has a chance under 1e-500
        for row in self.counts:
            drawn = ((bits.random_raw(n) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)
            row[:] = np.bincount(drawn.astype(np.intp), minlength=n)

    def replicate_means(self, values) -> np.ndarray:
        """The mean of each resampling: `values` (..., n), one an example, to float32 (..., replicates).

        The same bits for any number of threads and any other rows in `values`: each row is rounded to a fixed
        point so coarse (2**-52 of n times its largest value) that every partial sum is a whole number that
        float64 holds exactly; then no order of summation can matter. ValueError: another number of examples,
        values that are not finite.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim < 1 or values.shape[-1] != self.n:
            raise ValueError(f"values of shape {values.shape}; allowed is (..., {self.n}), one an example")
        if not np.isfinite(values).all():
            found = values[~np.isfinite(values)][0]
            raise ValueError(f"the values of the examples hold {found}; allowed are finite numbers")
        rows = values.reshape(-1, self.n)
        shift = 52 - np.frexp(self.n * np.abs(rows).max(axis=-1, keepdims=True))[1]
        whole = np.rint(np.ldexp(rows, shift))
        sums = np.empty((len(rows), self.replicates))
        step = max(1, _BLOCK // self.n)
        for block in range(0, self.replicates, step):
            weights = self.counts[block : block + step].astype(np.float64)
            # Not a matrix product: a threaded one waits for busy cores and costs a hundred times as much.
            sums[:, block : block + step] = np.einsum("vn,rn->vr", whole, weights)
        means = np.ldexp(sums, -shift) / self.n
        return means.astype(np.float32).reshape(*values.shape[:-1], self.replicates)


@dataclass(frozen=True)
class Resampling:
    """How evaluation units are drawn again and halved: the same for all paths of a set."""

    replicates: int
    seed: int

    def bootstraps(self, sets: Mapping[str, Sized]) -> dict[str, Bootstrap]:
        """The drawing of each set's units."""
        return {name: Bootstrap(len(examples), self.replicates, self.seed) for name, examples in sets.items()}


def ratios(bootstrap: Bootstrap, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means a prediction where units are drawn again: ratios, whose both sums are drawn together.

    Args:
        bootstrap: the drawing of the n units.
        sums: by unit, shape (..., n).
        counts: how many predictions each unit has, shape (n,).

    Returns:
        Shape (..., replicates).
    """
    drawn = bootstrap.replicate_means(sums)
    return drawn if (counts == 1).all() else drawn / bootstrap.replicate_means(counts)


def percentile_interval(samples, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The central interval that holds the share `level` of the replicates, as (low, high).

    `samples` (..., replicates) gives two float64 arrays (...), NaN where there are no replicates. ValueError:
    `level` not between 0 and 1, samples that are not finite.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; allowed is a share between 0 and 1")
    if samples.shape[-1] == 0:
        return np.full(samples.shape[:-1], np.nan)[()], np.full(samples.shape[:-1], np.nan)[()]
    if not np.isfinite(samples).all():
        raise ValueError("the replicates hold a NaN or an infinity; allowed are finite numbers")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return low, high
