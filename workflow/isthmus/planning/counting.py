"""Rows and lengths of the texts in your own files, counted before anything is spent."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from isthmus.experiment import data_files, json_records
from isthmus.experiment.config import PLAIN, Columns

SAMPLE = 2000  # rows of each file whose texts are measured; all are counted
CHARACTERS = 4.5  # a token of English, the blank after it included
SPECIAL = 2  # tokens around a text
Row = tuple[Any, ...]


class Text(NamedTuple):
    """Rows of a data set, and mean tokens an example as encoders read it."""

    rows: int
    tokens: float


def count(where: str, columns: Columns) -> Text:
    """The labelled rows of a `files` source, and about how many tokens each has.

    Args:
        where: begins every message.
        columns: the files and the columns, of a further set with those that it takes from its data set.

    Raises:
        ConfigError: a file cannot be read as what it is said to be.
    """
    columns = data_files.named(columns)
    texts = [*(columns.text or ()), *filter(None, (columns.prompt, columns.answer))]
    rows = measured = characters = 0
    for path in columns.source.paths:
        for place, row in enumerate(_rows(where, path, columns, texts)):
            rows += row is not None
            if row is not None and place < SAMPLE:
                measured += 1
                characters += sum(len(str(text or "")) for text in row)
    tokens = SPECIAL + (len(texts) - 1) + characters / max(1, measured) / CHARACTERS
    return Text(rows, tokens)


def _rows(where: str, path: Path, columns: Columns, texts: list[str]) -> Iterator[Row | None]:
    """The texts of each row of a file; None for one without a label, or without a text."""
    kind = data_files.file_format(path, columns.source)
    wanted = [*texts, *filter(None, [columns.label])]
    if kind in PLAIN:
        lines = data_files.plain_lines(where, path)
        rows = (("\n".join(lines),),) if kind == "document" else ((line,) for line in lines if line.strip())
    elif kind == "parquet":
        rows = _of_parquet(path, wanted)
    elif kind == "jsonl":
        rows = (tuple(record.get(name) for name in wanted) for _, record in json_records.read(where, path))
    else:
        rows = _of_lines(where, path, columns, wanted)
    # As `labelled.read` drops rows: -1 is no label where classes are named, and none of them so.
    nothing = {"", "-1"} if columns.labels and "-1" not in columns.labels else {""}
    for row in rows:
        labelled = columns.label is None or _text(row[-1]) not in nothing
        yield row[: len(texts)] if labelled and all(map(_text, row[: len(texts)])) else None


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _of_parquet(path: Path, wanted: list[str]) -> Iterator[Row]:
    file = pq.ParquetFile(path)
    for batch in file.iter_batches(columns=wanted, use_threads=False):
        yield from zip(*(batch.column(name).to_pylist() for name in wanted), strict=True)


def _of_lines(where: str, path: Path, columns: Columns, wanted: list[str]) -> Iterator[Row]:
    names = data_files.column_names(where, path, columns.source)
    places = [names.index(name) for name in wanted]
    begin = int(columns.source.header is True)
    for _, fields in islice(data_files.lines(where, path, columns.source), begin, None):
        yield tuple(fields[place] if place < len(fields) else "" for place in places)
