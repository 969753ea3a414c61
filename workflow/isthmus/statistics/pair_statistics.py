"""Statistics over pairs of seeds, and how far they would move if seeds were drawn again."""

from functools import lru_cache

import numpy as np
import pandas as pd

from isthmus.bootstrap import Bootstrap, percentile_interval

STATISTICS = ("mean", "low", "high", "median", "min", "max", "seeds_low", "seeds_high")
SEEDS_FOR_INTERVAL = 5  # resampling fewer seeds says more of the resampling than of the seeds


def over_pairs(frame, by: list[str]):
    """Each group's value over its pairs: a row a group, with `STATISTICS` and the number of `pairs`.

    `low` and `high` are the interval of the mean over evaluation examples. `seeds_low` and `seeds_high`, from
    five seeds on, are the 95 % interval of the mean when seeds are drawn again.

    Args:
        frame: metrics or deltas, `with_intervals`.
        by: columns that leave one metric of one cell and step to a group.
    """
    rows = []
    for key, group in frame.groupby(by, sort=False):
        values = group["value"].to_numpy(dtype=float)
        pairs = tuple(zip(group["seed_a"].tolist(), group["seed_b"].tolist(), strict=True))
        shown = (values.mean(), *group[["mean_low", "mean_high"]].iloc[0])
        spread = (group["value"].median(), values.min(), values.max(), *seeds_interval(pairs, values))
        rows.append((*key, *shown, *spread, len(values)))
    return pd.DataFrame(rows, columns=[*by, *STATISTICS, "pairs"])


def seeds_interval(pairs, values):
    """The 95 % interval of a mean over pairs when seeds are drawn again; NaN with fewer than five seeds.

    Args:
        pairs: the pairs of seeds, a tuple of tuples.
        values: one a pair, shape (pairs,).
    """
    if len({seed for pair in pairs for seed in pair}) < SEEDS_FOR_INTERVAL:
        return float("nan"), float("nan")
    return percentile_interval(_seed_weights(pairs) @ values)


@lru_cache(maxsize=8)
def _seed_weights(pairs):
    """The pairs' weights when seeds are drawn again, a row a replicate; a seed with itself is no pair."""
    seeds = sorted({seed for pair in pairs for seed in pair})
    counts = Bootstrap(len(seeds), replicates=1000, seed=0).counts.astype(float)
    index = np.array([[seeds.index(seed) for seed in pair] for pair in pairs])
    weights = counts[:, index[:, 0]] * counts[:, index[:, 1]]
    weights = weights[weights.sum(axis=1) > 0]
    return weights / weights.sum(axis=1, keepdims=True)
