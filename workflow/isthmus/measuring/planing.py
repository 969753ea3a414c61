"""One job: some rows of a grid on the plane through three checkpoints."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.tokens import Tokens
from isthmus.errors import MismatchedEnds
from isthmus.machine.numerics import Numerics
from isthmus.measuring.distances import CHUNK
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.engine import Engine
from isthmus.measuring.interpolation import write_rows
from isthmus.measuring.known import SAMPLER_SET, Known
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.geometries import Plane, mean
from isthmus.space.points import Point, at
from isthmus.tasks.scored import scored

CORNERS = ("a", "b", "c")


def distance(a: Weights, b: Weights, names: Sequence[str]) -> float:
    """The L2 distance of two models over some of their tensors, summed in float64."""
    total = 0.0
    for name in names:
        flat = a[name].flatten(), b[name].flatten()
        for begin in range(0, len(flat[0]), CHUNK):
            u, v = (own[begin : begin + CHUNK].double() for own in flat)
            total += float(((u - v) ** 2).sum())
    return float(np.sqrt(total))


def axes(plane: Plane, resolution: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """The x and y of a grid that holds the anchors, with a margin on each side as a share of the span."""
    spans = ((0.0, plane.ab, plane.c_x), (0.0, plane.c_y))
    ends = [(min(own), max(own)) for own in spans]
    x, y = (
        np.linspace(low - margin * (high - low), high + margin * (high - low), resolution)
        for low, high in ends
    )
    return x, y


class MeasuredPlane:
    """The plane through three checkpoints.

    Args:
        ends: the checkpoints, of any steps.
        examples: on which the loss is measured.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the folder of the cell's planes in the journal.

    Raises:
        MismatchedEnds: they differ in architecture.
    """

    def __init__(self, ends: Sequence[End], examples: Tokens, budget: int, numerics: Numerics, journal: Path):
        for end in ends[1:]:
            check_same_architecture(ends[0], end)
        self.ends, self.examples = ends, examples
        self.task = scored({SAMPLER_SET: examples}, ends[0].folder, numerics)
        self.engine = Engine(ends[0], {SAMPLER_SET: examples}, budget, self.task)
        self.known = Known(self.engine, journal.parent, journal.name, "plane")

    def opened(self) -> Plane:
        """Read the three models; the plane, by their distances over all tensors that move."""
        read = [self.known.reader.weights(end) for end in self.ends]
        for end, own in zip(self.ends[1:], read[1:], strict=True):
            check_same_space(read[0], own, (str(self.ends[0].folder), str(end.folder)))
        self.weights = {end.anchor: own for end, own in zip(self.ends, read, strict=True)}
        names = [name for name in self.engine.live.moving if torch.is_floating_point(read[0][name])]
        ab, ac, bc = (distance(*pair, names) for pair in combinations(read, 2))
        try:
            return Plane.through(tuple(end.anchor for end in self.ends), ab, ac, bc)
        except ValueError as error:
            folders = ", ".join(str(end.folder) for end in self.ends)
            raise MismatchedEnds(f"no plane passes through {folders}: {error}") from None

    def measured(self, point: Point) -> dict[str, Any]:
        """Loss and error at a point, and the number of examples."""
        found = self.known.measured(SAMPLER_SET, point, lambda: self.weights)
        record = self.task.record(found, self.examples)
        return {"loss": record.loss, "error": record.error, "n": len(self.examples)}


def measure_plane(
    *, plane: MeasuredPlane, resolution: int, margin: float, rows: Sequence[int], labels: dict[str, Any],
    out: Path,
) -> None:  # fmt: skip
    """One job: some rows of a plane's grid, and with the first of them its anchors and their mean.

    Args:
        plane: through three checkpoints.
        resolution: points of the grid along each axis.
        margin: around the anchors, as a share of their span.
        rows: which ones, by their places along y.
        labels: written to each row of the file.
        out: Parquet, a row a point: the labels, `place` (`grid`, `a`, `b`, `c`, `mean`), `x, y` in units of
            weight space, `loss, error, n`.

    Raises:
        MismatchedEnds: the three lie on one line, or differ.
        errors.Damaged: a checkpoint is damaged.
    """
    geometry = plane.opened()
    xs, ys = axes(geometry, resolution, margin)
    points = [("grid", x, ys[row], geometry.at(x, ys[row])) for row in rows for x in xs]
    if 0 in rows:
        anchors = [end.anchor for end in plane.ends]
        corners = [(0.0, 0.0), (geometry.ab, 0.0), (geometry.c_x, geometry.c_y)]
        points += [
            (name, *place, at(anchor)) for name, place, anchor in zip(CORNERS, corners, anchors, strict=True)
        ]
        points.append(("mean", *np.mean(corners, axis=0), mean(anchors)))
    with plane.known.job():
        found = [
            {**labels, "place": name, "x": float(x), "y": float(y), **plane.measured(point)}
            for name, x, y, point in points
        ]
    write_rows(found, out)
