"""Shapes of models and the operations of a pass; nothing is downloaded, and no PyTorch imported."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from isthmus.experiment import folders


@dataclass(frozen=True)
class Shape:
    """What a model's cost follows from.

    Attributes:
        layers, width, inner: transformer layers, hidden size, size of the feed-forward layer.
        parameters: all of them, embeddings and classification head included.
        vocabulary: rows of the token embedding.
    """

    layers: int
    width: int
    inner: int
    parameters: int
    vocabulary: int = 0

    def flops(self, length: float, asked: float = 0.0) -> float:
        """Floating-point operations of one forward pass, per token, in examples of `length` tokens.

        Args:
            length: tokens.
            asked: the part of them that a language model's head has to name.
        """
        products = 2 * self.layers * (4 * self.width**2 + 2 * self.width * self.inner)
        head = 2 * asked * self.width * self.vocabulary
        return products + head + 4 * self.layers * length * self.width  # the last: attention


def encoder(
    layers: int, width: int, vocabulary: int, positions: int, types: int = 2, inner: int = 0
) -> Shape:
    """The shape of a BERT with a pooler (or RoBERTa's head, which is as large)."""
    inner = inner or 4 * width
    embeddings = (vocabulary + positions + types) * width + 2 * width
    layer = 4 * (width**2 + width) + 2 * width * inner + inner + width + 4 * width
    parameters = embeddings + layers * layer + width**2 + width + 3 * width
    return Shape(layers, width, inner, parameters, vocabulary)


KNOWN_MODELS = {
    "bert-base-uncased": encoder(12, 768, 30522, 512),
    "bert-base-cased": encoder(12, 768, 28996, 512),
    "bert-large-uncased": encoder(24, 1024, 30522, 512),
    "bert-large-cased": encoder(24, 1024, 28996, 512),
    "distilbert-base-uncased": encoder(6, 768, 30522, 512, types=0),
    "roberta-base": encoder(12, 768, 50265, 514, types=1),
    "roberta-large": encoder(24, 1024, 50265, 514, types=1),
    "distilroberta-base": encoder(6, 768, 50265, 514, types=1),
    "multiberts-seed_0": encoder(12, 768, 30522, 512),
    "all-MiniLM-L6-v2": encoder(6, 384, 30522, 512),
    # Decoders; of gated feed-forward networks the three layers count as two that are half as wide again.
    "pythia-1b": encoder(16, 2048, 2 * 50304, 0, types=0),
    "pythia-6.9b": encoder(32, 4096, 2 * 50432, 0, types=0),
    "Llama-2-7b-hf": encoder(32, 4096, 2 * 32000, 0, types=0, inner=16512),
}
# Layers by what their names say: all three inputs of attention in one; of a feed-forward network.
FUSED = re.compile(r"c_attn|query_key_value|qkv|Wqkv")
INNER = re.compile(r"inter|fc|up|down|gate|lin1|lin2|ffn|mlp|_h_|dense")


def ends(shape: Shape, targets: list[str] | str | None) -> int:
    """Rows and columns of the layers of a block that get an adapter: a rank costs so many numbers there."""
    square, inner = 2 * shape.width, shape.width + shape.inner
    if isinstance(targets, str):
        return 4 * square + 2 * inner
    names = targets or ["query", "value"]
    return sum(
        2 * square if FUSED.search(name) else inner if INNER.search(name) else square for name in names
    )


def read_shape(folder: Path) -> Shape:
    """The shape of a folder in Hugging Face's layout: parameters are counted where weights are there."""
    settings = json.loads((folder / "config.json").read_text())

    def first(*names: str) -> int:
        return next((settings[name] for name in names if settings.get(name)), 0)

    layers = first("num_hidden_layers", "n_layer", "n_layers")
    width = first("hidden_size", "n_embd", "dim", "d_model", "emb_dim", "n_embed")
    inner = first("intermediate_size", "n_inner", "hidden_dim", "ffn_dim") or 4 * width
    weights = folder / "model.safetensors"
    if weights.is_file():
        parameters = sum(math.prod(entry["shape"]) for entry in folders.header(str(folder), weights).values())
        return Shape(layers, width, inner, parameters, first("vocab_size"))
    positions = first("max_position_embeddings", "n_positions")
    return encoder(layers, width, first("vocab_size"), positions, first("type_vocab_size"), inner)
