"""SIGTERM and SIGINT: they end the process, or leave word while a loop has something to save."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isthmus.errors import Interrupted


class Signals:
    """What came, and whether somebody awaits it."""

    def __init__(self) -> None:
        self.came: signal.Signals | None = None
        self._awaited = False

    def _handle(self, number: int, _frame: Any) -> None:
        self.came = self.came or signal.Signals(number)
        if not self._awaited:
            raise Interrupted(self.came, "nothing new was there to save")

    @contextmanager
    def installed(self) -> Iterator["Signals"]:
        """Handle the signals while the block runs."""
        previous = {number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        except Interrupted as interrupted:
            # not in the handler, which may have interrupted another print
            print(interrupted.said, flush=True)
            raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While the block runs, a signal does nothing but set `came`."""
        self._awaited = True
        try:
            yield
        finally:
            self._awaited = False
