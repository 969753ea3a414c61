"""Statistics over pairs of seeds."""

import pandas as pd

from isthmus.statistics.tidy import INTERVALS

STATISTICS = ("mean", "low", "high", "median", "min", "max")
STATISTICS += ("seeds_low", "seeds_high", "both_low", "both_high")


def over_pairs(frame, by: list[str]):
    """Each group's value over its pairs: a row a group, with `STATISTICS` and the number of `pairs`.

    `low` and `high` are the interval of the mean over evaluation units, `seeds_low` and `seeds_high` that
    over seeds, `both_low` and `both_high` that over both.

    Args:
        frame: metrics or deltas, `with_intervals`.
        by: columns that leave one metric of one cell and step to a group.
    """
    rows = []
    for key, group in frame.groupby(by, sort=False):
        values = group["value"]
        low, high, *wider = group[[*INTERVALS]].iloc[0]
        shown = (values.mean(), low, high, values.median(), values.min(), values.max(), *wider)
        rows.append((*key, *shown, len(values)))
    return pd.DataFrame(rows, columns=[*by, *STATISTICS, "pairs"])
