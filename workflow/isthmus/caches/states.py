"""The cache of training states: by content, outside the DAG. Losing it costs time, never a result.

A run's folder holds `step<t>-<identity>-<sha256>.safetensors`: weights, Adam's moments and the history up
to step t, written to a temporary name, flushed and renamed, so that a name stands for whole contents.
`identity` is the key of the run (recipe, data, start, numerics), so that a state is never used for another
one. Beside its states stand the run's lock (`locks`) and what its processes did (`attempts`).
"""

import json
import os
import re
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from safetensors import safe_open
from torch import Tensor

from isthmus import hashing
from isthmus.machine.failures import naming_full_disk
from isthmus.machine.numerics import Numerics

STATE = re.compile(r"step(\d+)-([0-9a-f]{16})-([0-9a-f]{64})\.safetensors")
PLATFORMS = "platforms"  # the metadata of a state's file
UNKNOWN = "unknown"  # of a state that an earlier version wrote


@dataclass(frozen=True)
class Platforms:
    """The kinds of hardware and the versions of PyTorch that computed a run so far, each in order, each once.

    Bits are the same on one kind of device and one PyTorch; a run that goes on elsewhere is the same run,
    and says so.
    """

    hardware: tuple[str, ...] = ()
    torch: tuple[str, ...] = ()

    def and_then(self, numerics: Numerics) -> "Platforms":
        """Those of a run that goes on here."""
        return Platforms(
            tuple(dict.fromkeys((*self.hardware, numerics.hardware))),
            tuple(dict.fromkeys((*self.torch, numerics.torch))),
        )


def platforms(path: Path) -> Platforms:
    """What a state's file says of where its run was computed; of an earlier version's state: unknown."""
    with safe_open(path, "pt") as file:
        recorded = (file.metadata() or {}).get(PLATFORMS)
    if recorded is None:
        return Platforms((UNKNOWN,), (UNKNOWN,))
    return Platforms(**{name: tuple(values) for name, values in json.loads(recorded).items()})


def _states(folder: Path) -> list[tuple[int, str, str, Path]]:
    """The states of a folder as (step, identity, SHA-256, path), latest step first."""
    matches = ((STATE.fullmatch(path.name), path) for path in folder.glob("step*.safetensors"))
    return sorted(((int(m[1]), m[2], m[3], path) for m, path in matches if m), reverse=True)


def newest(folder: Path, identity: str, end: int) -> tuple[int, Path] | None:
    """The latest whole state of a run at or before step `end`: its step and path, or None.

    A state whose bytes do not fit its name is named on standard output and deleted, and the one before it is
    looked at.
    """
    for step, owner, sha256, path in _states(folder):
        if step > end or owner != identity[:16]:
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
    return any(owner != identity[:16] for _, owner, _, _ in _states(folder))


def save(folder: Path, identity: str, step: int, tensors: dict[str, Tensor], platforms: Platforms) -> Path:
    """Write a state, flushed to disk, under its content's name.

    Args:
        folder: the run's.
        identity: the run's key.
        step: updates made.
        tensors: weights, moments and history by name.
        platforms: where the run was computed so far.

    Raises:
        DiskFull: there is no room; nothing is left of the attempt, and earlier states are whole.
    """
    temporary = folder / f".saving-{uuid.uuid4().hex}.tmp"
    consequence = (
        f"the state of step {step} could not be saved in {folder}; the earlier state is whole. Make room and "
        "run again: training goes on from it"
    )
    try:
        with naming_full_disk(consequence):
            folder.mkdir(parents=True, exist_ok=True)
            safetensors.torch.save_file(tensors, temporary, {PLATFORMS: json.dumps(asdict(platforms))})
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
    for other, owner, _, path in _states(folder):
        earlier = owner == identity[:16] and other < step and other not in keep
        foreign = owner != identity[:16] and not keep
        if earlier or foreign:
            path.unlink(missing_ok=True)
    for leftover in folder.glob(".saving-*.tmp"):  # of killed processes: we hold the lock
        leftover.unlink(missing_ok=True)
