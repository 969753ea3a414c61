"""Local copies of models, from the hub or from another folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig, AutoTokenizer

from isthmus import hashing, stored
from isthmus.errors import ConfigError
from isthmus.experiment import adapter_folders, folders
from isthmus.experiment.config import Checkpoint, Model
from isthmus.machine import network
from isthmus.models import fitting, weight_files
from isthmus.models.hf_folders import WEIGHTS, write_record
from isthmus.models.tokenizing import TESTED


def fetch(model: Model | Checkpoint, folder: Path) -> None:
    """Make the local copy `folder` of a model from the hub or from another folder.

    Writes `config.json`, `model.safetensors`, the tokenizer's files and `model.json` (origin, revision, hash,
    padding token, whether weights were converted, which tensors a fine-tuning draws at random). A model that
    names no padding token gets one in `config.json`.

    Raises:
        ConfigError: the hub cannot be reached, or what was found is no model with a fast tokenizer, or one of
            an architecture that is not supported, or its files are damaged or do not fit each other.
    """
    origin = str(model.hub or Path(model.folder).name)
    named, where = f"the model {origin}", str(model.hub or model.folder)
    source, revision = (model.folder, None) if model.folder else _download(model)
    folders.check(named, source)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "config.json", folder / "config.json")
    (folder / "config.json").chmod(0o644)
    _check_supported(folder, origin)
    converted = _copy_weights(named, source, folder / WEIGHTS)
    fit = fitting.examine(where, folder)
    drawn = fitting.check_body(where, fit)
    fitting.check_vocabulary(where, _copy_tokenizer(named, source, folder), fit)
    write_record(
        folder / "model.json",
        {
            "origin": origin,
            "revision": revision,
            "converted": converted,
            "drawn": drawn if isinstance(model, Model) else [],
            "pad_token": _settle_padding(folder, origin),
            "sha256": hashing.of_file(folder / WEIGHTS),
        },
    )


def is_adapter(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint is an adapter in PEFT's layout; errors as of `fetch`."""
    files = [adapter_folders.CONFIG]
    return adapter_folders.is_adapter(checkpoint.folder or _download(checkpoint, files)[0])


