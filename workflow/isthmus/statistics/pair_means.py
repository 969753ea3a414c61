"""Means over pairs of seeds, their intervals, and the differences between the means of two models."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import stored
from isthmus.bootstrap import percentile_interval
from isthmus.caches.identity import FACTORS
from isthmus.statistics import seeds

INTERVAL = ["value", "low", "high"]
CROSS_FITTED = ["cross_fitted", "cross_fitted_low", "cross_fitted_high"]
# `from_step` is empty where it is no delta
MEAN_KEYS = ["from_step", "step", "set", "quantity", "metric", "k"]
OVER_SEEDS = ["seeds", "low_seeds", "high_seeds", "low_both", "high_both"]
# What the file of a cell holds besides, for differences and changes of means to be made of.
KEPT = ["samples", "pair_a", "pair_b", "values"]
MEAN_COLUMNS = [*MEAN_KEYS, "pairs", *INTERVAL, *OVER_SEEDS, *CROSS_FITTED, *KEPT]
# A cross-fitted gap, and the same in each bootstrap replicate of the evaluation units.
CrossFitted = tuple[float, np.ndarray | float]
UNKNOWN: CrossFitted = (np.nan, np.nan)


class OverPairs:
    """A metric of each pair, and sums over pairs: of its replicates, of the cross-fitted gap and its own."""

    def __init__(self) -> None:
        self.values: dict[seeds.Members, float] = {}
        self.samples, self.gap = 0.0, (0.0, 0.0)

    def add(self, pair: seeds.Members, value: float, samples: np.ndarray, gap: CrossFitted) -> None:
        self.values[tuple(sorted(pair))] = value
        self.samples = self.samples + samples
        self.gap = tuple(total + own for total, own in zip(self.gap, gap, strict=True))

    def row(self) -> dict[str, Any]:
        pairs, values = zip(*sorted(self.values.items()), strict=True)
        mean = seeds.Mean(pairs, np.array(values), np.asarray(self.samples) / len(pairs))
        return {
            "pairs": len(pairs),
            **intervals(seeds.combined([mean], [1.0])),
            **cross_fitted(tuple(total / len(pairs) for total in self.gap)),
            "samples": mean.samples.astype(np.float32),
            "pair_a": [a for a, _ in pairs],
            "pair_b": [b for _, b in pairs],
            "values": values,
        }


def intervals(estimate: seeds.Estimate) -> dict[str, float]:
    """An estimate with the intervals over evaluation units, over seeds and over both, by column."""
    both = {"units": estimate.over_units, "seeds": estimate.over_seeds, "both": estimate.over_both}
    found = {f"{end}_{over}": ends[i] for over, ends in both.items() for i, end in enumerate(("low", "high"))}
    found |= {"value": estimate.value, "seeds": estimate.seeds}
    return {name.removesuffix("_units"): value for name, value in found.items()}


def mean_over_pairs(row: Mapping[str, Any]) -> seeds.Mean:
    """The mean that a row of a cell's means is of, from its `KEPT` columns."""
    pairs = tuple(zip(map(int, row["pair_a"]), map(int, row["pair_b"]), strict=True))
    return seeds.Mean(pairs, np.asarray(row["values"], np.float64), np.asarray(row["samples"], np.float64))


def differences(files: list[Path]) -> pd.DataFrame:
    """Between the models of a data set: the second's mean over pairs minus the first's.

    Bootstrap replicates are paired, and so are the pairs of seeds where both models have the same ones.

    Args:
        files: the `means` of the data set's cells, whose folders name the models.

    Returns:
        A row a pair of models and mean that both have, as in `differences.csv`.
    """
    columns = ["model_a", "model_b", *MEAN_KEYS, *INTERVAL, *OVER_SEEDS]
    means = {path.parent.name: by_key(merged(stored.read_frame(path))) for path in files}
    rows = [
        dict(zip(MEAN_KEYS, key, strict=True))
        | {"model_a": a, "model_b": b}
        | intervals(seeds.combined([second[key], first[key]], [1.0, -1.0]))
        for (a, first), (b, second) in combinations(means.items(), 2)
        for key in first
        if key in second
    ]
    return frame_of(rows, columns)


def merged(means: pd.DataFrame) -> pd.DataFrame:
    """The means of a cell without those of the lines between its adapters' factors."""
    return means[means["space"] != FACTORS] if "space" in means else means


def by_key(means: pd.DataFrame) -> dict[tuple, seeds.Mean]:
    """The means of a cell by the values of `MEAN_KEYS`, None where one is empty."""
    named = means[MEAN_KEYS].astype(object).where(means[MEAN_KEYS].notna(), None)
    keys, rows = named.itertuples(index=False, name=None), means[KEPT].to_dict("records")
    return {key: mean_over_pairs(row) for key, row in zip(keys, rows, strict=True)}


def cross_fitted(gap: CrossFitted) -> dict[str, float]:
    """A cross-fitted gap with its interval over evaluation units, by column; empty where it is not known."""
    value, samples = gap
    if np.isnan(value):  # not known of some path
        return dict.fromkeys(CROSS_FITTED, np.nan)
    return dict(zip(CROSS_FITTED, (value, *map(float, percentile_interval(samples))), strict=True))


def frame_of(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame with these columns; whole numbers may be empty."""
    frame = pd.DataFrame(rows, columns=columns)
    whole = {name: "Int64" for name in ("k", "from_step") if name in columns}
    return frame.astype(whole)
