"""Measurements of points of weight space: from journals where they are known, else made now and kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.caches import attempts
from isthmus.caches.identity import Anchor
from isthmus.caches.journal import Journal, Origin, mixture
from isthmus.measuring.engine import Engine
from isthmus.space import sampling
from isthmus.space.geometries import Curve, Line
from isthmus.space.points import Point
from isthmus.space.sampling import Sampler
from isthmus.tasks.record import Record

if TYPE_CHECKING:
    from isthmus.measuring.reading import Reader
    from isthmus.space.anchors import Weights

SAMPLER_SET = "test"  # whose loss chooses the alphas; the other sets are measured at the same ones
Measured = dict[str, np.ndarray]


class Known:
    """What an engine measures, each point once.

    Args:
        engine: measures what is not known.
        folder: that of a step in the journal.
        name: of the folder therein to which measurements are written.
        kind: of its files.
    """

    def __init__(self, engine: Engine, folder: Path, name: str, kind: str):
        numerics = engine.task.numerics
        self.engine, self.folder, self._own = engine, folder, (name, kind)
        self._origin = Origin(numerics.hardware, numerics.torch)
        self._journals: dict[tuple[str, str], Journal] = {}

    @property
    def reader(self) -> "Reader":
        """Reads the weights that measurements combine."""
        return self.engine.instrument.reader

    def measured(
        self, name: str, point: Point, weights: Callable[[], Mapping[Anchor, "Weights"]],
        elsewhere: Iterable[tuple[str, str]] = (), whole: Callable[[Measured], bool] = lambda known: True,
    ) -> Measured:  # fmt: skip
        """What is known of a point on a set, or what is measured there now.

        Args:
            name: the set.
            point: where.
            weights: gives those of its anchors, when a measurement needs them.
            elsewhere: folders and kinds of journals in which others may have measured it.
            whole: whether what is known has all that is needed.
        """
        key = self.engine.key(name, point)
        for place in (*elsewhere, self._own):
            known = self._journal(*place).get(key)
            if known is not None and whole(known):
                return known
        found = self.engine.measure(name, point, weights())
        self.reader.check_unchanged()
        return self._journal(*self._own).put(key, found)

    def curve(
        self, path: Curve | Line, sampler: Sampler, weights: Callable[[], Mapping[Anchor, "Weights"]],
        ends: Mapping[float, tuple[str, str]], seen: Callable[[float], Any] = lambda t: None,
    ) -> dict[float, dict[str, Record]]:  # fmt: skip
        """The record of each set by position, rising, at all positions of a path that a sampler asks for.

        Args:
            path: of `space.geometries`.
            sampler: which positions are wanted.
            weights: gives those of the path's anchors, when a measurement needs them.
            ends: where others may have measured the path's ends, as of `measured`.
            seen: told each position once it is known.
        """
        points: dict[float, dict[str, Record]] = {}

        def record(name: str, t: float) -> Record:
            found = self.measured(name, path.at(t), weights, [ends[t]] if t in ends else [])
            return self.engine.task.record(found, self.engine.sets[name])

        def loss(t: float) -> float:
            points[t] = {name: record(name, t) for name in self.engine.sets}
            seen(t)
            return points[t][SAMPLER_SET].loss

        return {t: points[t] for t in sampling.replay(loss, sampler)}

    def _journal(self, folder: str, kind: str) -> Journal:
        if (folder, kind) not in self._journals:
            self._journals[folder, kind] = Journal(self.folder / folder, kind, self._origin)
        return self._journals[folder, kind]

    @contextmanager
    def job(self) -> Iterator[None]:
        """A job that measures: what it takes is noted beside what it measures, and what it made is said."""
        own = self.folder / self._own[0]
        with attempts.measuring(own, self.engine.task.numerics, lambda: self.engine.measured):
            yield
        print(f"{self.engine.measured} measurements made, the others were in the journal", flush=True)
        if mixed := mixture(list(self._journals.values())):
            print(mixed, flush=True)
