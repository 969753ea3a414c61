"""What a training state and a measurement *are*: frozen dataclasses, and their keys in the two caches.

A key is the hash of all fields of such a dataclass, by the one function `key`. Nothing is put together by
hand where a part could be forgotten: a new field counts. A field that must not count is declared so, with the
reason (`numerics.not_counted`), and so is a setting of a configuration or a recipe (the lists below).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from isthmus import hashing
from isthmus.machine.numerics import NOT_COUNTED, Numerics
from isthmus.models import configurations, hf_folders

RECORD = "checkpoint.json"
# What of a configuration does not change the function that its weights stand for, and why. All else counts,
# also settings that nobody knows yet, and dropout that the recipe does not set (DeBERTa's `pooler_dropout`).
INERT = {
    **dict.fromkeys(
        (*configurations.DROPOUT, *configurations.ATTENTION_DROPOUT, *configurations.CLASSIFIER_DROPOUT),
        "the recipe sets it, and measuring drops nothing",
    ),
    "id2label": "names; how many there are counts, as `num_labels`",
    "label2id": "names",
    "transformers_version": "who wrote the file",
    "_name_or_path": "where it came from",
    "_commit_hash": "where it came from",
    "architectures": "models are always opened as sequence classifiers of their `model_type`",
    "dtype": "models are always opened in float32",
    "torch_dtype": "the same, under its former name",
    "use_cache": "switched off whenever a model is opened",
    "problem_type": "chooses a loss that Transformers computes; ours is computed from the logits",
    "initializer_range": "draws new weights; those count by their content",
    "gradient_checkpointing": "switched off whenever a model is opened",
    "output_hidden_states": "what is returned beside the logits",
    "return_dict": "what is returned beside the logits",
    "finetuning_task": "a name",
    "task_specific_params": "of generation",
    "tokenizer_class": "a name; tokens count by their content",
}
# Settings that older programs wrote out, with the one value that says what is the case without them.
STATED_DEFAULTS = {"position_embedding_type": "absolute", "pruned_heads": {}, "output_past": True}
# Of a recipe, what another field of `Run` says.
SAID_ELSEWHERE = {"vary": "the seeds themselves are there", "fork_at": "the fork is there"}


# ---------------------------------------------------------------------------------------------------- the key


def key(thing: Any) -> str:
    """The key of a dataclass: the SHA-256 of all its counted fields, as 64 hexadecimal digits."""
    return hashing.of_data(plain(thing))


def plain(value: Any) -> Any:
    """Dataclasses as plain data, each with its name, all of their counted fields, and theirs in turn.

    TypeError: something whose content cannot be hashed, such as an array or a path.
    """
    if is_dataclass(value) and not isinstance(value, type):
        counted = (field.name for field in fields(value) if NOT_COUNTED not in field.metadata)
        return {"is": type(value).__name__, **{name: plain(getattr(value, name)) for name in counted}}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise TypeError(f"{value!r} ({type(value).__name__}) has no content that can be part of a key")


# ------------------------------------------------------------------------------------------------ checkpoints


@dataclass(frozen=True)
class Architecture:
    """The function that weights are put into: all of a configuration that changes it, defaults stated."""

    settings: Mapping[str, Any]

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> "Architecture":
        """That of a whole configuration, from `configurations.stated_config`."""
        return cls(
            {
                name: _one_form(value)
                for name, value in stated.items()
                if name not in INERT and not (name in STATED_DEFAULTS and value == STATED_DEFAULTS[name])
            }
        )

    def differences(self, other: "Architecture") -> dict[str, tuple[Any, Any]]:
        """The settings in which two differ, with both values; one that is absent is None."""
        names = sorted(self.settings.keys() | other.settings.keys())
        values = {name: (self.settings.get(name), other.settings.get(name)) for name in names}
        return {name: (a, b) for name, (a, b) in values.items() if plain(a) != plain(b)}


def _one_form(value: Any) -> Any:
    """10000.0 and 10000 are one number: which of them a file has, depends on who wrote it."""
    if isinstance(value, Mapping):
        return {str(name): _one_form(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_one_form(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Anchor:
    """A checkpoint by content: the SHA-256 of its weights' file, and the key of its `Architecture`."""

    weights: str
    architecture: str


def architecture(folder: Path) -> Architecture:
    """The architecture of a model or checkpoint folder.

    Raises:
        errors.ConfigError: its config.json cannot be read.
    """
    return Architecture.of(configurations.stated_config(folder))


def described(folder: Path) -> dict[str, str]:
    """What `checkpoint.json` says of the configuration beside it, so that a reader needs no Transformers."""
    return {"architecture": key(architecture(folder))}


def anchor(folder: Path) -> Anchor:
    """A checkpoint folder by content, as its `checkpoint.json` records it.

    Raises:
        errors.Damaged: that file, or the config.json beside it, is not what was written.
        errors.ConfigError: the configuration (of a checkpoint of an earlier version) cannot be read.
    """
    record = hf_folders.read_record(folder)
    if "architecture" not in record:  # of an earlier version
        return Anchor(record["sha256"], key(architecture(folder)))
    return Anchor(record["sha256"], record["architecture"])


# --------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Task:
    """What a model is asked for, and so what its loss is; `masked` is the part of the tokens to predict."""

    name: str
    masked: float | None = None


CLASSIFICATION = Task("classification")


@dataclass(frozen=True)
class Fork:
    """Where a run leaves the trunk that all seeds share: after how many updates, and the trunk's key."""

    at: int
    trunk: str


@dataclass(frozen=True)
class Run:
    """One training: its states are kept under its key.

    Attributes:
        start: the checkpoint at step 0: body, head and architecture.
        task: what is minimised.
        examples: `Tokens.digest` of the train part.
        recipe: `Training.recipe()`, without what other fields say (`counted_recipe`).
        seeds: of order, dropout and masks.
        numerics: how it is computed.
        fork: where the run leaves a trunk; None where it has none, and for the trunk itself.
    """

    start: Anchor
    task: Task
    examples: str
    recipe: Mapping[str, Any]
    seeds: Mapping[str, int]
    numerics: Numerics
    fork: Fork | None = None


def counted_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without the settings that other fields of a `Run` say."""
    return {name: value for name, value in recipe.items() if name not in SAID_ELSEWHERE}


# -------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Point:
    """A point on the line between two checkpoints, `(1 - alpha) * a + alpha * b`."""

    a: Anchor
    b: Anchor
    alpha: float


@dataclass(frozen=True)
class Resampling:
    """The bootstrap of a measurement that keeps replicates of means."""

    replicates: int
    seed: int


@dataclass(frozen=True)
class Measurement:
    """One record of the journal.

    Attributes:
        point: where in weight space: a checkpoint, or a point between two.
        task: what is asked there.
        examples: `Tokens.digest`.
        token_budget: tokens a batch.
        numerics: how it is computed.
        resampling: of the means; None where the record is of each example.
    """

    point: Anchor | Point
    task: Task
    examples: str
    token_budget: int
    numerics: Numerics
    resampling: Resampling | None = None


@dataclass(frozen=True)
class Distances:
    """How far two checkpoints' bodies are from each other and from where each began; None: not known."""

    a: Anchor
    b: Anchor
    starts: tuple[Anchor | None, Anchor | None]
    numerics: Numerics
