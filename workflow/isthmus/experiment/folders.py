"""Model folders as files: what is in them, whether it is whole, and how long a text it allows.

Nothing here computes or imports a library that does: it is what can be said when the workflow is read.
"""

import json
import re
from pathlib import Path
from typing import Any

from isthmus import tensor_header
from isthmus.errors import ConfigError

LAYOUT = "a model folder in Hugging Face's layout"
# What Transformers makes a tokenizer of, besides the weights and the configuration.
TOKENIZER = (
    "tokenizer*",
    "*vocab.*",
    "merges.txt",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
)
READ = ("config.json", *TOKENIZER, "*.safetensors", "pytorch_model*.bin", "*.index.json")
SHARD = re.compile(r"(model|pytorch_model)-(\d+)-of-(\d+)\.(safetensors|bin)")
# The same settings under the names that architectures give them.
WIDTH, HEADS = ("hidden_size", "n_embd", "dim"), ("num_attention_heads", "n_head", "n_heads")
POSITIONS = ("max_position_embeddings", "n_positions")
# Families whose position table begins after the padding token's row.
OFFSET = re.compile(r"roberta|camembert|longformer|mpnet|xmod|data2vec-text|ibert|luke|esm")
# Families whose positions are computed and not looked up in a table; most also say so by a setting.
COMPUTED = ("llama", "gpt_neox", "gptj", "mistral", "mixtral", "falcon", "bloom", "mpt", "phi", "persimmon")
COMPUTED_BY = re.compile(r"(^|_)rope(_|$)|rotary")


def check(key: str, folder: Path) -> None:
    """Cheap checks of a local model folder, for the time when the workflow is read.

    Raises:
        ConfigError: the folder is missing, is no model in Hugging Face's layout, or a file of it is damaged.
    """
    if not folder.is_dir():
        raise ConfigError(f"{key}: found no folder {folder}; allowed: {LAYOUT}")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ConfigError(
            f"{key}: {folder} is an adapter and no whole model; allowed: {LAYOUT}, or adapters as "
            "`checkpoints` of a model with a `base`"
        )
    check_heads(key, folder, read_config(key, folder))
    for path in weight_files(key, folder):
        if path.suffix == ".safetensors":
            header(key, path)
        elif not path.stat().st_size:
            raise ConfigError(f"{key}: {path} is empty; allowed: a whole file of weights")


def files(folder: Path | None) -> list[str]:
    """The files of a local model folder that the copy is made of; they re-make it when they change."""
    if folder is None:
        return []
    return sorted({str(path) for pattern in READ for path in folder.glob(pattern) if path.is_file()})


def read_config(key: str, folder: Path) -> dict[str, Any]:
    """The configuration of a model folder.

    Raises:
        ConfigError: there is none, or it is no JSON object.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{key}: {folder} is no model: it has no config.json; allowed: {LAYOUT}")
    return read_object(key, folder / "config.json")


def read_object(key: str, path: Path) -> dict[str, Any]:
    """A JSON file that must hold an object.

    Raises:
        ConfigError: it is no JSON, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise ConfigError(f"{key}: {path} is no JSON ({error}); allowed: the model's own, whole") from error
    if not isinstance(found, dict):
        raise ConfigError(
            f"{key}: {path} holds a {type(found).__name__}; allowed: a JSON object, in curly brackets"
        )
    return found


def check_heads(key: str, folder: Path, settings: dict[str, Any]) -> None:
    """Raise a ConfigError where attention heads do not divide what they share out."""
    width, heads = _first(settings, WIDTH), _first(settings, HEADS)
    shared = _first(settings, ("num_key_value_heads",))
    path = folder / "config.json"
    if heads and width and not _first(settings, ("head_dim",)) and width % heads:
        raise ConfigError(
            f"{key}: {path}: found {heads} attention heads; allowed: a divisor of the width, which is {width}"
        )
    if heads and shared and heads % shared:
        raise ConfigError(
            f"{key}: {path}: found {shared} key-value heads; allowed: a divisor of the {heads} heads"
        )


