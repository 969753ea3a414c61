"""Documents of running text, or prompts and answers: rows without labels, each once."""

from pathlib import Path

import numpy as np

from isthmus.data import sources
from isthmus.data.rows import Rows, inputs
from isthmus.errors import ConfigError
from isthmus.experiment.config import Columns, ToySource
from isthmus.experiment.data_files import named


def read(where: str, columns: Columns, fetched: Path | None) -> tuple[Rows, dict[str, int]]:
    """The documents of a source, and how many rows were dropped why.

    Args:
        where: begins every message.
        columns: the source, and what its columns mean.
        fetched: what `hub.fetch` wrote, for a source on the hub.

    Returns:
        The rows, with a document or a prompt as `text_a`, an answer as `text_b`, and labels of 0.

    Raises:
        ConfigError: the source cannot be read, or no row has a text.
    """
    columns = named(columns)
    wanted = [columns.prompt, columns.answer] if columns.prompt else columns.text
    if isinstance(columns.source, ToySource):
        wanted = sources.STORY_TEXT
    texts: list[list[str | None]] = [[] for _ in wanted]
    for file, table in sources.read_tables(where, columns, fetched, wanted):
        for column, name in zip(texts, wanted, strict=True):
            column += [sources.as_text(f"{where}: {file}", name, value) for value in table.columns[name]]
    total = len(texts[0])
    keep = [i for i in range(total) if all((column[i] or "").strip() for column in texts)]
    if not keep:
        raise ConfigError(f"{where}: found no row with a text ({total} rows); allowed: one or more")
    kept = [[column[i] for i in keep] for column in texts]
    rows = Rows(
        np.array(keep, np.int64), kept[0], kept[1] if len(kept) == 2 else None, np.zeros(len(keep), np.int64)
    )
    first = dict(reversed([(text, i) for i, text in enumerate(_alike(rows))]))
    counts = {"rows_read": total, "empty_dropped": total - len(keep)}
    counts |= {"duplicates_dropped": len(keep) - len(first), "documents": len(first)}
    return rows.take(np.sort(np.array(list(first.values())))), counts


def _alike(rows: Rows) -> list[tuple[str, ...]]:
    """What makes two rows one: of documents as of other texts, of a prompt and its answer every letter."""
    return inputs(rows) if rows.text_b is None else list(zip(rows.text_a, rows.text_b, strict=True))
