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
from isthmus.config import Checkpoint, Model
from isthmus.errors import ConfigError
from isthmus.first_token import spare_the_rest

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
# How two texts are joined where a tokenizer puts nothing between them: decoders know running text only.
PAIR_TEMPLATES = dict.fromkeys(("gpt2", "gpt_neox", "llama"), "{a}\n{b}")
TESTED = ("bert", "roberta", "distilbert", "electra", "deberta-v2", *PAIR_TEMPLATES)


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
    """The tokenizer of a model folder; it names segments only where the model has them."""
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if (getattr(AutoConfig.from_pretrained(folder), "type_vocab_size", None) or 0) < 2:
        tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n != "token_type_ids"]
    return tokenizer


def pair_template(folder: Path) -> str | None:
    """How an architecture joins two texts, as a text with `{a}` and `{b}`; None: the tokenizer does."""
    return PAIR_TEMPLATES.get(read_json(folder / "config.json").get("model_type"))


def fetch(model: Model | Checkpoint, folder: Path) -> None:
    """Make the local copy `folder` of a model from the hub or from another folder.

    Writes `config.json`, `model.safetensors`, the tokenizer's files and `model.json` (origin, revision, hash,
    padding token, whether weights were converted). A model that names no padding token gets one in
    `config.json`.

    Raises:
        ConfigError: the hub cannot be reached, or what was found is no model with a fast tokenizer, or one of
            an architecture that is not supported.
    """
    origin = str(model.hub or Path(model.folder).name)
    source, revision = (model.folder, None) if model.folder else _download(model)
    if not (source / "config.json").is_file():
        raise ConfigError(
            f"{model.hub or source} is no model: it has no config.json; allowed: Hugging Face's layout"
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "config.json", folder / "config.json")
    (folder / "config.json").chmod(0o644)
    _check_supported(folder, origin)
    converted = _copy_weights(source, folder / WEIGHTS)
    _copy_tokenizer(source, folder)
    write_json(
        folder / "model.json",
        {
            "origin": origin,
            "revision": revision,
            "converted": converted,
            "pad_token": _settle_padding(folder, origin),
            "sha256": hashing.of_file(folder / WEIGHTS),
        },
    )


def _check_supported(folder: Path, origin: str) -> None:
    """Raise a ConfigError where the copy's architecture has no classifier that reads one sequence."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

    kind = read_json(folder / "config.json").get("model_type")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        supported = (
            type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING and not config.is_encoder_decoder
        )
    except (ValueError, KeyError):  # an architecture that Transformers does not know, or code of its own
        supported = False
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
    from transformers import AutoConfig, AutoTokenizer

    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    known = (getattr(config, "pad_token_id", None), tokenizer.pad_token_id, tokenizer.eos_token_id)
    pad = next((token for token in known if token is not None and 0 <= token < config.vocab_size), None)
    if pad is None:
        raise ConfigError(
            f"the model {origin} has no padding token; allowed: one in its config.json (`pad_token_id`) "
            "or tokenizer (`pad_token`), or an end of text (`eos_token`)"
        )
    if pad != known[0]:
        write_json(folder / "config.json", read_json(folder / "config.json") | {"pad_token_id": pad})
    return pad


def _download(model: Model | Checkpoint) -> tuple[Path, str]:
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
        attention: `eager` or `sdpa`; architectures that have no `sdpa` (DeBERTa) compute with `eager`.
        dropout, attention_dropout: what the model applies while in training mode.
        extra: passed on as settings of the configuration, such as `num_labels`.
    """
    import torch
    from transformers import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
        AutoConfig,
        AutoModelForSequenceClassification,
    )
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, **extra)
    config.use_cache = False  # nothing is generated, and a decoder would copy all keys and values
    # Layers computed anew for the backward pass would draw other dropout masks than the forward pass had.
    config.gradient_checkpointing = False
    if not MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]._supports_sdpa:
        attention = "eager"
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
    spare_the_rest(model)
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
    save_weights(distinct(model), out / WEIGHTS, architecture=_architecture(out))
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


