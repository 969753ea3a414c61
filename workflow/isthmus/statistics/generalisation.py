"""Do runs that are connected generalise alike? Accuracy against a run's basin and against its mean gap.

Both are tested by permuting the accuracies over runs, seeded. The effect of the mean gap is Spearman's rank
correlation; that of the basin is eta squared, the share of the accuracies' variance between basins. With
fewer than `FEWEST` runs nothing is claimed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus import stored
from isthmus.experiment import layout
from isthmus.experiment.outputs import FEWEST

PERMUTATIONS = 9999
LEVEL = 0.05
COLUMNS = ["set", "against", "runs", "effect", "p", "verdict"]


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 on, ties at their mean, shape (n,)."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of two samples, shape (n,); NaN where one is constant."""
    a, b = ranks(x) - (len(x) + 1) / 2, ranks(y) - (len(y) + 1) / 2
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else np.nan


def eta_squared(groups: np.ndarray, y: np.ndarray) -> float:
    """The share of the variance of `y` that lies between groups, from 0 to 1; NaN where `y` is constant."""
    whole = ((y - y.mean()) ** 2).sum()
    if whole == 0:
        return np.nan
    parts = [y[groups == group] for group in np.unique(groups)]
    return float(sum(len(part) * (part.mean() - y.mean()) ** 2 for part in parts) / whole)


def permutation(effect, x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """An effect and its p-value under permutations of `y`, the data's own order among them (Phipson 2010).

    Args:
        effect: a function of `x` and `y`; its magnitude is what is compared.
        x, y: shape (n,).

    Returns:
        The effect, and the share of orders with an effect at least as large; NaN where there is none.
    """
    found = effect(x, y)
    if np.isnan(found):
        return found, np.nan
    rng = np.random.default_rng(seed)
    larger = sum(abs(effect(x, rng.permutation(y))) >= abs(found) - 1e-12 for _ in range(PERMUTATIONS))
    return found, (larger + 1) / (PERMUTATIONS + 1)


def cell(basins, evaluations) -> Any:
    """Both tests for each set of a cell at one step: a row a set and test, with `COLUMNS`.

    `verdict` is `related` where p is under 0.05, else `not shown`; `too few runs`, `one basin` or `no spread`
    where there is no test.

    Args:
        basins: from `basins.cell`.
        evaluations: the cell's rows of `evaluations.csv` at that step.
    """
    import pandas as pd

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


def write(experiment: str, evaluations, files: list[Path], basins: Path, tests: Path) -> None:
    """Write `basins.csv` (a row a run) and `generalisation.csv` (a row a cell, set and test).

    Args:
        experiment: its name.
        evaluations: the frame of `evaluations.csv`.
        files: the `basins` files of the cells, whose folders name the model.
        basins, tests: the two CSV files.
    """
    import pandas as pd

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
