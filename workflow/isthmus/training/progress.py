"""How far a run is: a bar on a terminal; else a plain line every half minute."""

import sys
import time

from torch import Tensor
from tqdm import tqdm

from isthmus.training.history import History
from isthmus.training.schedule import Recipe

LOG_SECONDS = 30.0
BAR_SECONDS = 1.0


class Progress:
    """Shows the updates from `start` to `end`."""

    def __init__(self, start: int, end: int, recipe: Recipe, history: History):
        self.start, self.end, self.recipe, self.history = start, end, recipe, history
        self.began = time.monotonic()
        terminal = sys.stdout.isatty()
        self.bar = tqdm(total=end, initial=start, unit="step", file=sys.stdout) if terminal else None
        self.pause = BAR_SECONDS if terminal else LOG_SECONDS
        self.next = self.began + self.pause

    def say(self, text: str) -> None:
        """A line of its own, above the bar where there is one."""
        if self.bar is not None:
            self.bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.bar is not None:
            self.bar.close()

    def show(self, step: int, loss: Tensor, tokens: int) -> None:
        """Note the update that led to a step; where it is time, show loss, learning rate and speed."""
        if self.bar is not None:
            self.bar.update()
        if (now := time.monotonic()) < self.next:
            return
        self.next = now + self.pause
        past = self.history.flush()
        recent = slice(-100, None)
        speed = past["tokens"][recent].sum() / max(past["seconds"][recent].sum(), 1e-9)
        left = (now - self.began) / (step - self.start) * (self.end - step)
        rate = self.recipe.rate_at(step - 1)
        text = f"loss {past['loss'][-1]:.4f}, learning rate {rate:.3g}, {speed:.0f} tokens/s"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        else:
            self.say(f"step {step} of {self.end}: {text}, {left / 60:.1f} min left")
