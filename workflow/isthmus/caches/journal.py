"""The journal: every measurement once, by content, outside the DAG.

A record is a key (the hash of all that its bits depend on) and named arrays. Each process appends to a file
of its own, flushed to disk record by record; readers read all files of a folder. So a killed job loses the
measurement under way and nothing else, and two processes never write to one file.

A file is a sequence of `MAGIC, payload length, key, SHA-256 of key and payload, payload`; the payload is a
safetensors block, whose metadata say on what kind of hardware and with which PyTorch it was measured. These
split nothing; `mixture` says where a job met several.
"""

import functools
import hashlib
import json
import os
import re
import struct
import uuid
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load, save

MAGIC = b"ism2"
EARLIER = b"isth"  # of files whose keys name places by one alpha
HEAD = struct.Struct("<4sQ32s32s")  # magic, length of the payload, key, checksum


class Origin(NamedTuple):
    """On what a record was measured; empty where that is not known."""

    hardware: str = ""
    torch: str = ""


UNKNOWN = Origin()


class Journal:
    """The records of a folder, and a file of our own in it.

    Args:
        folder: all its files are read; it is made when the first record is.
        kind: the beginning of the files' names that are read and written.
        origin: on what is measured here.

    Attributes:
        origins: those of all records that were given or taken so far.
    """

    def __init__(self, folder: Path, kind: str = "records", origin: Origin = UNKNOWN):
        self.folder, self.kind, self.origin = folder, kind, origin
        self.origins: set[Origin] = set()
        self._file = None
        self._index: dict[bytes, tuple[Path, int, int]] = {}
        for path in sorted(folder.glob(f"{kind}-*.journal")):
            for key, offset, length in _scan(path):
                self._index.setdefault(key, (path, offset, length))

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays that were recorded under a key (64 hexadecimal digits), or None.

        One that was deleted or damaged since the folder was read is None too: it is measured again.
        """
        raw = bytes.fromhex(key)
        where = self._index.get(raw)
        if where is None:
            return None
        path, offset, length = where
        try:
            with open(path, "rb") as file:
                file.seek(offset - HEAD.size)
                content = memoryview(file.read(HEAD.size + length))
        except FileNotFoundError:
            content = memoryview(b"")
        if _record(content, 0) == (raw, HEAD.size, length):
            payload = bytes(content[HEAD.size :])
            self.origins.add(_origin(payload))
            return load(payload)
        del self._index[raw]
        return None

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Append a record, wait until it is on disk, return it. Of several with one key the first holds."""
        arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        # One entry, since the writer puts several in any order.
        metadata = {"origin": json.dumps(self.origin._asdict())} if any(self.origin) else None
        payload, raw = save(arrays, metadata), bytes.fromhex(key)
        self.origins.add(self.origin)
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path = self.folder / f"{self.kind}-{uuid.uuid4().hex}.journal"
            self._file = open(self._path, "xb")  # noqa: SIM115 - open as long as the process measures
        offset = self._file.tell() + HEAD.size
        self._file.write(HEAD.pack(MAGIC, len(payload), raw, _checksum(raw, payload)) + payload)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._index.setdefault(raw, (self._path, offset, len(payload)))
        return arrays


def mixture(journals: Iterable[Journal]) -> str | None:
    """A line on the kinds of device and versions of PyTorch that journals' records come from, if several."""
    known = sorted({origin for journal in journals for origin in journal.origins if any(origin)})
    if len(known) < 2:
        return None
    listed = "; ".join(f"{origin.hardware}, PyTorch {origin.torch}" for origin in known)
    return f"measured on {len(known)} kinds of device or versions of PyTorch: {listed}"


def _origin(payload: bytes) -> Origin:
    """What a record's metadata say of its origin."""
    header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
    origin = json.loads(header.get("__metadata__", {}).get("origin", "{}"))
    return Origin(**{name: origin[name] for name in Origin._fields if name in origin})


@functools.cache  # one line for all files of a step, however many journals look at them
def _tell_earlier(folder: Path) -> None:
    print(
        f"{folder}: measurements of an earlier version are not used (the *.journal files that begin with "
        f"{EARLIER.decode()!r})",
        flush=True,
    )


def _checksum(key: bytes, payload) -> bytes:
    digest = hashlib.sha256(key)
    digest.update(payload)
    return digest.digest()


def _scan(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """The whole records of a file: key, offset and length of the payload.

    A torn last record is what a killed process leaves, and is passed over in silence. Anything else that is
    no whole record is damage: it is passed over with a warning (what it held will be measured again), and
    reading goes on at the next whole record.
    """
    data = memoryview(path.read_bytes())
    if data[: len(EARLIER)] == EARLIER:
        _tell_earlier(path.parent.parent)
        return
    position = 0
    while position < len(data):
        record = _record(data, position)
        if record is None:
            damaged = position
            if (following := _next_record(data, position)) is None:
                if not _torn(data, position):
                    warnings.warn(f"{path}: damaged from byte {damaged} on; that is not used", stacklevel=2)
                return
            position = following
            warnings.warn(
                f"{path}: bytes {damaged} to {position} are damaged; they are not used", stacklevel=2
            )
            continue
        yield record
        position = record[1] + record[2]


def _record(data: memoryview, position: int) -> tuple[bytes, int, int] | None:
    """The record that begins at a position, where a whole one does."""
    start = position + HEAD.size
    if start > len(data):
        return None
    magic, length, key, checksum = HEAD.unpack(data[position:start])
    if (
        magic != MAGIC
        or length > len(data) - start
        or _checksum(key, data[start : start + length]) != checksum
    ):
        return None
    return key, start, length


def _next_record(data: memoryview, position: int) -> int | None:
    """Where the next whole record after a position begins."""
    marks = re.finditer(re.escape(MAGIC), data[position + 1 :])
    return next((at for mark in marks if _record(data, at := position + 1 + mark.start())), None)


def _torn(data: memoryview, position: int) -> bool:
    """Whether what stands at the end of a file is the beginning of a record whose rest was never written."""
    rest = data[position:]
    if len(rest) < HEAD.size:
        return bytes(rest[: len(MAGIC)]) == MAGIC[: len(rest)]
    magic, length, key, checksum = HEAD.unpack(rest[: HEAD.size])
    written = rest[HEAD.size :]
    return magic == MAGIC and length > len(written) and _checksum(key, written) != checksum
