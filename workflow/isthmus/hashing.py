"""Names by content: what makes two files, or two questions, the same one."""

import ast
import hashlib
import json
from pathlib import Path
from typing import Any


def of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_bytes(content: bytes) -> str:
    """The SHA-256 of what would be a file's bytes."""
    return hashlib.sha256(content).hexdigest()


def of_data(data: Any) -> str:
    """The SHA-256 of plain data (dicts, lists, strings, numbers), whatever the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def of_sources(*modules: str) -> str:
    """The SHA-256 of library modules' code, for cheap rules that re-run when it changes; of comments,
    docstrings and layout nothing is seen. A file that is no Python (a template) counts whole."""
    folder = Path(__file__).parent
    return of_data([_code(folder / name) for name in modules])


def _code(path: Path) -> str:
    text = path.read_text()
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


def seed(*parts: int | str) -> int:
    """A 63-bit seed from any parts: a counter-based stream needs no state, so it can be resumed anywhere."""
    return int(of_data(parts)[:16], 16) >> 1
