"""The cache of training states: by content, outside the DAG; a run's lock and its attempts.

A run's folder holds

- `step<t>-<identity>-<sha256>.safetensors`: weights, Adam's moments and the history up to step t, written to
  a temporary name, flushed and renamed, so that a name stands for whole contents; `identity` is the hash of
  recipe, data, start and numerics, so that a state is never used for another run;
- `lock-<n>`: the process that trains the run now, or `lock-<n>.free` where none does;
- `attempts/`: what each process that trained it did, for the time that a run took and for giving up.

Losing the folder costs time, never a result.
"""

import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isthmus import hashing, stored
from isthmus.errors import Damaged, DiskFull, GivenUp, LockLost
from isthmus.machine import failures
from isthmus.machine.processes import Owner

HEARTBEAT = 5.0  # seconds between two signs of life
POLL = 1.0  # seconds between two looks at a lock that another process holds
DEAD_AFTER = 120.0  # seconds without one after which an owner on another host counts as dead
STATE = re.compile(r"step(\d+)-([0-9a-f]{16})-([0-9a-f]{64})\.safetensors")
LOCK = re.compile(r"lock-(\d+)(\.free)?")


@contextmanager
def naming_full_disk(consequence: str) -> Iterator[None]:
    """Turn the failures of a full disk, or of a quota, into one clear message.

    Raises:
        DiskFull: with `consequence`, which says what could not be written and what to do.
    """
    try:
        yield
    except Exception as error:
        if failures.number(error) not in failures.FULL:
            raise
        raise DiskFull(f"the disk is full, or a quota is: {consequence}") from error


@contextmanager
def _every(seconds: float, do: Callable[[], None]) -> Iterator[None]:
    """Do something at once, every so many seconds while the block runs, and once more at its end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            do()

    do()
    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        do()


# ------------------------------------------------------------------------------------------------ states


def _states(folder: Path) -> list[tuple[int, str, str, Path]]:
    """The states of a folder as (step, identity, SHA-256, path), latest step first."""
    matches = ((STATE.fullmatch(path.name), path) for path in folder.glob("step*.safetensors"))
    return sorted(((int(m[1]), m[2], m[3], path) for m, path in matches if m), reverse=True)


def newest(folder: Path, identity: str, end: int) -> tuple[int, Path] | None:
    """The latest whole state of a run at or before step `end`: its step and path, or None.

    A state whose bytes do not fit its name is named on standard output and deleted, and the one before it is
    looked at.
    """
    for step, of, sha256, path in _states(folder):
        if step > end or of != identity[:16]:
            continue
        if hashing.of_file(path) == sha256:
            return step, path
        print(
            f"the state {path} is damaged (its SHA-256 does not fit its name); it is deleted, not used",
            flush=True,
        )
        path.unlink()
    return None


def holds_others(folder: Path, identity: str) -> bool:
    """Whether a folder has states that are not a run's own."""
    return any(of != identity[:16] for _, of, _, _ in _states(folder))


def save(folder: Path, identity: str, step: int, tensors: dict[str, Any]) -> Path:
    """Write a state, flushed to disk, under its content's name.

    Raises:
        DiskFull: there is no room; nothing is left of the attempt, and earlier states are whole.
    """
    from safetensors.torch import save_file

    temporary = folder / f".saving-{uuid.uuid4().hex}.tmp"
    consequence = (
        f"the state of step {step} could not be saved in {folder}; the earlier state is whole. Make room and "
        "run again: training goes on from it"
    )
    try:
        with naming_full_disk(consequence):
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, temporary)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            path = folder / f"step{step:08d}-{identity[:16]}-{hashing.of_file(temporary)}.safetensors"
            temporary.replace(path)
    finally:
        with suppress(OSError):  # only a failure leaves something under this name
            temporary.unlink(missing_ok=True)
    return path


def prune(folder: Path, identity: str, step: int, keep: frozenset[int]) -> None:
    """Delete the states that the one just saved at `step` replaces.

    These are earlier ones, but for the steps in `keep`, and those of other identities where nothing is kept.
    The run's lock must be held: nobody else reads a state then.
    """
    for other, of, _, path in _states(folder):
        earlier = of == identity[:16] and other < step and other not in keep
        foreign = of != identity[:16] and not keep
        if earlier or foreign:
            path.unlink(missing_ok=True)
    for leftover in folder.glob(".saving-*.tmp"):  # of killed processes: we hold the lock
        leftover.unlink(missing_ok=True)


