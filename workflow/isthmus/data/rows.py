"""Labelled rows, and the Parquet files that hold them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from isthmus import stored


class Rows(NamedTuple):
    """Labelled rows, in the order of their ids.

    `ids`: int64 (n,), each row's number in its source, counted from 0 before anything was dropped.
    `text_a`: n texts. `text_b`: n texts, or None where an example is a single text.
    `labels`: int64 (n,), positions in the list of label names.
    """

    ids: np.ndarray
    text_a: list[str]
    text_b: list[str] | None
    labels: np.ndarray

    def take(self, positions: np.ndarray) -> "Rows":
        """The rows at these positions, in this order."""
        pick = positions.tolist()
        text_b = None if self.text_b is None else [self.text_b[i] for i in pick]
        return Rows(self.ids[positions], [self.text_a[i] for i in pick], text_b, self.labels[positions])


def inputs(rows: Rows) -> list[tuple[str, ...]]:
    """What makes two inputs identical: their texts, but for blanks around them, upper and lower case, and
    which of the two texts of a pair comes first."""
    texts = [rows.text_a] if rows.text_b is None else [rows.text_a, rows.text_b]
    plain = ([text.strip().casefold() for text in column] for column in texts)
    return [tuple(sorted(example)) for example in zip(*plain, strict=True)]


def read_rows(path: Path) -> Rows:
    """The rows of a Parquet file that `write_rows` wrote.

    Raises:
        errors.Damaged: the file is not what was written.
    """
    table = stored.read_table(path)
    text_b = table["text_b"]
    return Rows(
        table["id"].to_numpy(),
        table["text_a"].to_pylist(),
        None if text_b.null_count == len(text_b) else text_b.to_pylist(),
        table["label"].to_numpy(),
    )


def write_rows(path: Path, rows: Rows) -> None:
    """Write rows as Parquet: `id`, `text_a`, `text_b` (null for single texts) and `label`."""
    table = {
        "id": rows.ids,
        "text_a": pa.array(rows.text_a, pa.string()),
        "text_b": pa.array(rows.text_b or [None] * len(rows.ids), pa.string()),
        "label": rows.labels,
    }
    stored.write_table(path, pa.table(table))
