"""Measurements of points of weight space: from journals where they are known, else made now and kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from isthmus.caches import attempts
from isthmus.caches.identity import Anchor
from isthmus.caches.journal import Journal, Origin, mixture
from isthmus.measuring.ends import Reader
from isthmus.measuring.engine import Engine
from isthmus.space.anchors import Weights
from isthmus.space.points import Point

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
        self.engine, self.reader = engine, Reader(numerics)
        self.folder, self._own = folder, (name, kind)
        self._origin = Origin(numerics.hardware, numerics.torch)
        self._journals: dict[tuple[str, str], Journal] = {}

    def measured(
        self, name: str, point: Point, weights: Callable[[], Mapping[Anchor, Weights]],
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
