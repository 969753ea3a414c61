"""Models and examples as the command line is given them: local copies, and tokens that all read alike."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from isthmus import stored
from isthmus.caches.identity import CLASSIFICATION
from isthmus.data import labelled, running_text, tokens
from isthmus.data.blocks import Blocks
from isthmus.data.rows import Rows
from isthmus.errors import ConfigError, MismatchedEnds
from isthmus.experiment import adapter_folders, config, data_files, folders, parameters, wording
from isthmus.experiment.labels import check_names
from isthmus.models import (
    adapters,
    architectures,
    class_labels,
    classifiers,
    hf_folders,
    language_models,
    origins,
    tokenizing,
)


def origin(side: str, name: str) -> config.Checkpoint:
    """Where a model comes from: a folder, or an id of the hub, with `@revision` where one is meant.

    Args:
        side: `A` or `B`, for messages.
        name: as the user gave it.

    Raises:
        ConfigError: a folder that is no model, or a name that can be neither.
    """
    folder = Path(name).expanduser()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        (adapter_folders.read if adapter_folders.is_adapter(folder) else folders.check)(side, folder)
        return config.Checkpoint(folder=folder)
    hub, _, revision = name.partition("@")
    try:
        return config.Checkpoint(hub=hub, revision=revision or None)
    except ValidationError as error:
        said = "; ".join(wording.messages(error, config.Checkpoint))
        raise ConfigError(f"{side}: found no folder {name}, and no id of the hub can be so: {said}") from None


@dataclass(frozen=True)
class Reading:
    """The examples, and how models read them.

    Attributes:
        columns: the examples' files and columns.
        labels: the data's names of the models' classes, in their order; by default the models' own.
        template: how two texts are joined, as in `tokens.tokenize`; by default as the architecture does.
        max_length: tokens an example at most.

        base: of adapters, the model that they adapt; by default the one that they name.

    Columns of running text, which are a data set's, are cut into blocks; the other three say nothing there.
    """

    columns: config.Columns
    labels: list[str] | None = None
    template: str | None = None
    max_length: int = 128
    base: str | None = None

    @property
    def blocks(self) -> Blocks | None:
        """How running text becomes blocks; None for labelled examples."""
        running = isinstance(self.columns, config.Dataset) and self.columns.language
        return Blocks(**parameters.blocks(self.columns)) if running else None

    @property
    def task(self) -> str:
        return self.blocks.task if self.blocks else CLASSIFICATION.name


def read(names: Sequence[str], folder: Path, reading: Reading) -> tuple[list[Path], tokens.Tokens, list[str]]:
    """Local copies of models, the examples as all of them read them, and what to know of these.

    Args:
        names: folders or ids, as of `origin`.
        folder: where the copies go; in each, `checkpoint` has the weights as they are measured.
        reading: the examples.

    Raises:
        ConfigError: a model, the data or a label cannot be used.
        errors.MismatchedEnds: the models read texts differently.
    """
    data_files.check("--data", reading.columns)
    if reading.template is not None and len(reading.columns.text or []) == 1:
        raise ConfigError(
            f"--pair-template: found {reading.template!r} for one text, {reading.columns.text[0]!r}; "
            "allowed: with two columns of --text"
        )
    sides = [chr(ord("A") + place) if place < 26 else f"model {place + 1}" for place in range(len(names))]
    found_at = [origin(side, name) for side, name in zip(sides, names, strict=True)]
    copies = [
        _copied(name, found, folder / side, reading)
        for name, found, side in zip(names, found_at, sides, strict=True)
    ]
    return copies, *examples(copies, names, reading)


def examples(copies: list[Path], names: Sequence[str], reading: Reading) -> tuple[tokens.Tokens, list[str]]:
    """Examples as all models read them, and what to know of these.

    Args:
        copies, names: of the models, as of `read`.
        reading: the examples.
    """
    return (_blocks if reading.blocks else _examples)(copies, names, reading)


def _examples(copies: list[Path], names: Sequence[str], reading: Reading) -> tuple[tokens.Tokens, list[str]]:
    """Labelled examples."""
    classes = _class_names(copies, names, reading.labels)
    rows, counts = _labelled_rows(reading.columns, classes, named=reading.labels is not None)
    made = _read_alike(copies, names, rows, reading.template, reading.max_length)
    notes, own = [], class_labels.class_names(copies[0])
    renamed = [(mine, name) for mine, name in zip(own, classes, strict=True) if mine != name]
    if named := ", ".join(f"{mine!r} is the data's {name!r}" for mine, name in renamed):
        notes.append(f"the models' class {named}")
    dropped = counts["unlabelled_dropped"], counts["empty_dropped"]
    if any(dropped):
        notes.append("left out: {} rows without a label, {} without a text".format(*dropped))
    if made.truncated:
        notes.append(
            f"{made.truncated} examples are longer than {reading.max_length} tokens and were truncated"
        )
    return made, notes


def _blocks(copies: list[Path], names: Sequence[str], reading: Reading) -> tuple[tokens.Tokens, list[str]]:
    """Running text."""
    rows, counts = running_text.read("--data", reading.columns, None)
    cut = reading.blocks
    made = [cut.of(tokenizing.open_tokenizer(copy), rows, "--data") for copy in copies]
    _check_alike(made, names)
    limit = folders.positions(stored.read_json(copies[0] / "config.json"))
    folders.check_max_length("--block-size", cut.block_size, names[0], limit)
    notes, dropped = [], (counts["empty_dropped"], counts["duplicates_dropped"])
    if any(dropped):
        notes.append("left out: {} rows without a text, {} that stand there twice".format(*dropped))
    if made[0].truncated:
        notes.append(f"{made[0].truncated} rows are longer than {cut.block_size} tokens and were cut off")
    return made[0], notes


def default_numerics() -> dict[str, Any]:
    """The numerics of an experiment that sets none."""
    return {name: config.Experiment.model_fields[name].default for name in parameters.NUMERICS}


def _copied(name: str, found: config.Checkpoint, folder: Path, reading: Reading) -> Path:
    """A folder with a model's local copy, and under `checkpoint` its weights as they are measured."""
    try:
        if origins.is_adapter(found):
            return _adapted(name, found, folder, reading)
        origins.fetch(found, folder)
    except ConfigError as error:
        if not found.hub or f"{found.hub} (revision" not in str(error) or "fetched" not in str(error):
            raise
        raise ConfigError(f"{error}. There is no folder {name} either") from error
    return _adopted(name, folder, reading)


