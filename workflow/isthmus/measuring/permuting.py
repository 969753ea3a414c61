"""Orders of a model's units: which ones are best, and weights as they are with their units in another order.

An order is an array of indices: unit i of the reordered model is unit `order[i]` of the original.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from isthmus.models.units import (
    ATTENTION,
    BY_HEAD,
    CONTEXT,
    EMBEDDING,
    KEY,
    QUERY,
    RESIDUAL,
    VALUE,
    Axis,
    Heads,
    Units,
)
from isthmus.space.anchors import Weights

Orders = Mapping[str, np.ndarray]  # by group; a group that is absent stays as it is


def assignment(similarity: np.ndarray) -> np.ndarray:
    """The order of the second's units that makes the sum of similarities largest (Hungarian method).

    Args:
        similarity: of each unit of the first (row) with each of the second, shape (units, units).
    """
    return linear_sum_assignment(similarity, maximize=True)[1]


@dataclass(frozen=True)
class HeadOrders:
    """An order of the heads of a block: of groups that share a key, of heads in each, of units in each head.

    Attributes:
        groups: shape (groups,).
        repeats: of the heads of a group, shape (groups, repeats).
        inner: of query and key within a head, shape (groups, width).
        outer: of value and context within a head, shape (groups, width).
    """

    groups: np.ndarray
    repeats: np.ndarray
    inner: np.ndarray
    outer: np.ndarray

    def orders(self, layer: int) -> dict[str, np.ndarray]:
        """Those of the four groups of a block."""
        (count, repeats), width = self.repeats.shape, self.inner.shape[1]
        heads = self.groups[:, None] * repeats + self.repeats  # (groups, repeats)

        def shared(own: np.ndarray) -> np.ndarray:
            return (self.groups[:, None] * width + own).ravel()

        def by_head(own: np.ndarray) -> np.ndarray:
            return (heads[:, :, None] * width + own[:, None, :]).reshape(count * repeats * width)

        found = {QUERY: by_head(self.inner), KEY: shared(self.inner)}
        found |= {VALUE: shared(self.outer), CONTEXT: by_head(self.outer)}
        return {f"{name} {layer}": order for name, order in found.items()}


def match_heads(heads: Heads, similar: Mapping[str, np.ndarray]) -> HeadOrders:
    """The order of the heads of a block that makes the sum of similarities largest.

    Each group of heads of the first is tried with each of the second, at its best order within; then groups
    are assigned. Of grouped queries the order of heads in a group is chosen first, then that of its units.

    Args:
        similar: of `ATTENTION`, each of the first's units (rows) with each of the second's.
    """
    groups, repeats, width = heads.groups, heads.repeats, heads.width
    query, context = (
        similar[name].reshape(groups, repeats, width, groups, repeats, width) for name in (QUERY, CONTEXT)
    )
    key, value = (similar[name].reshape(groups, width, groups, width) for name in (KEY, VALUE))
    scores = np.empty((groups, groups))
    tried: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for i in range(groups):
        for j in range(groups):
            own = tried[i, j] = _within(
                heads, query[i, :, :, j], key[i, :, j], value[i, :, j], context[i, :, :, j]
            )
            order, inner, outer = own
            at = np.arange(width)
            scores[i, j] = key[i, at, j, inner].sum() + value[i, at, j, outer].sum()
            for r, s in enumerate(order):
                scores[i, j] += query[i, r, at, j, s, inner].sum() + context[i, r, at, j, s, outer].sum()
    chosen = assignment(scores)
    parts = [tried[i, j] for i, j in enumerate(chosen)]
    return HeadOrders(chosen, *(np.stack([part[place] for part in parts]) for place in range(3)))


def _within(heads: Heads, query, key, value, context) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best order of one group's heads, and of the units of query and key, and of value and context."""
    same = np.arange(heads.width)
    order = np.zeros(1, dtype=np.int64)
    if heads.repeats > 1:
        pairs = np.array(
            [
                [
                    np.trace(query[r, :, s]) + context[r, :, s][same, assignment(context[r, :, s])].sum()
                    for s in range(heads.repeats)
                ]
                for r in range(heads.repeats)
            ]
        )
        order = assignment(pairs)
    both, fixed = key + sum(query[r, :, s] for r, s in enumerate(order)), heads.rotary
    inner = np.concatenate([same[:fixed], fixed + assignment(both[fixed:, fixed:])])
    outer = assignment(value + sum(context[r, :, s] for r, s in enumerate(order)))
    return order, inner, outer


