"""Models' own tokenizers, and how an architecture joins two texts."""

from pathlib import Path

from transformers import AutoConfig, AutoTokenizer

from isthmus import stored
from isthmus.errors import ConfigError

# How two texts are joined where a tokenizer puts nothing between them: decoders know running text only.
PAIR_TEMPLATES = dict.fromkeys(("gpt2", "gpt_neox", "llama"), "{a}\n{b}")
# Architectures whose tensors, tokens and losses are checked by tests.
TESTED = ("bert", "roberta", "distilbert", "electra", "deberta-v2", *PAIR_TEMPLATES)


def open_tokenizer(folder: Path):
    """The tokenizer of a model folder; it names segments only where the model has them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if (getattr(AutoConfig.from_pretrained(folder), "type_vocab_size", None) or 0) < 2:
        tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n != "token_type_ids"]
    return tokenizer


def pair_template(folder: Path) -> str | None:
    """How an architecture joins two texts, as a text with `{a}` and `{b}`; None: the tokenizer does."""
    return PAIR_TEMPLATES.get(stored.read_json(folder / "config.json").get("model_type"))


def check_tokenizer(folder: Path, origin: str, first: Path) -> None:
    """Raise a ConfigError where a classifier's tokenizer is not that of the first one of its model.

    The first one's reads the texts for all of them. How it cuts and pads is set here, so that may differ.
    """
    own, expected = (stored.read_json(place / "tokenizer.json") for place in (folder, first))
    for content in (own, expected):
        for setting in ("truncation", "padding"):
            content.pop(setting, None)
    if own != expected:
        differing = sorted(key for key in own.keys() | expected.keys() if own.get(key) != expected.get(key))
        raise ConfigError(
            f"the tokenizer of {origin} is another one than that of the model's first checkpoint or body; "
            f"allowed: one tokenizer for all (tokenizer.json differs in {', '.join(differing)})"
        )
