"""Models on disk: fetch, initialise a head, open, read and write weights.

A checkpoint folder is Hugging Face's layout, with `config.json` and `model.safetensors`, and opens with
`AutoModelForSequenceClassification.from_pretrained(folder)`. Models are always opened in float32.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus import hashing
from isthmus.config import ConfigError, Model

WEIGHTS = "model.safetensors"
# The same two settings under the names that architectures give them.
DROPOUT = (
    "hidden_dropout_prob",
    "hidden_dropout",
    "dropout",
    "resid_pdrop",
    "embd_pdrop",
    "seq_classif_dropout",
)
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
CLASSIFIER_DROPOUT = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "summary_last_dropout",
    "summary_first_dropout",
)


def check(key: str, folder: Path) -> None:
    """Cheap checks of a local model folder, for the time when the workflow is read.

    Raises:
        ConfigError: the folder is missing, or is no model in Hugging Face's layout.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{key}.folder: found no folder {folder}; allowed: a model folder in Hugging Face's layout"
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"{key}.folder: {folder} is no model: it has no config.json; allowed: Hugging Face's layout"
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise ConfigError(
            f"{key}.folder: {folder} has no weights; "
            "allowed: model.safetensors (or pytorch_model.bin, which is converted)"
        )


def files(folder: Path | None) -> list[str]:
    """The files of a local model folder that the copy is made of; they re-make it when they change."""
    if folder is None:
        return []
    patterns = ("config.json", "tokenizer*", "*.safetensors", "pytorch_model*.bin")
    return sorted(str(path) for pattern in patterns for path in folder.glob(pattern))


def open_tokenizer(folder: Path):
    """The tokenizer of a model folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def fetch(model: Model, folder: Path) -> None:
    """Make the local copy `folder` of a model from the hub or from another folder.

    Writes `config.json`, `model.safetensors`, the tokenizer's files and `model.json` (origin, revision, hash,
    whether weights were converted).

    Raises:
        ConfigError: the hub cannot be reached, or what was found is no model with a fast tokenizer.
    """
    source, revision = (model.folder, None) if model.folder else _download(model)
    if not (source / "config.json").is_file():
        raise ConfigError(
            f"{model.hub or source} is no model: it has no config.json; allowed: Hugging Face's layout"
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "config.json", folder / "config.json")
    (folder / "config.json").chmod(0o644)
    converted = _copy_weights(source, folder / WEIGHTS)
    _copy_tokenizer(source, folder)
    origin = str(model.hub or Path(model.folder).name)
    write_json(
        folder / "model.json",
        {
            "origin": origin,
            "revision": revision,
            "converted": converted,
            "sha256": hashing.of_file(folder / WEIGHTS),
        },
    )


def _download(model: Model) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        path = Path(snapshot_download(model.hub, revision=model.revision, allow_patterns=patterns))
        if not any(path.glob("*.safetensors")):
            path = Path(
                snapshot_download(
                    model.hub, revision=model.revision, allow_patterns=[*patterns, "pytorch_model*.bin"]
                )
            )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(
            f"the model {model.hub} (revision {model.revision or 'main'}) could not be fetched: "
            f"{str(error).splitlines()[0]}. Fetching runs where Snakemake runs; on a machine with internet, "
            "`snakemake --until fetch_model fetch_dataset` does it beforehand"
        ) from error
    return path, path.name


def _copy_weights(source: Path, target: Path) -> bool:
    """Copy weights into one safetensors file; true where they had to be converted from a pickle."""
    from safetensors.torch import load_file

    shards = sorted(source.glob("model*.safetensors"))
    if (source / WEIGHTS).is_file():
        with _replacing(target) as temporary:
            shutil.copyfile(source / WEIGHTS, temporary)
        return False
    if shards:
        save_weights({k: v for shard in shards for k, v in load_file(shard).items()}, target)
        return False
    import torch

    pickles = sorted(source.glob("pytorch_model*.bin"))
    if not pickles:
        raise ConfigError(f"{source} has no weights; allowed: model.safetensors or pytorch_model.bin")
    state: dict[str, Any] = {}
    for pickle in pickles:
        # `weights_only` admits tensors and nothing that could run.
        state |= torch.load(pickle, map_location="cpu", weights_only=True)
    save_weights({k: v.clone() for k, v in state.items()}, target)
    return True


def _copy_tokenizer(source: Path, folder: Path) -> None:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{source} has no tokenizer that Transformers can open: {error}") from error
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


# ------------------------------------------------------------------------------------------- open, initialise


def open_classifier(
    folder: Path, *, attention: str, dropout: float = 0.0, attention_dropout: float = 0.0, **extra
):
    """Open a folder as a sequence classifier in float32, in evaluation mode.

    Args:
        folder: a model or checkpoint in Hugging Face's layout.
        attention: `eager` or `sdpa`.
        dropout, attention_dropout: what the model applies while in training mode.
        extra: passed on as settings of the configuration, such as `num_labels`.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, **extra)
    for names, value in (
        (DROPOUT, dropout),
        (ATTENTION_DROPOUT, attention_dropout),
        (CLASSIFIER_DROPOUT, dropout),
    ):
        for name in names:
            if hasattr(config, name):
                setattr(config, name, value)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation=attention
    )
    # Memory of its own: mapped tensors stand at any address, and alignment can change the bits of a product.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model.eval()


