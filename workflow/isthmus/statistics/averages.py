"""What averaging the weights of models gains, over what they are alone: `averages.csv`.

The gain of an average is the mean of its members' losses (or error rates) less its own, positive where it is
better than they are in the mean; over the best member it is what the best one's is less its own. The best is
the one with the lowest value, so what it is compared by has chosen it, and that gain is too small by what
choosing brings; for a greedy soup the best is chosen as the soup is, by other units than those that judge.
For a quadratic loss the mean
of N models follows from the pairs, `L(mean) = mean_i L_i - (4 / N^2) sum_{i<j} gain_ij`; how far the value is
from that prediction says how far the region is from a bowl.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from isthmus.bootstrap import percentile_interval
from isthmus.statistics import seeds
from isthmus.statistics.seeds import Members

QUANTITIES = ("loss", "error")
PAIR, MEMBER, UNIFORM, GREEDY, BEST = "pair", "member", "uniform", "greedy", "best"
COLUMNS = [
    "step", "set", "quantity", "kind", "size", "seeds", "value", "mean_of_members", "best_member", "gain",
    "gain_over_best", "low", "high", "low_both", "high_both", "predicted", "residual",
    "low_best", "high_best", "low_best_both", "high_best_both",
]  # fmt: skip
# Of which a mean over several averages is taken.
MEANS = ("value", "mean_of_members", "best_member", "gain", "gain_over_best", "predicted", "residual")
# The gain of each pair of one step, set and quantity.
PairGains = Mapping[Members, float]


@dataclass(frozen=True)
class Average:
    """One average on one set, in one quantity.

    Attributes:
        members: the models that it is compared with.
        seeds: as the file names them.
        own: its loss or error rate: the value, then that in each bootstrap replicate of the evaluation units;
            shape (1 + replicates,).
        mean: the same of its members' mean.
        best: the same of the best of them.
        predicted: its value if the loss were quadratic; NaN where that is not known.
    """

    members: Members
    seeds: str
    own: np.ndarray
    mean: np.ndarray
    best: np.ndarray
    predicted: float = np.nan

    @property
    def gains(self) -> np.ndarray:
        """Over the members' mean."""
        return self.mean - self.own

    @property
    def gains_over_best(self) -> np.ndarray:
        """Over the best member."""
        return self.best - self.own

    def numbers(self) -> dict[str, float]:
        """The columns of its own."""
        value, mean, best = (float(numbers[0]) for numbers in (self.own, self.mean, self.best))
        own = {"value": value, "mean_of_members": mean, "best_member": best, "gain": mean - value}
        own |= {"gain_over_best": best - value, "predicted": self.predicted}
        return own | {"residual": value - self.predicted}

    def row(self) -> dict[str, Any]:
        """With the intervals of both gains, over units."""
        low, high = percentile_interval(self.gains[1:])
        low_best, high_best = percentile_interval(self.gains_over_best[1:])
        ends = {"low": low, "high": high, "low_best": low_best, "high_best": high_best}
        return {**self.numbers(), "seeds": self.seeds, **{name: float(end) for name, end in ends.items()}}


def compared(members: Members, names: str, own: np.ndarray, alone: np.ndarray) -> Average:
    """An average beside its members, the best of which is the one with the lowest value.

    Args:
        members: N models.
        names: as `Average.seeds`.
        own: as `Average.own`.
        alone: the members' values, then those in each replicate, shape (N, 1 + replicates).
    """
    return Average(members, names, own, alone.mean(axis=0), alone[np.argmin(alone[:, 0])])


