"""Models on disk: fetch, initialise a head, open, read and write weights.

A checkpoint folder is Hugging Face's layout, with `config.json` and `model.safetensors`, and opens with
`AutoModelForSequenceClassification.from_pretrained(folder)`. Models are always opened in float32.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus import hashing, stored
from isthmus.errors import ConfigError
from isthmus.experiment import folders
from isthmus.experiment.config import Checkpoint, Model
from isthmus.experiment.labels import check_names
from isthmus.models import fitting
from isthmus.models.first_token import spare_the_rest

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


def open_tokenizer(folder: Path):
    """The tokenizer of a model folder; it names segments only where the model has them."""
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if (getattr(AutoConfig.from_pretrained(folder), "type_vocab_size", None) or 0) < 2:
        tokenizer.model_input_names = [n for n in tokenizer.model_input_names if n != "token_type_ids"]
    return tokenizer


def pair_template(folder: Path) -> str | None:
    """How an architecture joins two texts, as a text with `{a}` and `{b}`; None: the tokenizer does."""
    return PAIR_TEMPLATES.get(stored.read_json(folder / "config.json").get("model_type"))


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


def _check_supported(folder: Path, origin: str) -> None:
    """Raise a ConfigError where the copy's architecture has no classifier that reads one sequence."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

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
        settings = stored.read_json(folder / "config.json") | {"pad_token_id": pad}
        stored.write_text(folder / "config.json", json.dumps(settings, indent=2, sort_keys=True) + "\n")
    return pad


def _download(model: Model | Checkpoint) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        path = Path(snapshot_download(model.hub, revision=model.revision, allow_patterns=patterns))
        if not any(path.glob("model*.safetensors")):
            path = Path(
                snapshot_download(
                    model.hub, revision=model.revision, allow_patterns=[*patterns, "pytorch_model*.bin"]
                )
            )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(
            f"the model {model.hub} (revision {model.revision or 'main'}) could not be fetched: "
            f"{fitting.plainly(error)}. Fetching runs where Snakemake runs; on a machine with internet, "
            "`snakemake --until fetch_model fetch_dataset` does it beforehand"
        ) from error
    return path, path.name


def _copy_weights(where: str, source: Path, target: Path) -> bool:
    """Copy weights into one safetensors file; true where they had to be converted from a pickle."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

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
    save_weights({k: v.clone() for k, v in state.items()} if converted else state, target)
    return converted


def _unpickled(where: str, path: Path) -> dict[str, Any]:
    """The tensors of a pickle, of which nothing is run."""
    import torch

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
    from transformers import AutoTokenizer

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


# ------------------------------------------------------------------------------------------- open, initialise


def open_classifier(folder: Path, *, attention: str, dropout: float = 0.0, attention_dropout: float = 0.0):
    """Open a checkpoint as a sequence classifier in float32, in evaluation mode.

    Args:
        folder: a checkpoint in Hugging Face's layout.
        attention: `eager` or `sdpa`; architectures that have no `sdpa` (DeBERTa) compute with `eager`.
        dropout, attention_dropout: what the model applies while in training mode.

    Raises:
        ConfigError: the weights are not those of a whole classifier; nothing is drawn in their place.
    """
    model, fit = _opened(folder, attention, dropout, attention_dropout)
    fitting.check_whole(str(folder), fit)
    return model


def _opened(
    folder: Path, attention: str, dropout: float = 0.0, attention_dropout: float = 0.0, **extra
) -> tuple[Any, fitting.Fit]:
    """A folder as in `open_classifier`, whatever it lacks; `extra` are settings such as `num_labels`."""
    import torch
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

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
    model, fit = fitting.load(folder, config=config, dtype=torch.float32, attn_implementation=attention)
    # Memory of its own: mapped tensors stand at any address, and alignment can change the bits of a product.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    spare_the_rest(model)
    return model.eval(), fit


def initialize(folder: Path, labels: list[str], model_seed: int, head_seed: int, out: Path) -> str:
    """Write the step-0 checkpoint of a run: the pre-trained body with a seeded head.

    What the body lacks (a pooler, after masked-language pre-training) is drawn from the model's seed, the
    same for all runs; only the head is drawn from `head_seed`, so that all seeds start from one body.
    A head that the folder brings along is not used.

    Returns:
        The SHA-256 of the weights.

    Raises:
        ConfigError: the weights are not those of the whole body, or not finite.
    """
    import torch

    fit = fitting.examine(str(folder), folder)
    fitting.check_body(str(folder), fit)
    names = dict(enumerate(labels))
    settings = {
        "num_labels": len(labels),
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
    }
    with _without(fit.head, folder) as body:
        torch.manual_seed(hashing.seed("body", model_seed))
        model, _ = _opened(body, "eager", **settings)
        torch.manual_seed(hashing.seed("head", head_seed))
        drawn = _opened(body, "eager", **settings)[0].state_dict()
    state = model.state_dict()
    for name in fit.head:
        state[name].copy_(drawn[name])
    out.mkdir(parents=True, exist_ok=True)
    _write_config(folder, settings, model, out / "config.json")
    save_weights(distinct(model), out / WEIGHTS, architecture=_architecture(out))
    return hashing.of_file(out / WEIGHTS)


@contextmanager
def _without(head: frozenset[str], folder: Path) -> Iterator[Path]:
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
        ConfigError: it is no whole classifier with two classes or more, of which an example has one.
    """
    import torch

    model, fit = fitting.load(folder, dtype=torch.float32)
    fitting.check_whole(origin, fit)
    if model.config.num_labels < 2:
        raise ConfigError(f"{origin}: found {model.config.num_labels} class; allowed: two or more")
    if model.config.problem_type not in (None, "single_label_classification"):
        raise ConfigError(
            f"{origin}: config.json: problem_type: found {model.config.problem_type!r}; "
            "allowed: 'single_label_classification', or none: its loss is what is measured"
        )
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
            f"the tokenizer of {origin} is another one than that of the model's first checkpoint; allowed: "
            f"one tokenizer for all (tokenizer.json differs in {', '.join(differing)})"
        )


