"""Models' configurations, as Transformers reads and writes them."""

from pathlib import Path
from typing import Any

from isthmus import stored
from isthmus.errors import ConfigError


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
