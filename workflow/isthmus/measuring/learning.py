"""Orders of units that are learnt: those in which the loss in the middle of the line is least.

By straight-through estimation (Ainsworth et al. 2023, section 3.3, "learned matching"). Free weights begin at
the second model's in a first order. Each update puts the second model's units in the order in which they are
nearest to the free weights, takes the gradient of the training loss in the middle between the first model and
the reordered second, and moves the free weights by it, as if they were the reordered ones. The first orders,
those after every tenth update and the last ones are tried on all examples; those whose middle has the least
loss are kept.
"""

import numpy as np
import torch

from isthmus.caches.identity import Anchor
from isthmus.data.tokens import Tokens
from isthmus.measuring.ends import End
from isthmus.measuring.live import LiveModel
from isthmus.measuring.permuting import Orders, Reordered, by_weights
from isthmus.models.units import Units
from isthmus.space.anchors import Weights
from isthmus.space.geometries import Line
from isthmus.tasks.task import MeasuredTask

BATCH = 64  # examples an update
RATE = 0.2  # of Adam, over the root mean square of each tensor
LOOKS = 10  # updates between two looks at the loss of all examples


class Middle:
    """The loss in the middle between one model and another in any order of its units.

    Args:
        task: opens the model and gives its loss.
        end: the second model's checkpoint.
        a, b: weights of the two.
        units: those that may move.
        examples: on which the loss is taken.
        budget: tokens a batch.
    """

    def __init__(
        self,
        task: MeasuredTask,
        end: End,
        a: Weights,
        b: Weights,
        units: Units,
        examples: Tokens,
        budget: int,
    ):
        self.task, self.end, self.a, self.b, self.units = task, end, a, b, units
        self.examples, self.budget = examples, budget
        self.live = LiveModel(task.open(end.opens))
        self.placed = task.place(examples, budget)
        self.anchors = Anchor("first", ""), Anchor("reordered", "")

    def _at(self, orders: Orders) -> torch.nn.Module:
        reordered = Reordered(self.b, self.units, orders)
        self.live.position = None
        return self.live.move(
            Line(*self.anchors).at(0.5), dict(zip(self.anchors, (self.a, reordered), strict=True))
        )

    def loss(self, orders: Orders) -> float:
        """The mean over all examples, in nats."""
        measured = self.placed.measure(self._at(orders))
        return self.task.record(measured, self.examples).loss

    def gradients(self, orders: Orders, index: np.ndarray, step: int) -> dict[str, torch.Tensor]:
        """Those of the mean loss of some examples, by tensor of the model; what takes no part has none."""
        model = self._at(orders)
        model.zero_grad()
        for batch in self.task.micro_batches(self.examples, index, self.budget, step):
            self.task.loss(model, batch).backward()
        return {name: own.grad for name, own in model.named_parameters() if own.grad is not None}


def by_learning(middle: Middle, start: Orders, updates: int, seed: int) -> Orders:
    """The best orders on the way; the same ones for the same seed.

    Args:
        middle: whose loss is to be small.
        start: where to begin.
        updates: how many.
        seed: draws the examples of each.
    """
    begun = Reordered(middle.b, middle.units, start)
    free = {name: begun[name].float().clone() for name in middle.units.axes if name in middle.b}
    adam = torch.optim.Adam(
        [{"params": [own], "lr": RATE * float(own.square().mean().sqrt())} for own in free.values()]
    )
    random, count = np.random.default_rng(seed), len(middle.examples)
    orders, best = start, (middle.loss(start), start)
    for step in range(1, updates + 1):
        index = random.choice(count, min(BATCH, count), replace=False)
        found = middle.gradients(orders, index, step)
        for name, tensor in free.items():
            tensor.grad = found[name].to(tensor) / 2 if name in found else None
        adam.step()
        orders = by_weights(middle.units, free, middle.b, seed)
        if step % LOOKS == 0 or step == updates:
            best = min(best, (middle.loss(orders), orders), key=lambda own: own[0])
    return best[1]
