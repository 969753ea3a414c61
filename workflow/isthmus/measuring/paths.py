"""One path of a row: its points from the journal, else measured; which points, the sampler says."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from isthmus.caches import identity
from isthmus.caches.identity import Anchor, Distances
from isthmus.measuring.distances import DISTANCES, distances
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.known import SAMPLER_SET
from isthmus.measuring.rows import Row
from isthmus.space import sampling
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.geometries import Line
from isthmus.space.sampling import Sampler
from isthmus.tasks.record import Record


class MeasuredPath:
    """The line from an earlier end to that of a row.

    Args:
        row: the later end and how to measure.
        other: the earlier end.
        load: gives the earlier end's weights, when a measurement needs them; by default they are read then.

    Raises:
        MismatchedEnds: the two ends differ in architecture; later also, in keys, shapes or types.
    """

    def __init__(self, row: Row, other: End, load: Callable[[], Weights] | None = None):
        check_same_architecture(other, row.end)
        self.row, self.other, self._load = row, other, load or (lambda: row.reader.weights(other))
        self.line = Line(other.anchor, row.end.anchor)

    @cached_property
    def weights(self) -> dict[Anchor, Weights]:
        """The weights of both ends, the earlier one's first."""
        other, own = self._load(), self.row.weights
        check_same_space(other, own, (str(self.other.folder), str(self.row.end.folder)))
        return {self.line.a: other, self.line.b: own}

    def curve(self, sampler: Sampler, seen: Callable[[float], Any] = lambda alpha: None):
        """The record of each set by alpha, rising, at all alphas that the sampler asks for.

        Args:
            sampler: which alphas are wanted.
            seen: told each alpha once it is known.
        """
        points: dict[float, dict[str, Record]] = {}

        def loss(alpha: float) -> float:
            points[alpha] = {name: self._record(name, alpha) for name in self.row.sets}
            seen(alpha)
            return points[alpha][SAMPLER_SET].loss

        return {alpha: points[alpha] for alpha in sampling.replay(loss, sampler)}

    def scored(self, name: str, alpha: float) -> dict[str, np.ndarray]:
        """What a point is scored by on a set, by unit; the columns are the task's."""
        return self.row.task.scored(self._measured(name, alpha), self.row.sets[name])

    def pair(self, start: End | None) -> dict[str, float]:
        """Distances, cosine, and the share of examples on which the ends' predictions differ, set by set.

        Args:
            start: the step-0 checkpoint whose body the earlier end began from.
        """
        row = self.row
        starts = tuple(None if one is None else one.anchor for one in (start, row.start))
        key = identity.key(Distances(self.line.a, self.line.b, starts, row.numerics))
        values = row.records.get(key)
        if values is None:
            a, b = self.weights[self.line.a], self.weights[self.line.b]
            found = distances(a, b, row.bodies_at_start(start), row.numerics.device)
            row.reader.check_unchanged()
            values = row.records.put(key, found)
        result = {name: float(values[name]) for name in DISTANCES}
        for name in row.sets:
            a, b = (self._measured(name, alpha)["predictions"] for alpha in (0.0, 1.0))
            result[f"disagreement_{name}"] = float((a != b).mean())
        return result

    def _record(self, name: str, alpha: float) -> Record:
        return self.row.task.record(self._measured(name, alpha), self.row.sets[name])

    def _measured(self, name: str, alpha: float) -> dict[str, np.ndarray]:
        """What the journal knows of a point on a set, or what is measured there now."""
        row, point = self.row, self.line.at(alpha)
        # Ends are shared with evaluations and with other paths.
        ends = {0.0: self.other, 1.0: row.end}
        records = row.checkpoint_journal(ends[alpha]) if alpha in ends else row.records
        key = row.engine.key(name, point)
        known = records.get(key)
        if known is None:
            known = row.engine.measure(name, point, self.weights)
            row.reader.check_unchanged()
            known = records.put(key, known)
        return known
