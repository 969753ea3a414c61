"""GPUs on one machine: each job its own.

Snakemake counts GPUs but does not say which one a job may use. So a job claims devices by an advisory lock on
a file for each; the kernel releases it when the process ends, however it ends. On a cluster the scheduler has
chosen already, and nothing is claimed. Imports no PyTorch: the choice must stand before CUDA starts.
"""

import errno
import fcntl
import os
import random
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from isthmus.errors import ConfigError

POLL = 1.0  # seconds between two tries, where other jobs hold what is there
VISIBLE = "CUDA_VISIBLE_DEVICES"
DEVICES = Path("/dev")
LOCKS = Path(tempfile.gettempdir())


def present(devices: Path = DEVICES) -> list[str]:
    """The names of this machine's NVIDIA GPUs (`nvidia0`, ...), in the order in which CUDA numbers them."""
    numbers = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    return [f"nvidia{number}" for number in sorted(int(match[1]) for match in numbers if match)]


def allowed(names: list[str]) -> dict[str, str]:
    """The devices that this process may choose from: what CUDA calls each, and the name that its lock has.

    All that are present; or those that `CUDA_VISIBLE_DEVICES` lists, by number or by another name (a UUID).
    CUDA ends the list at the first number that is no device, and so do we.
    """
    if VISIBLE not in os.environ:
        return {str(number): name for number, name in enumerate(names)}
    found = {}
    for entry in filter(None, map(str.strip, os.environ[VISIBLE].split(","))):
        if re.fullmatch(r"-?\d+", entry):
            if not 0 <= int(entry) < len(names):
                break
            found[entry] = names[int(entry)]
        else:
            found[entry] = entry.replace("/", "-")
    return found


@contextmanager
def claimed(count: int, devices: Path = DEVICES, locks: Path = LOCKS) -> Iterator[None]:
    """Hold GPUs that no other job holds, and let CUDA see these only, while the block runs.

    Waits where fewer are free. Does nothing where none is wanted or there is none, and inside a SLURM job,
    which has its own already (where each job sees its GPU as number 0, two jobs would wait for each other).

    Args:
        count: how many.
        devices: the folder of the device files.
        locks: a folder for lock files that all users of the machine share.

    Raises:
        errors.ConfigError: more are asked for than this process may use at all.
    """
    choice = allowed(present(devices))
    if count == 0 or not choice or "SLURM_JOB_ID" in os.environ:
        yield
        return
    if count > len(choice):
        raise ConfigError(f"resources: found gpu: {count}, but this job may use {len(choice)} GPU(s) here")
    with ExitStack() as held:
        mine = _wait(held, choice, count, locks)
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = ",".join(mine)
        print(f"{VISIBLE}={os.environ[VISIBLE]}", flush=True)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def _wait(held: ExitStack, choice: dict[str, str], count: int, locks: Path) -> list[str]:
    """Lock so many devices, all or none at a time, so that two jobs never wait for each other."""
    said = False
    while True:
        with ExitStack() as attempt:
            mine = []
            for device, name in choice.items():
                if len(mine) < count and _lock(attempt, locks / f"isthmus-{name}.lock"):
                    mine.append(device)
            if len(mine) == count:
                held.push(attempt.pop_all())
                return mine
        if not said:
            print(f"waiting: fewer than {count} of {len(choice)} GPU(s) are free of other jobs", flush=True)
            said = True
        time.sleep(POLL * random.uniform(0.5, 1))


def _lock(held: ExitStack, path: Path) -> bool:
    """Lock a file until `held` closes; false where another process holds it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)  # another user's, perhaps: reading is enough
    except FileNotFoundError:
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    held.callback(os.close, file)
    return True
