"""One job: the averages of a cell's models at one step, on all its sets.

The mean of the weights of some seeds is a *uniform soup*, of those that help a *greedy soup*, the mean of
what the models themselves say an *ensemble*: the ceiling, which costs a model's evaluation for each member.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import cross_fitting
from isthmus.caches.identity import Anchor
from isthmus.data.tokens import Tokens
from isthmus.experiment import layout
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.engine import Engine
from isthmus.measuring.interpolation import write_rows
from isthmus.measuring.known import SAMPLER_SET, Known
from isthmus.measuring.rows import Resampling, means
from isthmus.space import geometries, soups
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.soups import Members
from isthmus.tasks.ensembles import ensemble
from isthmus.tasks.record import OUTPUTS, Record
from isthmus.tasks.scored import scored

MEMBER, UNIFORM, GREEDY, ENSEMBLE = "member", "uniform", "greedy", "ensemble"
BEST = "best"  # the model that a half of the units finds the best, judged on the other half
Choice = Callable[[Sequence[int], Callable[[Members], float]], Members]
FOLDER = "averages"  # in the journal of a step, beside those of its runs


class Averages:
    """The models of some seeds at one step, and what is known of the means of their weights.

    Args:
        ends: the checkpoints, in the config's order.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the folder of this step in the journal.
        names: what messages call the models; by default their folders.

    Raises:
        MismatchedEnds: they differ in architecture.
    """

    def __init__(
        self, ends: Sequence[End], sets: dict[str, Tokens], budget: int, numerics: Numerics, journal: Path,
        names: Sequence[str] = (),
    ):  # fmt: skip
        self.names = dict(zip(ends, names or [str(end.folder) for end in ends], strict=True))
        for end in ends[1:]:
            check_same_architecture(ends[0], end, (self.names[ends[0]], self.names[end]))
        self.ends, self.sets = {end.seed: end for end in ends}, sets
        self.task = scored(sets, ends[0].folder, numerics)
        self.engine = Engine(ends[0], sets, budget, self.task)
        self.known = Known(self.engine, journal, FOLDER, "average")

    @property
    def seeds(self) -> list[int]:
        return list(self.ends)

    @cached_property
    def weights(self) -> dict[Anchor, Weights]:
        """Those of all models."""
        found = {end.anchor: self.known.reader.weights(end) for end in self.ends.values()}
        first = self.ends[self.seeds[0]]
        for end in self.ends.values():
            check_same_space(found[first.anchor], found[end.anchor], (self.names[first], self.names[end]))
        return found

    def soup(self, name: str, members: Members) -> Record:
        """The record of the mean of some models' weights on a set."""
        return self.task.record(self._measured(name, members), self.sets[name])

    def scored(self, name: str, members: Members) -> pd.DataFrame:
        """What the mean of some models' weights is scored by on a set; the columns are the task's."""
        return pd.DataFrame(self.task.scored(self._measured(name, members), self.sets[name]))

    def ensemble(self, name: str, members: Members) -> Record:
        """The record of the mean of some models' probabilities on a set."""
        return ensemble(self.task, [self._measured(name, (seed,)) for seed in members], self.sets[name])

    def chosen(self, choose: Choice, halves: np.ndarray) -> tuple[Members, Members]:
        """What the first half of the test units chooses by accuracy, and what the second half does.

        Args:
            choose: `soups.greedy` or `soups.best`.
            halves: which units are in the second half, bool, shape (units,).
        """

        def by(half: np.ndarray) -> Members:
            def score(members: Members) -> float:
                return -float(self.soup(SAMPLER_SET, members).errors[half].mean())

            return choose(self.seeds, score)

        return by(~halves), by(halves)

    def judged(self, name: str, both: tuple[Members, Members], halves: np.ndarray) -> Record:
        """What two choices do on the units that did not make them; of another set both on all units."""
        first, second = (self.soup(name, members) for members in both)
        if name == SAMPLER_SET:
            losses = np.where(halves, first.losses, second.losses)
            return Record(losses, np.where(halves, first.errors, second.errors), first.counts)
        # Two predictions of each unit, so that its mean is that of both.
        losses, errors = first.losses + second.losses, first.errors + second.errors
        return Record(losses, errors, first.counts + second.counts)

    def _measured(self, name: str, members: Members) -> dict[str, np.ndarray]:
        """A soup on a set: a model is known from its evaluation, the mean of two from their path."""
        kind = {1: "checkpoint", 2: "path"}.get(len(members))
        run = layout.filled(layout.RUN_JOURNAL, seed=members[-1])
        return self.known.measured(
            name,
            geometries.mean([self.ends[seed].anchor for seed in members]),
            lambda: self.weights,
            elsewhere=[(run, kind)] if kind else [],
            # An earlier version kept no outputs of checkpoints.
            whole=lambda known: len(members) > 1 or OUTPUTS in known,
        )


def average(
    *, averages: Averages, greedy: bool, resampling: Resampling, labels: dict[str, Any], out: Path
) -> None:
    """One job: the models of a cell at a step, their soups and ensembles.

    Args:
        averages: the models.
        greedy: whether to make the greedy soup too.
        resampling: of the evaluation units.
        labels: `model`, `dataset` and `step`, written to each row of the file.
        out: Parquet, a row an average and set: the labels, `kind, size, seeds, set, loss, error, n` and the
            replicates of loss and error. Of the two greedy soups, which `seeds` names as `42+43|42+44` where
            they differ, `size` is the number of candidates; so it is of the `best` models alone.

    Raises:
        MismatchedEnds, errors.Damaged: as of a row.
    """
    bootstraps = resampling.bootstraps(averages.sets)
    with averages.known.job():
        rows = [
            {**labels, **row, **means(record, bootstraps[row["set"]]), "n": len(averages.sets[row["set"]])}
            for row, record in _rows(averages, greedy, resampling.seed)
        ]
    write_rows(rows, out)


def _rows(averages: Averages, greedy: bool, seed: int) -> Iterator[tuple[dict[str, Any], Record]]:
    """What the file says of each average on each set, and its record; all sets of one before the next."""
    seeds = averages.seeds
    several = [soup for size in soups.sizes(len(seeds)) for soup in soups.subsets(seeds, size, seed)]
    for members in [(one,) for one in seeds] + several:
        row = {"kind": MEMBER if len(members) == 1 else UNIFORM, "size": len(members)}
        for name in averages.sets:
            yield {**row, "set": name, "seeds": joined(members)}, averages.soup(name, members)
    for members in several:
        row = {"kind": ENSEMBLE, "size": len(members), "seeds": joined(members)}
        for name in averages.sets:
            yield {**row, "set": name}, averages.ensemble(name, members)
    units = len(averages.sets[SAMPLER_SET])
    if greedy and units > 1:
        halves = cross_fitting.halves(units, seed, 1)[0]
        for kind, choose in ((GREEDY, soups.greedy), (BEST, soups.best)):
            both = averages.chosen(choose, halves)
            row = {"kind": kind, "size": len(seeds), "seeds": "|".join(dict.fromkeys(map(joined, both)))}
            for name in averages.sets:
                yield {**row, "set": name}, averages.judged(name, both, halves)


def joined(members: Members) -> str:
    """The members of a soup as one word."""
    return "+".join(map(str, members))
