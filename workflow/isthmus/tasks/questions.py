"""What a language model is asked on blocks of running text: each next token, or tokens that are masked."""

import numpy as np

from isthmus import hashing
from isthmus.caches.identity import MaskedTokens, Task
from isthmus.data import tokens
from isthmus.data.tokens import Tokens

# What a model sees of some blocks and what it must say: inputs by name, and at each place the token that is
# asked for there, -1 where none is; int64, shape (blocks, longest).
Asked = tuple[dict[str, np.ndarray], np.ndarray]
NONE = -1


def asked_of(
    task: Task, examples: Tokens, index: np.ndarray, pad: int, seeds: tuple[int, ...] | None = None
) -> Asked:
    """What a model sees of some blocks and must say.

    Args:
        task: `MaskedTokens`, or that of next tokens.
        examples, index: the blocks.
        pad: the model's padding token.
        seeds: of masks that are drawn anew; None for those that are measured.
    """
    if not isinstance(task, MaskedTokens):
        return next_tokens(examples, index, pad)
    return masked_tokens(examples, index, pad, task, seeds or (task.seed,))


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
