"""Where in the network a barrier sits: the metrics of lines in some of the tensors, `layers.csv`.

Each line has BH, CG and the gain of its middle, over its own chord. `BH_models` is its highest point over
the chord between the two whole models, as in Adilova et al. (ICLR 2024), signed: below 0 where the line lies
under that chord everywhere but at its start, which it shares.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import metrics, stored
from isthmus.bootstrap import percentile_interval

QUANTITIES = ("loss", "error")
LINE = ["step", "seed_a", "seed_b", "set", "group", "order", "from"]
COLUMNS = [
    "step", "seed_a", "seed_b", "set", "quantity", "group", "order", "from", "metric", "value", "low", "high",
]  # fmt: skip


def cell(files: Iterable[Path]) -> pd.DataFrame:
    """The rows of `layers.csv` of a cell, from the files of its pairs as `layers` writes them."""
    rows = [row for path in files for row in pair(stored.read_frame(path))]
    return pd.DataFrame(rows, columns=COLUMNS)


def pair(points: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of one pair's lines."""
    lines = {keys: part.sort_values("alpha") for keys, part in points.groupby(LINE, sort=False)}
    for keys, line in lines.items():
        *place, side = keys
        other = lines[(*place, "b" if side == "a" else "a")]
        for quantity in QUANTITIES:
            alphas, curves = line["alpha"].to_numpy(), _curves(line, quantity)
            found = line_metrics(alphas, curves, _curves(other, quantity)[:, 0])
            for metric, values in found.items():
                low, high = percentile_interval(values[1:])
                row = dict(zip(LINE, keys, strict=True)) | {"quantity": quantity, "metric": metric}
                yield row | {"value": float(values[0]), "low": float(low), "high": float(high)}


def _curves(line: pd.DataFrame, quantity: str) -> np.ndarray:
    """The curve, and below it that of each replicate, shape (1 + replicates, alphas)."""
    replicates = np.stack(line[f"{quantity}_replicates"].to_list()).T.astype(np.float64)
    return np.vstack([line[quantity].to_numpy(), replicates])


def line_metrics(alphas: np.ndarray, curves: np.ndarray, ends: np.ndarray) -> dict[str, np.ndarray]:
    """BH, CG, the gain of the middle, and BH over the chord of the whole models, of each curve.

    Args:
        alphas: rising from 0 to 1, 1/2 among them, shape (n,).
        curves: losses or errors, shape (curves, n); at alpha 0 those of a whole model.
        ends: of the other whole model, shape (curves,).

    Returns:
        By metric, each of shape (curves,).
    """
    middle = curves[:, np.searchsorted(alphas, 0.5)]
    chord = curves[:, :1] * (1 - alphas) + ends[:, None] * alphas
    return {
        "BH": metrics.barrier_heights(alphas, curves),
        "CG": metrics.convexity_gaps(alphas, curves),
        "gain": (curves[:, 0] + curves[:, -1]) / 2 - middle,
        "BH_models": (curves - chord)[:, 1:].max(axis=1),
    }