def fetch_adapter(checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
    """Make the local copy `folder` of an adapter from the hub or from another folder.

    Returns:
        Its `origin` and `revision`.

    Raises:
        ConfigError: the hub cannot be reached, or what was found is no adapter in PEFT's layout.
    """
    origin = str(checkpoint.hub or Path(checkpoint.folder).name)
    files = [adapter_folders.CONFIG, adapter_folders.WEIGHTS]
    source, revision = (checkpoint.folder, None) if checkpoint.folder else _download(checkpoint, files)
    adapter_folders.read(f"the adapter {origin}", source)
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        shutil.copyfile(source / name, folder / name)
    return {"origin": origin, "revision": revision}


def _check_supported(folder: Path, origin: str) -> None:
    """Raise a ConfigError where the copy's architecture has no classifier that reads one sequence."""
    kind, supported = stored.read_json(folder / "config.json").get("model_type"), False
    if (
        isinstance(kind, str) and kind in CONFIG_MAPPING
    ):  # without a name of its own Transformers would guess one by the folder's
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        except Exception as error:  # of any kind: it comes of a file that somebody else wrote
            raise ConfigError(
                f"{origin}: config.json describes no model: {fitting.plainly(error)}; "
                f"allowed: the settings of the architecture {kind!r}"
            ) from error
        supported = (
            type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING and not config.is_encoder_decoder
        )
    if not supported:
        raise ConfigError(
            f"the model {origin} is of the architecture {kind!r}, which is not supported; allowed: "
            f"encoders and decoders with a sequence classifier in Transformers (tested: {', '.join(TESTED)})"
        )


def _settle_padding(folder: Path, origin: str) -> int:
    """The padding token's id, written to `config.json` where that names none, as with many decoders.

    Their classifiers read the last token that is no padding, so they must know it. Where the tokenizer has
    none either, it is the end of text, which therefore no text may end with (no `PAIR_TEMPLATES` does).
    """
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    known = (getattr(config, "pad_token_id", None), tokenizer.pad_token_id, tokenizer.eos_token_id)
    pad = next((token for token in known if token is not None and 0 <= token < config.vocab_size), None)
    if pad is None:
        raise ConfigError(
            f"the model {origin} has no padding token; allowed: one in its config.json (`pad_token_id`) "
            "or tokenizer (`pad_token`), or an end of text (`eos_token`)"
        )
    if pad != known[0]:
        settings = stored.read_json(folder / "config.json") | {"pad_token_id": pad}
        stored.write_text(folder / "config.json", json.dumps(settings, indent=2, sort_keys=True) + "\n")
    return pad


def _download(model: Model | Checkpoint, files: list[str] | None = None) -> tuple[Path, str]:
    """The hub's copy of a model, or of some files, and its revision."""
    patterns = files or ["*.json", "*.txt", "*.model", "*.safetensors"]
    what = f"the model {model.hub} (revision {model.revision or 'main'})"
    with network.asking(what, model.hub, model.revision):
        path = Path(snapshot_download(model.hub, revision=model.revision, allow_patterns=patterns))
        if not files and not any(path.glob("model*.safetensors")):
            patterns = [*patterns, "pytorch_model*.bin"]
            path = Path(snapshot_download(model.hub, revision=path.name, allow_patterns=patterns))
    return path, path.name


def _copy_weights(where: str, source: Path, target: Path) -> bool:
    """Copy weights into one safetensors file; true where they had to be converted from a pickle."""
    paths = folders.weight_files(where, source)
    if paths[0].name == WEIGHTS:
        with stored.replacing(target) as temporary:
            shutil.copyfile(paths[0], temporary)
        return False
    converted = paths[0].suffix == ".bin"
    state: dict[str, Any] = {}
    for path in paths:
        try:
            part = _unpickled(where, path) if converted else load_file(path)
        except SafetensorError as error:
            raise ConfigError(f"{where}: {path} is damaged: {error}; allowed: whole files") from error
        if twice := sorted(state.keys() & part.keys()):
            raise ConfigError(
                f"{where}: {path} holds {folders.listed(twice)}, as another shard does; allowed: each once"
            )
        state |= part
    weight_files.save({k: v.clone() for k, v in state.items()} if converted else state, target)
    return converted


def _unpickled(where: str, path: Path) -> dict[str, Any]:
    """The tensors of a pickle, of which nothing is run."""
    allowed = "a file of tensors by name, as `torch.save(model.state_dict(), ...)` writes it"
    try:
        # `weights_only` admits tensors and nothing that could run.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds; what they advise would run the file's code
        raise ConfigError(
            f"{where}: {path} is damaged, or holds more than tensors, and is not opened; allowed: {allowed}"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        keys = ", ".join(map(str, list(state)[:3])) if isinstance(state, dict) else type(state).__name__
        raise ConfigError(f"{where}: {path} holds other things than tensors ({keys}); allowed: {allowed}")
    return state


def _copy_tokenizer(where: str, source: Path, folder: Path):
    """Save a model's tokenizer as Transformers does; returns it."""
    for path in sorted(source.glob("tokenizer*.json")):
        folders.read_object(where, path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # of any kind: it comes of files that somebody else wrote
        raise ConfigError(
            f"{source} has no tokenizer that Transformers can open ({fitting.plainly(error)}); "
            "allowed: the model's own tokenizer.json"
        ) from error
    # Without a vocabulary's file Transformers makes a tokenizer to which every word is unknown.
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ConfigError(
            f"{source} has no tokenizer: no file of it holds a vocabulary; allowed: tokenizer.json"
        )
    tokenizer.save_pretrained(folder)
    if not (folder / "tokenizer.json").is_file():
        raise ConfigError(
            f"{source} has no fast tokenizer; allowed: one that Transformers saves as tokenizer.json"
        )
    return tokenizer
