"""Names by content: what makes two files, or two questions, the same one."""

import ast
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).parent


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


def of_code(*modules: str) -> str:
    """The SHA-256 of the code of library modules and of all that they import, for rules that follow it.

    Imports are followed wherever they stand; comments, docstrings and layout count for nothing.

    Args:
        modules: names such as "statistics.connectivity". What is no module (`showing/templates/page.html`) is
            named by its path within the library and counts whole.
    """
    reached: dict[str, str] = {}
    waiting = [LIBRARY / name if "/" in name else _module(f"isthmus.{name}") for name in modules]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(LIBRARY))
        if name not in reached:
            reached[name], imported = _code(path)
            waiting.extend(imported)
    return of_data(reached)


@functools.cache
def _code(path: Path) -> tuple[str, list[Path]]:
    """What a file says, and the library modules that it imports."""
    text = path.read_text()
    if path.suffix != ".py":
        return text, []
    tree = ast.parse(text)
    imported = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "isthmus":
            imported += [_module(node.module, alias.name) for alias in node.names]
    return ast.dump(tree), imported


def _module(*parts: str) -> Path:
    """The file of a module; of what a module holds, the file of that module."""
    path = LIBRARY.joinpath(*".".join(parts).split(".")[1:])
    candidates = [path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py")]
    return next(candidate for candidate in candidates if candidate.is_file())


def seed(*parts: int | str) -> int:
    """A 63-bit seed from any parts: a counter-based stream needs no state, so it can be resumed anywhere."""
    return int(of_data(parts)[:16], 16) >> 1
