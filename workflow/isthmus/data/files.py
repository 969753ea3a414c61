"""Columns of files, read unchanged: delimited text, JSON and Parquet."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from isthmus.errors import ConfigError
from isthmus.experiment import json_records
from isthmus.experiment.config import PLAIN, FilesSource
from isthmus.experiment.data_files import column_names, file_format, first_line, lines, plain_lines
from isthmus.experiment.labels import listed


class Table(NamedTuple):
    """The columns that the config names; `class_names` where the file itself says what its integers mean."""

    columns: dict[str, list]
    class_names: list[str] | None = None


def read(where: str, path: Path, source: FilesSource, wanted: list[str]) -> Table:
    """Columns of one file.

    Args:
        where: begins every message.
        path: the file.
        source: how it is read.
        wanted: the columns, that of the labels (where there are any) last.

    Raises:
        ConfigError: the file cannot be read as what it is said to be, or a row lacks a column.
    """
    kind = file_format(path, source)
    if kind in PLAIN:
        rows = plain_lines(where, path)
        return Table({wanted[0]: ["\n".join(rows)] if kind == "document" else rows})
    if kind == "parquet":
        return read_parquet(where, path, wanted)
    return (
        _read_json(where, path, wanted) if kind == "jsonl" else _read_delimited(where, path, source, wanted)
    )


def _read_delimited(where: str, path: Path, source: FilesSource, wanted: list[str]) -> Table:
    names = column_names(where, path, source)
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    places = [(values, names.index(name)) for name, values in columns.items()]
    for number, (line, fields) in enumerate(lines(where, path, source)):
        if len(fields) != len(names):
            raise ConfigError(
                f"{where}: {path}, line {line}: found {len(fields)} column{'s' * (len(fields) != 1)}; "
                f"allowed: {len(names)} ({listed(names)})"
            )
        if number == 0 and source.header is True:
            continue
        for values, place in places:
            values.append(fields[place])
    return Table(columns)


def _read_json(where: str, path: Path, wanted: list[str]) -> Table:
    read: dict[str, list] = {name: [] for name in wanted}
    for place, record in json_records.read(where, path):
        for name, values in read.items():
            if name not in record:
                raise ConfigError(
                    f"{where}: {place}: found no key {name!r}; allowed: this key in each record, with null "
                    "where it has no value"
                )
            values.append(record[name])
    return Table(read)


def read_parquet(where: str, path: Path, wanted: list[str]) -> Table:
    """Columns of a Parquet file, as in `read`; what its schema calls classes are their names."""
    import datasets  # takes most of a second, and most sources are no Parquet files

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        # The library reads a path as a pattern, so it gets a plain name that stands for the file.
        plain = Path(folder, "rows.parquet")
        plain.symlink_to(path.resolve())
        try:
            table = datasets.load_dataset(
                "parquet", data_files=str(plain), split="train", cache_dir=f"{folder}/cache"
            )
            label = table.features[wanted[-1]]
            class_names = (
                [name.strip() for name in label.names] if isinstance(label, datasets.ClassLabel) else None
            )
            return Table({name: table[name][:] for name in wanted}, class_names)
        except (datasets.exceptions.DatasetsError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{where}: {path} cannot be read: {first_line(error.__cause__ or error)}"
            ) from error