# -------------------------------------------------------------------------------------------------- lock
#
# Whoever holds the lock with the highest number trains. A lock is taken, also over from a dead owner, by
# creating the next number, which succeeds for one process only; it is freed by renaming. The highest number
# is never deleted, so a slow process that acts on what it saw long ago cannot harm: it finds its number
# taken, or sees a higher one when it looks again.


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
        with _every(HEARTBEAT, held.beat):
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


# ---------------------------------------------------------------------------------------------- attempts


@dataclass
class Attempt:
    """What one process did for a run. `call` names the Snakemake call, whose retries belong together."""

    identity: str
    end: int
    start: int
    saved: int
    device: str
    call: str = field(default_factory=lambda: os.environ.get("ISTHMUS_CALL", ""))
    host: str = field(default_factory=socket.gethostname)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    failure: str = ""
    done: bool = False


def _number(path: Path) -> int:
    """Attempts are numbered, since the clocks of several nodes need not agree on their order."""
    return int(path.name.partition("-")[0])


def _attempts(folder: Path, identity: str) -> list[Attempt]:
    """A run's attempts in their order, but for records that a crash of the machine left unreadable."""
    attempts = []
    for path in sorted((folder / "attempts").glob("[0-9]*-*.json"), key=_number):
        with suppress(Damaged, TypeError):
            attempts.append(Attempt(**stored.read_json(path)))
    return [attempt for attempt in attempts if attempt.identity == identity]


def check_worth_trying(folder: Path, identity: str, start: int, end: int) -> None:
    """Raise where this call's earlier attempts say that another one, from `start` to `end`, is in vain.

    Progress is what a later attempt can start from: a killed process has no time to note what it saved.

    Raises:
        GivenUp: a failure that is bound to come again was recorded, or two attempts in a row got no further
            than to where this one would start.
    """
    call = os.environ.get("ISTHMUS_CALL")
    ours = [a for a in _attempts(folder, identity) if call and (a.call, a.end) == (call, end)]
    if ours and ours[-1].failure:
        raise GivenUp(f"an earlier attempt of this call failed, and would again: {ours[-1].failure}")
    if len(ours) >= 2 and all(not a.done and a.start >= start for a in ours[-2:]):
        raise GivenUp(
            f"two attempts in a row ended without a new state (at step {start}); this call tries no more. "
            "Look at the job's log; a new call tries again"
        )


def spent(folder: Path, identity: str) -> dict[str, Any]:
    """What a run took: the number of `attempts`, `seconds` by device, and `cpu_seconds`."""
    return _sum([asdict(attempt) for attempt in _attempts(folder, identity)])


def spent_measuring(journal: Path) -> dict[str, Any]:
    """What all measuring into the folders of a journal took, as `spent` has it."""
    records = []
    for path in journal.rglob("attempts/*.json"):
        with suppress(Damaged):  # a crash of the machine, or somebody clears up
            records.append(stored.read_json(path))
    return _sum(records)


def _sum(records: list[dict[str, Any]]) -> dict[str, Any]:
    devices = sorted({r["device"] for r in records})
    return {
        "attempts": len(records),
        "seconds": {d: round(sum(r["seconds"] for r in records if r["device"] == d), 3) for d in devices},
        "cpu_seconds": round(sum(r["cpu_seconds"] for r in records), 3),
    }


@contextmanager
def recorded(folder: Path, attempt: Attempt) -> Iterator[Attempt]:
    """Keep an attempt's record up to date while the block runs; the run's lock must be held."""
    numbers = map(_number, (folder / "attempts").glob("[0-9]*-*.json"))
    path = folder / "attempts" / f"{max(numbers, default=0) + 1:06d}-{uuid.uuid4().hex[:8]}.json"
    with _noted(path, attempt):
        yield attempt


@dataclass
class Measurement:
    """What one process that measures takes."""

    device: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def measuring(folder: Path, device: str) -> Iterator[None]:
    """Keep a record of the time that the block takes, beside what it measures.

    Args:
        folder: a folder of the journal.
        device: on which is measured.
    """
    with _noted(folder / "attempts" / f"{uuid.uuid4().hex}.json", Measurement(device)):
        yield


@contextmanager
def _noted(path: Path, record: Attempt | Measurement) -> Iterator[None]:
    """Write a record and the time spent so far, again and again, so that a killed process leaves it too."""
    began, computed = time.monotonic(), time.process_time()

    def write() -> None:
        record.seconds = time.monotonic() - began
        record.cpu_seconds = time.process_time() - computed
        with suppress(OSError):  # a full disk must not end a run that can still compute
            path.parent.mkdir(parents=True, exist_ok=True)
            stored.write_json(path, asdict(record))

    with _every(HEARTBEAT, write):
        yield
