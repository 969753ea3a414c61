"""A run's lock: one process at a time trains a run, also on several machines that share a file system.

Whoever holds the lock with the highest number trains: `lock-<n>`, or `lock-<n>.free` where nobody does. A
lock is taken, also over from a dead owner, by creating the next number, which succeeds for one process
only; it is freed by renaming. The highest number is never deleted, so a slow process that acts on what it
saw long ago cannot harm: it finds its number taken, or sees a higher one when it looks again.
"""

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from isthmus.caches.heartbeat import beating
from isthmus.errors import LockLost
from isthmus.machine.failures import naming_full_disk
from isthmus.machine.processes import Owner

POLL = 1.0  # seconds between two looks at a lock that another process holds
DEAD_AFTER = 120.0  # seconds without a sign of life after which an owner on another host counts as dead
LOCK = re.compile(r"lock-(\d+)(\.free)?")


def _link_new(path: Path, content: str) -> bool:
    """Create a file with its content in one step, also on a network file system; false where it exists."""
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_text(content)
        os.link(temporary, path)
        return True
    except (FileExistsError, FileNotFoundError):  # the second: the owner cleared up between the two lines
        # A server whose answer was lost is asked again, and says of the name that it made that it exists.
        with suppress(FileNotFoundError):
            return temporary.stat().st_nlink == 2
        return False
    finally:
        with suppress(OSError):
            temporary.unlink()


def _highest(folder: Path) -> tuple[int, bool, Path]:
    """The lock that counts: its number, whether it is free, its path."""
    matches = ((LOCK.fullmatch(path.name), path) for path in folder.glob("lock-*"))
    return max(((int(m[1]), bool(m[2]), path) for m, path in matches if m), default=(0, True, folder))


class _Watch:
    """Tells whether a lock's owner is dead.

    On our own machine its process is looked at. On another one its sign of life is the lock's time: it must
    move while we look, by our own clock, so clocks that differ do no harm.
    """

    def __init__(self) -> None:
        self.seen: tuple[Path, int] | None = None
        self.since = 0.0

    def is_dead(self, path: Path) -> bool:
        try:
            seen = (path, path.stat().st_mtime_ns)
            owner = read_owner(path)
        except FileNotFoundError:  # freed or taken over while we look
            return False
        if owner is not None and owner.is_here():
            return owner.is_dead()
        if seen != self.seen:
            self.seen, self.since = seen, time.monotonic()
        return time.monotonic() - self.since > DEAD_AFTER


def read_owner(path: Path) -> Owner | None:
    """The owner that a lock names; None where a crash of the machine left it empty."""
    try:
        return Owner(**json.loads(path.read_text()))
    except (json.JSONDecodeError, TypeError):
        return None


class Lock:
    """A run's lock, held by this process."""

    def __init__(self, path: Path, number: int, content: str):
        self.path, self.number, self.content, self.lost = path, number, content, False

    def beat(self) -> None:
        """Give a sign of life, and see whether another process took the lock over."""
        with suppress(OSError):  # a file system that does not answer, or is full, must not end a run
            self.lost = self.lost or _highest(self.path.parent)[0] > self.number
            if self.lost:
                return
            try:
                os.utime(self.path)
            except FileNotFoundError:  # somebody deleted the whole cache
                self.path.parent.mkdir(parents=True, exist_ok=True)
                _link_new(self.path, self.content)

    def check(self) -> None:
        """Raises LockLost where another process trains the run now."""
        if self.lost:
            raise LockLost(
                f"this process stood still for more than {DEAD_AFTER:.0f} s, and another one took the run "
                f"over: {_highest(self.path.parent)[2]}. It goes on there"
            )


@contextmanager
def lock(folder: Path) -> Iterator[Lock]:
    """Hold a run's lock; wait for a living owner, take over from a dead one.

    Raises:
        DiskFull: there is no room even for a lock.
    """
    with naming_full_disk(f"{folder} holds no further file. Make room and run again"):
        held = _acquire(folder)
    try:
        for path in [*folder.glob("lock-*"), *folder.glob(".lock-*.tmp")]:
            match = LOCK.fullmatch(path.name)
            if match is None or int(match[1]) < held.number:  # of killed processes, or given back
                path.unlink(missing_ok=True)
        with beating(held.beat):
            yield held
    finally:
        with suppress(OSError):
            held.path.unlink() if held.lost else held.path.rename(f"{held.path}.free")


def _acquire(folder: Path) -> Lock:
    content = json.dumps(asdict(Owner.this()))
    watch, said = _Watch(), False
    while True:
        folder.mkdir(parents=True, exist_ok=True)  # each time, since somebody may delete the whole cache
        number, free, path = _highest(folder)
        if free or watch.is_dead(path):
            mine = folder / f"lock-{number + 1}"
            if _link_new(mine, content):
                if _highest(folder)[0] == number + 1:
                    return Lock(mine, number + 1, content)
                mine.unlink(missing_ok=True)
            time.sleep(POLL / 10)
            continue
        if not said:
            with suppress(FileNotFoundError):
                owner = read_owner(path)
                who = f"process {owner.pid} on {owner.host}" if owner else "another process"
                print(f"waiting: this run is being trained by {who} ({path})", flush=True)
                said = True
        time.sleep(POLL)
