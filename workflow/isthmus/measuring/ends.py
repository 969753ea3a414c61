"""The ends of a path: two checkpoints of one architecture, by what their records say."""

from dataclasses import dataclass, replace
from pathlib import Path

from isthmus import hashing, stored
from isthmus.caches.identity import FACTORS, MERGED, Adapter, Aligned, Anchor
from isthmus.errors import MismatchedEnds
from isthmus.experiment import adapter_folders
from isthmus.models import architectures, hf_folders


@dataclass(frozen=True)
class End:
    """A checkpoint as the end of a path.

    Attributes:
        seed: of its run.
        folder: the checkpoint's.
        anchor: what it is; of an adapter also in which space.
        base: the folder of the model that it adapts; None for a whole one.
        alignment: the file of the orders in which its units are; None where they are as they were.
    """

    seed: int
    folder: Path
    anchor: Anchor
    base: Path | None = None
    alignment: Path | None = None

    @classmethod
    def read(cls, seed: int, folder: Path, space: str = MERGED) -> "End":
        """Errors are those of `architectures.anchor`; whole models have one space."""
        anchor = architectures.anchor(folder)
        if not isinstance(anchor, Adapter):
            return cls(seed, folder, anchor)
        return cls(seed, folder, replace(anchor, space=space), hf_folders.base_of(folder))

    def aligned(self, orders: Path) -> "End":
        """The same with its units in another order, from `aligning.align_pair`."""
        anchor = Aligned(self.anchor.weights, self.anchor.architecture, hashing.of_file(orders))
        return replace(self, anchor=anchor, alignment=orders)

    @property
    def plain(self) -> "End":
        """The same with its units as they were."""
        return replace(self, anchor=architectures.anchor(self.folder), alignment=None)

    @property
    def merged(self) -> bool:
        """Whether it is an adapter whose base it moves."""
        return isinstance(self.anchor, Adapter) and self.anchor.space == MERGED

    @property
    def opens(self) -> Path:
        """The folder that opens as a model which has its tensors."""
        return self.base if self.merged else self.folder

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
        MismatchedEnds: with the settings that differ, and both values (None: not stated); or two adapters are
            of two bases, or differ in their settings where their factors are combined.
    """
    _check_same_adaptation(a, b, names or (str(a.folder), str(b.folder)))
    architectures.check_same((a.folder, b.folder), (a.anchor, b.anchor), names or ())


def _check_same_adaptation(a: End, b: End, names: tuple[str, str]) -> None:
    """Raise where two adapters have no common space."""
    if not (isinstance(a.anchor, Adapter) and isinstance(b.anchor, Adapter)):
        return
    bases = a.anchor.base, b.anchor.base
    if bases[0] != bases[1]:
        found = " and ".join(
            f"{folder} ({sha[:12]})" for folder, sha in zip((a.base, b.base), bases, strict=True)
        )
        raise MismatchedEnds(
            f"no line joins {names[0]} and {names[1]}: they adapt {found}; allowed: one base"
        )
    if FACTORS in (a.anchor.space, b.anchor.space) and a.anchor.adapter != b.anchor.adapter:
        settings = [
            adapter_folders.counted(stored.read_json(e.folder / adapter_folders.CONFIG)) for e in (a, b)
        ]
        differing = [
            n for n in sorted({*settings[0], *settings[1]}) if settings[0].get(n) != settings[1].get(n)
        ]
        shown = "; ".join(f"{n}: found {settings[0].get(n)!r} and {settings[1].get(n)!r}" for n in differing)
        raise MismatchedEnds(
            f"no line joins the factors of {names[0]} and {names[1]}: {shown}; allowed: the same values in "
            "both, or `paths.spaces: [merged]`"
        )
