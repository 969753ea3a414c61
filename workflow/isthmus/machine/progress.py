"""How far a command is, on stderr: a bar on a terminal, else a line every half minute."""

import sys
import threading
import time

from tqdm import tqdm

PAUSE = 30.0  # seconds between two lines


class Progress:
    """Within a `with` block, says what a command is at and how many points of a path it has measured."""

    def __init__(self, command: str):
        self.command, self.what, self.count = command, "reading models and examples", 0
        self._began, self._over = time.monotonic(), threading.Event()
        self._bar: tqdm | None = None
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._bar = tqdm(unit=" alphas", leave=False)
        else:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._bar is not None:
            self._bar.close()
        else:
            self._thread.join()

    def at(self, what: str) -> None:
        """What the command is at from now on."""
        self.what, self.count = what, 0
        if self._bar is not None:
            self._bar.set_description_str(what)

    def seen(self, alpha: float) -> None:
        """A point of a path is known."""
        self.count += 1
        if self._bar is not None:
            self._bar.update()

    def _repeat(self) -> None:
        while not self._over.wait(PAUSE):
            points = f", {self.count} alphas so far" if self.count else ""
            minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
            print(
                f"{self.command}: {minutes} min {seconds} s: {self.what}{points}", file=sys.stderr, flush=True
            )
