"""What the two caches of an experiment hold, and their end: deleting them costs time, never a result."""

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from isthmus.caches import locks
from isthmus.experiment import layout


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
            sizes = []
            for path in (results / name).rglob("*"):
                with suppress(FileNotFoundError):  # renamed while we look
                    if not path.is_dir():
                        sizes.append(path.lstat().st_size)
            found.append(Held(results / name, len(sizes), sum(sizes)))
    return found


def trained(results: Path) -> Path | None:
    """A lock that somebody holds, also on another machine, or None.

    A process of this machine is looked at. Of another one the lock's time is its sign of life; where clocks
    differ, a lock in the future counts as held, too.

    Args:
        results: the folder of the experiment's results.
    """
    for path in (results / layout.STATE).rglob("lock-*"):
        match = locks.LOCK.fullmatch(path.name)
        if not match or match[2]:
            continue
        with suppress(FileNotFoundError):  # freed while we look
            owner = locks.read_owner(path)
            if owner is not None and owner.is_here():
                held_still = not owner.is_dead()
            else:
                held_still = time.time() - path.stat().st_mtime < locks.DEAD_AFTER
            if held_still:
                return path
    return None


def remove(caches: Iterable[Held]) -> None:
    """Delete caches.

    Raises:
        OSError: one holds what may not be deleted, or is a link.
    """
    for cache in caches:
        shutil.rmtree(cache.folder)
