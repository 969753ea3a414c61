"""One job: a path between two runs that is no straight line, at the positions that the sampler asks for.

Its ends are those of the line between the two, and so are their numbers.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.caches.identity import Anchor
from isthmus.data.tokens import Tokens
from isthmus.experiment import layout
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.engine import Engine
from isthmus.measuring.interpolation import write_rows
from isthmus.measuring.known import Known
from isthmus.measuring.mapping import inner_products
from isthmus.measuring.reading import Reader
from isthmus.measuring.rows import Resampling, cross_fitted, means
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.geometries import Curve
from isthmus.space.sampling import Sampler
from isthmus.tasks.record import Record
from isthmus.tasks.scored import scored

FOLDER = "curves/seed{a}-{b}"  # in the journal of a step


class Detour:
    """A curve between two runs; without bends a line, of which one end is aligned to the other.

    Args:
        kind: of the curve.
        ends: the two runs' checkpoints, first and last, and the bends between them.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        numerics: how to compute.
        resampling: of the evaluation units.
        journal: the folder of the step in the journal.

    Raises:
        MismatchedEnds: they differ in architecture; later also, in keys, shapes or types.
    """

    def __init__(
        self, kind: str, ends: Sequence[End], sets: dict[str, Tokens], budget: int, numerics: Numerics,
        resampling: Resampling, journal: Path,
    ):  # fmt: skip
        self.ends, self.sets, self.resampling = ends, sets, resampling
        for end in ends[1:]:
            check_same_architecture(ends[0], end)
        self.path = Curve(kind, tuple(end.anchor for end in ends))
        task = scored(sets, ends[0].folder, numerics)
        self.engine = Engine(ends[0], sets, budget, task)
        self.known = Known(self.engine, journal, FOLDER.format(a=ends[0].seed, b=ends[-1].seed), "curve")

    @property
    def seeds(self) -> dict[str, int]:
        return {"seed_a": self.ends[0].seed, "seed_b": self.ends[-1].seed}

    @cached_property
    def weights(self) -> dict[Anchor, Weights]:
        return self._read(self.known.reader)

    def _read(self, reader: Reader) -> dict[Anchor, Weights]:
        """The weights of all that the curve is made of."""
        found = {end.anchor: reader.weights(end) for end in self.ends}
        first, *others = self.ends
        for end in others:
            names = (str(first.folder), str(end.folder))
            check_same_space(found[first.anchor], found[end.anchor], names)
        return found

    def relative_length(self) -> float:
        """The length of the path over that of the line; NaN where the two runs have the same weights."""
        reader = Reader(None)
        weights = self._read(reader)
        products = inner_products([weights[anchor] for anchor in self.path.anchors])
        last = self.ends[-1]
        if last.alignment is None:
            return self.path.relative_length(products)
        plain = reader.weights(last.plain)
        line = inner_products([weights[self.path.anchors[0]], plain])
        return float(np.sqrt(products[1, 1] / line[1, 1])) if line[1, 1] > 0 else float("nan")

    def curve(
        self, sampler: Sampler, seen: Callable[[float], Any] = lambda t: None
    ) -> dict[float, dict[str, Record]]:
        """The record of each set by position, rising, at all positions that the sampler asks for.

        Args:
            sampler: which positions are wanted.
            seen: told each position once it is known.
        """
        ends = {
            t: (layout.filled(layout.RUN_JOURNAL, seed=end.seed), "checkpoint")
            for t, end in ((0.0, self.ends[0]), (1.0, self.ends[-1]))
        }
        return self.known.curve(self.path, sampler, lambda: self.weights, ends, seen)


def measure(*, detour: Detour, sampler: Sampler, labels: dict[str, Any], out: Path, gaps: Path) -> None:
    """One job.

    Args:
        detour: between which checkpoints, and how to measure.
        sampler: which positions are wanted.
        labels: `model`, `dataset`, `step` and `path`, written to each row of the files.
        out: Parquet, a row a set and position, as of `interpolate` with the position as `alpha`, and
            `relative_length`, that of the curve over that of the line.
        gaps: Parquet, a row a set, quantity and metric, as of `interpolate`.

    Raises:
        MismatchedEnds, errors.Damaged: as of a row.
    """
    bootstraps = detour.resampling.bootstraps(detour.sets)
    with detour.known.job():
        curve = detour.curve(sampler)
    keys = {**labels, **detour.seeds}
    length = {"relative_length": detour.relative_length()}
    write_rows(
        [
            {
                **keys,
                "set": name,
                "alpha": t,
                **means(at[name], bootstraps[name]),
                "n": len(examples),
                **length,
            }
            for name, examples in detour.sets.items()
            for t, at in curve.items()
        ],
        out,
    )
    write_rows(
        [
            {**keys, "set": name, **found}
            for name in detour.sets
            for found in cross_fitted(
                {t: at[name] for t, at in curve.items()}, bootstraps[name], detour.resampling.seed
            )
        ],
        gaps,
    )
