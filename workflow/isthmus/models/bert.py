"""BERT as a sequence classifier in plain PyTorch: Transformers' bits, without the seconds of its import.

A process that imports a model of Transformers takes seconds and a hundred megabytes for that alone, and most
jobs of a small experiment are little else. So checkpoints that this module knows in every setting are opened
by it; all others by Transformers (`opening`). Devlin et al. (2019); names of tensors are Transformers', and
tests hold logits, gradients and what dropout draws to its bits.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, scaled_dot_product_attention, softmax
from torch.overrides import TorchFunctionMode

from isthmus import stored
from isthmus.models.first_token import spare_the_rest
from isthmus.models.hf_folders import WEIGHTS

SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps",
)  # fmt: skip
# What else must be so, where it is stated.
ONLY = {
    "model_type": "bert", "hidden_act": "gelu", "is_decoder": False, "add_cross_attention": False,
    "position_embedding_type": "absolute", "chunk_size_feed_forward": 0, "is_encoder_decoder": False,
    "pruned_heads": {}, "output_attentions": False, "output_hidden_states": False, "return_dict": True,
}  # fmt: skip
# What says nothing of how a classifier computes its logits; dropout is the recipe's.
IDLE = {
    "_name_or_path", "architectures", "attention_probs_dropout_prob", "bos_token_id", "classifier_dropout",
    "dtype", "eos_token_id", "gradient_checkpointing", "hidden_dropout_prob", "id2label",
    "initializer_range", "label2id", "num_labels", "pad_token_id", "problem_type", "tie_word_embeddings",
    "torch_dtype", "transformers_version", "use_cache",
}  # fmt: skip


def opened(
    folder: Path,
    attention: str,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    weights: str = "float32",
) -> "Classifier | None":
    """A checkpoint in evaluation mode; None where it is not of the kind that is known here.

    Args:
        folder: in Hugging Face's layout.
        attention: `eager` or `sdpa`.
        dropout, attention_dropout: what the model applies while in training mode.
        weights: their type.
    """
    if not (folder / WEIGHTS).is_file():
        return None
    settings = stored.read_json(folder / "config.json")
    if not known(settings):
        return None
    config = SimpleNamespace(**{name: settings[name] for name in (*ONLY, *SIZES) if name in settings})
    config.is_decoder = False
    config.num_labels = len(settings.get("id2label") or range(settings.get("num_labels", 2)))
    config.pad_token_id, config.attention = settings.get("pad_token_id"), attention
    config.dropout, config.attention_dropout = dropout, attention_dropout
    with torch.device("meta"), _Undrawn():
        model = Classifier(config)
    state = load_file(folder / WEIGHTS)
    if {name: own.shape for name, own in state.items()} != _shapes(model):
        return None
    kind = getattr(torch, weights)
    # Memory of its own: mapped tensors stand at any address, and alignment can change the bits of a product.
    model.load_state_dict({name: own.to(kind, copy=True) for name, own in state.items()}, assign=True)
    model.eval()
    spare_the_rest(model)
    return model


def known(settings: Mapping[str, Any]) -> bool:
    """Whether a configuration is one of these classifiers in all that it states."""
    sizes = all(type(settings.get(name)) in (int, float) for name in SIZES)
    stated = settings.keys() - IDLE - set(SIZES)
    plain = all(name in ONLY and settings[name] == ONLY[name] for name in stated)
    return sizes and plain and "model_type" in stated


class _Undrawn(TorchFunctionMode):
    """Leaves fresh weights as they are, since a checkpoint's take their place.

    Drawing costs as much as reading them, and on no device at all PyTorch imports its compiler for it.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__module__", "") == nn.init.__name__:
            return (kwargs or {}).get("tensor")
        return func(*args, **(kwargs or {}))


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: own.shape for name, own in model.state_dict().items()}


class Output(NamedTuple):
    """What a classifier says: `logits`, shape (examples, classes)."""

    logits: Tensor


class Classifier(nn.Module):
    """The body, and a linear head on its pooled first token."""

    base_model_prefix = "bert"

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        self.config = config
        self.bert = Body(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    @property
    def base_model(self) -> nn.Module:
        return self.bert

    def forward(self, input_ids: Tensor, token_type_ids=None, attention_mask=None) -> Output:
        """The logits; ids, segments and mask are int64, shape (examples, tokens)."""
        return Output(self.classifier(self.dropout(self.bert(input_ids, token_type_ids, attention_mask))))


class Body(nn.Module):
    """Embeddings, layers, and the pooler on the first token."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.pooler = nn.Module()
        self.pooler.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.attention = config.attention

    def forward(self, input_ids: Tensor, token_type_ids=None, attention_mask=None) -> Tensor:
        hidden = self.embeddings(input_ids, token_type_ids)
        mask = self._mask(attention_mask, hidden.dtype)
        for layer in self.encoder.layer:
            hidden = layer(hidden, mask)
        return torch.tanh(self.pooler.dense(hidden[:, 0]))

    def _mask(self, seen: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        """What says of each query which keys it sees: to be added to scores, or bool for `sdpa`."""
        if seen is None or (self.attention == "sdpa" and bool(seen.all())):
            return None
        keys = seen.bool()[:, None, None].expand(-1, -1, seen.shape[1], -1)
        if self.attention == "sdpa":
            return keys
        return torch.where(keys, torch.zeros((), dtype=dtype, device=seen.device), torch.finfo(dtype).min)


class Embeddings(nn.Module):
    """Words, segments and positions, added in this order."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor, segments: Tensor | None) -> Tensor:
        segments = torch.zeros_like(ids) if segments is None else segments
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        added = self.word_embeddings(ids) + self.token_type_embeddings(segments)
        return self.dropout(self.LayerNorm(added + self.position_embeddings(positions)))


class Layer(nn.Module):
    """Attention over all tokens, then a feed-forward network for each; both add to what they are given."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        self.attention = nn.Module()
        self.attention.self = Heads(config)
        self.attention.output = Added(config, config.hidden_size)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = Added(config, config.intermediate_size)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        return self.feed_forward_chunk(self.attention.output(self.attention.self(hidden, mask), hidden))

    def feed_forward_chunk(self, hidden: Tensor) -> Tensor:
        """The second half."""
        return self.output(gelu(self.intermediate.dense(hidden)), hidden)


class Added(nn.Module):
    """A projection that is added to what came in before, and normalised."""

    def __init__(self, config: SimpleNamespace, inner: int):
        super().__init__()
        self.dense = nn.Linear(inner, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inner: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(inner)) + before)


class Heads(nn.Module):
    """Attention of several heads."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width = config.hidden_size
        self.num_attention_heads, self.kind = config.num_attention_heads, config.attention
        self.scaling = (width // config.num_attention_heads) ** -0.5
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.dropout = nn.Dropout(config.attention_dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            project(hidden).unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        dropped = self.dropout.p if self.training else 0.0
        if self.kind == "sdpa":
            found = scaled_dot_product_attention(query, key, value, mask, dropped, scale=self.scaling)
        else:
            scores = query @ key.transpose(2, 3) * self.scaling
            shares = softmax(scores if mask is None else scores + mask, dim=-1)
            found = dropout(shares, p=self.dropout.p, training=self.training) @ value
        return found.transpose(1, 2).flatten(2)