@dataclass
class Group:
    """Averages of one kind and size on one set, in one quantity.

    Of each its row stays, and of all of them the sum of their replicates: pairs can be very many.

    Attributes:
        rows: theirs, as in `averages.csv`.
        members: theirs.
        samples: the sums of their gains over the mean and over the best member, shape (2, replicates).
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    members: list[Members] = field(default_factory=list)
    samples: np.ndarray | float = 0.0

    def add(self, average: Average) -> None:
        self.rows.append(average.row())
        self.members.append(average.members)
        self.samples = self.samples + np.stack([average.gains[1:], average.gains_over_best[1:]])

    def mean(self) -> dict[str, Any]:
        """The row of their mean; intervals of both mean gains over units, over both.

        Over seeds by leaving out each: with it go all averages that it is a member of.
        """
        row = {name: float(np.mean([own[name] for own in self.rows])) for name in MEANS}
        for end, gain, samples in zip(
            ("", "_best"), ("gain", "gain_over_best"), self.samples / len(self.rows), strict=True
        ):
            values = np.array([own[gain] for own in self.rows])
            estimate = seeds.combined([seeds.Mean(tuple(self.members), values, samples)], [1.0])
            row |= dict(zip((f"low{end}", f"high{end}"), estimate.over_units, strict=True))
            row |= dict(zip((f"low{end}_both", f"high{end}_both"), estimate.over_both, strict=True))
        return row


@dataclass
class Averages:
    """All averages of a cell, by step, set, quantity, kind and size."""

    found: dict[tuple, Group] = field(default_factory=dict)

    def add(self, key: tuple, average: Average) -> None:
        self.found.setdefault(key, Group()).add(average)

    def add_pairs(self, points: pd.DataFrame) -> None:
        """The middles of the paths of a row, from its file of points."""
        at = points[points["alpha"].isin((0.0, 0.5, 1.0))].sort_values("alpha")
        for (step, a, b, name), path in at.groupby(["step", "seed_a", "seed_b", "set"], sort=False):
            if len(path) < 3:  # measured before the middle was
                continue
            for quantity in QUANTITIES:
                first, middle, last = (_values(row, quantity) for row in path.to_dict("records"))
                average = compared((a, b), f"{a}+{b}", middle, np.stack([first, last]))
                self.add((step, name, quantity, PAIR, 2), average)

    def add_soups(self, soups: pd.DataFrame) -> None:
        """The soups and ensembles of a step, from the file of its averages; its pairs are there already."""
        for (step, name), part in soups.groupby(["step", "set"], sort=False):
            for quantity in QUANTITIES:
                self._add_soups((step, name, quantity), part)

    def _add_soups(self, place: tuple, rows: pd.DataFrame) -> None:
        measured = [(row, _values(row, place[-1])) for row in rows.to_dict("records")]
        alone = {int(row["seeds"]): values for row, values in measured if row["kind"] == MEMBER}
        best = {row["kind"]: values for row, values in measured}.get(BEST)
        pairs = self.found.get((*place, PAIR, 2), Group())
        gains = {pair: row["gain"] for pair, row in zip(pairs.members, pairs.rows, strict=True)}
        # Soups of two that no path has measured.
        for row, values in measured:
            if row["kind"] == UNIFORM and int(row["size"]) == 2:
                pair = tuple(map(int, row["seeds"].split("+")))
                gains.setdefault(pair, float(np.mean([alone[seed][0] for seed in pair]) - values[0]))
        every = len(pairs.rows) == comb(len(alone), 2)
        if every:  # all of them, not only those that were drawn
            own = [row | {"predicted": row["value"], "residual": 0.0} for row in pairs.rows]
            self.found[(*place, UNIFORM, 2)] = replace(pairs, rows=own)
        for row, values in measured:
            kind, size = row["kind"], int(row["size"])
            if kind in (MEMBER, BEST) or (kind == UNIFORM and size == 2 and every):
                continue
            if np.isnan(values[0]):  # ensembles of language models have a loss and no error rate
                continue
            if kind == GREEDY:
                mean = np.mean([*alone.values()], axis=0)
                average = Average(tuple(alone), row["seeds"], values, mean, best)
            else:
                members = tuple(map(int, row["seeds"].split("+")))
                average = compared(members, row["seeds"], values, np.stack([alone[s] for s in members]))
            if kind == UNIFORM:
                each = np.array([alone[seed][0] for seed in average.members])
                average = replace(average, predicted=quadratic(each, average.members, gains))
            self.add((*place, kind, size), average)

    def frame(self) -> pd.DataFrame:
        """As in `averages.csv`: a row an average, and one without `seeds` a kind and size of several."""
        rows = [dict(zip(COLUMNS, key, strict=False)) | row for key, row in self._rows()]
        return pd.DataFrame(rows, columns=COLUMNS)

    def _rows(self) -> Iterator[tuple[tuple, dict[str, Any]]]:
        for key, group in self.found.items():
            yield from ((key, row) for row in group.rows)
            if len(group.rows) > 1:
                yield key, group.mean()


def _values(row: Mapping[str, Any], quantity: str) -> np.ndarray:
    """A quantity's value, then that in each replicate, shape (1 + replicates,)."""
    return np.array([row[quantity], *row[f"{quantity}_replicates"]], dtype=np.float64)


def quadratic(alone: np.ndarray, members: Members, gains: PairGains) -> float:
    """The loss of the mean of N models if it were quadratic, from those of the models and the pairs' gains.

    Args:
        alone: the members' losses, shape (N,).
        members: N seeds.
        gains: of pairs of seeds, each in one order or the other.

    Returns:
        The loss; NaN where a pair's gain is not known.
    """
    pairs = [gains.get((a, b), gains.get((b, a), np.nan)) for a, b in combinations(members, 2)]
    return float(np.mean(alone) - 4 / len(members) ** 2 * np.sum(pairs))


def by_size(averages: pd.DataFrame) -> pd.DataFrame:
    """Averages of one kind, set and quantity by size: the mean of several, or the one of all models."""
    means = averages[averages["seeds"].isna()]
    alone = averages[~averages["size"].isin(means["size"])]
    return pd.concat([means, alone]).sort_values("size")
