"""Training that SLURM, a user or a crash interrupts goes on where it was, and ends with the same weights."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import PROFILE, command, jobs, until
from tests.workflow.lab import NANO, Lab, changed, copy_workflow, snakemake

# Training that can be made to sleep at each update: long enough to be interrupted, on a fast machine too.
LONG = changed(
    NANO,
    {
        "seeds": [1, 2, 3],
        "training.steps": 300,
        "training.checkpoints": [250],
        "training.save_minutes": 0.02,
        "resources.finetune": {"gpu": 0, "runtime": 10, "mem_mb": 2300},
    },
)
LIMIT = {"resources.finetune": {"gpu": 0, "runtime": 2, "mem_mb": 2300}}
# The profile's warning comes five minutes before a time limit; here the limit is two. SLURM may send it up to
# a minute earlier than it was asked to.
WARNING = ("--set-resources", "finetune:slurm_extra=--signal=TERM@30", "--show-failed-logs")


@pytest.fixture(scope="module")
def uninterrupted(repository, tmp_path_factory) -> Lab:
    """The long runs, trained on this machine without an interruption."""
    lab = Lab(repository, tmp_path_factory.mktemp("uninterrupted"), LONG)
    lab.run(None, *targets(1, 2, 3))
    return lab


@pytest.fixture(scope="module")
def sleepy(repository, tmp_path_factory) -> Path:
    """A copy of the workflow whose training sleeps at each update."""
    copy = copy_workflow(repository, tmp_path_factory.mktemp("sleepy"))
    path = copy / "workflow" / "isthmus" / "training" / "step.py"
    text = path.read_text()
    start = "    total, count = 0.0, 0\n    with _placed(model, t)"
    assert text.count(start) == 1
    path.write_text(
        text.replace(start, f"    import os, time; time.sleep(float(os.environ['SLEEPS']))\n{start}")
    )
    return copy


@pytest.fixture
def untrained(uninterrupted, sleepy, tmp_path) -> Iterator[Callable[..., Lab]]:
    """Makes the long runs before their training, in a directory of their own, with some settings changed."""
    made = []

    def make(**change: Any) -> Lab:
        directory = uninterrupted.copied(tmp_path / f"lab{len(made)}").directory
        made.append(Lab(sleepy, directory, changed(LONG, change)))
        shutil.rmtree(made[-1].results / "state")
        for folder in made[-1].results.glob("checkpoints/tiny/toy/seed*/step250"):
            shutil.rmtree(folder)
        return made[-1]

    yield make
    for job in (job for lab in made for job in jobs(lab.directory)):
        if job["JobState"] in ("PENDING", "RUNNING"):
            command("scancel", job["JobId"])


def targets(*seeds: int) -> list[str]:
    return [f"checkpoints/tiny/toy/seed{seed}/step250/model.safetensors" for seed in seeds]


@contextmanager
def submitting(lab: Lab, *seeds: int, sleeps: float) -> Iterator[subprocess.Popen]:
    """A Snakemake that submits the training of some seeds, while the block runs; updates sleep so long."""
    path = lab.directory / "long.yaml"
    path.write_text(json.dumps(lab.config))
    files = [f"{lab.results.relative_to(lab.directory)}/{target}" for target in targets(*seeds)]
    call = [sys.executable, "-m", "snakemake", "--directory", str(lab.directory), *PROFILE, *WARNING]
    with open(lab.directory / "snakemake.txt", "a") as output:
        process = subprocess.Popen(
            [*call, *files, "--configfile", str(path)],
            cwd=lab.repository,
            env={**os.environ, "SLEEPS": str(sleeps)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def attempts(lab: Lab, seed: int) -> list[dict[str, Any]]:
    """What the processes that trained a run wrote down, in their order."""
    folder = lab.results / "state" / "tiny" / "toy" / f"seed{seed}" / "attempts"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("[0-9]*.json"))]


def saved(lab: Lab, seed: int) -> bool:
    return any(attempt["saved"] > 0 for attempt in attempts(lab, seed))


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


def same_weights(lab: Lab, other: Lab, seed: int) -> bool:
    path = targets(seed)[0]
    return (lab.results / path).read_bytes() == (other.results / path).read_bytes()


def log_of(lab: Lab, seed: int) -> str:
    """The log of a run's training; Snakemake removes it before each attempt."""
    path = lab.results / "logs" / "finetune" / f"tiny-toy-seed{seed}-step250.log"
    return path.read_text() if path.exists() else ""


def goes_on(lab: Lab, other: Lab, seed: int) -> int:
    """Check that the attempts at a run followed each other to the same weights; where the last one began."""
    assert same_weights(lab, other, seed)
    first, *later = attempts(lab, seed)
    assert first["start"] == 0
    # A killed process may have saved more than it had time to note.
    assert all(after["start"] >= before["saved"] for before, after in pairwise((first, *later)))
    assert later[-1]["start"] > 0
    return later[-1]["start"]


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
        # A requeued job and the one that Snakemake submits in its stead meet; the later log may be of either.
        said = log_of(lab, seed)
        assert f"training goes on from step {start} to 250" in said or (
            seed == 3 and "step 250 is in the cache" in said
        )
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
