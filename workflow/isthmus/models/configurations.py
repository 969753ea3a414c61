"""Models' configurations, and dropout under the names that architectures give it."""

from pathlib import Path
from typing import Any

from isthmus import stored
from isthmus.errors import ConfigError

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


def stated_config(source: Any) -> dict[str, Any]:
    """All settings of a folder's configuration (or of a configuration's object), defaults stated.

    Raises:
        ConfigError: its config.json cannot be read.
    """
    # What a checkpoint is, is known from its record; that must not take the seconds of Transformers' import.
    from transformers import AutoConfig

    if isinstance(source, Path):
        stored.read_json(source / "config.json")  # says clearly where that is damaged
        try:
            source = AutoConfig.from_pretrained(source)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{source / 'config.json'} is no configuration of a model: {error}") from error
    return source.to_dict() | {"num_labels": source.num_labels}
