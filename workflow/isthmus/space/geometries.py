"""Where in weight space to look: anchors, and one function from a position to a point.

Each path has `at(t)`, with t in [0, 1], which begins at its first anchor and ends at its last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

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


@dataclass(frozen=True)
class Bezier:
    """The quadratic Bézier curve from `a` to `b`, drawn towards `bend`."""

    a: Anchor
    bend: Anchor
    b: Anchor

    def at(self, t: float) -> Point:
        return point((self.a, self.bend, self.b), ((1 - t) ** 2, 2 * t * (1 - t), t**2))


@dataclass(frozen=True)
class Polychain:
    """Two straight lines, from `a` to `bend`, which is reached at t = 1/2, and on to `b`."""

    a: Anchor
    bend: Anchor
    b: Anchor

    def at(self, t: float) -> Point:
        weights = (1 - 2 * t, 2 * t, 0.0) if t <= 0.5 else (0.0, 2 - 2 * t, 2 * t - 1)
        return point((self.a, self.bend, self.b), weights)


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
