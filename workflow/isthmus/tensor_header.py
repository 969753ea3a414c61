"""What is in a safetensors file, by its header alone."""

import json
from pathlib import Path
from typing import Any

AT_MOST = 100_000_000  # bytes; the format's own limit


def read(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """The tensors of a file by name (`dtype`, `shape`, `data_offsets`), and the byte where their data begin.

    Raises:
        ValueError: it has no such header.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(path.stat().st_size - 8, AT_MOST):
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError(f"a header that is a {type(header).__name__}")
    header.pop("__metadata__", None)
    return header, 8 + length