def initialize(folder: Path, labels: list[str], model_seed: int, head_seed: int, out: Path) -> str:
    """Write the step-0 checkpoint of a run: the pre-trained body with a seeded head.

    What the body lacks (a pooler, after masked-language pre-training) is drawn from the model's seed, the
    same for all runs; only the head is drawn from `head_seed`, so that all seeds start from one body.
    A head that the folder brings along is not used.

    Returns:
        The SHA-256 of the weights.
    """
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()  # that a head is missing from a pre-trained model is no news
    names = dict(enumerate(labels))
    settings = {
        "num_labels": len(labels),
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
    }
    head = _head_names(folder, settings)
    with _without(head, folder) as body:
        torch.manual_seed(hashing.seed("body", model_seed))
        model = open_classifier(body, attention="eager", **settings)
        torch.manual_seed(hashing.seed("head", head_seed))
        drawn = open_classifier(body, attention="eager", **settings).state_dict()
    state = model.state_dict()
    for name in head:
        state[name].copy_(drawn[name])
    out.mkdir(parents=True, exist_ok=True)
    _write_config(folder, settings, model, out / "config.json")
    save_weights(distinct(model), out / WEIGHTS)
    return hashing.of_file(out / WEIGHTS)


def _head_names(folder: Path, settings: dict[str, Any]) -> set[str]:
    """The names of a classifier's tensors that are not its body's."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(folder, **settings)
    with torch.device("meta"):
        skeleton = AutoModelForSequenceClassification.from_config(config)
    body = f"{skeleton.base_model_prefix}."
    return {name for name in skeleton.state_dict() if not name.startswith(body)}


@contextmanager
def _without(head: set[str], folder: Path) -> Iterator[Path]:
    """The folder, or a copy without the head that it brings along: that would be the same for all seeds."""
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, "pt") as file:
        names = set(file.keys())
    if not names & head:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copyfile(folder / "config.json", Path(temporary, "config.json"))
        state = load_weights(folder / WEIGHTS)
        save_weights({name: state[name] for name in names - head}, Path(temporary, WEIGHTS))
        yield Path(temporary)


def _write_config(folder: Path, settings: dict[str, Any], model, path: Path) -> None:
    """The model's configuration as a float32 classifier; its dropout stays, since the recipe sets that."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, **settings)
    config.architectures = [type(model).__name__]
    config.dtype = "float32"
    with tempfile.TemporaryDirectory() as temporary:
        config.save_pretrained(temporary)
        shutil.copyfile(Path(temporary, "config.json"), path)


def distinct(model) -> dict[str, Any]:
    """A model's state by name, each tied tensor once."""
    seen: set[int] = set()
    state = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel() and tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        state[name] = tensor
    return state


# --------------------------------------------------------------------------------------------- read and write


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that is flushed to disk and takes its name, or leaves no trace."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def save_weights(state: dict[str, Any], path: Path) -> None:
    """Write tensors as safetensors by rename, with one metadata key: equal tensors give equal bytes."""
    from safetensors.torch import save_file

    with _replacing(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary, {"format": "pt"})


def load_weights(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read tensors into memory of their own.

    Memory-mapped tensors stand at any address, and the bits of a matrix product depend on alignment.

    Raises:
        ConfigError: the file's hash is not `sha256`: it is truncated or damaged.
    """
    from safetensors.torch import load_file

    if sha256 is not None:
        check_hash(path, sha256)
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def check_hash(path: Path, sha256: str) -> None:
    """Raise a ConfigError where a file's bytes are not those that were recorded."""
    found = hashing.of_file(path)
    if found != sha256:
        raise ConfigError(
            f"{path} is damaged: its SHA-256 is {found[:16]}…, recorded was {sha256[:16]}…. "
            "Delete its folder, and Snakemake makes it again"
        )


def pad_token(folder: Path) -> int:
    """The padding token of a model folder; 0 where its configuration names none (nothing reads padding)."""
    return read_json(folder / "config.json").get("pad_token_id") or 0


def versions() -> dict[str, str]:
    """The versions of what computes, for the record."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "safetensors", "numpy")}


def write_json(path: Path, data: Any) -> None:
    """Write JSON by rename, keys sorted."""
    with _replacing(path) as temporary:
        temporary.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ConfigError: it is truncated or damaged.
    """
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path} is damaged: {error}. Delete its folder, and Snakemake makes it again"
        ) from error