def _first(settings: dict[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of some settings that is a positive whole number; what else is wrong, Transformers says."""
    values = (settings.get(name) for name in names)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0), None)


# -------------------------------------------------------------------------------------------------- weights


def weight_files(key: str, folder: Path) -> list[Path]:
    """The files that hold a folder's weights: one, or all shards; safetensors before pickles.

    Raises:
        ConfigError: there are none, or shards are missing.
    """
    for stem, ending in (("model", "safetensors"), ("pytorch_model", "bin")):
        if (folder / f"{stem}.{ending}").is_file():
            return [folder / f"{stem}.{ending}"]
        if shards := _shards(key, folder, stem, ending):
            return shards
    raise ConfigError(
        f"{key}: {folder} has no weights; "
        "allowed: model.safetensors (or pytorch_model.bin, which is converted)"
    )


def _shards(key: str, folder: Path, stem: str, ending: str) -> list[Path]:
    """The shards that the index names, else those that number themselves; none where there are none."""
    index = folder / f"{stem}.{ending}.index.json"
    if index.is_file():
        place = read_object(key, index).get("weight_map")
        if not isinstance(place, dict) or not place or not all(isinstance(n, str) for n in place.values()):
            raise ConfigError(f"{key}: {index} has no `weight_map`; allowed: each tensor's file")
        names, wanted = sorted(set(place.values())), f"{index.name} names"
    else:
        found = [m for m in map(SHARD.fullmatch, _names(folder)) if m and (m[1], m[4]) == (stem, ending)]
        of = sorted({match[3] for match in found})
        if len(of) > 1:
            raise ConfigError(
                f"{key}: {folder} has shards of {' and of '.join(of)} files; allowed: those of one model"
            )
        width = len(found[0][2]) if found else 0
        names = [f"{stem}-{n:0{width}}-of-{total}.{ending}" for total in of for n in range(1, int(total) + 1)]
        place, wanted = {}, "their names count"
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ConfigError(
            f"{key}: {folder} lacks {listed(missing)} of the {len(names)} shards that {wanted}; "
            "allowed: all of them"
        )
    if ending == "safetensors":
        _check_indexed(key, folder, place)
    return [folder / name for name in names]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _check_indexed(key: str, folder: Path, place: dict[str, str]) -> None:
    """Raise where a tensor is not in the shard that the index names for it."""
    headers = {name: header(key, folder / name) for name in set(place.values())}
    if missing := sorted(tensor for tensor, name in place.items() if tensor not in headers[name]):
        raise ConfigError(
            f"{key}: {folder} lacks {listed(missing)}, which its index names; allowed: shards of one model"
        )


def header(key: str, path: Path) -> dict[str, dict[str, Any]]:
    """The tensors of a safetensors file by name: `dtype`, `shape`, `data_offsets`; its data is not read.

    Raises:
        ConfigError: the file is empty, no safetensors, or shorter or longer than its header says.
    """
    size = path.stat().st_size
    none = f"{key}: {path} is no safetensors file, or a damaged one; allowed: weights that safetensors wrote"
    if not size:
        raise ConfigError(f"{key}: {path} is empty; allowed: a whole file of weights")
    try:
        found, begin = tensor_header.read(path)
        whole = begin + max((entry["data_offsets"][1] for entry in found.values()), default=0)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(none) from error
    if size != whole:
        damage = "is truncated" if size < whole else "has bytes that belong to no tensor"
        raise ConfigError(f"{key}: {path} {damage}: found {size} bytes; allowed: {whole}, as its header says")
    return found


def listed(names: list[str]) -> str:
    """Up to three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


# ------------------------------------------------------------------------------------------------ positions


def positions(settings: dict[str, Any]) -> int | None:
    """How many tokens a model's table of positions reaches; None where positions are computed instead.

    Args:
        settings: a model's `config.json`.
    """
    kind, rows = str(settings.get("model_type")), _first(settings, POSITIONS)
    computed = (
        kind in COMPUTED
        or any(COMPUTED_BY.search(key) for key in settings)
        or settings.get("position_biased_input") is False  # DeBERTa with relative positions alone
        or settings.get("alibi") is True
        or settings.get("position_embedding_type") in ("rotary", "rope", "alibi")
    )
    if rows is None or computed:
        return None
    if OFFSET.search(kind):
        padding = settings.get("pad_token_id", 1)
        return rows - (padding if isinstance(padding, int) else 1) - 1
    return rows


# Settings that give a model its shape, as architectures call them.
SHAPE = ("model_type", "hidden_size", "n_embd", "dim", "num_hidden_layers", "n_layer", "n_layers")
SHAPE += ("num_attention_heads", "n_head", "n_heads", "intermediate_size", "hidden_dim", "vocab_size")


def check_alike(folders: dict[str, Path]) -> None:
    """Raise a ConfigError where folders are of models that cannot be of one architecture.

    Their shapes are compared, as far as both state them; all else that matters once they are measured.

    Args:
        folders: by the keys that name them.
    """
    (first, one), *others = folders.items() or [("", None)]
    for key, other in others:
        a, b = read_config(first, one), read_config(key, other)
        for name in SHAPE:
            if name in a and name in b and a[name] != b[name]:
                raise ConfigError(
                    f"{key}.folder: found {other}, whose config.json has {name} {b[name]!r} where that of "
                    f"{one} has {a[name]!r}; allowed: models of one architecture"
                )


def check_max_length(key: str, max_length: int, whose: str, limit: int | None) -> None:
    """Raise a ConfigError where examples may have more tokens than a model has positions.

    Args:
        key: the setting, for the message.
        max_length: tokens an example at most.
        whose: the model, for the message.
        limit: its `positions`.
    """
    if limit is not None and max_length > limit:
        raise ConfigError(
            f"{key}: found {max_length}; allowed: up to {limit}, the positions of the model {whose}"
        )
