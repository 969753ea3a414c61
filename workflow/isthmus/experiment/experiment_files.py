"""Experiment files, read strictly: what YAML would pass over in silence is said, with its line.

Snakemake reads the files itself before it reads the workflow, and its own messages name no file. The workflow
reads them again through this module; `python -m isthmus.experiment.experiment_files FILES` does
so beforehand.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from isthmus.errors import ConfigError

LARGEST, MOST_VALUES = 2**20, 1_000_000
TAG = "tag:yaml.org,2002:"
NUMBERS = {f"{TAG}int", f"{TAG}float"}
ALLOWED = "a text file in YAML, such as config.yaml"
# A whole number with a 0 before it, and 1:30: YAML 1.1 counts in eights and in sixties.
ODD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


def read(paths: list[str | Path]) -> dict[str, Any]:
    """What experiment files hold together; of a key in several, the last one's, as Snakemake has it.

    Raises:
        ConfigError: a file that is none, is not text in YAML (or JSON), or says one thing twice; it names the
            file, the line and what is allowed.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        _update(merged, read_one(Path(path)))
    return merged


def read_one(path: Path) -> dict[str, Any]:
    """What one experiment file holds; errors as in `read`."""
    text = _text(path)
    try:
        held = json.loads(text, object_pairs_hook=lambda pairs: _distinct(path, pairs))
    except ConfigError:
        raise
    except (ValueError, RecursionError):
        held = _yaml(path, text)
    if not isinstance(held, dict) or not held:
        found = {dict: "nothing", type(None): "nothing", list: "a list"}.get(type(held), "a text")
        raise ConfigError(
            f"{path}: found {found}; allowed: keys and their values, such as `experiment: mini`"
        )
    return held


def in_call(words: Sequence[str]) -> list[str]:
    """The files that a call of Snakemake names as its experiment.

    Args:
        words: the call; all that follows on `--configfile`, up to the next option, is a file; after
            `--configfile=x.yaml` nothing is.
    """
    files: list[str] = []
    named = False
    for word in words:
        option, _, value = word.partition("=")
        if word.startswith("-"):
            given = option in ("--configfile", "--configfiles")
            files = ([value] if value else []) if given else files
            named = given and not value
        elif named:
            files.append(word)
    return files


def check_call(words: Sequence[str]) -> None:
    """Raise where a call of Snakemake names an experiment's file that is not there, and say what was meant.

    Raises:
        ConfigError: there is none of its name. After another file it is what is to be made.
    """
    files = in_call(words)
    place = next((place for place, file in enumerate(files) if not Path(file).exists()), None)
    if place:
        meant = f"snakemake {' '.join(files[place:])} --configfile {' '.join(files[:place])}"
        raise ConfigError(
            f"--configfile: found {files[place]}, which is no file; allowed: files. What is to be made "
            f"goes before it: {meant}"
        )
    if place == 0:
        _text(Path(files[0]))


def check_place(folder: Path) -> None:
    """Raise a ConfigError if results cannot stand in a folder, since something else has its name."""
    for place in (folder.parent, folder):
        if place.exists() and not place.is_dir():
            raise ConfigError(f"experiment: found {place}, which is a file; allowed: a folder, or none yet")


def _text(path: Path) -> str:
    try:
        if not path.name or path.is_dir():
            raise ConfigError(f"{path}: found a folder; allowed: {ALLOWED}")
        if path.stat().st_size > LARGEST:
            raise ConfigError(
                f"{path}: found {path.stat().st_size:,} bytes; allowed: {ALLOWED}, {LARGEST:,} at most"
            )
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: found no such file; allowed: {ALLOWED}{_beside(path)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is no text in UTF-8 (byte {error.start}: {error.reason}); allowed: UTF-8. "
            "`iconv -f LATIN1 -t UTF-8` (or -f UTF-16) rewrites other encodings"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); allowed: {ALLOWED}") from None


def _beside(path: Path) -> str:
    there = sorted(map(str, path.parent.glob("*.y*ml"))) if path.parent.is_dir() else []
    return f" (there are: {', '.join(there[:20])})" if there else ""


