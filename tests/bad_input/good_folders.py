"""Good model folders, made by plain Transformers once a session, to be damaged by the tables beside it."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

WORDS = [f"w{i}" for i in range(30)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WEIGHTS = "model.safetensors"
SIZE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 128,
    "vocab_size": len(SPECIAL) + len(WORDS),
}


@cache
def _made() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="good-folders-")


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*SPECIAL, *WORDS])}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


@cache
def made(kind: str = "BertForMaskedLM", **settings: Any) -> Path:
    """A folder of a class of Transformers, with a tokenizer; not to be changed."""
    import torch
    import transformers

    folder = Path(_made().name, "-".join([kind, *(f"{k}={v}" for k, v in settings.items())]))
    torch.manual_seed(0)
    made = getattr(transformers, kind)
    made(made.config_class(**SIZE | settings)).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def copied(to: Path, kind: str = "BertForMaskedLM", **settings: Any) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(made(kind, **settings), to))


def configured(folder: Path, **changes: Any) -> None:
    """Change settings of a folder's configuration; those that are None go."""
    path = folder / "config.json"
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {name: tensor.clone() for name, tensor in load_file(folder / WEIGHTS).items()}


def write(state: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state, path, {"format": "pt"})


def reweighted(folder: Path, **changes: Any) -> None:
    """Set tensors of a folder, by names with two underscores for each dot; those that are None go."""
    state = weights(folder) | {name.replace("__", "."): tensor for name, tensor in changes.items()}
    write({name: tensor for name, tensor in state.items() if tensor is not None}, folder / WEIGHTS)
