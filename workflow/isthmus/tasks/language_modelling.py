"""Language modelling on blocks of running text: the cross-entropy of the next tokens, or of masked ones.

The unit is the block. Its loss is summed over the tokens that it counts, so the mean of a set is a ratio.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.computing import autocast
from isthmus.models import token_losses
from isthmus.tasks.questions import NONE, Asked, asked_of
from isthmus.tasks.record import OUTPUTS
from isthmus.tasks.scored import ScoredBlocks
from isthmus.tasks.task import MicroBatch, on_device


@dataclass(frozen=True)
class LanguageModelling(ScoredBlocks):
    """A language model with its own head on blocks of running text.

    Attributes:
        order: a training draws its masks anew for each update, from this seed.
    """

    order: int = 0

    def open(self, folder: Path, dropout: float = 0.0, attention_dropout: float = 0.0) -> nn.Module:
        """A checkpoint on the device, in evaluation mode; errors as of `open_language_model`."""
        from isthmus.models import language_models  # Transformers takes seconds to import

        model = language_models.open_language_model(
            folder,
            self.identity.name,
            attention=self.numerics.attention,
            dropout=dropout,
            attention_dropout=attention_dropout,
            weights=self.numerics.weights,
        )
        return model.to(self.numerics.device)

    def ask(self, examples: Tokens, index: np.ndarray, step: int | None = None) -> Asked:
        """What a model sees of some blocks and must say: where measured, or in the update of a step."""
        seeds = None if step is None else (self.order, step)
        return asked_of(self.identity, examples, index, self.pad, seeds)

    def micro_batches(self, examples: Tokens, index: np.ndarray, budget: int, step: int) -> list[MicroBatch]:
        lengths = examples.lengths[index]
        batch = [
            (*self.ask(examples, index[cut], step), int(lengths[cut].sum()))
            for cut in tokens.batches(lengths, budget)
        ]
        predictions = max(1, sum(int((targets != NONE).sum()) for _, targets, _ in batch))
        device = self.numerics.device
        return [
            MicroBatch(
                {name: on_device(array, device) for name, array in inputs.items()},
                on_device(targets, device),
                count,
                predictions,
            )
            for inputs, targets, count in batch
        ]

    def loss(self, model: nn.Module, batch: MicroBatch) -> Tensor:
        where = batch.targets != NONE
        found = token_losses.states(model, batch.inputs, where)
        return token_losses.summed(model, found, batch.targets[where]) / batch.predictions

    def place(self, examples: Tokens, budget: int) -> "PlacedBlocks":
        return PlacedBlocks(self, examples, budget)


class PlacedBlocks:
    """Blocks of running text placed on the device once, in length-sorted batches, for any number of weights.

    Args:
        task: asks for tokens.
        examples: the blocks.
        budget: tokens a batch, padding included.
    """

    def __init__(self, task: LanguageModelling, examples: Tokens, budget: int):
        self.numerics, self.size = task.numerics, len(examples)
        self.batches, targets, units = [], [], []
        for index in tokens.batches(examples.lengths, budget):
            inputs, wanted = task.ask(examples, index)
            where = wanted != NONE
            placed = {name: on_device(array, task.numerics.device) for name, array in inputs.items()}
            on = (on_device(array, task.numerics.device) for array in (where, wanted[where]))
            self.batches.append((placed, *on))
            targets.append(wanted[where])
            units.append(np.repeat(index, where.sum(axis=1)))
        # The tokens in the order of their blocks, and in each block from its beginning.
        self.order = np.argsort(np.concatenate(units), kind="stable")
        self.units, self.targets = (np.concatenate(parts)[self.order] for parts in (units, targets))

    def measure(self, model: nn.Module, outputs: bool = False) -> dict[str, np.ndarray]:
        """Evaluate a model that is in evaluation mode.

        Returns:
            `losses`: of each block the summed cross-entropy of the tokens that it counts, in nats, float64,
            shape (n,); `errors`: how many of them are not the most probable, int32, shape (n,); `counts`: how
            many they are, int32, shape (n,). With `outputs` also `predictions`, the most probable token for
            each of all these, int32, and the log-probability of the right one, float32; both of shape
            (counted tokens,), block by block.
        """
        found = []
        with torch.inference_mode(), autocast(self.numerics):
            for inputs, where, targets in self.batches:
                states = token_losses.states(model, inputs, where)
                found.append([each.cpu().numpy() for each in token_losses.each(model, states, targets)])
        losses, predictions = (np.concatenate(parts)[self.order] for parts in zip(*found, strict=True))

        def summed(values: np.ndarray) -> np.ndarray:
            return np.bincount(self.units, values, self.size)

        errors, counts = summed(predictions != self.targets), summed(np.ones(len(losses)))
        measured = {"losses": summed(losses), "errors": errors.astype(np.int32)}
        measured |= {"counts": counts.astype(np.int32)}
        if outputs:
            measured |= {OUTPUTS: -losses.astype(np.float32), "predictions": predictions.astype(np.int32)}
        return measured
