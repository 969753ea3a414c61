"""One live model that moves through weight space, and what else a measurement is made with."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch

from isthmus.caches.identity import Anchor
from isthmus.data.tokens import Tokens
from isthmus.machine import computing
from isthmus.measuring.ends import End
from isthmus.measuring.reading import Reader
from isthmus.models import weight_files
from isthmus.space.anchors import Weights, combine
from isthmus.space.points import Point, at
from isthmus.tasks import asked
from isthmus.tasks.scored import ScoredTask
from isthmus.tasks.task import Placed


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


class Instrument:
    """What measurements are made with: PyTorch made ready, a model, sets on the device, weights as read.

    Args:
        end: a checkpoint.
        task: what is asked of the models.

    Attributes:
        reader: gives weights where a measurement combines them.
    """

    def __init__(self, end: End, task: ScoredTask):
        computing.prepare(task.numerics)
        self.end, self.task = end, asked.computed(task)
        self.reader = Reader(task.numerics)
        self._placed: dict[str, Placed] = {}

    @cached_property
    def live(self) -> LiveModel:
        """The model; it opens at the checkpoint, or for an adapter at its base."""
        return LiveModel(self.task.open(self.end.opens), None if self.end.merged else at(self.end.anchor))

    @cached_property
    def own_weights(self) -> dict[Anchor, Weights]:
        """Those of the checkpoint, checked; mapped, since the model mostly opens with them."""
        return {self.end.anchor: Reader(None).weights(self.end)}

    def measure(
        self, name: str, examples: Tokens, budget: int, point: Point, weights: Mapping[Anchor, Weights]
    ) -> dict[str, np.ndarray]:
        """What `Placed.measure` finds of a set at a point; `weights` are those of its anchors.

        Of a point that is an anchor the outputs are kept too: ensembles are of checkpoints.
        """
        if name not in self._placed:
            self._placed[name] = self.task.place(examples, budget)
        return self._placed[name].measure(self.live.move(point, weights), outputs=len(point.anchors) == 1)
