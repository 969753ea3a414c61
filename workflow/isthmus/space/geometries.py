"""Where in weight space to look: anchors, and one function from a position to a point.

Each path has `at(t)`, with t in [0, 1], which begins at its first anchor and ends at its last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np

from isthmus.caches.identity import Anchor
from isthmus.space.points import Point, point


@dataclass(frozen=True)
class Line:
    """The straight line from `a` to `b`."""

    a: Anchor
    b: Anchor

    def at(self, alpha: float) -> Point:
        return point((self.a, self.b), (1 - alpha, alpha))


@dataclass(frozen=True)
class Layers:
    """The line in some groups of tensors alone; all others stay at `a`. From `b`: with the two exchanged."""

    a: Anchor
    b: Anchor
    groups: tuple[str, ...]

    def at(self, alpha: float) -> Point:
        return point((self.a, self.b), (1.0, 0.0), dict.fromkeys(self.groups, (1 - alpha, alpha)))


def bezier(t: float, bends: int) -> list[float]:
    """The coefficients of the ends and the bends between them on a Bézier curve: Bernstein's polynomials."""
    n = bends + 1
    return [comb(n, i) * t**i * (1 - t) ** (n - i) for i in range(n + 1)]


def polychain(t: float, bends: int) -> list[float]:
    """The same on straight lines from each to the next, in equal parts of t."""
    n = bends + 1
    part = min(int(t * n), n - 1)
    share = t * n - part
    return [1 - share if i == part else share if i == part + 1 else 0.0 for i in range(n + 1)]


CHORDS = 1200  # of a curve whose length is asked for; polychains bend at multiples of a half and a third
CURVES = {"bezier": bezier, "polychain": polychain}


@dataclass(frozen=True)
class Curve:
    """The curve of a kind from its first anchor to its last, through or towards the bends between them."""

    kind: str
    anchors: tuple[Anchor, ...]

    def at(self, t: float) -> Point:
        return point(self.anchors, CURVES[self.kind](t, len(self.anchors) - 2))

    def relative_length(self, products: np.ndarray) -> float:
        """The length of the curve over that of the line between its ends; NaN where these are one.

        Args:
            products: inner products of the anchors from any origin, shape (anchors, anchors).
        """
        bends = len(self.anchors) - 2
        places = np.array([CURVES[self.kind](t, bends) for t in np.linspace(0, 1, CHORDS + 1)])
        squares = np.einsum("ti,ij,tj->t", steps := np.diff(places, axis=0), products, steps)
        line = places[-1] - places[0]
        straight = line @ products @ line
        if straight <= 0:
            return float("nan")
        return float(np.sqrt(np.clip(squares, 0, None)).sum() / np.sqrt(straight))


@dataclass(frozen=True)
class Plane:
    """The plane through three anchors, in coordinates of which one unit is one unit of weight space.

    `a` is the origin, the x axis points to `b`, and `c` lies on the side of positive y.

    Attributes:
        ab: the distance from `a` to `b`.
        c_x, c_y: where `c` is.
    """

    a: Anchor
    b: Anchor
    c: Anchor
    ab: float
    c_x: float
    c_y: float

    @classmethod
    def through(cls, anchors: tuple[Anchor, Anchor, Anchor], ab: float, ac: float, bc: float) -> "Plane":
        """The plane through three anchors with these distances between them.

        ValueError: they lie on one line.
        """
        c_x = (ab**2 + ac**2 - bc**2) / (2 * ab) if ab > 0 else 0.0
        height = ac**2 - c_x**2
        if ab <= 0 or height <= 1e-12 * ac**2:
            raise ValueError(f"distances {ab}, {ac}, {bc}; allowed: three anchors that are on no one line")
        return cls(*anchors, ab, c_x, sqrt(height))

    def at(self, x: float, y: float) -> Point:
        of_c = y / self.c_y
        of_b = (x - of_c * self.c_x) / self.ab
        return point((self.a, self.b, self.c), (1 - of_b - of_c, of_b, of_c))


def mean(anchors: Sequence[Anchor], counts: Sequence[int] | None = None) -> Point:
    """The mean of N anchors, or one in which each counts as often as `counts` says (a greedy soup)."""
    counts = [1] * len(anchors) if counts is None else counts
    return point(anchors, [count / sum(counts) for count in counts])
