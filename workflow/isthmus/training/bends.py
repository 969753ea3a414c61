"""Bends of a curve between two checkpoints: weights trained so that the loss along the curve is small.

Garipov et al. (2018): the mean of the loss at phi(t), t uniform in [0, 1], over curves whose ends are the two
checkpoints and whose inner control points, the bends, are trained. An update draws one t, a function of seed
and step, so that a run that was cut anywhere ends in the same bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from isthmus import hashing
from isthmus.space.anchors import Weights, combine

Coefficients = Callable[[float], Sequence[float]]


class Bends(nn.Module):
    """The bends of a curve, and one live model that is put at a point of it for each update.

    Args:
        live: the model of the first end, in training mode. Its weights are overwritten.
        ends: the weights of the two checkpoints, read where they are combined.
        count: how many bends; they begin at equal distances on the line.
        coefficients: of the first end, each bend and the second end, at t.
        seed: draws the t of each update.

    Parameters are those of the bends alone, named `bend1.<tensor>` and so on.
    """

    def __init__(
        self,
        live: nn.Module,
        ends: tuple[Weights, Weights],
        count: int,
        coefficients: Coefficients,
        seed: int,
    ):
        super().__init__()
        self._live, self._ends = (live,), ends  # in a tuple: the live model's parameters are not trained
        self._coefficients, self._seed = coefficients, seed
        self._moving = dict(live.named_parameters())  # tied weights once
        for bend in range(1, count + 1):
            own = nn.Module()
            for name, tensor in self._moving.items():
                start = torch.empty_like(tensor)
                alpha = bend / (count + 1)
                combine((1 - alpha, alpha), [end[name] for end in ends], start)
                own.register_parameter(_key(name), nn.Parameter(start))
            self.add_module(f"bend{bend}", own)

    def weights(self) -> list[dict[str, Tensor]]:
        """Those of each bend, by the names of the model's tensors."""
        return [{name: own.get_parameter(_key(name)) for name in self._moving} for own in self.children()]

    @contextmanager
    def at_step(self, step: int) -> Iterator[nn.Module]:
        """The live model at the point of an update; its gradients become the bends' when the block ends."""
        coefficients = self._coefficients(position(self._seed, step))
        bends = self.weights()
        with torch.no_grad():
            for name, tensor in self._moving.items():
                points = [self._ends[0][name], *(bend[name] for bend in bends), self._ends[1][name]]
                combine(coefficients, points, tensor)
        yield self._live[0]
        for name, tensor in self._moving.items():
            if tensor.grad is not None:  # what takes no part in the loss has none
                *first, (share, last) = zip(coefficients[1:-1], bends, strict=True)
                for other, bend in first:
                    bend[name].grad = tensor.grad * other
                last[name].grad = tensor.grad.mul_(share)  # no further one of its size
            tensor.grad = None


def position(seed: int, step: int) -> float:
    """The t of an update, uniform in [0, 1)."""
    return float(np.random.Generator(np.random.Philox(hashing.seed("curve", seed, step))).random())


def _key(name: str) -> str:
    """A tensor's name as that of a parameter, which has no dots."""
    return name.replace(".", "/")


def named(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The bends in the tensors of a state, each by the names of the model's tensors."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        bend, _, own = name.partition(".")
        found.setdefault(bend, {})[own.replace("/", ".")] = tensor
    return [found[bend] for bend in sorted(found)]
