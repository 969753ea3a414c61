"""One live model that moves through weight space, and the sets on which its loss is measured there."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch

from isthmus.caches import identity
from isthmus.caches.identity import Anchor, Measurement
from isthmus.data.tokens import Tokens
from isthmus.measuring.ends import End
from isthmus.models import weight_files
from isthmus.space.anchors import Weights, combine
from isthmus.space.points import Point, at
from isthmus.tasks.task import MeasuredTask, Placed


class LiveModel:
    """A model whose tensors are overwritten in place; no state dict is rebuilt and no model reloaded.

    Args:
        model: any model of the anchors' architecture.
        position: where its weights are, if that is known.
    """

    def __init__(self, model, position: Point | None = None):
        self.model, self.position = model, position
        buffers = {name for name, _ in model.named_buffers()}
        self.moving, self.fixed = {}, {}
        for name, tensor in weight_files.trained(model).items():  # tied weights once
            moves = name not in buffers and tensor.is_floating_point()
            (self.moving if moves else self.fixed)[name] = tensor

    def move(self, point: Point, weights: Mapping[Anchor, Weights]):
        """Overwrite the model with a point's weights and return it.

        Args:
            point: where to. A point on a line between two anchors is `torch.lerp` of them, an anchor has its
                own bits; buffers and integer tensors are those of the point's first anchor.
            weights: those of its anchors; not looked at where the model is there already.
        """
        if point != self.position:
            self.position = None  # until all of it has moved
            anchors = [weights[anchor] for anchor in point.anchors]
            with torch.inference_mode():
                for name, tensor in self.fixed.items():
                    tensor.copy_(anchors[0][name])
                for name, tensor in self.moving.items():
                    combine(point.of(name), [own[name] for own in anchors], tensor)
            self.position = point
        return self.model


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

    def __init__(self, end: End, sets: dict[str, Tokens], budget: int, task: MeasuredTask):
        self.end, self.sets = end, sets
        self.budget, self.task, self.measured = budget, task, 0
        self._placed: dict[str, Placed] = {}

    @cached_property
    def live(self) -> LiveModel:
        """The model; it opens at the checkpoint, or for an adapter at its base."""
        return LiveModel(self.task.open(self.end.opens), None if self.end.merged else at(self.end.anchor))

    def key(self, name: str, point: Point) -> str:
        """The journal's key of a point on a set."""
        task, examples = self.task, self.sets[name].digest
        return identity.key(Measurement(point, task.identity, examples, self.budget, task.numerics))

    def measure(self, name: str, point: Point, weights: Mapping[Anchor, Weights]) -> dict[str, np.ndarray]:
        """What `Placed.measure` finds of a set at a point; `weights` are those of its anchors.

        Of a point that is an anchor the outputs are kept too: ensembles are of checkpoints.
        """
        if name not in self._placed:
            self._placed[name] = self.task.place(self.sets[name], self.budget)
        self.measured += 1
        return self._placed[name].measure(self.live.move(point, weights), outputs=len(point.anchors) == 1)
