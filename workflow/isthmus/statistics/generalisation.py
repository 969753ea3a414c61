"""Do runs that are connected generalise alike? Accuracy against a run's basin and against its mean gap.

Both are tested by permuting the accuracies over runs, seeded. The effect of the mean gap is Spearman's rank
correlation; that of the basin is eta squared, the share of the accuracies' variance between basins. With
fewer than `FEWEST` runs nothing is claimed.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from isthmus import stored
from isthmus.experiment import layout
from isthmus.experiment.outputs import FEWEST

PERMUTATIONS = 9999
LEVEL = 0.05
COLUMNS = ["set", "against", "runs", "effect", "p", "verdict"]


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation: Pearson's of the ranks, ties at their mean.

    Args:
        x: shape (n,).
        y: one or more samples, shape (..., n).

    Returns:
        From -1 to 1, shape (...); NaN where `x` or the sample is constant.
    """
    ranks = stats.rankdata(y, axis=-1)
    with warnings.catch_warnings(action="ignore", category=stats.ConstantInputWarning):
        return stats.pearsonr(np.broadcast_to(stats.rankdata(x), ranks.shape), ranks, axis=-1).statistic


def eta_squared(groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The share of the variance of samples that lies between groups.

    Args:
        groups: shape (n,).
        y: one or more samples, shape (..., n).

    Returns:
        From 0 to 1, shape (...); NaN where the sample is constant.
    """
    apart = y - y.mean(axis=-1, keepdims=True)
    parts = [apart[..., groups == group] for group in np.unique(groups)]
    between = sum(part.shape[-1] * part.mean(axis=-1) ** 2 for part in parts)
    whole = (apart**2).sum(axis=-1)
    return np.divide(between, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def permutation(
    effect: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """An effect and its p-value under permutations of `y`: all, or `PERMUTATIONS` where there are more.

    Args:
        effect: a function of `x` and samples of `y`; its magnitude is what is compared.
        x, y: shape (n,).
        seed: of the permutations that are drawn; the data's own order counts as one of these (Phipson 2010).

    Returns:
        The effect, and the share of orders with an effect at least as large; NaN where there is none.
    """
    found = float(effect(x, y))
    if np.isnan(found):
        return found, np.nan
    tested = stats.permutation_test(
        (y,),
        lambda samples, axis: np.abs(effect(x, samples)),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        alternative="greater",
        axis=-1,
        rng=seed,
    )
    return found, float(tested.pvalue)


def cell(basins: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Both tests for each set of a cell at one step: a row a set and test, with `COLUMNS`.

    `verdict` is `related` where p is under 0.05, else `not shown`; `too few runs`, `one basin` or `no spread`
    where there is no test.

    Args:
        basins: from `basins.cell`.
        evaluations: the cell's rows of `evaluations.csv` at that step.
    """
    rows = []
    for name, part in evaluations.groupby("set", sort=False):
        both = basins.merge(part[["seed", "accuracy"]], on="seed")
        accuracy = both["accuracy"].to_numpy()
        for against, column, effect in (("mean gap", "mean_gap", spearman), ("basin", "basin", eta_squared)):
            row = {"set": name, "against": against, "runs": len(both)}
            if len(both) < FEWEST or both[column].isna().any():
                rows.append(row | {"verdict": "too few runs"})
            elif both[column].nunique() == 1:
                rows.append(row | {"verdict": "one basin" if against == "basin" else "no spread"})
            else:
                found, p = permutation(effect, both[column].to_numpy(float), accuracy)
                verdict = "no spread" if np.isnan(p) else "related" if p < LEVEL else "not shown"
                rows.append(row | {"effect": found, "p": p, "verdict": verdict})
    return pd.DataFrame(rows, columns=COLUMNS)


def write(experiment: str, evaluations: pd.DataFrame, files: list[Path], basins: Path, tests: Path) -> None:
    """Write `basins.csv` (a row a run) and `generalisation.csv` (a row a cell, set and test).

    Args:
        experiment: its name.
        evaluations: the frame of `evaluations.csv`.
        files: the `basins` files of the cells, whose folders name the model.
        basins, tests: the two CSV files.
    """
    groups, found = [], []
    for file in files:
        keys = layout.parsed(layout.BASINS, file)
        frame = stored.read_frame(file)
        mine = evaluations[(evaluations[list(keys)] == pd.Series(keys)).all(axis=1)]
        mine = mine[mine["step"] == frame["step"].iloc[0]]
        for rows, into in ((frame, groups), (cell(frame, mine), found)):
            for place, (key, value) in enumerate({"experiment": experiment, **keys}.items()):
                rows.insert(place, key, value)
            into.append(rows)
    stored.write_csv(basins, pd.concat(groups, ignore_index=True))
    stored.write_csv(tests, pd.concat(found, ignore_index=True))
