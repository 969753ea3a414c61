"""What is recorded beside rows: their source and its revision, their number, class balance and hash."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from isthmus import hashing
from isthmus.data.rows import Rows
from isthmus.experiment.config import Columns, FilesSource, HubSource


def origin(columns: Columns, fetched: Path | None) -> dict[str, Any]:
    """The source's settings and revision, with the hash of each file instead of its place."""
    source, revision = columns.source, None
    described = source.model_dump(mode="json", exclude={"paths"})
    if isinstance(source, FilesSource):
        described["files"] = [{"name": path.name, "sha256": hashing.of_file(path)} for path in source.paths]
    elif isinstance(source, HubSource):
        loaded = (pq.read_schema(fetched).metadata or {}).get(b"revision")
        revision = loaded.decode() if loaded else source.revision
    return {"source": described, "revision": revision}


def part(rows: Rows, names: list[str]) -> dict[str, Any]:
    """Number, class balance and hash of rows; the hash covers ids, labels and texts, in order."""
    digest = hashlib.sha256(rows.ids.astype("<i8").tobytes() + rows.labels.astype("<i8").tobytes())
    for texts in (rows.text_a, rows.text_b):
        digest.update(json.dumps(texts).encode())
    balance = {name: int((rows.labels == i).sum()) for i, name in enumerate(names)}
    return {"rows": len(rows.ids), "class_balance": balance, "ids_sha256": digest.hexdigest()}