def order_of(axis: Axis, orders: Orders, heads: Heads) -> np.ndarray | None:
    """The order of a tensor's axis; None where it stays as it is."""
    if axis is None:
        return None
    if isinstance(axis, str):
        return orders.get(axis)
    by_head, groups = axis[0] == BY_HEAD, [own for own in axis if own != BY_HEAD]
    if not any(own in orders for own in groups):
        return None
    parts, begin = [], 0
    for own in groups:
        size = heads.width * heads.groups * (heads.repeats if own.startswith(QUERY) else 1)
        parts.append(orders.get(own, np.arange(size)) + (0 if by_head else begin))
        begin += size
    if not by_head:
        return np.concatenate(parts)
    # Within each head the three follow each other, so that a unit's place depends on its head.
    width, count = heads.width, len(groups)
    places = [(own // width * count + place) * width + own % width for place, own in enumerate(parts)]
    return np.stack([own.reshape(-1, width) for own in places], axis=1).ravel()


class Reordered(Mapping):
    """Weights with their units in another order, each tensor when it is asked for."""

    def __init__(self, weights: Weights, units: Units, orders: Orders):
        self.weights, self.units = weights, units
        self.orders = {name: own for name, own in orders.items() if (own != np.arange(len(own))).any()}

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.weights[name]
        for place, axis in enumerate(self.units.axes[name]):
            order = order_of(axis, self.orders, self.units.heads)
            if order is not None:
                tensor = tensor.index_select(place, torch.from_numpy(order).to(tensor.device))
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def matched(units: Units, similar: Callable[[str], np.ndarray], group: str | int) -> dict[str, np.ndarray]:
    """The best orders of one group of units, or of the heads of a block.

    Args:
        similar: gives the similarities of a group's units.
        group: by name; a number: the heads of that block.
    """
    if isinstance(group, str):
        return {group: assignment(similar(group))}
    return match_heads(units.heads, {name: similar(f"{name} {group}") for name in ATTENTION}).orders(group)


def free(units: Units) -> list[str | int]:
    """What can be put in another order, each by itself: groups by name, and the heads of blocks by number."""
    names = [name for name in units.sizes if name.split(" ")[0] not in ATTENTION]
    return [*names, *units.layers]


# -------------------------------------------------------------------------------------------- by the weights


def by_weights(units: Units, a: Weights, b: Weights, seed: int, sweeps: int = 100) -> dict[str, np.ndarray]:
    """Orders of `b`'s units that bring its weights nearest to `a`'s (Ainsworth et al. 2023, Algorithm 1).

    Coordinate descent: one group after the other in an order that is drawn anew for each sweep, given all
    others, until a sweep brings them no nearer. The stream comes first, by what is not reordered besides (the
    words): groups that were fitted to a stream in the wrong order would hold it there.
    """
    random, orders = np.random.default_rng(seed), {}
    groups = sorted(free(units), key=lambda group: (EMBEDDING, RESIDUAL, group).index(group))
    best: tuple[float, dict[str, np.ndarray]] = (-np.inf, {})
    for sweep in range(sweeps):
        first = [group for group in groups if group in (EMBEDDING, RESIDUAL)] if sweep == 0 else []
        rest = [group for group in groups if group not in first]
        for group in [*first, *(rest[place] for place in random.permutation(len(rest)))]:
            orders |= matched(units, partial(similarity_of_weights, units, a, b, orders), group)
        value = nearness(units, a, b, orders)
        if not value > best[0]:
            break
        best = value, dict(orders)
    return best[1]


def nearness(units: Units, a: Weights, b: Weights, orders: Orders) -> float:
    """The inner product of `a`'s weights with `b`'s in an order."""
    reordered = Reordered(b, units, orders)
    return sum(float((a[name].double() * reordered[name].double()).sum()) for name in units.axes)


def similarity_of_weights(units: Units, a: Weights, b: Weights, orders: Orders, group: str) -> np.ndarray:
    """Inner products of the weights of each of a group's units in `a` with those in `b`, others reordered.

    Tensors whose other units have no order yet say nothing.
    """
    total: np.ndarray | float = 0.0
    for name, axes in units.axes.items():
        for place, axis in enumerate(axes):
            if group != axis and not (isinstance(axis, tuple) and group in axis):
                continue
            if any(_unknown(own, orders) for other, own in enumerate(axes) if other != place):
                continue
            first, second = a[name].double(), b[name].double()
            for other, own in enumerate(axes):
                order = None if other == place else order_of(own, orders, units.heads)
                if order is not None:
                    second = second.index_select(other, torch.from_numpy(order))
            rows = [_rows(tensor, place, axis, group, units.heads) for tensor in (first, second)]
            total = total + (rows[0] @ rows[1].T).numpy()
    return np.asarray(total)


def _unknown(axis: Axis, orders: Orders) -> bool:
    groups = (axis,) if isinstance(axis, str) else axis or ()
    return any(group not in orders for group in groups if group != BY_HEAD)


def _rows(tensor: Tensor, place: int, axis: Axis, group: str, heads: Heads) -> Tensor:
    """A tensor as a matrix of a group's units, an axis of it or a part of one; shape (units, -1)."""
    tensor = tensor.movedim(place, 0)
    rows = tensor.reshape(tensor.shape[0], -1)
    if isinstance(axis, str):
        return rows
    groups = [own for own in axis if own != BY_HEAD]
    if axis[0] == BY_HEAD:
        by_head = rows.reshape(-1, len(groups), heads.width, rows.shape[1])
        return by_head[:, groups.index(group)].reshape(-1, rows.shape[1])
    return rows.chunk(len(groups))[groups.index(group)]
