"""The weights of ends, as they are read and checked."""

import os
from pathlib import Path

import numpy as np
from torch import Tensor

from isthmus import stored
from isthmus.errors import Damaged
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End
from isthmus.measuring.permuting import Reordered
from isthmus.models import hf_folders
from isthmus.models.configurations import stated_config
from isthmus.models.units import Units, units
from isthmus.space.anchors import Weights, hold, mapped, placed


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
