"""The records of JSON files: one a line, or a list of them, with keys that stand once and text in Unicode."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.errors import ConfigError


def read(where: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a JSON file, one a line or (.json) a list of them, each with its place for messages.

    Not by the `datasets` library, whose JSON reader takes strings for times where all of a column are dates.
    """
    wanted = "one record a line, such as {...}" + (
        ", or one list of records" if path.suffix.lower() == ".json" else ""
    )
    whole = _is_list(path)
    for number, text in _json_texts(where, path, whole):
        value = _parsed(where, path, text, number, wanted)
        for position, record in enumerate(value if whole else [value], start=1):
            place = f"{path}, record {position}" if whole else f"{path}, line {number}"
            if not isinstance(record, dict):
                raise ConfigError(f"{where}: {place}: found {_short(record)}; allowed: {wanted}")
            if "\\u" in text:
                _check_characters(f"{where}: {place}", record)
            yield place, record


def _json_texts(where: str, path: Path, whole: bool) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text of each line that is not blank, or the file's whole text as one."""
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            if whole:
                yield 1, file.read()
                return
            for number, line in enumerate(map(str.strip, file), start=1):
                if line:
                    yield number, line
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: {path} is no text in UTF-8 ({error.reason}); allowed: UTF-8") from error


def _parsed(where: str, path: Path, text: str, line: int, wanted: str) -> Any:
    """The value of a JSON text that begins at a line; an error where it would be read as something else."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        found, allowed = f"no JSON ({error.msg})", wanted
    except RecursionError:
        found, allowed = "found JSON that is nested too deep to read", wanted
    except _KeyTwice as error:
        found, allowed = f"found the key {error.args[0]!r} twice in one record", "each key once"
    except ValueError:
        found, allowed = "found a number of thousands of digits", "text, in quotation marks"
    raise ConfigError(f"{where}: {path}, line {line}: {found}; allowed: {allowed}")


class _KeyTwice(Exception):
    """A JSON object with a key twice, of which a reader would drop one."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise _KeyTwice(key)
        record[key] = value
    return record


def _check_characters(place: str, record: dict[str, Any]) -> None:
    """Raise a ConfigError where a text holds half of a character, which no file can be written with."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode()
        raise ConfigError(
            f"{place}: found {half}, half a character (a lone surrogate); allowed: text in Unicode"
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _is_list(path: Path) -> bool:
    with open(path, "rb") as file:
        return (
            path.suffix.lower() == ".json"
            and file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
        )
