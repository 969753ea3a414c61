"""Files that later jobs read: written by rename, with a checksum of all bytes that every reader checks.

JSON, Parquet and safetensors files carry the checksum themselves, under the key `SEAL`: the SHA-256 of the
file with 64 zeros in its place. So other programs open them as ever, equal content gives equal bytes, and
nothing is left out (the checksums of Parquet's pages cover neither its schema nor its statistics). CSV files
are listed in `SHA256SUMS` beside them, which `sha256sum -c` reads too. Weights, configurations and tokenizers
are in Hugging Face's layout, and their hashes stand in the record of their folder (see `models.hf_folders`).

A file without a checksum, of an earlier version or saved by another program, is read as it is: making data,
tokens and checkpoints anew only for that could mean to train again.
"""

import hashlib
import json
import mmap
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from isthmus import hashing, tensor_header
from isthmus.errors import Damaged

if TYPE_CHECKING:  # most of what reads and writes files needs no frames, whose import takes half a second
    import pandas as pd

SEAL = "sha256_of_rest"
SUMS = "SHA256SUMS"
_DIGITS = 64
_ZEROS = b"0" * _DIGITS
# What stands before the digits in each format.
_IN_JSON = f'{{\n  "{SEAL}": "'.encode()
_IN_PARQUET = f"{SEAL}\x18@".encode()  # a value of 64 bytes, as Thrift writes it
_IN_ARRAYS = f'{{"__metadata__":{{"{SEAL}":"'.encode()
_KINDS = {"I32": "int32", "I64": "int64", "U8": "uint8"}


def damaged(path: Path, found: str, whole: Path | None = None) -> Damaged:
    """The error for a file that is not what was written.

    Args:
        path: the file.
        found: what is wrong with it.
        whole: what is deleted to have it made anew, where that is not the file alone.
    """
    target = shlex.quote(str(whole or path))
    command = f"rm -r {target}" if whole else f"rm {target}"
    return Damaged(
        f"{path} is damaged: found {found}; allowed: what was written. To make it anew, `{command}` and run "
        "again: what follows from it is made too, and what the caches hold is not computed again"
    )


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that is flushed to disk and takes its name, or leaves no trace."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def check_hash(path: Path, sha256: str, whole: Path | None = None) -> None:
    """Compare a file's bytes with the SHA-256 that was recorded elsewhere.

    Raises:
        Damaged: they are not what was written, or there is no file; `whole` is as in `damaged`.
    """
    try:
        found = hashing.of_file(path)
    except FileNotFoundError:
        raise damaged(path, "no file", whole) from None
    if found != sha256:
        raise damaged(path, f"a SHA-256 of {found[:16]}…, recorded is {sha256[:16]}…", whole)


# -------------------------------------------------------------------------------------------------- the seal


def _digest(content: "bytes | mmap.mmap", place: int) -> bytes:
    with memoryview(content) as view:
        sha = hashlib.sha256(view[:place])
        sha.update(_ZEROS)
        sha.update(view[place + _DIGITS :])
    return sha.hexdigest().encode()


def _seal(path: Path, mark: bytes) -> None:
    """Put the checksum of a whole file that was written with zeros into it; the last mark is ours."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        place = content.rfind(mark) + len(mark)
        content[place : place + _DIGITS] = _digest(content, place)


def _check(path: Path, content: "bytes | mmap.mmap", place: int | None, whole: Path | None = None) -> None:
    """Raise where content does not fit the checksum that stands at a place of it (None: it has none)."""
    if place is None:
        return
    written = bytes(content[place : place + _DIGITS])
    if _digest(content, place) != written:
        raise damaged(path, f"bytes that do not fit their checksum ({len(content)} of them)", whole)


def _read_bytes(path: Path, whole: Path | None = None) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise damaged(path, "no file", whole) from None
    if not content:
        raise damaged(path, "an empty file", whole)
    return content


def _after(content: "bytes | mmap.mmap", mark: bytes) -> int | None:
    """Where the checksum of a Parquet file stands: its metadata come last."""
    found = content.rfind(mark)
    return None if found < 0 else found + len(mark)


@contextmanager
def _parsing(path: Path, whole: Path | None = None) -> Iterator[None]:
    """Say of a file that cannot be read what is said of one with another checksum."""
    try:
        yield
    except Damaged:
        raise
    except (ValueError, LookupError, TypeError, OSError) as error:  # PyArrow's errors are some of these
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise damaged(path, f"what cannot be read ({first})", whole) from error


# ---------------------------------------------------------------------------------------------------- JSON


def write_text(path: Path, text: str) -> None:
    """Write a text by rename, in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a dictionary by rename, keys sorted, after a checksum of the file."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
    rest = ("," + text[1:] if data else "\n}") + "\n"
    content = _IN_JSON + _ZEROS + b'"' + rest.encode()
    place = len(_IN_JSON)
    with replacing(path) as temporary:
        temporary.write_bytes(content[:place] + _digest(content, place) + content[place + _DIGITS :])


