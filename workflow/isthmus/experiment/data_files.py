"""Your own files of rows: their formats, the names of their columns, and the lines of delimited ones.

All of it is what can be said when the workflow is read.
"""

import csv
import difflib
import filecmp
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from isthmus.errors import ConfigError
from isthmus.experiment import json_records
from isthmus.experiment.config import PLAIN, Columns, Dataset, FilesSource, FurtherSet, ToySource, plain
from isthmus.experiment.labels import listed

# How a file is read where the source's `format` does not say it.
FORMATS = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".txt": "tsv",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}

ENDINGS = tuple(FORMATS)
PLAIN_TEXT = "text"  # what the one column of plain text is called


def check(key: str, columns: Columns) -> None:
    """Look at the first row of each file of a `files` source, before anything runs (a JSON list is read all).

    Args:
        key: where `columns` stands in the config, such as `datasets.sick`; it begins every message.
        columns: a data set, or a further set (see `inherit`); what it leaves open is not checked.

    Raises:
        ConfigError: a file is missing, of an unknown kind or not readable, or lacks a column that is named.
    """
    if not isinstance(columns.source, FilesSource):
        return
    columns = named(columns)
    for path in columns.source.paths:
        if columns.source.format is None and path.suffix.lower() not in ENDINGS:
            raise ConfigError(
                f"{key}.source.paths: found {path}; allowed: files that end in {', '.join(ENDINGS)}, or "
                f"{key}.source.format, which says how a file with another ending is read"
            )
        if not path.is_file():
            raise ConfigError(f"{key}.source.paths: found {path}, which is no file; allowed: existing files")
        check_columns(key, columns, column_names(key, path, columns.source), str(path))
    for one, other in combinations(columns.source.paths, 2):
        if one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False):
            raise ConfigError(
                f"{key}.source.paths: found {one} and {other}, which hold the same; allowed: each file once"
            )


def inherit(dataset: Dataset, further: FurtherSet) -> FurtherSet:
    """The further set with the text and label columns that it takes from its data set filled in."""
    # The toy language and plain text name their columns themselves: what the data set's own source calls them
    # says nothing there. Neither does a text where there are a prompt and an answer, and the reverse.
    if isinstance(further.source, ToySource) or (dataset.language and plain(further.source)):
        return further
    named_here = further.text or further.prompt
    keys = ("label",) if dataset.language and named_here else ("text", "label", "prompt", "answer")
    open_keys = {key: getattr(dataset, key) for key in keys if getattr(further, key) is None}
    if dataset.language and plain(dataset.source) and not named_here and not dataset.text:
        open_keys["text"] = [PLAIN_TEXT]
    return further.model_copy(update=open_keys)


def named(columns: Columns) -> Columns:
    """The same with what plain text need not say: how it is read, and its column."""
    if not plain(columns.source) or columns.text or columns.label or columns.prompt:
        return columns
    source = columns.source.model_copy(update={"format": columns.source.format or "lines"})
    return columns.model_copy(update={"source": source, "text": [PLAIN_TEXT]})


def file_format(path: Path, source: FilesSource) -> str:
    """How a file is read: `tsv`, `csv`, `jsonl`, `parquet`, `lines` or `document`."""
    return source.format or FORMATS[path.suffix.lower()]


def column_names(where: str, path: Path, source: FilesSource) -> list[str]:
    """The names of a file's columns, from its first row or record, or its schema."""
    kind = file_format(path, source)
    if kind in PLAIN:
        names = [PLAIN_TEXT]
    elif kind == "parquet":
        names = parquet_names(where, path)
    elif kind == "jsonl":
        _, record = next(json_records.read(where, path), (None, None))
        if record is None:
            raise ConfigError(f"{where}: found no record in {path}; allowed: one or more")
        names = list(record)
    else:
        names = _header(where, path, source)
    ignored = {"header": source.header is not True, "delimiter": source.delimiter, "quoting": source.quoting}
    for key in ignored:
        if ignored[key] and kind not in ("tsv", "csv"):
            raise ConfigError(
                f"{where}.source.{key}: found {getattr(source, key)!r} for {path}, which is read as {kind}; "
                f"allowed: no {key}, or tsv and csv files"
            )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{where}: found {listed(twice)} twice among the columns of {path}; allowed: each name once"
        )
    return names


