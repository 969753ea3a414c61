"""Basins: groups of runs that are connected among themselves and apart from each other.

The dissimilarity of two runs is the convexity gap between them (test loss). SciPy's hierarchical clustering
orders them; the number of basins is the cut with the largest mean silhouette width (Rousseeuw 1987), where
that is large enough to speak of groups at all, else one.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from isthmus import metrics, stored

FEWEST = 5  # seeds; with fewer, nothing is said
CLEAR = 0.5  # a mean silhouette width from which on there is "reasonable structure" (Kaufman, Rousseeuw 1990)
FLOOR = 1e-6  # nats; gaps that are all under this are rounding: one basin
REPLICATES = 200
COLUMNS = ["step", "seed", "basin", "basins", "stability", "silhouette", "order", "mean_gap"]


def silhouette(gaps: np.ndarray, labels: np.ndarray) -> float:
    """The mean silhouette width of a grouping.

    Args:
        gaps: dissimilarities, symmetric with a diagonal of 0, shape (n, n).
        labels: the group of each, shape (n,); two groups or more.

    Returns:
        Between -1 and 1; a group of one counts as 0.
    """
    groups = [labels == label for label in np.unique(labels)]
    widths = []
    for i, label in enumerate(labels):
        own = (labels == label).sum()
        if own == 1:
            widths.append(0.0)
            continue
        within = gaps[i, labels == label].sum() / (own - 1)
        nearest = min(gaps[i, group].mean() for group in groups if not group[i])
        larger = max(within, nearest)
        widths.append((nearest - within) / larger if larger > 0 else 0.0)
    return float(np.mean(widths))


def grouped(gaps: np.ndarray, *, linkage: str, cut: float | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Group runs by the gaps between them.

    Args:
        gaps: shape (n, n), symmetric, in nats.
        linkage: `average`, `complete` or `single`.
        cut: the height at which the tree is cut, in nats; None: by the silhouette.

    Returns:
        The basin of each run, from 1 on in the order of the runs, shape (n,); the tree's order of the runs,
        shape (n,); the mean silhouette width, NaN for one basin.
    """
    near = squareform(np.maximum(gaps, 0), checks=False)
    tree = hierarchy.linkage(near, linkage, optimal_ordering=True)
    order = hierarchy.leaves_list(tree)
    one = np.ones(len(gaps), int)
    if near.max() < FLOOR:
        return one, order, np.nan
    if cut is not None:
        labels = hierarchy.fcluster(tree, cut, "distance")
        return _renumbered(labels), order, silhouette(gaps, labels) if labels.max() > 1 else np.nan
    cuts = [hierarchy.fcluster(tree, k, "maxclust") for k in range(2, len(gaps))]
    widths = [silhouette(gaps, labels) if labels.max() > 1 else -1.0 for labels in cuts]
    best = int(np.argmax(widths))
    return (_renumbered(cuts[best]), order, widths[best]) if widths[best] >= CLEAR else (one, order, np.nan)


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Groups numbered by their first member."""
    return np.array([list(dict.fromkeys(labels.tolist())).index(label) + 1 for label in labels.tolist()])


def stability(labels: np.ndarray, replicates: np.ndarray, linkage: str, cut: float | None) -> np.ndarray:
    """How well each run's basin is found again where the evaluation examples are drawn again (Hennig 2007).

    Args:
        labels: the basins, shape (n,).
        replicates: the gaps of each bootstrap replicate, shape (replicates, n, n).
        linkage, cut: as for `grouped`.

    Returns:
        The mean Jaccard similarity between a run's basin and its basin in a replicate, shape (n,).
    """
    together = labels[:, None] == labels
    found = []
    for gaps in replicates:
        again = grouped(gaps, linkage=linkage, cut=cut)[0]
        same = again[:, None] == again
        found.append((together & same).sum(1) / (together | same).sum(1))
    return np.mean(found, axis=0) if found else np.full(len(labels), np.nan)


def matrix(pairs: dict[tuple[int, int], Any], seeds: list[int]) -> np.ndarray:
    """Values of pairs as a symmetric array with a diagonal of 0, shape (seeds, seeds, ...)."""
    shape = np.shape(next(iter(pairs.values())))
    found = np.zeros((len(seeds), len(seeds), *shape))
    for (a, b), value in pairs.items():
        i, j = seeds.index(a), seeds.index(b)
        found[i, j] = found[j, i] = value
    return found


def read_gaps(files: list[Path]) -> dict[tuple[int, int], np.ndarray]:
    """The convexity gap of each path's test loss: measured, then over the replicates; shape (1 + B,)."""
    gaps = {}
    for path in files:
        points = stored.read_frame(
            path, columns=["seed_a", "seed_b", "set", "alpha", "loss", "loss_replicates"]
        )
        for seeds, part in points[points["set"] == "test"].groupby(["seed_a", "seed_b"]):
            part = part.sort_values("alpha")
            curves = np.stack(part["loss_replicates"].to_list()).T[:REPLICATES].astype(float)
            curves = np.concatenate([part["loss"].to_numpy()[None], curves])
            gaps[seeds] = metrics.convexity_gaps(part["alpha"].to_numpy(), curves)
    return gaps


def cell(files: list[Path], seeds: list[int], step: int, linkage: str, cut: float | None) -> Any:
    """The basins of a cell at one step, from the files of its rows; see `of_gaps`."""
    return of_gaps(read_gaps(files), seeds, step, linkage, cut)


def of_gaps(
    gaps: dict[tuple[int, int], Any], seeds: list[int], step: int, linkage: str, cut: float | None
) -> Any:
    """The basins of runs at one step: a row a run, with `COLUMNS`.

    `basin` is empty with fewer than `FEWEST` seeds or where pairs are not measured; `mean_gap` is a run's
    mean CG to the others, `order` its place in the tree.

    Args:
        gaps: of each pair, measured and then over the replicates, shape (1 + replicates,).
        seeds: in the config's order.
        step: the step.
        linkage, cut: as for `grouped`.
    """
    both = matrix(gaps, seeds)
    near, known = both[..., 0], matrix(dict.fromkeys(gaps, 1.0), seeds)
    frame = pd.DataFrame({"step": step, "seed": seeds, "mean_gap": near.sum(1) / np.maximum(known.sum(1), 1)})
    if len(seeds) >= FEWEST and len(gaps) == len(seeds) * (len(seeds) - 1) // 2:
        labels, order, width = grouped(near, linkage=linkage, cut=cut)
        frame["basin"], frame["basins"] = labels, labels.max()
        frame["stability"] = stability(labels, np.moveaxis(both[..., 1:], -1, 0), linkage, cut)
        frame["silhouette"], frame["order"] = width, np.argsort(order)
    frame = frame.reindex(columns=COLUMNS)
    return frame.astype(dict.fromkeys(("basin", "basins", "order"), "Int64"))
