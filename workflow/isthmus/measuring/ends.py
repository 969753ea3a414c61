"""The ends of a path: two checkpoints of one architecture, and their weights as they are read."""

import os
from dataclasses import dataclass
from pathlib import Path

from isthmus.caches.identity import Anchor
from isthmus.errors import Damaged, MismatchedEnds
from isthmus.machine.numerics import Numerics
from isthmus.models import architectures, hf_folders
from isthmus.space.anchors import Weights, hold


@dataclass(frozen=True)
class End:
    """A checkpoint as the end of a path."""

    seed: int
    folder: Path
    anchor: Anchor

    @classmethod
    def read(cls, seed: int, folder: Path) -> "End":
        """Errors are those of `architectures.anchor`."""
        return cls(seed, folder, architectures.anchor(folder))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the weights."""
        return self.anchor.weights


class Reader:
    """Reads the weights of ends, and notices where a file is written over while they are measured."""

    def __init__(self, numerics: Numerics):
        self.numerics = numerics
        self._read: dict[Path, os.stat_result] = {}

    def weights(self, end: End) -> Weights:
        """An end's weights, checked against the hash under which they are measured."""
        path = end.folder / hf_folders.WEIGHTS
        self._read[path] = path.stat()
        hf_folders.check_weights(end.folder, end.sha256)
        return hold(path, self.numerics)

    def check_unchanged(self) -> None:
        """Raise where a file of weights was written over since it was read: what is mapped are its new bytes.

        One that was replaced or deleted is read to the end as it was.
        """
        for path, before in self._read.items():
            now = path.stat() if path.exists() else before
            same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
            if now.st_ino == before.st_ino and not same:
                raise Damaged(
                    f"{path} was written over while it was measured; call again, or delete its folder"
                )


def check_same_architecture(a: End, b: End, names: tuple[str, str] | None = None) -> None:
    """Raise where the configurations of two checkpoints make two functions of the same weights.

    Args:
        a, b: the two checkpoints.
        names: what the message calls them; by default their folders.

    Raises:
        MismatchedEnds: with the settings that differ, and both values (None: not stated).
    """
    if a.anchor.architecture == b.anchor.architecture:
        return
    # Versions of Transformers may state one architecture differently: the present one decides.
    differing = architectures.architecture(a.folder).differences(architectures.architecture(b.folder))
    if kind := differing.get("model_type"):  # all else follows from it
        differing = {"model_type": kind}
    if differing:
        first, second = names or (a.folder, b.folder)
        shown = "; ".join(f"{name}: found {old!r} and {new!r}" for name, (old, new) in differing.items())
        raise MismatchedEnds(
            f"no line joins {first} and {second}: their architectures differ in config.json, in {shown}; "
            "allowed: the same values in both"
        )
