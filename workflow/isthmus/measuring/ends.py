"""The ends of a path: two checkpoints of one architecture."""

from dataclasses import dataclass
from pathlib import Path

from isthmus.caches.identity import Anchor
from isthmus.errors import MismatchedEnds
from isthmus.models import architectures


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
