"""What every script shares: the library's place, the log, and one clear message for a failure."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The library stands beside the scripts and need not be installed where a job runs.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from isthmus import devices
from isthmus.errors import UserError


@contextmanager
def logged(log: str, offline: bool = True, gpus: int = 0) -> Iterator[None]:
    """Send everything that the job prints to its log; a failure also goes to Snakemake's own output.

    Where a line of progress is on the terminal (ISTHMUS_PROGRESS), that shows the failure, and the job only
    logs it.

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
    console = os.dup(2) if "ISTHMUS_PROGRESS" not in os.environ else os.open(os.devnull, os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        with devices.claimed(gpus):
            yield
    except UserError as error:
        message = f"Error: {error}"
        print(message, flush=True)
        os.write(console, f"{message}\n".encode())
        sys.exit(1)
    except Exception:  # shown whole, and passed on as a failure
        text = traceback.format_exc()
        print(text, flush=True)
        os.write(console, text.encode())
        sys.exit(1)


def gpus(job) -> int:
    """The GPUs that a job asked for and may compute on."""
    return 0 if job.params.numerics["device"] == "cpu" else job.resources.gpu
