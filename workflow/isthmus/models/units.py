"""Units whose order is free: for each architecture, which axis of which tensor belongs to which units.

A model computes the same function when the units of a layer are put in another order and all tensors that
read or write them follow. Which units may move is one table an architecture; what is not in it may not be
reordered (Ainsworth et al. 2023 for networks without attention; Verma and Elbayad 2024 for encoders):

- `residual`: the stream that all blocks read and write, one order for all of it. It cannot be rotated, since
  the scale of a LayerNorm lies on it.
- `embedding`: that of the embeddings, where they are projected to the stream (ELECTRA).
- `query`, `key`, `value`, `context` of a block: its heads, and what is within them. Query and key share the
  order within a head, and so do value and context. Heads that share a key and a value (grouped queries) move
  as a group. Rotary embeddings give the first units of a head's query and key (all of them, or a part) a
  frequency each, so these keep their order.
- `inner` of a block: the units of its feed-forward network; of a gated one both projections.
- `pooler`: those of a classifier's own layer; `decoder`: of a language model's, where its output is not tied.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.errors import ConfigError

RESIDUAL, EMBEDDING, POOLER, DECODER, INNER = "residual", "embedding", "pooler", "decoder", "inner"
QUERY, KEY, VALUE, CONTEXT = "query", "key", "value", "context"
ATTENTION = (QUERY, KEY, VALUE, CONTEXT)
# An axis: the units of a group; several one after the other (a tuple); nothing that could move (None).
Axis = str | tuple[str, ...] | None
BY_HEAD = "by head"  # the first of a tuple whose groups follow each other within each head

_WORDS = {
    r"embeddings\.(word|position|token_type)_embeddings\.weight": (None, EMBEDDING),
    r"embeddings\.LayerNorm\.(weight|bias)": (EMBEDDING,),
}
_ENCODER = {
    **_WORDS,
    r"embeddings_project\.weight": (RESIDUAL, EMBEDDING),
    r"embeddings_project\.bias": (RESIDUAL,),
    **{
        rf"encoder\.layer\.(\d+)\.attention\.self\.{name}\.(weight|bias)": (name, RESIDUAL)
        for name in (QUERY, KEY, VALUE)
    },
    r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(weight|bias)": (RESIDUAL, CONTEXT),
    r"encoder\.layer\.(\d+)\.(attention\.)?output\.LayerNorm\.(weight|bias)": (RESIDUAL,),
    r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias)": (INNER, RESIDUAL),
    r"encoder\.layer\.(\d+)\.output\.dense\.(weight|bias)": (RESIDUAL, INNER),
}
_TWO_LAYERED_HEAD = {
    r"classifier\.dense\.(weight|bias)": (POOLER, RESIDUAL),
    r"classifier\.out_proj\.(weight|bias)": (None, POOLER),
}
TABLE: dict[str, dict[str, tuple[Axis, ...]]] = {
    "bert": {
        **_ENCODER,
        r"pooler\.dense\.(weight|bias)": (POOLER, RESIDUAL),
        r"classifier\.(weight|bias)": (None, POOLER),
        r"cls\.predictions\.transform\.dense\.(weight|bias)": (DECODER, RESIDUAL),
        r"cls\.predictions\.transform\.LayerNorm\.(weight|bias)": (DECODER,),
        r"cls\.predictions\.(decoder\.)?(weight|bias)": (None, DECODER),
    },
    "roberta": {
        **_ENCODER,
        **_TWO_LAYERED_HEAD,
        r"lm_head\.dense\.(weight|bias)": (DECODER, RESIDUAL),
        r"lm_head\.layer_norm\.(weight|bias)": (DECODER,),
        r"lm_head\.(decoder\.)?(weight|bias)": (None, DECODER),
    },
    "electra": {
        **_ENCODER,
        **_TWO_LAYERED_HEAD,
        r"generator_predictions\.dense\.(weight|bias)": (DECODER, RESIDUAL),
        r"generator_predictions\.LayerNorm\.(weight|bias)": (DECODER,),
        r"generator_lm_head\.(weight|bias)": (None, DECODER),
    },
    "distilbert": {
        **_WORDS,
        r"transformer\.layer\.(\d+)\.attention\.q_lin\.(weight|bias)": (QUERY, RESIDUAL),
        r"transformer\.layer\.(\d+)\.attention\.k_lin\.(weight|bias)": (KEY, RESIDUAL),
        r"transformer\.layer\.(\d+)\.attention\.v_lin\.(weight|bias)": (VALUE, RESIDUAL),
        r"transformer\.layer\.(\d+)\.attention\.out_lin\.(weight|bias)": (RESIDUAL, CONTEXT),
        r"transformer\.layer\.(\d+)\.(sa|output)_layer_norm\.(weight|bias)": (RESIDUAL,),
        r"transformer\.layer\.(\d+)\.ffn\.lin1\.(weight|bias)": (INNER, RESIDUAL),
        r"transformer\.layer\.(\d+)\.ffn\.lin2\.(weight|bias)": (RESIDUAL, INNER),
        r"pre_classifier\.(weight|bias)": (POOLER, RESIDUAL),
        r"classifier\.(weight|bias)": (None, POOLER),
        r"vocab_transform\.(weight|bias)": (DECODER, RESIDUAL),
        r"vocab_layer_norm\.(weight|bias)": (DECODER,),
        r"vocab_projector\.(weight|bias)": (None, DECODER),
    },
    "gpt2": {  # its linear layers are written (in, out)
        r"(wte|wpe)\.weight": (None, RESIDUAL),
        r"h\.(\d+)\.ln_[12]\.(weight|bias)": (RESIDUAL,),
        r"ln_f\.(weight|bias)": (RESIDUAL,),
        r"h\.(\d+)\.attn\.c_attn\.weight": (RESIDUAL, (QUERY, KEY, VALUE)),
        r"h\.(\d+)\.attn\.c_attn\.bias": ((QUERY, KEY, VALUE),),
        r"h\.(\d+)\.attn\.c_proj\.weight": (CONTEXT, RESIDUAL),
        r"h\.(\d+)\.mlp\.c_fc\.weight": (RESIDUAL, INNER),
        r"h\.(\d+)\.mlp\.c_fc\.bias": (INNER,),
        r"h\.(\d+)\.mlp\.c_proj\.weight": (INNER, RESIDUAL),
        r"h\.(\d+)\.(attn|mlp)\.c_proj\.bias": (RESIDUAL,),
        r"(score|lm_head)\.weight": (None, RESIDUAL),
    },
    "gpt_neox": {
        r"embed_in\.weight": (None, RESIDUAL),
        r"layers\.(\d+)\.(input|post_attention)_layernorm\.(weight|bias)": (RESIDUAL,),
        r"final_layer_norm\.(weight|bias)": (RESIDUAL,),
        r"layers\.(\d+)\.attention\.query_key_value\.(weight|bias)": ((BY_HEAD, QUERY, KEY, VALUE), RESIDUAL),
        r"layers\.(\d+)\.attention\.dense\.(weight|bias)": (RESIDUAL, CONTEXT),
        r"layers\.(\d+)\.mlp\.dense_h_to_4h\.(weight|bias)": (INNER, RESIDUAL),
        r"layers\.(\d+)\.mlp\.dense_4h_to_h\.(weight|bias)": (RESIDUAL, INNER),
        r"(score|lm_head|embed_out)\.weight": (None, RESIDUAL),
    },
    "llama": {
        r"embed_tokens\.weight": (None, RESIDUAL),
        r"(layers\.(\d+)\.(input|post_attention)_layernorm|norm)\.weight": (RESIDUAL,),
        r"layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)": (QUERY, RESIDUAL),
        r"layers\.(\d+)\.self_attn\.k_proj\.(weight|bias)": (KEY, RESIDUAL),
        r"layers\.(\d+)\.self_attn\.v_proj\.(weight|bias)": (VALUE, RESIDUAL),
        r"layers\.(\d+)\.self_attn\.o_proj\.(weight|bias)": (RESIDUAL, CONTEXT),
        r"layers\.(\d+)\.mlp\.(gate|up)_proj\.(weight|bias)": (INNER, RESIDUAL),
        r"layers\.(\d+)\.mlp\.down_proj\.(weight|bias)": (RESIDUAL, INNER),
        r"(score|lm_head)\.weight": (None, RESIDUAL),
    },
}  # fmt: skip
ROTARY = ("gpt_neox", "llama")
BODIES = ("bert", "roberta", "electra", "distilbert", "transformer", "gpt_neox", "model")  # names of bodies
LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Heads:
    """The attention of each block.

    Attributes:
        groups: of heads that share key and value.
        repeats: heads a group.
        width: units a head.
        rotary: how many of these, the first, have a frequency in query and key.
    """

    groups: int
    repeats: int
    width: int
    rotary: int


@dataclass(frozen=True)
class Units:
    """The units of a model.

    Attributes:
        axes: of each tensor by name, one an axis; groups of a block end in its number, such as `inner 0`.
        sizes: how many units a group has, by name; those of attention are counted as `heads` says.
        heads: how attention is made.
        layers: the numbers of the blocks, rising.
    """

    axes: Mapping[str, tuple[Axis, ...]]
    sizes: Mapping[str, int]
    heads: Heads
    layers: tuple[int, ...]


def units(name: str, settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Units:
    """The units of a model.

    Args:
        name: what messages call it.
        settings: its whole configuration, from `configurations.stated_config`.
        shapes: of its tensors by name.

    Raises:
        ConfigError: its architecture, or one of its tensors, is not in the table.
    """
    kind = settings["model_type"]
    if kind not in TABLE:
        raise ConfigError(
            f"{name}: found the architecture {kind}, of which no table says which units may be reordered; "
            f"allowed for alignment: {', '.join(sorted(TABLE))}"
        )
    axes = {tensor: _axes(name, kind, settings, tensor, len(shape)) for tensor, shape in shapes.items()}
    sizes: dict[str, int] = {}
    for tensor, own in axes.items():
        for axis, size in zip(own, shapes[tensor], strict=True):
            if isinstance(axis, str):
                sizes[axis] = size
    layers = {int(group.split(" ")[1]) for group in sizes if " " in group}
    return Units(axes, sizes, _heads(kind, settings), tuple(sorted(layers)))


def _axes(name: str, kind: str, settings: Mapping[str, Any], tensor: str, count: int) -> tuple[Axis, ...]:
    """The axes of one tensor."""
    prefix, _, rest = tensor.partition(".")
    inside = rest if prefix in BODIES else tensor
    for pattern, axes in TABLE[kind].items():
        if re.fullmatch(pattern, inside):
            layer = LAYER.search(inside)
            return tuple(_of_layer(_same(axis, settings), layer and layer[1]) for axis in axes[:count])
    raise ConfigError(
        f"{name}: found the tensor {tensor}, of which no table says which units it has; allowed for "
        f"alignment: a model of the architecture {kind} with the tensors that Transformers gives it"
    )


def _same(axis: Axis, settings: Mapping[str, Any]) -> Axis:
    """The group that a tie makes of another one: tied outputs read what embeddings write."""
    projected = settings.get("embedding_size") not in (None, settings.get("hidden_size"))
    embedding = EMBEDDING if projected else RESIDUAL
    if axis == EMBEDDING:
        return embedding
    if axis == DECODER and settings.get("tie_word_embeddings", True):
        return embedding
    return axis


def _of_layer(axis: Axis, layer: str | None) -> Axis:
    """A group with the number of its block."""
    if isinstance(axis, tuple):
        return tuple(own if own == BY_HEAD else f"{own} {layer}" for own in axis)
    return f"{axis} {layer}" if axis in (*ATTENTION, INNER) else axis


def _heads(kind: str, settings: Mapping[str, Any]) -> Heads:
    def first(*names: str) -> int | None:
        return next((settings[name] for name in names if settings.get(name)), None)

    heads = first("num_attention_heads", "n_head", "n_heads")
    groups = first("num_key_value_heads") or heads
    width = first("head_dim") or first("hidden_size", "n_embd", "dim") // heads
    part = settings.get("partial_rotary_factor") or settings.get("rotary_pct")
    part = (settings.get("rope_parameters") or {}).get("partial_rotary_factor") or part or 1.0
    return Heads(groups, heads // groups, width, int(width * part) if kind in ROTARY else 0)