def _adopted(name: str, folder: Path, reading: Reading) -> Path:
    """The same of a copy that is there."""
    out = folder / "checkpoint"
    if reading.blocks:
        sha256 = language_models.write_checkpoint(folder, name, reading.task, out)
    else:
        sha256 = classifiers.adopt(folder, name, out)
    _record(out, origin=name, sha256=sha256, **architectures.described(out))
    return folder


def _adapted(name: str, found: config.Checkpoint, folder: Path, reading: Reading) -> Path:
    """The same of an adapter: the copy is its base's, with the classes that the adapter brings along."""
    own, base, out = folder / "adapter", folder / "base", folder / "checkpoint"
    origins.fetch_adapter(found, own)
    settings = adapter_folders.read(name, own)
    named, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if reading.base:
        named, revision = reading.base, None
    if not named:
        raise ConfigError(f"{name}: the adapter names no base; allowed: --base, the model that it adapts")
    try:
        at = "" if revision is None or Path(named).exists() else f"@{revision}"
        origins.fetch(origin("--base", f"{named}{at}"), folder)
    except ConfigError as error:
        raise ConfigError(f"{name} adapts {named}: {error}; --base names another place") from error
    drawn = []
    if reading.blocks:
        sha256 = language_models.write_checkpoint(folder, named, reading.task, base)
    else:
        classes = adapters.classes(own) or len(class_labels.class_names(folder))
        names = class_labels.class_names(folder)
        labels = names if len(names) == classes else [f"LABEL_{i}" for i in range(classes)]
        sha256, drawn = classifiers.write_base(folder, labels, 0, True, base)
        shutil.copyfile(base / "config.json", folder / "config.json")
    _record(base, drawn=drawn, sha256=sha256, **architectures.described(base))
    sha256 = adapters.adopt(own, name, base, out)
    _record(out, origin=name, sha256=sha256, **adapters.described(out, base))
    return folder


def _record(folder: Path, **record: Any) -> None:
    hf_folders.write_record(folder / architectures.RECORD, record)


def _class_names(copies: list[Path], names: Sequence[str], labels: list[str] | None) -> list[str]:
    """The label of each class: as given, else the models' own, which must agree."""
    own = [class_labels.class_names(copy) for copy in copies]
    for name, classes in zip(names[1:], own[1:], strict=True):
        if labels is not None and {len(labels)} != {len(own[0]), len(classes)}:
            raise ConfigError(
                f"--labels: found {len(labels)} names; allowed: one for each class of {names[0]}, "
                f"which are {len(own[0])}, and of {name}, which are {len(classes)}"
            )
        if labels is None and own[0] != classes:
            raise ConfigError(
                f"the classes of {names[0]} are {own[0]}, those of {name} {classes}; allowed: the same "
                "names in one order, or --labels, which names the classes of both"
            )
    for name, classes in zip(names, own, strict=True):
        check_names("--labels", name, classes, labels or classes)
    return labels or own[0]


def _labelled_rows(columns: config.Columns, classes: list[str], named: bool) -> tuple[Rows, dict[str, int]]:
    """The examples; numbers are positions only where the caller has not `named` the data's labels."""
    hint = "; or any names, where --labels gives them in the order of the models' classes"
    if named:
        hint = "; or numbers from 0 without --labels, where they are the models' own"
    return labelled.read_known("--data", columns, classes, numbered=not named, hint=hint)


def _read_alike(
    copies: list[Path], names: Sequence[str], rows: Rows, template: str | None, max_length: int
) -> tokens.Tokens:
    """The examples as all models read them."""
    groups = list(range(len(class_labels.class_names(copies[0]))))
    made = [
        tokens.tokenize(
            tokenizing.open_tokenizer(copy),
            rows,
            groups,
            max_length,
            template or tokenizing.pair_template(copy),
        )
        for copy in copies
    ]
    _check_alike(made, names)
    first = made[0]
    limit = folders.positions(stored.read_json(copies[0] / "config.json"))
    if limit is not None and first.lengths.max() > limit:
        folders.check_max_length("--max-length", max_length, names[0], limit)
    return first


def _check_alike(made: Sequence[tokens.Tokens], names: Sequence[str]) -> None:
    """Raise where models do not read the same texts alike."""
    for name, other in zip(names[1:], made[1:], strict=True):
        if (made[0].digest, made[0].task) != (other.digest, other.task):
            raise MismatchedEnds(
                f"{names[0]} and {name} turn the same texts into different tokens; allowed: two models with "
                "one tokenizer"
            )
