"""What a task does, whichever it is: it cuts batches into micro-batches and gives their loss.

Fine-tuning and pre-training minimise it. A task whose models are measured also opens them, places sets of
examples on the device; what is made of what was measured, `scored` says without a model.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor, from_numpy, nn

from isthmus.data.tokens import Tokens
from isthmus.tasks.scored import ScoredTask


@dataclass(frozen=True)
class MicroBatch:
    """A part of a batch that is computed at once, on the device.

    Attributes:
        inputs: the model's, by name.
        targets: what is to be predicted.
        tokens: of the examples, padding left out.
        predictions: of the whole batch, by which its summed losses are divided.
    """

    inputs: dict[str, Tensor]
    targets: Tensor
    tokens: int
    predictions: int


class Task(Protocol):
    """What a model is trained for."""

    def micro_batches(self, examples: Tokens, index: np.ndarray, budget: int, step: int) -> list[MicroBatch]:
        """The batch of the examples at `index`, cut into parts of at most `budget` tokens, padding included.

        Args:
            examples: all of them.
            index: int64, shape (batch,).
            budget: tokens a micro-batch; a longer example is one of its own.
            step: of the update, for what a task draws anew for each.
        """

    def loss(self, model: nn.Module, batch: MicroBatch) -> Tensor:
        """A micro-batch's share of its batch's mean loss, in nats a prediction; the shares add up to it."""


class Placed(Protocol):
    """A set of examples on the device, for any number of weights."""

    def measure(self, model: nn.Module, outputs: bool = False) -> dict[str, np.ndarray]:
        """What the journal keeps of a model in evaluation mode: arrays by name, each of shape (units, ...).

        Args:
            outputs: whether to keep what the model says of each unit too (`record.OUTPUTS`).
        """


class MeasuredTask(ScoredTask, Task, Protocol):
    """A task whose models are measured on sets of examples."""

    def open(self, folder: Path) -> nn.Module:
        """A checkpoint on the device, in evaluation mode."""

    def place(self, examples: Tokens, budget: int) -> Placed:
        """A set of examples on the device, in batches of at most `budget` tokens, padding included."""


def on_device(array: np.ndarray, device: str) -> Tensor:
    """A copy of an array as a tensor on a device."""
    return from_numpy(np.array(array)).to(device)
