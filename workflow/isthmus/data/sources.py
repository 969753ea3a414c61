"""A whole source, whatever its kind: texts and label values of all its rows, as they are written."""

from pathlib import Path
from typing import Any, NamedTuple

from isthmus import stored
from isthmus.data import toy
from isthmus.data.files import Table, read_parquet
from isthmus.data.files import read as read_file
from isthmus.errors import ConfigError
from isthmus.experiment import labels
from isthmus.experiment.config import Columns, HubSource, ToySource
from isthmus.experiment.data_files import check, check_columns, parquet_names
from isthmus.experiment.labels import listed

TOY_TEXT, TOY_LABEL = ["text_a", "text_b"], "label"
STORY_TEXT = ["text"]


class Source(NamedTuple):
    """A whole source: texts (one list a text column), label values as text (None: none), and rows by file.

    `class_names` are the source's own; they are `renamed` where the settings have others in their place.
    """

    texts: list[list[str | None]]
    labels: list[str | None]
    class_names: list[str] | None
    renamed: bool
    files: list[tuple[str, int]]

    def origin(self, row: int) -> str:
        """Where a row stands, for messages."""
        for file, rows in self.files:
            if row < rows:
                return f"row {row + 1} of {file}"
            row -= rows
        raise IndexError(row)


def read(where: str, columns: Columns, fetched: Path | None, renames: list[str] | None) -> Source:
    """Read a whole source; `renames` are names of classes, in order, that may stand for the source's own."""
    if isinstance(columns.source, ToySource):
        text, label = columns.text or TOY_TEXT, columns.label or TOY_LABEL
    else:
        text, label = columns.text, columns.label
    tables = read_tables(where, columns, fetched, [*text, label])
    known = [table.class_names for _, table in tables if table.class_names]
    renamed = _renamed(where, known, renames)
    texts: list[list[str | None]] = [[] for _ in text]
    found, files = [], []
    for file, table in tables:
        names = None if renamed else table.class_names
        for column, name in zip(texts, text, strict=True):
            column += [as_text(f"{where}.text: {file}", name, value) for value in table.columns[name]]
        found += label_values(f"{where}.label", file, table.columns[label], names)
        files.append((file, len(table.columns[label])))
    return Source(texts, found, known[0] if known else None, renamed, files)


def read_tables(
    where: str, columns: Columns, fetched: Path | None, wanted: list[str]
) -> list[tuple[str, Table]]:
    """The source's tables, each with the name to give it in messages; more than one for several files."""
    source = columns.source
    if isinstance(source, ToySource):
        if source.task == "stories":
            return [("the toy language", Table({STORY_TEXT[0]: toy.stories(source.rows, source.seed)}))]
        rows = toy.examples(source.task, source.rows, source.seed, source.shifted)
        names = [*TOY_TEXT, TOY_LABEL]
        check_columns(where, columns, names, "the toy language")
        values = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        return [("the toy language", Table(values, list(toy.TASKS[source.task])))]
    if isinstance(source, HubSource):
        stored.check_table(fetched)
        check_columns(where, columns, parquet_names(where, fetched), source.id)
        return [(source.id, read_parquet(where, fetched, wanted))]
    check(where, columns)
    return [(path.name, read_file(where, path, source, wanted)) for path in source.paths]


def _renamed(where: str, known: list[list[str]], renames: list[str] | None) -> bool:
    """Whether names have none in common with the source's own: integers are then positions in both.

    Args:
        known: what each file calls its classes, of those that say it.
        renames: as in `read`.
    """
    if not renames or not known or set(known[0]) & set(renames):
        return False
    if other := [names for names in known if names != known[0]]:
        raise ConfigError(
            f"{where}.labels: found {listed(renames)}, other names than the files' own, which are not the "
            f"same in all files ({listed(known[0])} and {listed(other[0])}); allowed: the files' own names"
        )
    if len(known[0]) != len(renames):
        raise ConfigError(
            f"{where}.labels: found {listed(renames)} for the source's classes {listed(known[0])}; allowed: "
            "a name for each of them, in this order, or some of these names"
        )
    return True


def as_text(where: str, column: str, value: Any) -> str | None:
    """A value of a text column; None where there is none. Raises a ConfigError for what is no text."""
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(f"{where}: found a {type(value).__name__} in column {column!r}; allowed: text")
    return str(value)


def label_values(key: str, file: str, values: list, class_names: list[str] | None) -> list[str | None]:
    """A column's labels, as they would be written in the config; None where there is none."""
    found = []
    try:
        for value in values:
            found.append(labels.of_value(value, class_names))
    except ValueError as error:
        raise ConfigError(f"{key}: row {len(found) + 1} of {file}: {error}") from error
    return found
