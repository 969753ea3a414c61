"""One update: the gradients of a batch's micro-batches added up, then AdamW."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus import hashing
from isthmus.data.tokens import Tokens
from isthmus.machine.computing import autocast
from isthmus.machine.numerics import Numerics
from isthmus.tasks.task import MicroBatch, Task
from isthmus.training.dropout import cheap
from isthmus.training.optimizer import AdamW
from isthmus.training.schedule import Recipe, batch_at


@dataclass(frozen=True)
class Objective:
    """What a run minimises: a task's mean loss over one batch of examples after the other.

    Attributes:
        task: whose loss.
        examples: to train on.
        recipe: how large batches and micro-batches are, and how to update.
        seeds: of `order` and `dropout`, and others that only the task reads.
    """

    task: Task
    examples: Tokens
    recipe: Recipe
    seeds: Mapping[str, int]

    def rows(self, t: int) -> list[int]:
        """The ids of the examples of the update from step t, for messages."""
        return self.examples.rows[self._index(t)].tolist()

    def micro_batches(self, t: int) -> list[MicroBatch]:
        """The batch of the update from step t, cut by the token budget."""
        return self.task.micro_batches(self.examples, self._index(t), self.recipe.token_budget, t)

    def _index(self, t: int):
        return batch_at(t, self.recipe.batch_size, len(self.examples), self.seeds["order"])


def _placed(model: nn.Module, t: int) -> AbstractContextManager[nn.Module]:
    """What computes an update: the model that is trained, or what it puts elsewhere for each (`bends`)."""
    return model.at_step(t) if hasattr(model, "at_step") else nullcontext(model)


def update(
    model: nn.Module, optimizer: AdamW, objective: Objective, t: int, numerics: Numerics,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Tensor, int] | None:  # fmt: skip
    """One update, from step t to t + 1.

    Gradients of the micro-batches add up to the batch's; dropout is seeded from (seed, t, micro-batch).

    Args:
        stopped: asked before each micro-batch; where it says yes, the update is not made.

    Returns:
        The batch's mean loss and its token count, as a 0-d tensor on the device and an int; None where
        stopped.
    """
    total, count = 0.0, 0
    with _placed(model, t) as live:
        for number, micro_batch in enumerate(objective.micro_batches(t)):
            if stopped():
                optimizer.zero_grad()
                return None
            torch.manual_seed(hashing.seed("dropout", objective.seeds["dropout"], t, number))
            with autocast(numerics), cheap(numerics.device):
                loss = objective.task.loss(live, micro_batch)
            loss.backward()
            total = total + loss.detach()
            count += micro_batch.tokens
    optimizer.step(objective.recipe.rate_at(t))
    optimizer.zero_grad()
    return total, count
