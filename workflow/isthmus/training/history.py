"""Losses, tokens and seconds of each update of a run."""

import time

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import TrainingFailed
from isthmus.training.step import Objective

FLUSH = 50  # updates between two looks at the losses: each look waits for the device
COLUMNS = {"loss": np.float64, "tokens": np.int64, "seconds": np.float64}


def empty() -> dict[str, np.ndarray]:
    """That of a run at step 0."""
    return {name: np.empty(0, kind) for name, kind in COLUMNS.items()}


class History:
    """The history of a run that goes on; losses stay on the device until `flush`.

    Args:
        past: the columns up to the step where training goes on.
        objective: for the message where a loss is not finite.
    """

    def __init__(self, past: dict[str, np.ndarray], objective: Objective):
        self.past, self.objective = past, objective
        self.losses: list[Tensor] = []
        self.counts: list[int] = []
        self.start_clock()

    def start_clock(self) -> None:
        """What went before is no time of the updates that follow."""
        self.began = time.monotonic()

    def add(self, step: int, loss: Tensor, tokens: int) -> None:
        """Note the update that led to a step."""
        self.losses.append(loss)
        self.counts.append(tokens)
        if len(self.losses) >= FLUSH:
            self.flush()

    def flush(self) -> dict[str, np.ndarray]:
        """Fetch the losses, and return the whole history.

        Raises:
            errors.TrainingFailed: a loss is not finite.
        """
        if self.losses:
            losses = torch.stack(self.losses).double().cpu().numpy()
            self._check_finite(losses)
            seconds = (time.monotonic() - self.began) / len(losses)
            new = {"loss": losses, "tokens": np.array(self.counts), "seconds": np.full(len(losses), seconds)}
            self.past = {name: np.concatenate([self.past[name], new[name]]) for name in COLUMNS}
            self.losses, self.counts = [], []
        self.start_clock()
        return self.past

    def _check_finite(self, losses: np.ndarray) -> None:
        if np.isfinite(losses).all():
            return
        first = int(np.flatnonzero(~np.isfinite(losses))[0])
        t = len(self.past["loss"]) + first
        raise TrainingFailed(
            f"the loss of the update from step {t} to {t + 1} is {losses[first]}, not a finite number; its "
            f"learning rate was {self.objective.recipe.rate_at(t):.3g}, its batch the rows "
            f"{self.objective.rows(t)}. A lower learning_rate or a longer warmup_steps is what usually helps"
        )