def adopt(folder: Path, origin: str, out: Path) -> str:
    """Write the float32 weights and the configuration of a classifier that others trained.

    Args:
        folder: its local copy, from `fetch`.
        origin: its name, for messages.
        out: the checkpoint's folder.

    Returns:
        The SHA-256 of the weights.

    Raises:
        ConfigError: it is no whole classifier with two classes or more.
    """
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.set_verbosity_error()  # what is missing is said below
    logging.disable_progress_bar()
    try:
        model, found = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True
        )
    except RuntimeError as error:  # shapes that are not those of its own configuration
        raise ConfigError(f"{origin} cannot be opened as a classifier: {error}") from error
    allowed = "a model that was trained as a sequence classifier"
    if missing := sorted(found["missing_keys"]):
        raise ConfigError(f"{origin} is no classifier: it has no {missing[0]}; allowed: {allowed}")
    if model.config.num_labels < 2:
        raise ConfigError(f"{origin}: found {model.config.num_labels} class; allowed: two or more")
    out.mkdir(parents=True, exist_ok=True)
    _write_config(folder, {}, model, out / "config.json")
    save_weights(distinct(model), out / WEIGHTS, architecture=_architecture(out))
    return hashing.of_file(out / WEIGHTS)


def class_names(folder: Path) -> list[str]:
    """A classifier's own names of its classes, in order; numbers where it only has Transformers' defaults."""
    from transformers import AutoConfig

    names = AutoConfig.from_pretrained(folder).id2label
    return [str(i) if names[i] == f"LABEL_{i}" else str(names[i]) for i in sorted(names)]


def check_classes(folder: Path, origin: str, first: Path) -> None:
    """Raise a ConfigError where a classifier's classes are not those of the first one of its model."""
    found, expected = class_names(folder), class_names(first)
    if found != expected:
        raise ConfigError(
            f"the classes of {origin} are {found}; allowed: those of the model's first checkpoint, {expected}"
        )


def class_labels(folder: Path, where: str, named: list[str] | None, labels: list[str]) -> list[int]:
    """For each class of a classifier that others trained, the position of its label in the data set's.

    Args:
        folder: the classifier.
        where: the model's key in the config, for messages.
        named: the labels as the config gives them, in the classes' order; None for the classifier's own.
        labels: the data set's labels.

    Raises:
        ConfigError: a class has no label, or a label no class.
    """
    own = class_names(folder)
    names = [name.casefold() for name in named or own]
    if named is None and names == [str(i) for i in range(len(labels))]:
        return list(range(len(labels)))
    known = [label.casefold() for label in labels]
    if len(names) != len(own) or set(names) != set(known):
        raise ConfigError(
            f"{where}.labels: found {named or own} for the classes {own}; allowed: for each class, in order, "
            f"one of the data set's labels {labels}, and each of these at least once"
        )
    return [known.index(name) for name in names]


def _write_config(folder: Path, settings: dict[str, Any], model, path: Path) -> None:
    """The model's configuration as a float32 classifier; its dropout stays, since the recipe sets that."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, **settings)
    config.architectures = [type(model).__name__]
    config.dtype = "float32"
    with tempfile.TemporaryDirectory() as temporary:
        config.save_pretrained(temporary)
        shutil.copyfile(Path(temporary, "config.json"), path)


def _architecture(folder: Path) -> str:
    """The key of a folder's architecture, which the weights that begin a chain carry.

    The DAG knows a checkpoint by its weights, and Snakemake passes over a small file that was made again with
    the same bytes.
    """
    from isthmus import identity  # reads folders through this module

    return identity.key(identity.architecture(folder))


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


def save_weights(state: dict[str, Any], path: Path, **metadata: str) -> None:
    """Write tensors as safetensors by rename: equal tensors and metadata give equal bytes."""
    from safetensors.torch import save_file

    with _replacing(path) as temporary:
        tensors = {name: tensor.contiguous() for name, tensor in state.items()}
        save_file(tensors, temporary, {"format": "pt", **metadata})


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


def stated_config(source: Any) -> dict[str, Any]:
    """All settings of a folder's configuration (or of a configuration's object), defaults stated.

    Raises:
        ConfigError: its config.json cannot be read.
    """
    from transformers import AutoConfig

    if isinstance(source, Path):
        read_json(source / "config.json")  # says clearly where that is damaged
        try:
            source = AutoConfig.from_pretrained(source)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{source / 'config.json'} is no configuration of a model: {error}") from error
    return source.to_dict() | {"num_labels": source.num_labels}


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
