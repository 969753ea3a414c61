"""Which failures of a job are bound to come again, and the word that the job leaves of it.

A job that fails in this way leaves an empty file beside its log, named after the log and the call of the
workflow (`ISTHMUS_CALL`). What schedules jobs looks for it. A process that was killed leaves nothing: that
retry can succeed. An empty file needs no room, so that there is word of a full disk too.
"""

import errno
import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isthmus.errors import DiskFull, LockLost, UserError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Of networks, file systems far away and busy devices: these answer again.
_PASSING = (
    "EIO ESTALE EREMOTEIO ETIMEDOUT EAGAIN EBUSY EINTR ENOLCK ECONNABORTED ECONNREFUSED ECONNRESET EPIPE "
    "EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH"
)
PASSING = frozenset(getattr(errno, name) for name in _PASSING.split() if hasattr(errno, name))
NO_MEMORY = re.compile(r"out of memory|can't allocate memory|Unable to allocate", re.IGNORECASE)


def number(error: BaseException) -> int | None:
    """The system's number of a failure; safetensors and Arrow have it in their text only."""
    inner = re.search(r"(?:os error|errno) (\d+)", str(error))
    return getattr(error, "errno", None) or (int(inner[1]) if inner else None)


def is_full_disk(error: BaseException) -> bool:
    """True where there was no room for a file, or a quota allowed no more."""
    return isinstance(error, DiskFull) or number(error) in FULL


@contextmanager
def naming_full_disk(consequence: str) -> Iterator[None]:
    """Turn the failures of a full disk, or of a quota, into one clear message.

    Raises:
        DiskFull: with `consequence`, which says what could not be written and what to do.
    """
    try:
        yield
    except Exception as error:
        if number(error) not in FULL:
            raise
        raise DiskFull(f"the disk is full, or a quota is: {consequence}") from error


def is_lack_of_memory(error: BaseException) -> bool:
    """True where the machine, or its accelerator, refused memory; who is killed for it leaves no error."""
    refused = isinstance(error, RuntimeError) and not isinstance(error, UserError)
    return isinstance(error, MemoryError) or (refused and bool(NO_MEMORY.search(str(error))))


def in_plain_words(error: Exception) -> str | None:
    """One message for what a user is told, a full disk, a lack of memory; None for anything else: a bug."""
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, UserError):
        return str(error)
    if is_full_disk(error):
        where = getattr(error, "filename", None)
        return (
            f"the disk is full, or a quota is: {where or first} could not be written. Make room and run again"
        )
    if is_lack_of_memory(error):
        return (
            f"out of memory: {first or 'MemoryError'}. A smaller `token_budget` (of `training`, or of "
            "`evaluation`), fewer jobs at a time, or a machine with more memory is what helps"
        )
    return None


def passes(error: BaseException) -> bool:
    """True where it is a failure of a network, a file system or a device that may be over soon."""
    if isinstance(error, OSError):
        return number(error) in PASSING or number(error) is None  # without a number: of a connection
    return number(error) in PASSING or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


def comes_again(error: Exception) -> bool:
    """True where trying again in the same call would only fail again.

    That is everything, also a bug, but for a run that another process took over, and failures that pass. (A
    full disk may pass, too; the job waits for that by itself, once.)
    """
    if isinstance(error, UserError):
        passing = error.__cause__ is not None and passes(error.__cause__)
        return not isinstance(error, LockLost) and not passing
    return is_lack_of_memory(error) or not passes(error)


# ------------------------------------------------------------------------------------------ the word left


def _mark(log: str | Path) -> Path:
    return Path(log).with_name(f".{Path(log).name}.failed-{os.environ.get('ISTHMUS_CALL', '')}")


def forget(log: str | Path) -> None:
    """Remove what earlier attempts left."""
    for left in Path(log).parent.glob(f".{glob.escape(Path(log).name)}.failed-*"):
        left.unlink(missing_ok=True)


def note(log: str | Path) -> None:
    """Leave word that this job is not to be tried again in this call."""
    with suppress(OSError):  # then it is, as one that was killed
        _mark(log).touch()


def is_final(log: str | Path) -> bool:
    """True where the job with this log left word, in this call, that another attempt would be in vain."""
    try:
        # Listed, since on a network file system a single name may still seem not to exist.
        return _mark(log).name in os.listdir(Path(log).parent)
    except OSError:
        return False
