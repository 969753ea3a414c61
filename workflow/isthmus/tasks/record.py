"""What measuring a point on a set leaves: losses and errors by unit, and how many predictions each has."""

from dataclasses import dataclass

import numpy as np

OUTPUTS = "outputs"  # in what is measured: what a model says of each unit, of which ensembles are made


@dataclass(frozen=True)
class Record:
    """Losses and errors by unit: an example of a classification, a block of running text.

    Attributes:
        losses: summed over the unit's predictions, in nats, float64, shape (n,).
        errors: how many of its predictions are wrong, int64, shape (n,); NaN where that is not known.
        counts: how many predictions it has, int64, shape (n,).
    """

    losses: np.ndarray
    errors: np.ndarray
    counts: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.losses) == len(self.errors) == len(self.counts):
            lengths = [len(self.losses), len(self.errors), len(self.counts)]
            raise ValueError(f"losses, errors and counts are of {lengths} units; allowed: one number of them")

    @property
    def loss(self) -> float:
        """The mean loss in nats a prediction."""
        return float(self.losses.sum() / self.counts.sum())

    @property
    def error(self) -> float:
        """The part of the predictions that is wrong."""
        return float(self.errors.sum() / self.counts.sum())
