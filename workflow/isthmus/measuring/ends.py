"""The ends of a path: two checkpoints of one architecture, and their weights as they are read."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from isthmus import hashing, stored
from isthmus.caches.identity import FACTORS, MERGED, Adapter, Aligned, Anchor
from isthmus.errors import Damaged, MismatchedEnds
from isthmus.experiment import adapter_folders
from isthmus.machine.numerics import Numerics
from isthmus.measuring.permuting import Reordered
from isthmus.models import architectures, hf_folders
from isthmus.models.configurations import stated_config
from isthmus.models.units import Units, units
from isthmus.space.anchors import Weights, hold, mapped, placed


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


class Reader:
    """Reads the weights of ends, and notices where a file is written over while they are measured.

    Args:
        numerics: where weights are to be; None: as their files are, mapped.
    """

    def __init__(self, numerics: Numerics | None):
        self.numerics = numerics
        self._read: dict[Path, os.stat_result] = {}
        self._bases: dict[Path, Weights] = {}
        self._checked: set[tuple[Path, str]] = set()

    def weights(self, end: End) -> Weights:
        """An end's weights, checked against the hash under which they are measured."""
        path = self._noted(end.folder)
        hf_folders.check_weights(end.folder, end.sha256)
        if end.base:
            self._check_base(end)
        if not end.merged:
            held = self._held(path)
            return held if end.alignment is None else _reordered(end, held)
        from isthmus.models import adapters  # PEFT is of no use to whole models

        if end.base not in self._bases:
            self._bases[end.base] = self._held(hf_folders.weights_file(end.base))
        return adapters.Merged(self._bases[end.base], end.folder, self._placed)

    def _check_base(self, end: End) -> None:
        """Check what an end adapts, once for all ends of it."""
        if (end.base, end.anchor.base) not in self._checked:
            self._noted(end.base)
            hf_folders.check_base(end.folder)
            self._checked.add((end.base, end.anchor.base))

    def _noted(self, folder: Path) -> Path:
        path = hf_folders.weights_file(folder)
        self._read[path] = path.stat()
        return path

    def _held(self, path: Path) -> Weights:
        return mapped(path) if self.numerics is None else hold(path, self.numerics)

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor if self.numerics is None else placed(tensor, self.numerics)

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


def units_of(end: End, weights: Weights) -> Units:
    """The units of a checkpoint; errors as of `units.units`."""
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    return units(str(end.folder), stated_config(end.opens), shapes)


def _reordered(end: End, weights: Weights) -> Weights:
    orders = {name: own.astype(np.int64) for name, own in stored.read_arrays(end.alignment).items()}
    return Reordered(weights, units_of(end, weights), orders)


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
