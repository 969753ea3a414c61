"""When the state of a run is saved, and what a save replaces."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from isthmus.caches import states
from isthmus.caches.attempts import Attempt
from isthmus.caches.states import Platforms
from isthmus.training.history import History

SAVING_SHARE = 0.02  # of a run's time at most goes into saving, however short the time between two saves


@dataclass(frozen=True)
class Cache:
    """Where and when a run's states are kept.

    Attributes:
        folder: of the run.
        keep: the steps whose states later ones do not replace.
        save_minutes: between two saves.
    """

    folder: Path
    keep: frozenset[int]
    save_minutes: float


class Saver:
    """Saves the states of one attempt.

    Args:
        cache: where and when.
        attempt: whose run it is, and where what was saved is noted.
        capture: gives the state's tensors.
        platforms: where the run was computed, this attempt included.
        history: whose clock leaves saves out.
        say: told of each save.
    """

    def __init__(
        self, cache: Cache, attempt: Attempt, capture: Callable[[], dict[str, Tensor]],
        platforms: Platforms, history: History, say: Callable[[str], None],
    ):  # fmt: skip
        self.cache, self.attempt, self.capture = cache, attempt, capture
        self.platforms, self.history, self.say = platforms, history, say
        self.next = time.monotonic() + 60 * cache.save_minutes

    def save_by_time(self, step: int, loss: Tensor, tokens: int) -> None:
        """Save where it is time; the last step is saved in any case, by `save`."""
        if time.monotonic() > self.next and step < self.attempt.end:
            self.save(step)

    def save(self, step: int) -> tuple[Path, str]:
        """Save the state of a step; returns its file, and what is to be said of it."""
        began = time.monotonic()
        identity = self.attempt.identity
        path = states.save(self.cache.folder, identity, step, self.capture(), self.platforms)
        self.attempt.saved = step
        states.prune(self.cache.folder, identity, step, self.cache.keep)
        seconds = time.monotonic() - began
        self.next = time.monotonic() + max(60 * self.cache.save_minutes, seconds / SAVING_SHARE)
        self.history.start_clock()
        text = f"saved the state of step {step} in {seconds:.2f} s"
        self.say(text)
        return path, text
