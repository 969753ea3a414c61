"""What the two caches of an experiment hold, and their end: deleting them costs time, never a result."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from isthmus.experiment import layout

BEATING = 120.0  # seconds: a lock that was touched since then may belong to a process that trains


class Held(NamedTuple):
    """A cache: its folder, its files and their bytes."""

    folder: Path
    files: int
    size: int


def held(results: Path) -> list[Held]:
    """The caches of an experiment that are there.

    Args:
        results: the folder of its results.
    """
    found = []
    for name in (layout.STATE, layout.JOURNALS):
        if (results / name).is_dir():
            sizes = [path.lstat().st_size for path in (results / name).rglob("*") if not path.is_dir()]
            found.append(Held(results / name, len(sizes), sum(sizes)))
    return found


def trained(caches: Iterable[Held]) -> Path | None:
    """A lock that somebody holds, also on another machine, or None."""
    for cache in caches:
        for path in cache.folder.rglob("lock-*"):
            if path.name.removeprefix("lock-").isdigit() and time.time() - path.stat().st_mtime < BEATING:
                return path
    return None


def remove(caches: Iterable[Held]) -> None:
    """Delete caches.

    Raises:
        OSError: one holds what may not be deleted, or is a link.
    """
    for cache in caches:
        shutil.rmtree(cache.folder)
