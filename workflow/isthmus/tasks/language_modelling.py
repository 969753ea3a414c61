"""Language modelling on blocks of running text: the cross-entropy of the next tokens, or of masked ones.

The unit is the block. Its loss is summed over the tokens that it counts, so the mean of a set is a ratio.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from isthmus import hashing
from isthmus.caches import identity
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics, autocast
from isthmus.tasks import token_losses
from isthmus.tasks.record import Record
from isthmus.tasks.task import MicroBatch, on_device

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


@dataclass(frozen=True)
class Masks:
    """Which tokens of a block are masked, a function of a seed and the block's place in its set.

    Of the chosen tokens 80 % become the mask, 10 % a random token and 10 % stay (Devlin et al., 2019). At
    least one of a block is chosen, so that each unit counts.

    Attributes:
        share: of the tokens that are chosen.
        seed: of the choice.
        mask: the mask's id.
        special: ids that are never chosen.
        vocabulary: ids that there are.
    """

    share: float
    seed: int
    mask: int
    special: frozenset[int]
    vocabulary: int

    def asked(self, examples: Tokens, index: np.ndarray, pad: int) -> Asked:
        """The chosen tokens are asked for at their own places."""
        inputs = tokens.collate(examples, index, pad)
        ids, targets = inputs["input_ids"], np.full_like(inputs["input_ids"], NONE)
        for row, place in enumerate(index):
            own = ids[row, : examples.lengths[place]]
            seen, chosen = self._block(own.copy(), int(place))
            targets[row, : len(own)][chosen] = own[chosen]
            ids[row, : len(own)] = seen
        return inputs, targets

    def _block(self, ids: np.ndarray, place: int) -> tuple[np.ndarray, np.ndarray]:
        """What is seen of a block, and which of its places are chosen."""
        draw = np.random.Generator(np.random.Philox(key=[self.seed, hashing.seed("mask", place)]))
        keys, kind = draw.random(len(ids)), draw.random(len(ids))
        random = draw.integers(0, self.vocabulary, len(ids))
        free = ~np.isin(ids, list(self.special))
        keys[~free] = 2.0
        chosen = free & ((keys < self.share) | (keys == keys.min()))
        seen = np.where(chosen & (kind < 0.8), self.mask, ids)
        return np.where(chosen & (kind >= 0.9), random, seen), chosen


@dataclass(frozen=True)
class LanguageModelling:
    """A language model with its own head on blocks of running text.

    Attributes:
        identity: the task in keys.
        pad: the model's padding token.
        numerics: where and how to compute.
        ask: `next_tokens`, or `Masks.asked` of a seed that is fixed for a set.
        opened: opens a checkpoint on the CPU, in evaluation mode.
    """

    identity: identity.Task
    pad: int
    numerics: Numerics
    ask: Callable[[Tokens, np.ndarray, int], Asked]
    opened: Callable[[Path], nn.Module] = field(compare=False)

    def open(self, folder: Path) -> nn.Module:
        return self.opened(folder).to(self.numerics.device)

    def micro_batches(self, examples: Tokens, index: np.ndarray, budget: int, step: int) -> list[MicroBatch]:
        lengths = examples.lengths[index]
        batch = [
            (*self.ask(examples, index[cut], self.pad), int(lengths[cut].sum()))
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


class PlacedBlocks:
    """Blocks of running text placed on the device once, in length-sorted batches, for any number of weights.

    Args:
        task: asks for tokens.
        examples: the blocks.
        budget: tokens a batch, padding included.
    """

    def __init__(self, task: LanguageModelling, examples: Tokens, budget: int):
        self.numerics, self.units = task.numerics, len(examples)
        self.batches = []
        for index in tokens.batches(examples.lengths, budget):
            inputs, targets = task.ask(examples, index, task.pad)
            where = targets != NONE
            on = [on_device(array, task.numerics.device) for array in (where, targets[where])]
            units = np.repeat(index, where.sum(axis=1))
            self.batches.append(
                ({name: on_device(array, task.numerics.device) for name, array in inputs.items()}, *on, units)
            )

    def measure(self, model: nn.Module, outputs: bool = False) -> dict[str, np.ndarray]:
        """Evaluate a model that is in evaluation mode.

        Returns:
            `losses`: of each block the summed cross-entropy of the tokens that it counts, in nats, float64,
            shape (n,); `errors`: how many of them are not the most probable, int32, shape (n,); `counts`: how
            many they are, int32, shape (n,).
        """
        losses, errors, counts = (np.zeros(self.units) for _ in range(3))
        with torch.inference_mode(), autocast(self.numerics):
            for inputs, where, targets, units in self.batches:
                each, wrong = token_losses.each(model, token_losses.states(model, inputs, where), targets)
                for total, numbers in ((losses, each), (errors, wrong), (counts, torch.ones_like(each))):
                    total += np.bincount(units, numbers.double().cpu().numpy(), self.units)
        return {"losses": losses, "errors": errors.astype(np.int32), "counts": counts.astype(np.int32)}
