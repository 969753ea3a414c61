"""A loss function of your own along a path, measured at few alphas: its gaps, and how exact they are."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np

from isthmus.experiment.config import Paths
from isthmus.metrics import Gap, barrier_height, convexity_gap
from isthmus.space.sampling import MIDDLE, Adaptive, GapErrors, gap_errors, replay, start_grid

_DEFAULTS = Paths()


@dataclass(frozen=True)
class Sampled:
    """A measured curve and its gaps, in the unit of the losses.

    Attributes:
        alphas, losses: float64 (n,), alphas rising from 0 to 1; 0.5 is always among them.
        barrier_height, convexity_gap: of these points. More points never lower them.
        errors: by how much each may still be too small, estimated from how smooth the curve is.
        converged: whether both errors are under the tolerance; else `max_alphas` ended the search, or there
            was nothing left between two neighbouring alphas.
    """

    alphas: np.ndarray
    losses: np.ndarray
    barrier_height: Gap
    convexity_gap: Gap
    errors: GapErrors
    converged: bool


def adaptive(
    loss_at: Callable[[float], float],
    *,
    intervals: int = _DEFAULTS.intervals,
    tolerance: float = _DEFAULTS.tolerance,
    max_alphas: int = _DEFAULTS.max_alphas,
) -> Sampled:
    """Measure a curve where that tells most of its barrier height and convexity gap.

    Args:
        loss_at: the loss at an alpha from 0 to 1, a number without noise: equal alphas have equal losses. It
            is called once for each alpha, in an order that follows from the losses alone.
        intervals: equal ones to start with, 2 or more. What is narrower than one of them can be missed.
        tolerance: end once both gaps are estimated to be this exact, in the unit of the losses.
        max_alphas: how many alphas at most, more than the start takes.

    Raises:
        ValueError: an argument is out of its limits, or a loss is not finite.
    """
    if intervals != int(intervals) or intervals < 2:
        raise ValueError(f"intervals: found {intervals!r}; allowed: a whole number, 2 or more")
    if not (isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance: found {tolerance!r}; allowed: a number above 0")
    first = len({*start_grid(int(intervals)), MIDDLE})
    if max_alphas < first:
        raise ValueError(f"max_alphas: found {max_alphas!r}; allowed: {first} or more, which the start takes")
    measured: dict[float, float] = {}

    def at(alpha: float) -> float:
        loss = float(loss_at(alpha))
        if not isfinite(loss):
            raise ValueError(f"the loss at alpha {alpha} is {loss}; allowed: finite losses")
        measured[alpha] = loss
        return loss

    alphas = np.array(replay(at, Adaptive(int(intervals), tolerance, max_alphas)))
    losses = np.array([measured[alpha] for alpha in alphas.tolist()])
    errors = gap_errors(alphas, losses)
    converged = max(errors.barrier_height, errors.convexity_gap) < tolerance
    gaps = barrier_height(alphas, losses), convexity_gap(alphas, losses)
    return Sampled(alphas, losses, *gaps, errors, converged)
