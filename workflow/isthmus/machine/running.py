"""Which Snakemake makes an experiment now, and whether a lock is one that a dead Snakemake left.

Snakemake's lock is a list of files in `.snakemake/locks/` and does not say who holds it. So each Snakemake
leaves a record beside it, which goes with the lock. Where there is none, the folder's processes count.
"""

import json
import os
import re
import socket
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from isthmus.experiment.layout import results
from isthmus.machine.processes import Owner

LOCK = re.compile(r"\d+\.(?:input|output)\.lock")


def record(locks: Path, experiment: str) -> None:
    """Note that this process makes an experiment, where it holds a lock for it."""
    if _locks(locks, experiment):
        path = locks / f"{experiment}-{os.getpid()}.owner.json"
        with suppress(OSError):  # a full disk; then the processes are looked at
            path.write_text(json.dumps(asdict(Owner.this())))


def clear(folder: Path, experiment: str) -> str | None:
    """Remove the lock of a Snakemake that is dead.

    Args:
        folder: where Snakemake runs.
        experiment: whose results are to be made.

    Returns:
        What was done, in one line; None where there is no lock.

    Raises:
        BlockingIOError: the lock is held, or may be; the message says by whom, and what to do.
    """
    if not (held := holder(folder, experiment)):
        return None
    check(folder, experiment)
    owners, files = held
    for file in files:
        file.unlink(missing_ok=True)
    who = ", ".join(f"process {owner.pid}" for owner, _ in owners) or "which left no word of itself"
    return (
        f"the Snakemake that made {results(experiment)} ({who}) was ended from outside. Its lock is removed, "
        "and the work goes on from what is saved."
    )


def check(folder: Path, experiment: str) -> None:
    """Raise where a Snakemake makes an experiment now, or may; arguments and errors as of `clear`."""
    held = holder(folder, experiment)
    if held and (said := _refusal(held[0], folder, experiment)):
        raise BlockingIOError(said)


def holder(folder: Path, experiment: str) -> tuple[list[tuple[Owner, float]], list[Path]] | None:
    """Who recorded a lock for an experiment, and when; the files of both. None where there is no lock."""
    locks = folder / ".snakemake" / "locks"
    if not (files := _locks(locks, experiment)):
        return None
    owners = []
    for path in locks.glob(f"{experiment}-*.owner.json"):
        if path.name.removeprefix(f"{experiment}-").removesuffix(".owner.json").isdigit():
            files.append(path)
            with suppress(json.JSONDecodeError, TypeError, FileNotFoundError):
                owners.append((Owner(**json.loads(path.read_text())), path.stat().st_mtime))
    return owners, files


def _locks(locks: Path, experiment: str) -> list[Path]:
    """The files of the locks that name a result of an experiment."""
    found = []
    for path in sorted(locks.glob("*.lock")):
        with suppress(OSError):  # unlocked while we look
            lines = path.read_text().splitlines() if LOCK.fullmatch(path.name) else []
            if any(line.startswith(f"{results(experiment)}/") for line in lines):
                found.append(path)
    return found


def _refusal(owners: list[tuple[Owner, float]], folder: Path, experiment: str) -> str | None:
    """Why a lock cannot be removed; None where nobody alive can hold it."""
    for owner, written in owners:
        if owner.is_here() and not owner.is_dead():
            return (
                f"{results(experiment)} is being made: by Snakemake, process {owner.pid} on this host. Wait "
                f"until it ends, or end it: kill {owner.pid}"
            )
        if not owner.is_here() and not (owner.host == socket.gethostname() and written < _boot()):
            return (
                f"{results(experiment)} is being made: by Snakemake, process {owner.pid} on the host "
                f"{owner.host}. Wait until it ends, or end it there. Where it runs no longer, type: "
                "snakemake --unlock --configfile FILE, with the experiment's file"
            )
    numbers = [] if owners else snakemakes(folder)
    if numbers:
        here = " ".join(map(str, numbers))
        return (
            f"{results(experiment)} is locked, and Snakemake runs in this folder: process {here}. Wait until "
            f"it ends, or end it: kill {here}"
        )
    return None


def _boot() -> float:
    """When this machine started, in seconds since 1970: no process lives that wrote before."""
    with suppress(OSError):
        if found := re.search(r"^btime (\d+)$", Path("/proc/stat").read_text(), re.MULTILINE):
            return float(found[1])
    return 0.0


def snakemakes(folder: Path) -> list[int]:
    """This machine's processes that run Snakemake in a folder and lock it, their children left out."""
    found: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # ended while we look, or not ours to look at
            words = (process / "cmdline").read_text(errors="replace").split("\0")
            runs = any(Path(word).name == "snakemake" for word in words[:4])
            locks = not {"--nolock", "--dry-run", "-n", "--unlock"}.intersection(words)
            python = "python" in Path(os.readlink(process / "exe")).name
            if runs and locks and python and Path(os.readlink(process / "cwd")) == folder.resolve():
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                found[int(process.name)] = int(parent)
    return sorted(pid for pid, parent in found.items() if parent not in found)
