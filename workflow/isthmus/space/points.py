"""A point of weight space: coefficients over anchors, for each group of tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

from isthmus.caches.identity import Anchor
from isthmus.space.groups import ALL, MATCH, groups_of, holds, larger_groups


@dataclass(frozen=True)
class Point:
    """`sum_i coefficients_i * anchors_i`, which a tensor takes from the smallest group of it that is named.

    Attributes:
        anchors: the first one also gives the buffers and the integer tensors.
        coefficients: pairs of a group's name (see `groups.groups_of`) and its coefficients, one an anchor;
            the first pair is that of `groups.ALL`.

    Made by `point`, which gives a place one form, and so one key, in whatever order its groups are named.
    """

    anchors: tuple[Anchor, ...]
    coefficients: tuple[tuple[str, tuple[float, ...]], ...]

    def of(self, tensor: str) -> tuple[float, ...]:
        """The coefficients of a tensor, by its name."""
        if len(self.coefficients) == 1:
            return self.coefficients[0][1]
        named = dict(self.coefficients)
        for group, own in self.coefficients:
            if group.startswith(MATCH) and holds(group, tensor):
                return own
        return next(named[group] for group in reversed(groups_of(tensor)) if group in named)


def point(
    anchors: Sequence[Anchor],
    coefficients: Sequence[float],
    groups: Mapping[str, Sequence[float]] | None = None,
) -> Point:
    """A point in its one form: no anchor without weight, no group that moves as the larger one does.

    Args:
        anchors: the corners.
        coefficients: of all tensors, one an anchor.
        groups: those of some groups of tensors, in the place of these.

    Raises:
        ValueError: another number of coefficients than of anchors, or they do not add up to 1.
    """
    named = {ALL: tuple(coefficients), **{name: tuple(own) for name, own in (groups or {}).items()}}
    for name, own in named.items():
        if len(own) != len(anchors) or not isclose(sum(own), 1, abs_tol=1e-9):
            raise ValueError(
                f"{name}: found the coefficients {own}; allowed: {len(anchors)}, which add up to 1"
            )
    # In the order of names, which puts a block before its halves.
    for name in sorted(named.keys() - {ALL}):
        own = named.pop(name)
        if own != next(named[larger] for larger in reversed(larger_groups(name)) if larger in named):
            named[name] = own
    used = [i for i in range(len(anchors)) if any(own[i] for own in named.values())]
    return Point(
        tuple(anchors[i] for i in used),
        tuple((name, tuple(float(own[i]) for i in used)) for name, own in named.items()),
    )


def at(anchor: Anchor) -> Point:
    """The anchor itself."""
    return point([anchor], [1.0])
