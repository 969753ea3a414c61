"""Training that SLURM, a user or a crash interrupts goes on where it was, and ends with the same weights."""

import re
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.slurm.cluster import PROFILE, command, jobs, until
from tests.workflow import interrupted
from tests.workflow.interrupted import goes_on, log_of, same_weights, saved
from tests.workflow.lab import Lab, snakemake

LIMIT = {"resources.finetune": {"gpu": 0, "runtime": 2, "mem_mb": 2300}}
# The profile's warning comes five minutes before a time limit; here the limit is two. SLURM may send it up to
# a minute earlier than it was asked to.
WARNING = ("--set-resources", "finetune:slurm_extra=--signal=TERM@30", "--show-failed-logs")
submitting = partial(interrupted.submitting, options=(*PROFILE, *WARNING))


@pytest.fixture
def untrained(uninterrupted, sleepy, tmp_path) -> Iterator[Callable[..., Lab]]:
    """Makes the long runs before their training, in a directory of their own, with some settings changed."""
    made = []

    def make(**change: Any) -> Lab:
        directory = tmp_path / f"lab{len(made)}"
        made.append(interrupted.untrained(uninterrupted, sleepy, directory, **change))
        return made[-1]

    yield make
    for job in (job for lab in made for job in jobs(lab.directory)):
        if job["JobState"] in ("PENDING", "RUNNING"):
            command("scancel", job["JobId"])


def running(lab: Lab, seed: int) -> str:
    """The number of the job that trains a run."""
    comment = "rule_finetune_wildcards_"
    found = [
        job["JobId"]
        for job in jobs(lab.directory)
        if job["Comment"].startswith(comment)
        and {"250", str(seed)} <= set(job["Comment"].split("_"))
        and job["JobState"] == "RUNNING"
    ]
    return found[-1]


def job_state(number: str) -> str:
    return re.search(r"JobState=(\S+)", command("scontrol", "show", "job", number))[1]


def test_time_limit_scancel_and_requeue_lose_nothing(untrained, uninterrupted):
    """Seed 1 meets its time limit, seed 2 `scancel`, seed 3 is requeued; each goes on where it was."""
    limited, long = untrained(**LIMIT), untrained()
    with submitting(limited, 1, sleeps=0.4) as first, submitting(long, 2, 3, sleeps=0.2) as second:
        until(lambda: saved(long, 2))
        cancelled = running(long, 2)
        command("scancel", cancelled)
        until(lambda: saved(long, 3))
        requeued = running(long, 3)
        command("scontrol", "requeue", requeued)
        until(lambda: job_state(requeued) == "PENDING")
        command("scontrol", "update", f"JobId={requeued}", "StartTime=now")  # SLURM itself waits two minutes
        assert second.wait(timeout=600) == 0, (long.directory / "snakemake.txt").read_text()
        assert first.wait(timeout=600) == 0, (limited.directory / "snakemake.txt").read_text()
    for lab, seed in ((limited, 1), (long, 2), (long, 3)):
        start = goes_on(lab, uninterrupted, seed)
        # The last log may be of a job that found all trained: a requeued job meets the one that Snakemake
        # submits in its stead, and a time limit may come between the last state and the checkpoint.
        said = log_of(lab, seed)
        assert f"training goes on from step {start} to 250" in said or "step 250 is in the cache" in said
    ended = {job["JobId"]: job for job in jobs(long.directory)}
    assert ended[cancelled]["JobState"] == "CANCELLED"
    assert int(ended[requeued]["Restarts"]) >= 1
    # The warning comes before the limit and the process ends by itself, so SLURM calls this a failure.
    states = [job["JobState"] for job in jobs(limited.directory)]
    assert states == ["FAILED"] * (len(states) - 1) + ["COMPLETED"]
    said = (limited.directory / "snakemake.txt").read_text()
    assert re.search(r"SIGTERM: .* step \d+.*; the next attempt goes on from there", said)


def test_a_second_snakemake_waits_for_the_jobs_of_a_killed_one(untrained, uninterrupted):
    long = untrained()
    with submitting(long, 1, sleeps=0.4) as process:
        until(lambda: saved(long, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    first = running(long, 1)
    unlocked = snakemake(
        long.repository, long.directory, "--unlock", "--configfile", f"{long.directory}/long.yaml"
    )
    assert unlocked.returncode == 0, unlocked.stdout
    with submitting(long, 1, sleeps=0.4) as process:
        until(lambda: "waiting: this run is being trained by" in log_of(long, 1))
        assert running(long, 1) != first
        assert process.wait(timeout=600) == 0, (long.directory / "snakemake.txt").read_text()
    assert same_weights(long, uninterrupted, 1)
    assert re.search(r"(step 250 is in the cache|goes on from step [1-9])", log_of(long, 1))
