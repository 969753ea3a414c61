"""Files of the results that a disk, a crash or another program changed: file and command are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from isthmus import stored
from isthmus.data import tokens
from isthmus.data.rows import read_rows
from isthmus.models import hf_folders
from isthmus.statistics import connectivity, tidy

from tests.bad_input.case import Case, refusal


class Stored(NamedTuple):
    """How a file is made, how a job reads it, and what a user deletes to have it made anew.

    `name` may have a blank in it; `whole` is the folder, where the file alone would not be missed.
    """

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    whole: bool = False


def rows(path: Path) -> None:
    texts = pa.array(["x", "y"])
    stored.write_table(path, pa.table({"id": [0, 1], "text_a": texts, "text_b": texts, "label": [0, 1]}))


def examples(path: Path) -> None:
    flat = np.arange(20, dtype=np.int32)
    labels = np.array([0, 1])
    tokens.write(
        tokens.Tokens(flat, np.empty(0, np.uint8), np.array([0, 9, 20]), labels, labels, labels), path
    )


def scores(path: Path) -> None:
    columns = {
        "set": "test",
        "id": [0, 1],
        "loss": [0.5, 0.25],
        "prediction": 0,
        "label": [0, 1],
        "classes": 2,
    }
    stored.write_frame(path, pd.DataFrame(columns))


def checkpoint(path: Path) -> None:
    """A folder with all that one has, whatever file of it is damaged then."""
    (path.parent / "config.json").write_text('{\n  "pad_token_id": 0\n}\n')
    (path.parent / hf_folders.WEIGHTS).write_bytes(bytes(range(200)))
    sha256 = stored.hashing.of_file(path.parent / hf_folders.WEIGHTS)
    hf_folders.write_record(path.parent / "checkpoint.json", {"seed": 1, "sha256": sha256})


def curves(path: Path) -> None:
    stored.write_csv(path, pd.DataFrame({"experiment": ["e"], "value": [0.125], "model": ["m"]}))


KINDS = (
    Stored("train.parquet", rows, read_rows),
    Stored("subset.json", lambda path: stored.write_json(path, {"labels": ["no", "yes"]}), stored.read_json),
    Stored("train.safetensors", examples, tokens.read),
    Stored("step60.parquet", scores, connectivity.evaluation_rows),
    Stored("metrics.csv", curves, tidy.read),
    *(
        Stored(name, checkpoint, lambda path: hf_folders.check_whole(path.parent), whole=True)
        for name in ("checkpoint.json", "config.json", hf_folders.WEIGHTS)
    ),
)
# What happens to the bytes of a file, and what the message says was found.
DAMAGE = {
    "a turned bit": lambda content: content[:20] + bytes([content[20] ^ 4]) + content[21:],
    "a missing end": lambda content: content[:-3],
    "no content": lambda content: b"",
    "zeros to its end": lambda content: content[: len(content) // 2].ljust(len(content), b"\0"),
}


def reading(given: tuple[Stored, Callable[[bytes], bytes]], folder: Path) -> str:
    """A file in a folder with a blank in its name, damaged after it was written."""
    kind, damage = given
    path = folder / "my results" / kind.name
    path.parent.mkdir()
    kind.write(path)
    kind.read(path)
    path.write_bytes(damage(path.read_bytes()))
    message = refusal(lambda: kind.read(path))
    command = f"rm -r '{path.parent}'" if kind.whole else f"rm '{path}'"
    assert f"`{command}`" in message, message
    return message


def lost(kind: Stored, folder: Path) -> str:
    """A file that Snakemake does not ask for by its name, deleted."""
    path = folder / kind.name
    kind.write(path)
    path.unlink()
    return refusal(lambda: kind.read(path))


CASES = [
    *(
        Case(
            f"{kind.name} with {name}",
            reading,
            (kind, damage),
            (f"{kind.name} is damaged: found ", "allowed:"),
        )
        for kind in KINDS
        for name, damage in DAMAGE.items()
    ),
    *(
        Case(f"{kind.name} deleted", lost, kind, (f"{kind.name} is damaged: found no file", "`rm -r "))
        for kind in KINDS
        if kind.whole
    ),
]
