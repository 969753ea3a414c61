"""How far two checkpoints are from each other and from where each began, in weight units."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from isthmus.errors import MismatchedEnds
from isthmus.space.anchors import Weights

DISTANCES = ("distance", "distance_a", "distance_b", "cosine")
# How many weights are turned to float64 at once: a large tensor's differences never stand in memory whole.
CHUNK = 2**15

Start = tuple[str, torch.Tensor | None, torch.Tensor | None]


def distances(a: Weights, b: Weights, starts: Iterable[Start], device: str = "cpu") -> dict[str, np.ndarray]:
    """How far two checkpoints are from each other and each from where it began, over some of their tensors.

    Args:
        a, b: weights by name.
        starts: where `a` and where `b` began: names and two tensors one after the other, those to compare;
            None in the place of tensors that are not known.
        device: where the sums are taken.

    Returns:
        `distance` between the ends, `distance_a` and `distance_b` each from its own start (L2, in weight
        units), and the `cosine` of the two updates, NaN where one of them is 0 or where the two starts
        differ; float64 scalars. Where the starts are not known, all but the first are NaN.
    """
    between, from_a, from_b, inner = 0.0, 0.0, 0.0, 0.0
    for name, start_a, start_b in starts:
        own_a, own_b = a[name], b[name]
        if not own_a.is_floating_point():
            continue
        if any(start is not None and start.shape != own_a.shape for start in (start_a, start_b)):
            raise MismatchedEnds(
                f"no line joins a run's end and its start: 1 tensors differ, first {name}; "
                "allowed: the same names, shapes and types in both"
            )
        one = start_a is not None and (start_a is start_b or torch.equal(start_a, start_b))
        for end_a, end_b, *origins in _chunks((own_a, own_b, start_a, start_b), device):
            u, v = (
                end - (np.nan if origin is None else origin)
                for end, origin in zip((end_a, end_b), origins, strict=True)
            )
            apart = u - v if one else end_a - end_b
            between += float((apart**2).sum())
            from_a += float((u**2).sum())
            from_b += float((v**2).sum())
            inner += float((u * v).sum()) if one else np.nan  # updates of two bodies have no common origin
    norms = np.sqrt(from_a) * np.sqrt(from_b)
    cosine = inner / norms if norms > 0 else np.nan
    values = (np.sqrt(between), np.sqrt(from_a), np.sqrt(from_b), cosine)
    return {name: np.array(value, np.float64) for name, value in zip(DISTANCES, values, strict=True)}


def _chunks(tensors: tuple[torch.Tensor | None, ...], device: str) -> Iterator[list[torch.Tensor | None]]:
    """Tensors of one shape, a part of each at a time, in float64; None stays None."""
    for begin in range(0, tensors[0].numel(), CHUNK):
        yield [
            None if tensor is None else tensor.flatten()[begin : begin + CHUNK].to(device).double()
            for tensor in tensors
        ]
