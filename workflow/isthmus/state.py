"""The cache of training states: by content, outside the DAG; a run's lock and its attempts.

A run's folder holds

- `step<t>-<identity>-<sha256>.safetensors`: weights, Adam's moments and the history up to step t, written to a
  temporary name, flushed and renamed, so that a name stands for whole contents; `identity` is the hash of
  recipe, data, start and numerics, so that a state is never used for another run;
- `lock`: the process that trains the run now;
- `attempts/`: what each process that trained it did, for the time that a run took and for giving up.

Losing the folder costs time, never a result.
"""

import errno
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isthmus import hashing

HEARTBEAT = 5.0  # seconds between two signs of life
DEAD_AFTER = 120.0  # seconds without one after which an owner on another host counts as dead
STATE = re.compile(r"step(\d+)-([0-9a-f]{16})-([0-9a-f]{64})\.safetensors")


class DiskFull(RuntimeError):
    """A state could not be saved for want of room; the earlier one is whole."""


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
        print(f"the state {path} is damaged (its SHA-256 does not fit its name); it is deleted, not used", flush=True)
        path.unlink()
    return None


def save(folder: Path, identity: str, step: int, tensors: dict[str, Any]) -> Path:
    """Write a state, flushed to disk, under its content's name.

    Raises:
        DiskFull: there is no room; nothing is left of the attempt, and earlier states are whole.
    """
    from safetensors.torch import save_file

    temporary = folder / f".saving-{uuid.uuid4().hex}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        path = folder / f"step{step:08d}-{identity[:16]}-{hashing.of_file(temporary)}.safetensors"
        temporary.replace(path)
    except Exception as error:  # safetensors has an exception of its own for failed writes
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "os error 28" in str(error).lower():
            raise DiskFull(
                f"the disk is full: the state of step {step} could not be saved in {folder}; the earlier state is "
                "whole. Make room and run again: training goes on from it"
            ) from error
        raise
    return path


def prune(folder: Path, identity: str, step: int, keep: frozenset[int]) -> None:
    """Delete the states that the one just saved at `step` replaces: earlier ones, but for the steps in `keep`,
    and those of other identities where nothing is kept."""
    for other, of, _, path in _states(folder):
        earlier = of == identity[:16] and other < step and other not in keep
        foreign = of != identity[:16] and not keep
        if earlier or foreign:
            path.unlink(missing_ok=True)
    for leftover in folder.glob(".saving-*.tmp"):  # of killed processes: we hold the lock
        leftover.unlink(missing_ok=True)


# -------------------------------------------------------------------------------------------------- lock


@dataclass(frozen=True)
class Owner:
    """A process, named so that it can be recognised as dead, also after its number was given out again."""

    host: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> "Owner":
        return cls(socket.gethostname(), os.getpid(), _start_time(os.getpid()))

    def is_dead_here(self) -> bool:
        """True where this is a process of our host that no longer runs (a zombie no longer does)."""
        return self.host == socket.gethostname() and _start_time(self.pid) != self.started


def _start_time(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where there is no such process, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if not Path("/proc/self/stat").exists():  # not Linux: the number alone must do
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                return "unknown"
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _silent_for(path: Path) -> float:
    """Seconds since a file was touched, by the clock of the file system that holds it."""
    probe = path.with_name(f".clock-{uuid.uuid4().hex}")
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink()
    return now - path.stat().st_mtime


def _link_new(path: Path, content: str) -> bool:
    """Create a file with its content in one step, also on a network file system; false where it exists."""
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    temporary.write_text(content)
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink()


def _take_over(path: Path) -> None:
    """Remove a lock whose owner is dead; one process at a time may look and remove."""
    guard = path.with_name("lock.takeover")
    if not _link_new(guard, ""):
        with suppress(FileNotFoundError):
            if _silent_for(guard) > DEAD_AFTER:
                guard.unlink()
        return
    try:
        if _owner_is_dead(path):
            path.unlink()
    finally:
        guard.unlink(missing_ok=True)


def _owner_is_dead(path: Path) -> bool:
    try:
        owner = Owner(**json.loads(path.read_text()))
        return owner.is_dead_here() or _silent_for(path) > DEAD_AFTER
    except FileNotFoundError:
        return False


@contextmanager
def lock(folder: Path) -> Iterator[Path]:
    """Hold a run's lock; wait for a living owner, take over from a dead one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    said = False
    while not _link_new(path, json.dumps(asdict(Owner.this()))):
        if _owner_is_dead(path):
            _take_over(path)
            continue
        if not said:
            with suppress(FileNotFoundError):
                print(f"waiting: this run is being trained by {path.read_text()}; {path}", flush=True)
            said = True
        time.sleep(1)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


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
    failure: str = ""
    done: bool = False


class GivenUp(RuntimeError):
    """Trying again in this call would only fail again."""


def _attempts(folder: Path) -> list[Attempt]:
    return [Attempt(**json.loads(path.read_text())) for path in sorted((folder / "attempts").glob("*.json"))]


def check_worth_trying(folder: Path, identity: str, end: int) -> None:
    """Raise where this call's earlier attempts say that another one is in vain.

    Raises:
        GivenUp: a failure that is bound to come again was recorded, or the last two attempts saved nothing new.
    """
    call = os.environ.get("ISTHMUS_CALL")
    ours = [a for a in _attempts(folder) if call and (a.call, a.identity, a.end) == (call, identity, end)]
    if ours and ours[-1].failure:
        raise GivenUp(f"an earlier attempt of this call failed, and would again: {ours[-1].failure}")
    if len(ours) >= 2 and all(not a.done and a.saved == a.start for a in ours[-2:]):
        raise GivenUp(
            f"two attempts in a row ended without a new state (at step {ours[-1].start}); this call tries no more. "
            "Look at the job's log; a new call tries again"
        )


def spent(folder: Path) -> dict[str, Any]:
    """The seconds by device and the number of attempts, over all that is recorded of a run."""
    attempts = _attempts(folder)
    devices = sorted({a.device for a in attempts})
    return {
        "attempts": len(attempts),
        "seconds": {d: round(sum(a.seconds for a in attempts if a.device == d), 3) for d in devices},
    }


@contextmanager
def recorded(folder: Path, attempt: Attempt, locked: Path) -> Iterator[Attempt]:
    """Keep an attempt's record, and the lock's sign of life, up to date while the block runs."""
    (folder / "attempts").mkdir(parents=True, exist_ok=True)
    path = folder / "attempts" / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.json"
    began, over = time.monotonic(), threading.Event()

    def write() -> None:
        attempt.seconds = time.monotonic() - began
        temporary = path.with_suffix(".tmp")
        with suppress(OSError):  # a full disk must not end a run that can still compute
            temporary.write_text(json.dumps(asdict(attempt)))
            temporary.replace(path)
            os.utime(locked)

    def beat() -> None:
        while not over.wait(HEARTBEAT):
            write()

    write()
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield attempt
    finally:
        over.set()
        thread.join()
        write()
