"""The groups of tensors that move together: the embeddings, each block, its two halves, the head."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache

from isthmus.errors import ConfigError

ALL, EMBEDDINGS, HEAD = "all", "embeddings", "head"
ATTENTION, FEED_FORWARD = "attention", "feed-forward"
MATCH = "match "  # begins the name of a group of tensors whose names match a pattern

# `bert.encoder.layer.3.output.dense.weight`: the block's number, and the rest of the name.
_BLOCK = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)\.(\d+)\.(.+)")
# How the names of a block's attention begin, its normalisation included; all else is feed-forward.
_ATTENTION = ("attention", "attn", "self_attn", "sa_layer_norm", "ln_1", "input_layernorm")
# The first word of a name is the model's (`rembert.`).
_EMBEDDINGS = re.compile(r"\.(?:\w*emb\w*|wte|wpe)\.|^\w+\.encoder\.(?:LayerNorm|conv)\.")


def block(number: int, half: str | None = None) -> str:
    """The name of a block's group, or of one half of it (`attention` or `feed-forward`)."""
    return f"block {number}" if half is None else f"block {number} {half}"


def larger_groups(group: str) -> tuple[str, ...]:
    """The groups that a named one is a part of, the whole first."""
    words = group.split()
    return (ALL, block(int(words[1]))) if words[0] == "block" and len(words) > 2 else (ALL,)


@cache
def groups_of(tensor: str) -> tuple[str, ...]:
    """All groups that a tensor of a Transformers model is in, by its name, from the whole to the smallest.

    What stands beyond the last block (a final normalisation, the pooler) is of the head: only the head reads
    it. Position embeddings that all blocks share (DeBERTa's) are of the embeddings.
    """
    if inside := _BLOCK.search(tensor):
        number, rest = int(inside[1]), inside[2]
        half = ATTENTION if rest.startswith(_ATTENTION) else FEED_FORWARD
        return ALL, block(number), block(number, half)
    return ALL, EMBEDDINGS if _EMBEDDINGS.search(tensor) else HEAD


def matching(patterns: Sequence[str]) -> str:
    """The name of a group of tensors whose names match one of some patterns, such as `*.query.*`."""
    return MATCH + " | ".join(sorted(patterns))


def holds(group: str, tensor: str) -> bool:
    """Whether a tensor is in a group."""
    if group.startswith(MATCH):
        return any(fnmatchcase(tensor, pattern) for pattern in group.removeprefix(MATCH).split(" | "))
    return group in groups_of(tensor)


def in_order(tensors: Iterable[str], halves: bool = False) -> list[str]:
    """The groups of a model from its input to its output: embeddings, blocks (or their halves), head."""
    places = {}
    for tensor in tensors:
        group = groups_of(tensor)[2 if halves and len(groups_of(tensor)) > 2 else 1]
        # Attention comes before feed-forward, as in their names' order.
        places[group] = (block_of(tensor, 10**6), group)
    return sorted(places, key=places.get)


def block_of(tensor: str, blocks: int) -> int:
    """The block that a tensor is in: -1 for the embeddings, the number of blocks for the head."""
    inside = _BLOCK.search(tensor)
    if inside:
        return int(inside[1])
    return -1 if groups_of(tensor)[1] == EMBEDDINGS else blocks


def check(groups: Mapping[str, list[str]], tensors: Sequence[str]) -> None:
    """Raise a ConfigError where a group of patterns has no tensor, or leaves none over."""
    for name, patterns in groups.items():
        inside = [t for t in tensors if holds(matching(patterns), t)]
        if not inside or len(inside) == len(tensors):
            raise ConfigError(
                f"layers.groups.{name}: found {patterns}, which match {'all' if inside else 'none'} of "
                f"{len(tensors)} tensors; allowed: patterns that match some, such as '{next(iter(tensors))}'"
            )