def read_json(path: Path, whole: Path | None = None) -> dict[str, Any]:
    """Read what `write_json` wrote, without its checksum.

    Raises:
        Damaged: the file is missing, or not what was written; `whole` is as in `damaged`.
    """
    content = _read_bytes(path, whole)
    place = len(_IN_JSON)
    end = place + _DIGITS
    # Damage to one of the two is not taken for a file that never had a checksum.
    sealed = content.startswith(_IN_JSON) or (
        content[end : end + 1] == b'"' and all(digit in b"0123456789abcdef" for digit in content[place:end])
    )
    _check(path, content, place if sealed else None, whole)
    with _parsing(path, whole):
        data = json.loads(content)
        if not isinstance(data, dict):
            raise TypeError(f"no JSON object but a {type(data).__name__}")
    return {key: value for key, value in data.items() if key != SEAL}


# ------------------------------------------------------------------------------------------------- Parquet


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, by rename; equal tables give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        with pq.ParquetWriter(temporary, table.schema) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({SEAL: _ZEROS.decode()})  # last, and not in the schema's metadata
        _seal(temporary, _IN_PARQUET)


def numbers(values: np.ndarray) -> pa.Array:
    """A column of numbers. Arrow's own way to make one from NumPy's imports pandas."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)], null_count=0
    )


def repeated(text: str, count: int) -> pa.DictionaryArray:
    """A column that says one text in each of so many rows, by a dictionary; made as `numbers` is."""
    content = text.encode()
    ends = np.array([0, len(content)], np.int32)
    word = pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(content), null_count=0)
    return pa.DictionaryArray.from_arrays(numbers(np.zeros(count, np.int32)), word)


def write_frame(path: Path, frame: "pd.DataFrame") -> None:
    """Write a frame as Parquet, without its index."""
    write_table(path, pa.Table.from_pandas(frame, preserve_index=False))


def check_table(path: Path) -> None:
    """Check a Parquet file that another library reads.

    Raises:
        Damaged: the file is not what was written.
    """
    if not path.stat().st_size:
        raise damaged(path, "an empty file")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check(path, content, _after(content, _IN_PARQUET))


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file (all of it, since that is what its checksum is of), or some of its columns.

    Raises:
        Damaged: the file is missing, or not what was written.
    """
    return _parse_table(path, columns)


def read_frame(path: Path, columns: list[str] | None = None, filters: Any = None) -> "pd.DataFrame":
    """As `read_table`, as a frame; `filters` are those of pandas."""
    return _parse_table(path, columns, filters).to_pandas(use_threads=False)


def _parse_table(path: Path, columns: list[str] | None, filters: Any = None) -> pa.Table:
    content = _read_bytes(path)
    _check(path, content, _after(content, _IN_PARQUET))
    with _parsing(path):
        # From memory of Arrow's own, and on this thread. One of its workers that still holds an object of
        # Python's when the interpreter ends aborts the process: a job that was done would count as failed.
        own = pa.BufferOutputStream()
        own.write(content)
        return pq.read_table(
            pa.BufferReader(own.getvalue()),
            columns=columns,
            filters=filters,
            use_threads=False,
            pre_buffer=False,
        )


# --------------------------------------------------------------------------------------------- safetensors


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write int32, int64 and uint8 arrays as safetensors, by rename; equal arrays give equal bytes."""
    with replacing(path) as temporary:
        save_file(arrays, temporary, {SEAL: _ZEROS.decode()})
        _seal(temporary, _IN_ARRAYS)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, memory-mapped once they were checked.

    Raises:
        Damaged: the file is missing, or not what was written.
    """
    try:
        content = np.memmap(path, np.uint8, "r")
    except FileNotFoundError:
        raise damaged(path, "no file") from None
    except ValueError:  # nothing can be mapped
        raise damaged(path, "an empty file") from None
    place = 8 + len(_IN_ARRAYS)
    sealed = bytes(content[8:place]) == _IN_ARRAYS
    _check(path, content, place if sealed else None)
    with _parsing(path):
        header, begin = tensor_header.read(path)

        def array(entry: dict[str, Any]) -> np.ndarray:
            first, last = entry["data_offsets"]
            return content[begin + first : begin + last].view(_KINDS[entry["dtype"]]).reshape(entry["shape"])

        return {name: array(entry) for name, entry in header.items()}


# ----------------------------------------------------------------------------------------------------- CSV


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write a frame as CSV, by rename, every digit, and list its hash in `SHA256SUMS` beside it."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)
    sums = listed(path.parent) | {path.name: hashing.of_file(path)}
    write_text(path.parent / SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items())))


def check_csv(path: Path) -> None:
    """Check a CSV file that pandas reads.

    Raises:
        Damaged: the file is not what was written: damaged, or saved by another program.
    """
    sha256 = listed(path.parent).get(path.name)
    if sha256 is not None and hashing.of_file(path) != sha256:
        found = f"another content than {path.parent / SUMS} lists (damaged, or saved by another program)"
        raise damaged(path, found)


def listed(folder: Path) -> dict[str, str]:
    """The hashes that are listed in a folder, by name; a line that is none lists nothing."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines) if name}
