"""Signs of life: what a process does again and again while it works, so that others can tell when it died."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEARTBEAT = 5.0  # seconds between two signs of life


@contextmanager
def beating(sign: Callable[[], None]) -> Iterator[None]:
    """Give a sign of life at once, again and again while the block runs, and once more at its end."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(HEARTBEAT):
            sign()

    sign()
    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sign()
