"""Measurements of points of weight space on some sets: their keys, and when one is due, what makes it."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from isthmus.caches import identity
from isthmus.caches.identity import Anchor, Measurement
from isthmus.data.tokens import Tokens
from isthmus.measuring.ends import End
from isthmus.space.points import Point, at
from isthmus.tasks.scored import ScoredTask

if TYPE_CHECKING:
    from isthmus.measuring.live import Instrument, LiveModel
    from isthmus.space.anchors import Weights


class Engine:
    """Measures points of weight space on some sets. What a measurement needs is made when one is due.

    Args:
        end: a checkpoint; its weights are on disk as recorded when the first measurement is asked for.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        task: what is asked of the models.

    Attributes:
        measured: how many measurements were made.
    """

    def __init__(self, end: End, sets: dict[str, Tokens], budget: int, task: ScoredTask):
        self.end, self.sets = end, sets
        self.budget, self.task, self.measured = budget, task, 0

    @cached_property
    def instrument(self) -> "Instrument":
        """What measurements are made with."""
        # PyTorch takes seconds to import, and what the journal knows needs no model.
        from isthmus.measuring.live import Instrument

        return Instrument(self.end, self.task)

    @property
    def live(self) -> "LiveModel":
        """The model."""
        return self.instrument.live

    def key(self, name: str, point: Point) -> str:
        """The journal's key of a point on a set."""
        task, examples = self.task, self.sets[name].digest
        return identity.key(Measurement(point, task.identity, examples, self.budget, task.numerics))

    def measure(self, name: str, point: Point, weights: Mapping[Anchor, "Weights"]) -> dict[str, np.ndarray]:
        """What `Instrument.measure` finds of a set at a point; `weights` are those of its anchors."""
        self.measured += 1
        return self.instrument.measure(name, self.sets[name], self.budget, point, weights)

    def measure_end(self, name: str) -> dict[str, np.ndarray]:
        """What is found of a set at the checkpoint itself; `errors.Damaged` where its weights are."""
        return self.measure(name, at(self.end.anchor), self.instrument.own_weights)
