"""What stands beside the weights of a checkpoint that begins a chain."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from isthmus.models.architectures import described


def write_config(folder: Path, settings: dict[str, Any], model, path: Path) -> None:
    """The model's configuration in float32; its dropout stays, since the recipe sets that."""
    config = AutoConfig.from_pretrained(folder, **settings)
    config.architectures = [type(model).__name__]
    config.dtype = "float32"
    with tempfile.TemporaryDirectory() as temporary:
        config.save_pretrained(temporary)
        shutil.copyfile(Path(temporary, "config.json"), path)


def architecture_key(folder: Path) -> str:
    """The key of a folder's architecture, which the weights that begin a chain carry.

    The DAG knows a checkpoint by its weights, and Snakemake passes over a small file that was made again with
    the same bytes.
    """
    return described(folder)["architecture"]