def check_columns(where: str, columns: Columns, names: list[str], origin: str) -> None:
    """Raise a ConfigError if a column that the config names is not among `names`."""
    wanted = [("text", name) for name in columns.text or []]
    keys = ("label", "by", "prompt", "answer")
    wanted += [(key, getattr(columns, key)) for key in keys if getattr(columns, key)]
    for key, name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(
                f"{where}.{key}: found {name!r}{hint}; allowed: the columns of {origin}, {listed(names)}"
            )


def _header(where: str, path: Path, source: FilesSource) -> list[str]:
    """The names of a delimited file's columns: its first line, or as the settings give them."""
    first = next(lines(where, path, source), None)
    if first is None:
        raise ConfigError(f"{where}: found no row in {path}; allowed: one or more")
    if source.header is False:
        raise ConfigError(
            f"{where}.source.header: found false; allowed: true (the first line names the columns), or a list"
        )
    names = first[1] if source.header is True else source.header
    if len(names) != len(first[1]):
        raise ConfigError(
            f"{where}.source.header: found {len(names)} names for {path}; allowed: {len(first[1])}, as "
            "many as its first line has columns"
        )
    if source.header is not True and [field.strip() for field in first[1]] == names:
        raise ConfigError(
            f"{where}.source.header: found {listed(names)}, which is also the first line of {path}; "
            "allowed: true (the first line names the columns), or a file without such a line"
        )
    return names


def _delimiter(path: Path, source: FilesSource) -> str:
    return source.delimiter or ("," if file_format(path, source) == "csv" else "\t")


def _quoting(path: Path, source: FilesSource) -> int:
    default = "minimal" if file_format(path, source) == "csv" else "none"
    return csv.QUOTE_NONE if (source.quoting or default) == "none" else csv.QUOTE_MINIMAL


def lines(where: str, path: Path, source: FilesSource) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and fields of each row of a delimited file, header included, blank lines not."""
    try:
        # Split at \n alone: any other line-like character, such as U+2028, belongs to its sentence.
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            options = {"delimiter": _delimiter(path, source), "quoting": _quoting(path, source)}
            reader = csv.reader(file, strict=True, **options)
            for fields in reader:
                if any("\0" in field for field in fields):
                    raise ConfigError(
                        f"{where}: {path}, line {reader.line_num}: found a NUL byte; allowed: text in UTF-8"
                    )
                if len(fields) > 1 or any(field.strip(" \t") for field in fields):
                    yield reader.line_num, fields
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: {path} is no text in UTF-8 ({error.reason}); allowed: UTF-8") from error
    except csv.Error as error:
        raise ConfigError(
            f"{where}: {path}, line {reader.line_num}: {error}; allowed: what `delimiter` and `quoting` say "
            "(`quoting: none` where a quotation mark is a character of the text)"
        ) from error


def plain_lines(where: str, path: Path) -> list[str]:
    """The lines of a file of plain text, blank ones too; the end of the last line begins no other."""
    try:
        # Split at \n alone: any other line-like character, such as U+2028, belongs to its sentence.
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: {path} is no text in UTF-8 ({error.reason}); allowed: UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError(f"{where}: {path}, line {line}: found a NUL byte; allowed: text in UTF-8")
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


def parquet_names(where: str, path: Path) -> list[str]:
    """The names of a Parquet file's columns, from its schema."""
    # Only an experiment with such files needs the library when the workflow is read.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path).names
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{where}: {path} is no Parquet file ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """The first line of an error, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
