"""The journal: every measurement once, by content, outside the DAG.

A record is a key (the hash of all that its bits depend on) and named arrays. Each process appends to a file of
its own, flushed to disk record by record; readers read all files of a folder. So a killed job loses the
measurement under way and nothing else, and two processes never write to one file.

A file is a sequence of `MAGIC, payload length, key, SHA-256 of key and payload, payload`; the payload is a
safetensors block.
"""

import hashlib
import os
import struct
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

MAGIC = b"isth"
HEAD = struct.Struct("<4sQ32s32s")  # magic, length of the payload, key, checksum


class Journal:
    """The records of one or more folders, and a file of our own in one of them.

    Args:
        own: the folder that this process appends to; made when the first record is.
        others: further folders to read.
        kind: the beginning of the files' names that are read and written.
    """

    def __init__(self, own: Path, *others: Path, kind: str = "records"):
        self.own, self.kind = own, kind
        self._file = None
        self._index: dict[bytes, tuple[Path, int, int]] = {}
        for folder in (own, *others):
            for path in sorted(folder.glob(f"{kind}-*.journal")):
                for key, offset, length in _scan(path):
                    self._index.setdefault(key, (path, offset, length))

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays that were recorded under a key (64 hexadecimal digits), or None."""
        where = self._index.get(bytes.fromhex(key))
        if where is None:
            return None
        path, offset, length = where
        with open(path, "rb") as file:
            file.seek(offset)
            return load(file.read(length))

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Append a record, wait until it is on disk, and return it."""
        arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        payload, raw = save(arrays), bytes.fromhex(key)
        if self._file is None:
            self.own.mkdir(parents=True, exist_ok=True)
            self._path = self.own / f"{self.kind}-{uuid.uuid4().hex}.journal"
            self._file = open(self._path, "xb")  # noqa: SIM115 - open as long as the process measures
        offset = self._file.tell() + HEAD.size
        self._file.write(HEAD.pack(MAGIC, len(payload), raw, _checksum(raw, payload)) + payload)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._index[raw] = (self._path, offset, len(payload))
        return arrays


def _checksum(key: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(key + payload).digest()


def _scan(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """The whole records of a file: key, offset and length of the payload.

    A torn last record is what a killed process leaves, and is passed over in silence; a record whose checksum
    does not fit is damage, and is passed over with a warning (it will be measured again).
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while (offset := file.tell() + HEAD.size) <= size:
            magic, length, key, checksum = HEAD.unpack(file.read(HEAD.size))
            if magic != MAGIC:
                warnings.warn(f"{path}: damaged at byte {offset - HEAD.size}; what follows is not used", stacklevel=2)
                return
            if offset + length > size:
                return
            if _checksum(key, file.read(length)) == checksum:
                yield key, offset, length
            else:
                warnings.warn(f"{path}: the record at byte {offset - HEAD.size} is damaged; not used", stacklevel=2)