def class_labels(folder: Path, where: str, named: list[str] | None, labels: list[str]) -> list[int]:
    """For each class of a classifier that others trained, the position of its label in the data set's.

    Args:
        folder: the classifier.
        where: the model's key in the config, for messages.
        named: the labels as the config gives them, in the classes' order; None for the classifier's own.
        labels: the data set's labels.

    Raises:
        ConfigError: a class has no label, or a label no class, or `named` contradicts the classifier's names.
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
    check_names(f"{where}.labels", "its first checkpoint", own, named or own)
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
    from isthmus.caches import identity

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


def save_weights(state: dict[str, Any], path: Path, **metadata: str) -> None:
    """Write tensors as safetensors by rename: equal tensors and metadata give equal bytes."""
    from safetensors.torch import save_file

    with stored.replacing(path) as temporary:
        tensors = {name: tensor.contiguous() for name, tensor in state.items()}
        save_file(tensors, temporary, {"format": "pt", **metadata})
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Put the metadata of a safetensors file in order, in place: its writer leaves them in any."""
    mark = b'{"__metadata__":'
    with open(path, "r+b") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
        metadata, _ = json.JSONDecoder().raw_decode(header[len(mark) :].decode())
        file.seek(8 + len(mark))
        file.write(json.dumps(metadata, sort_keys=True, separators=(",", ":")).encode())


def load_weights(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read tensors into memory of their own.

    Memory-mapped tensors stand at any address, and the bits of a matrix product depend on alignment.

    Raises:
        Damaged: the file's hash is not `sha256`: it is truncated or damaged.
    """
    from safetensors.torch import load_file

    if sha256 is not None:
        stored.check_hash(path, sha256, path.parent)
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def check_weights(folder: Path, sha256: str) -> None:
    """Raise Damaged where a folder's weights are not those that were recorded."""
    stored.check_hash(folder / WEIGHTS, sha256, folder)


def check_whole(folder: Path) -> None:
    """Raise Damaged where anything of a folder is not what its record says."""
    check_weights(folder, read_record(folder)["sha256"])


RECORDS = ("checkpoint.json", "model.json")


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write what a folder in Hugging Face's layout is, and under `files` the hashes of its small files.

    Args:
        path: one of `RECORDS` in the folder, which is complete.
        record: what is said of it; `sha256` is that of the weights.
    """
    beside = [
        file
        for file in sorted(path.parent.iterdir())
        if file.name not in (*RECORDS, WEIGHTS, "history.parquet") and not file.name.startswith(".")
    ]
    hashes = {file.name: hashing.of_file(file) for file in beside if file.is_file()}
    stored.write_json(path, record | {"files": hashes})


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a checkpoint's or a model's folder, once it and the small files beside it were checked.

    Raises:
        Damaged: one of them is missing, or not what was written. Of the weights nothing is said here.
    """
    path = next((folder / name for name in RECORDS if (folder / name).exists()), folder / RECORDS[0])
    record = stored.read_json(path, folder)
    for name, sha256 in record.get("files", {}).items():
        stored.check_hash(folder / name, sha256, folder)
    return record


def stated_config(source: Any) -> dict[str, Any]:
    """All settings of a folder's configuration (or of a configuration's object), defaults stated.

    Raises:
        ConfigError: its config.json cannot be read.
    """
    from transformers import AutoConfig

    if isinstance(source, Path):
        stored.read_json(source / "config.json")  # says clearly where that is damaged
        try:
            source = AutoConfig.from_pretrained(source)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{source / 'config.json'} is no configuration of a model: {error}") from error
    return source.to_dict() | {"num_labels": source.num_labels}


def pad_token(folder: Path) -> int:
    """The padding token of a model folder; 0 where its configuration names none (nothing reads padding)."""
    return stored.read_json(folder / "config.json").get("pad_token_id") or 0


def versions() -> dict[str, str]:
    """The versions of what computes, for the record."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "safetensors", "numpy")}
