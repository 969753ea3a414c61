"""What each process that trained a run, or measured, did: for the time that it took, and for giving up.

A run's folder of states holds a record an attempt in `attempts/`, written again and again, so that a killed
process leaves one too; a folder of the journal holds the same of those that measured.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isthmus import stored
from isthmus.caches.heartbeat import beating
from isthmus.errors import Damaged, GivenUp
from isthmus.machine.numerics import Numerics


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
    return _sum(_measuring(journal))


def _measuring(journal: Path) -> list[dict[str, Any]]:
    records = []
    for path in sorted(journal.rglob("attempts/*.json")):
        with suppress(Damaged):  # a crash of the machine, or somebody clears up
            records.append(stored.read_json(path))
    return records


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
class Measuring:
    """What one process that measures takes, on what, and how many measurements it has made."""

    device: str
    hardware: str
    torch: str
    measurements: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def measuring(folder: Path, numerics: Numerics, measurements: Callable[[], int]) -> Iterator[None]:
    """Keep a record of what the block takes, beside what it measures.

    Args:
        folder: a folder of the journal.
        numerics: on what is measured.
        measurements: how many were made so far; the others were known.
    """
    record = Measuring(numerics.device, numerics.hardware, numerics.torch)

    def count() -> None:
        record.measurements = measurements()

    with _noted(folder / "attempts" / f"{uuid.uuid4().hex}.json", record, count):
        yield


def measured_on(folder: Path) -> list[dict[str, Any]]:
    """The records of the processes that made measurements under a folder of the journal."""
    return [record for record in _measuring(folder) if record.get("measurements")]


@contextmanager
def _noted(
    path: Path, record: Attempt | Measuring, update: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Write a record and the time spent so far, again and again, so that a killed process leaves it too."""
    began, computed = time.monotonic(), time.process_time()

    def write() -> None:
        update()
        record.seconds = time.monotonic() - began
        record.cpu_seconds = time.process_time() - computed
        with suppress(OSError):  # a full disk must not end a run that can still compute
            path.parent.mkdir(parents=True, exist_ok=True)
            stored.write_json(path, asdict(record))

    with beating(write):
        yield
