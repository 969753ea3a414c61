"""Folders in Hugging Face's layout: what is in them, by name and hash, and the record that says so.

A checkpoint's or a model's folder has `config.json` and `model.safetensors` and opens with
`AutoModelForSequenceClassification.from_pretrained(folder)`, or as the language model that it is. The folder
of an adapter has PEFT's two files in their place, and a record that names the base.
"""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from isthmus import hashing, stored
from isthmus.errors import Damaged
from isthmus.experiment import adapter_folders

WEIGHTS = "model.safetensors"

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
        if file.name not in (*RECORDS, WEIGHTS, adapter_folders.WEIGHTS, "history.parquet")
        and not file.name.startswith(".")
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


def weights_file(folder: Path) -> Path:
    """The file of a folder's weights: of a whole model, or of an adapter."""
    adapter = folder / adapter_folders.WEIGHTS
    return adapter if adapter.exists() else folder / WEIGHTS


def settings(folder: Path) -> dict[str, str]:
    """The small files that say how a checkpoint's weights are opened: their texts by name."""
    names = ("config.json", adapter_folders.CONFIG)
    return {name: (folder / name).read_text("utf-8") for name in names if (folder / name).exists()}


def write_settings(folder: Path, texts: dict[str, str]) -> None:
    """Write what `settings` read."""
    for name, text in texts.items():
        stored.write_text(folder / name, text)


def base_of(folder: Path) -> Path | None:
    """The folder of the model that a checkpoint adapts, by its record; None for whole models."""
    base = read_record(folder).get("base")
    return None if base is None else Path(os.path.normpath(folder / base["folder"]))


def check_weights(folder: Path, sha256: str) -> None:
    """Raise Damaged where a folder's weights are not those that were recorded."""
    stored.check_hash(weights_file(folder), sha256, folder)


def check_base(folder: Path) -> None:
    """Raise Damaged where the model that a checkpoint adapts is not the one that it was made for."""
    if not (base := read_record(folder).get("base")):
        return
    found = base_of(folder)
    if (sha256 := read_record(found)["sha256"]) != base["sha256"]:
        raise Damaged(
            f"{folder} adapts another model than {found}: found the hash {sha256[:12]}; allowed: "
            f"{base['sha256'][:12]}, of the base that it was made for"
        )
    check_weights(found, sha256)


def check_whole(folder: Path) -> None:
    """Raise Damaged where anything of a folder is not what its record says."""
    check_weights(folder, read_record(folder)["sha256"])


def pad_token(folder: Path) -> int:
    """The padding token of a model folder; 0 where its configuration names none (nothing reads padding)."""
    return stored.read_json(folder / "config.json").get("pad_token_id") or 0


def versions() -> dict[str, str]:
    """The versions of what computes, for the record."""
    return {name: version(name) for name in ("torch", "transformers", "safetensors", "numpy")}
