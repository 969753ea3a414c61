"""Weights as safetensors files: equal tensors give equal bytes."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from isthmus import stored


def save(state: dict[str, Any], path: Path, **metadata: str) -> None:
    """Write tensors as safetensors by rename: equal tensors and metadata give equal bytes."""
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


def load(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read tensors into memory of their own.

    Memory-mapped tensors stand at any address, and the bits of a matrix product depend on alignment.

    Raises:
        Damaged: the file's hash is not `sha256`: it is truncated or damaged.
    """
    if sha256 is not None:
        stored.check_hash(path, sha256, path.parent)
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def trained(model) -> dict[str, Any]:
    """What of a model is trained: all of its state, or what `adapters.put_into` says of it."""
    return getattr(model, "trained", partial(distinct, model))()


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
