"""Masked-language modelling on the toy language's sentence pairs: naming the words that were masked."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus import hashing
from isthmus.caches.identity import MASKED_LM, Task
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.data.tokens import Tokens
from isthmus.tasks.task import MicroBatch, on_device

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # the first tokens of the vocabulary; words follow
IGNORED = -100  # the target of a token that is not to be predicted


def vocabulary() -> list[str]:
    """All tokens, each at its id."""
    return [*SPECIAL, *toy.vocabulary()]


def corpus(rows: int, seed: int, tokenizer, max_length: int) -> Tokens:
    """Sentence pairs to pre-train on, without labels.

    Args:
        rows: how many.
        seed: of the pairs.
        tokenizer: a Transformers tokenizer of `vocabulary`.
        max_length: tokens at most.
    """
    pairs = toy.corpus(rows, seed)
    unlabelled = np.zeros(len(pairs), np.int64)
    texts = [a for a, _ in pairs], [b for _, b in pairs]
    return tokens.tokenize(tokenizer, Rows(np.arange(len(pairs)), *texts, unlabelled), [0], max_length)


@dataclass(frozen=True)
class MaskedLM:
    """The cross-entropy of masked tokens.

    Of the chosen tokens 80 % become `[MASK]`, 10 % a random word and 10 % stay (Devlin et al., 2019); which,
    is a function of (seed, step).

    Attributes:
        masked: the part of the tokens that is chosen.
        seed: of the choice.
        device: where to compute.
    """

    masked: float
    seed: int
    device: str

    @property
    def identity(self) -> Task:
        """The task in keys; the seed of the masks is among those of the run."""
        return Task(MASKED_LM, self.masked)

    def masks(self, ids: np.ndarray, step: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The ids that the model sees and those that it must name (`IGNORED` elsewhere), each as `ids`.

        Args:
            ids: int64.
            step: of the update.
            number: of the micro-batch in its batch.
        """
        draw = np.random.Generator(np.random.Philox(key=[self.seed, hashing.seed(step, number)]))
        chosen = (draw.random(ids.shape) < self.masked) & (ids >= len(SPECIAL))
        kind = draw.random(ids.shape)
        random = draw.integers(len(SPECIAL), len(vocabulary()), ids.shape)
        seen = np.where(chosen & (kind < 0.8), SPECIAL.index("[MASK]"), ids)
        seen = np.where(chosen & (kind >= 0.9), random, seen)
        return seen, np.where(chosen, ids, IGNORED)

    def micro_batches(self, examples: Tokens, index: np.ndarray, budget: int, step: int) -> list[MicroBatch]:
        lengths = examples.lengths[index]
        batch = []
        for number, cut in enumerate(tokens.batches(lengths, budget)):
            inputs = tokens.collate(examples, index[cut], SPECIAL.index("[PAD]"))
            inputs["input_ids"], targets = self.masks(inputs["input_ids"], step, number)
            batch.append((inputs, targets, int(lengths[cut].sum())))
        predictions = max(1, sum(int((targets != IGNORED).sum()) for _, targets, _ in batch))
        return [
            MicroBatch(
                {name: on_device(array, self.device) for name, array in inputs.items()},
                on_device(targets, self.device),
                count,
                predictions,
            )
            for inputs, targets, count in batch
        ]

    def loss(self, model: nn.Module, batch: MicroBatch) -> Tensor:
        logits = model(**batch.inputs).logits.float()
        total = cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), reduction="sum", ignore_index=IGNORED
        )
        return total / batch.predictions
