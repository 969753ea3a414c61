"""What each update of a run is made with: examples and learning rate, as functions of seed and step."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from isthmus import hashing


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: all settings that its bits depend on; the config's documentation has each.

    Attributes:
        steps: updates until the learning rate is 0.
        batch_size: examples an update.
        learning_rate: the highest.
        warmup_steps: updates of linear warm-up.
        power: of the polynomial decay.
        betas, eps, weight_decay: AdamW's.
        dropout, attention_dropout: probabilities.
        vary: what a seed varies, of head, order and dropout.
        fork_at: updates that all seeds make as one.
        perturb: the Gaussian step that sets seeds apart, as `at` and `scale`; None for none.
        token_budget: tokens a micro-batch, padding included.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    power: float
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    dropout: float
    attention_dropout: float
    vary: list[str]
    fork_at: int
    token_budget: int
    perturb: Mapping[str, float] | None = None

    @property
    def shared_steps(self) -> int:
        """The updates that all seeds make as one."""
        return self.perturb["at"] if self.perturb else self.fork_at

    def rate_at(self, t: int) -> float:
        """The learning rate of the update from step t to t + 1."""
        return learning_rate(
            t, peak=self.learning_rate, warmup_steps=self.warmup_steps, steps=self.steps, power=self.power
        )


def learning_rate(t: int, *, peak: float, warmup_steps: int, steps: int, power: float) -> float:
    """The learning rate of the update from step t to t + 1: linear warm-up, then polynomial decay.

    As in fairseq's `polynomial_decay`: peak * max(t, 1) / warmup up to t = warmup, then
    peak * ((steps - t) / (steps - warmup)) ** power, which is 0 at t = steps.
    """
    if t <= warmup_steps and warmup_steps > 0:
        return peak * max(t, 1) / warmup_steps
    return peak * ((steps - t) / (steps - warmup_steps)) ** power


def batch_at(t: int, batch_size: int, n: int, order_seed: int) -> np.ndarray:
    """The examples of the update from step t to t + 1: positions t * B ... of the stream of epochs.

    Each epoch is a permutation of 0 ... n - 1 keyed by (order seed, epoch); a batch may straddle epochs.

    Returns:
        int64, shape (batch_size,).
    """
    positions = np.arange(t * batch_size, (t + 1) * batch_size)
    epochs = positions // n
    return np.concatenate(
        [_epoch(n, order_seed, int(epoch))[positions[epochs == epoch] % n] for epoch in np.unique(epochs)]
    )


@lru_cache(maxsize=2)  # a batch needs one, and where it straddles epochs two
def _epoch(n: int, order_seed: int, epoch: int) -> np.ndarray:
    """The permutation of one epoch."""
    return np.random.Generator(np.random.Philox(key=[order_seed, epoch])).permutation(n)


def run_seeds(seed: int, vary: list[str]) -> dict[str, int]:
    """The seeds of head, order and dropout of a run; what is not varied is the same for all runs."""
    return {
        name: hashing.seed(name, seed if name in vary else "fixed") for name in ("head", "order", "dropout")
    }
