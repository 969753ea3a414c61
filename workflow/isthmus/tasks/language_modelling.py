"""Language modelling on blocks of running text: the cross-entropy of the next tokens, or of masked ones.

The unit is the block. Its loss is summed over the tokens that it counts, so the mean of a set is a ratio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor, nn

from isthmus import hashing
from isthmus.caches.identity import MaskedTokens, Task
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics, autocast
from isthmus.models import token_losses
from isthmus.tasks.record import Record
from isthmus.tasks.task import OUTPUTS, MicroBatch, on_device

# What a model sees of some blocks and what it must say: inputs by name, and at each place the token that is
# asked for there, -1 where none is; int64, shape (blocks, longest).
Asked = tuple[dict[str, np.ndarray], np.ndarray]
NONE = -1


def next_tokens(examples: Tokens, index: np.ndarray, pad: int) -> Asked:
    """Each token is asked for at the place before it, but for those of a prompt."""
    inputs = tokens.collate(examples, index, pad)
    ids = inputs["input_ids"]
    places = np.arange(ids.shape[1])
    lengths, prompts = examples.lengths[index], examples.labels[index]
    asked = (places >= np.maximum(prompts - 1, 0)[:, None]) & (places < lengths[:, None] - 1)
    targets = np.full_like(ids, NONE)
    targets[:, :-1] = ids[:, 1:]
    return inputs, np.where(asked, targets, NONE)


def masked_tokens(
    examples: Tokens, index: np.ndarray, pad: int, task: MaskedTokens, seeds: tuple[int, ...]
) -> Asked:
    """Some tokens of each block are hidden and asked for at their own places.

    Of the chosen tokens 80 % become the mask, 10 % another token, and 10 % stay (Devlin et al., 2019). At
    least one of a block is chosen, so that each unit counts.

    Args:
        examples, index, pad: as of `next_tokens`.
        task: how many are chosen, and among which.
        seeds: with a block's place in its set they fix its masks.
    """
    inputs = tokens.collate(examples, index, pad)
    ids, targets = inputs["input_ids"], np.full_like(inputs["input_ids"], NONE)
    for row, place in enumerate(index):
        own = ids[row, : examples.lengths[place]]
        draw = np.random.Generator(np.random.Philox(hashing.seed("mask", *seeds, int(place))))
        seen, chosen = _masked(own, task, draw)
        targets[row, : len(own)][chosen] = own[chosen]
        ids[row, : len(own)] = seen
    return inputs, targets


def _masked(ids: np.ndarray, task: MaskedTokens, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What is seen of a block, and which of its places are chosen."""
    keys, kind = draw.random(len(ids)), draw.random(len(ids))
    random = draw.integers(0, task.vocabulary - len(task.special), len(ids))
    for special in task.special:  # rising, so that each id that is none is as probable
        random[random >= special] += 1
    free = ~np.isin(ids, task.special)
    keys[~free] = 2.0
    chosen = free & ((keys < task.masked) | (keys == keys.min()))
    seen = np.where(chosen & (kind < 0.8), task.mask, ids)
    return np.where(chosen & (kind >= 0.9), random, seen), chosen


@dataclass(frozen=True)
class LanguageModelling:
    """A language model with its own head on blocks of running text.

    Attributes:
        identity: the task in keys; `MaskedTokens`, or that of next tokens.
        pad: the model's padding token.
        numerics: where and how to compute.
        order: a training draws its masks anew for each update, from this seed.
    """

    identity: Task
    pad: int
    numerics: Numerics
    order: int = 0

    def open(self, folder: Path, dropout: float = 0.0, attention_dropout: float = 0.0) -> nn.Module:
        """A checkpoint on the device, in evaluation mode; errors as of `open_language_model`."""
        # Transformers takes seconds to import, and what the journal knows needs no model.
        from isthmus.models import language_models

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
        if not isinstance(self.identity, MaskedTokens):
            return next_tokens(examples, index, self.pad)
        seeds = (self.identity.seed,) if step is None else (self.order, step)
        return masked_tokens(examples, index, self.pad, self.identity, seeds)

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

    def record(self, measured: dict[str, np.ndarray], examples: Tokens) -> Record:
        return Record(
            measured["losses"], measured["errors"].astype(np.int64), measured["counts"].astype(np.int64)
        )

    def ensemble(self, measured: Sequence[dict[str, np.ndarray]], examples: Tokens) -> Record:
        """The record of the mean of several models' probabilities; its errors are not known (NaN).

        What is kept of a model is how probable it finds each token that is asked for, not all others.
        """
        each = np.stack([own[OUTPUTS].astype(np.float64) for own in measured])
        losses = np.log(len(each)) - logsumexp(each, axis=0)
        counts = measured[0]["counts"].astype(np.int64)
        units = np.repeat(np.arange(len(counts)), counts)
        return Record(np.bincount(units, losses, len(counts)), np.full(len(counts), np.nan), counts)

    def scored(self, measured: dict[str, np.ndarray], examples: Tokens) -> dict[str, np.ndarray]:
        """By block: its summed loss, errors, counted tokens, and how many of these are the commonest one."""
        _, targets = self.ask(examples, np.arange(len(examples)))
        asked = targets != NONE
        commonest = np.bincount(targets[asked]).argmax()
        return {
            "loss": measured["losses"],
            "errors": measured["errors"].astype(np.int64),
            "count": measured["counts"].astype(np.int64),
            "common": (targets == commonest).sum(axis=1),
        }


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
