"""Checkpoint folders by content: what of a configuration changes the function, and the anchor of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.caches.identity import Adapter, Anchor, key, plain
from isthmus.errors import ConfigError, MismatchedEnds
from isthmus.models import hf_folders
from isthmus.models.configurations import stated_config

RECORD = "checkpoint.json"
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
# What of a configuration does not change the function that its weights stand for, and why. All else counts,
# also settings that nobody knows yet, and dropout that the recipe does not set (DeBERTa's `pooler_dropout`).
INERT = {
    **dict.fromkeys(
        (*DROPOUT, *ATTENTION_DROPOUT, *CLASSIFIER_DROPOUT),
        "the recipe sets it, and measuring drops nothing",
    ),
    "id2label": "names; how many there are counts, as `num_labels`",
    "label2id": "names",
    "transformers_version": "who wrote the file",
    "_name_or_path": "where it came from",
    "_commit_hash": "where it came from",
    "architectures": "the task says with which head a model is opened",
    "dtype": "`Numerics` says in which type models are opened",
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


def architecture(folder: Path) -> Architecture:
    """The architecture of a model or checkpoint folder.

    Raises:
        errors.ConfigError: its config.json cannot be read.
    """
    return Architecture.of(stated_config(folder))


def check_same(folders: Sequence[Path], anchors: Sequence[Anchor] = (), names: Sequence[str] = ()) -> None:
    """Raise where the configurations of two checkpoints make two functions of the same weights.

    Args:
        folders: of the two.
        anchors: theirs, where they are read already.
        names: what the message calls them; by default their folders.

    Raises:
        MismatchedEnds: with the settings that differ, and both values (None: not stated).
    """
    a, b = anchors or map(anchor, folders)
    if a.architecture == b.architecture:
        return
    # Versions of Transformers may state one architecture differently: the present one decides.
    first, second = map(architecture, folders)
    differing = first.differences(second)
    if kind := differing.get("model_type"):  # all else follows from it
        differing = {"model_type": kind}
    if differing:
        one, other = names or folders
        shown = "; ".join(f"{name}: found {old!r} and {new!r}" for name, (old, new) in differing.items())
        raise MismatchedEnds(
            f"no line joins {one} and {other}: their architectures differ in config.json, in {shown}; "
            "allowed: the same values in both"
        )


def check_alike(folder: Path, first: Path) -> None:
    """Raise a ConfigError where two models, from which runs of one cell begin, differ in architecture."""
    differing = architecture(first).differences(architecture(folder))
    if differing:
        shown = "; ".join(f"{name}: found {new!r} and {old!r}" for name, (old, new) in differing.items())
        raise ConfigError(
            f"the bodies {folder.name} and {first.name} differ in config.json, in {shown}; allowed: one "
            "architecture"
        )


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
    if base := record.get("base"):
        return Adapter(record["sha256"], record["architecture"], base["sha256"], record["adapter"])
    if "architecture" not in record:  # of an earlier version
        return Anchor(record["sha256"], key(architecture(folder)))
    return Anchor(record["sha256"], record["architecture"])
