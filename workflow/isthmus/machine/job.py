"""What every job of the workflow shares: its log, its GPUs, and one clear message for a failure."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus import hashing
from isthmus.errors import ConfigError, Interrupted
from isthmus.machine import devices, failures

PAUSE = 60  # seconds until a job that found the disk full is tried once more
AGAIN = "ISTHMUS_TRIED_AGAIN"  # the log of a job that is


@contextmanager
def logged(log: str, offline: bool = True, gpus: int = 0) -> Iterator[None]:
    """Send everything that the job prints to its log; a failure also goes to Snakemake's own output.

    Where something else shows a failed job's log there (ISTHMUS_SHOWS_LOGS), the job only logs it, so that a
    failure is said once.

    Args:
        log: the rule's log file.
        offline: keep the hub out of reach; only the rules that fetch may reach it.
        gpus: how many GPUs to claim while the job runs.
    """
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one job uses the threads that it declared
    # Appended to: on a cluster a job that an earlier Snakemake started may still write to the same log.
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    out, err = os.dup(1), os.dup(2)
    console = os.open(os.devnull, os.O_WRONLY) if "ISTHMUS_SHOWS_LOGS" in os.environ else err
    os.dup2(file, 1)
    os.dup2(file, 2)
    second = os.environ.pop(AGAIN, "") == log
    try:
        failures.forget(log)
        _check_library()
        if second:
            _say(
                f"There was no room, on disk or in a quota; this job waits {PAUSE} s, once", console, console
            )
            time.sleep(PAUSE)
        with devices.claimed(gpus):
            yield
    except KeyboardInterrupt:
        _say(
            "SIGINT: this job ends unfinished. What was measured is kept; call it again to go on",
            console,
            err,
        )
        sys.exit(130)
    except Interrupted as interrupted:  # a signal came, and what was trained is saved; the log has it already
        os.write(console, f"{interrupted.said}\n".encode())
        raise
    except Exception as error:
        if failures.is_full_disk(error) and not second:
            _start_again(log, out, err)
        if failures.comes_again(error):
            failures.note(log)
        said = failures.in_plain_words(error)  # a bug is shown whole
        _say(f"Error: {said}" if said else traceback.format_exc(), console, err)
        sys.exit(1)


def _check_library() -> None:
    """Raise a ConfigError where another library is found here than the one that the workflow was read with.

    A container may not show the place of that one; then there is nothing to compare.
    """
    read_with = Path(os.environ.get("ISTHMUS_LIBRARY") or hashing.LIBRARY)
    if read_with.is_dir() and read_with.resolve() != hashing.LIBRARY.resolve():
        raise ConfigError(
            f"isthmus: found {hashing.LIBRARY} where this job runs; allowed: {read_with}, which the workflow "
            "was read with. Uninstall the one or the other"
        )


def _start_again(log: str, out: int, err: int) -> None:
    """Replace this process by a fresh one of the same job, so that Snakemake has no failure to tell yet."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ[AGAIN] = log
    os.execv(sys.executable, sys.orig_argv)


def _say(text: str, console: int, otherwise: int) -> None:
    """Write to the log, and on Snakemake's own output, or on `otherwise` where the log has no room."""
    line = f"{text}\n".encode()
    try:
        logged = os.write(1, line) == len(line)
    except OSError:
        logged = False
    os.write(console if logged else otherwise, line)


def gpus(job) -> int:
    """The GPUs that a job asked for and may compute on."""
    return 0 if job.params.numerics["device"] == "cpu" else job.resources.gpu
