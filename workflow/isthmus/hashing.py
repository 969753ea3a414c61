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

    Comments, docstrings and layout count for nothing.

    Args:
        modules: as in `reached`.
    """
    return of_data({str(path.relative_to(LIBRARY)): _code(path)[0] for path in reached(*modules)})


def reached(*modules: str) -> list[Path]:
    """The files of library modules and of all that they import, wherever an import stands; sorted.

    Args:
        modules: names such as "statistics.connectivity". What is no module is named by its path within the
            library; of a folder, such as "showing/templates", all files are meant.
    """
    found: set[Path] = set()
    waiting = [path for name in modules for path in _files(name)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_code(path)[1])
    return sorted(found)


def _files(name: str) -> list[Path]:
    """The files that a name in `reached` stands for."""
    if "/" not in name:
        return [LIBRARY / f"{name.replace('.', '/')}.py"]
    path = LIBRARY / name
    return [file for file in path.rglob("*.*") if file.is_file()] if path.is_dir() else [path]


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
        if isinstance(node, ast.Import):
            imported += [_module(alias.name) for alias in node.names if alias.name.startswith("isthmus.")]
    return ast.dump(tree), imported


def _module(*parts: str) -> Path:
    """The file of a module or package; of what one of them holds, the file of that one."""
    path = LIBRARY.joinpath(*".".join(parts).split(".")[1:])
    within = path.parent
    candidates = [
        path.with_suffix(".py"),
        path / "__init__.py",
        within.with_suffix(".py"),
        within / "__init__.py",
    ]
    return next(candidate for candidate in candidates if candidate.is_file())


def seed(*parts: int | str) -> int:
    """A 63-bit seed from any parts: a counter-based stream needs no state, so it can be resumed anywhere."""
    return int(of_data(parts)[:16], 16) >> 1
