"""How few evaluation units make a gap: `concentration.csv`.

The convexity gap of the loss is the mean of the rises of all units (`measuring.rises`). Those of some are
negative, so the largest ones can add up to more than the gap.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from isthmus import stored

SHARES = (0.01, 0.05, 0.1)
PAIR = ["step", "seed_a", "seed_b"]
TYPES = dict.fromkeys(PAIR, "int64") | {
    "share_of_units": "float64",
    "units": "int64",
    "share_of_gap": "float64",
}
COLUMNS = list(TYPES)


def of_rises(rise: np.ndarray) -> list[tuple[float, int, float]]:
    """For each of `SHARES` how many units that is, one at least, and which share of the gap they make.

    Args:
        rise: of each unit, shape (n,); their sum is above 0.
    """
    falling = np.sort(np.asarray(rise, np.float64))[::-1]
    taken = [max(1, round(share * len(falling))) for share in SHARES]
    return [
        (share, count, float(falling[:count].sum() / falling.sum()))
        for share, count in zip(SHARES, taken, strict=True)
    ]


def cell(path: Path) -> pd.DataFrame:
    """The rows of `concentration.csv` of a cell, from the file of its examples."""
    units = stored.read_frame(path, columns=[*PAIR, "rise"])
    rows = [
        (*pair, *values)
        for pair, own in units.groupby(PAIR, sort=False)
        for values in of_rises(own["rise"].to_numpy())
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
