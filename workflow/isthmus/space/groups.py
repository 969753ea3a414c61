"""The groups of tensors that move together: the embeddings, each block, its two halves, the head."""

import re
from functools import cache

ALL, EMBEDDINGS, HEAD = "all", "embeddings", "head"
ATTENTION, FEED_FORWARD = "attention", "feed-forward"

# `bert.encoder.layer.3.output.dense.weight`: the block's number, and the rest of the name.
_BLOCK = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)\.(\d+)\.(.+)")
# How the names of a block's attention begin, its normalisation included; all else is feed-forward.
_ATTENTION = ("attention", "attn", "self_attn", "sa_layer_norm", "ln_1", "input_layernorm")
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:\w*emb\w*|wte|wpe)\.|^\w+\.encoder\.(?:LayerNorm|conv)\.")


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


def groups_in(tensors: list[str]) -> list[str]:
    """The largest groups below the whole of these tensors, in the order in which they are first met."""
    return list(dict.fromkeys(groups_of(tensor)[1] for tensor in tensors))
