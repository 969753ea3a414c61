"""Parts of evaluation sets, by the values of a further column."""

from pathlib import Path

import pyarrow as pa

from isthmus import stored
from isthmus.data import sources
from isthmus.data.rows import read_rows
from isthmus.errors import ConfigError
from isthmus.experiment.config import Columns


def write(where: str, columns: Columns, fetched: Path | None, sets: dict[str, Path], path: Path) -> None:
    """Write which part each row of some sets belongs to: a Parquet file with `set, id, part`.

    Args:
        where: begins every message.
        columns: where the sets come from; `by` is the column whose values are the parts.
        fetched: what `hub.fetch` wrote, for a source on the hub.
        sets: the rows of each set, by name.
        path: the file to write.

    Raises:
        ConfigError: the source cannot be read, or a row has no value.
    """
    parts: list[str | None] = []
    for file, table in sources.read_tables(where, columns, fetched, [columns.by]):
        parts += sources.label_values(f"{where}.by", file, table.columns[columns.by], table.class_names)
    names, ids = [], []
    for name, rows in sets.items():
        found = read_rows(rows).ids.tolist()
        names += [name] * len(found)
        ids += found
    chosen = [parts[i] for i in ids]
    if not all(chosen):
        raise ConfigError(f"{where}.by: found rows without {columns.by!r}; allowed: a value in each row")
    stored.write_table(path, pa.table({"set": names, "id": ids, "part": chosen}))