def _distinct(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"{path}: found the key {key!r} twice in one group; allowed: each key once")
        found[key] = value
    return found


def _yaml(path: Path, text: str) -> Any:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        mistake = next(_mistakes(root), None) if root else None
        held = loader.construct_document(root) if root and not mistake else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        allowed = "spaces, no tabs, before a key" if r"'\t'" in str(error.problem) else ALLOWED
        said = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{path}{where}: no YAML ({said}); allowed: {allowed}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = f"the character U+{error.character:04X}"
        raise ConfigError(f"{path}, line {line}: found {found}; allowed: {ALLOWED}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no YAML ({str(error)[:200]}); allowed: {ALLOWED}") from None
    if mistake:
        raise ConfigError(f"{path}, line {mistake[0]}: {mistake[1]}")
    return held


def _mistakes(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """What YAML allows and nobody means: (line, what is wrong)."""
    seen: dict[int, int] = {}

    def look(node: yaml.Node, key: str) -> Iterator[tuple[int, str]]:
        """Fills in how many values a node stands for, those of aliases each time; 0 while it is looked at."""
        seen[id(node)] = 0
        inner = _inner(node, key)
        if isinstance(node, yaml.MappingNode):
            yield from _keys(node, key)
        elif isinstance(node, yaml.ScalarNode):
            yield from _number(node, key)
        for value, place in inner:
            if id(value) not in seen:
                yield from look(value, place)
            elif seen[id(value)] == 0:
                yield (
                    _line(node),
                    f"{place}: found an alias (*) of what it stands in; allowed: of others",
                )
        seen[id(node)] = 1 + sum(seen[id(value)] for value, _ in inner)
        if seen[id(node)] > MOST_VALUES:
            yield _line(node), f"{key}: found more than {MOST_VALUES:,} values, aliases (*) counted each time"

    return look(root, "")


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _inner(node: yaml.Node, key: str) -> list[tuple[yaml.Node, str]]:
    """The nodes in a node, with their keys' paths."""
    if isinstance(node, yaml.ScalarNode):
        return []
    pairs = enumerate(node.value) if isinstance(node, yaml.SequenceNode) else node.value
    names = [(value, name.value if isinstance(name, yaml.Node) else name) for name, value in pairs]
    return [(value, f"{key}.{name}".lstrip(".")) for value, name in names]


def _number(node: yaml.ScalarNode, key: str) -> Iterator[tuple[int, str]]:
    if node.style is None and node.tag in NUMBERS and ODD_NUMBER.fullmatch(node.value):
        meant = yaml.safe_load(node.value)
        yield (
            _line(node),
            f"{key}: found {node.value}, which YAML reads as {meant}; allowed: {meant}, or a text in quotes",
        )


def _keys(node: yaml.MappingNode, key: str) -> Iterator[tuple[int, str]]:
    lines: dict[str, int] = {}
    where = f" in {key}" if key else ""
    for name, _ in node.value:
        if name.tag == f"{TAG}merge":
            continue
        if isinstance(name, yaml.ScalarNode):
            yield from _number(name, f"{key} (a key)".lstrip())
        # Whole numbers may be labels; where they are not, the settings say so.
        if name.tag not in (f"{TAG}str", f"{TAG}int"):
            found = name.value if isinstance(name, yaml.ScalarNode) else "which is no word"
            yield (
                _line(name),
                f"found the key {found}{where}, which YAML reads as {name.tag.removeprefix(TAG)}; "
                "allowed: a text (put it in quotes)",
            )
        elif name.value in lines:
            yield (
                _line(name),
                f"found the key {name.value!r} twice{where}, first in line {lines[name.value]}; "
                "allowed: each key once",
            )
        lines[str(name.value)] = _line(name)


def _update(into: dict[str, Any], other: dict[str, Any]) -> None:
    """Set keys, and those of groups one by one."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _update(into[key], value)
        else:
            into[key] = value


def main(paths: list[str]) -> None:
    """Say what is wrong with experiment files, if anything is."""
    try:
        read(paths)
    except ConfigError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
