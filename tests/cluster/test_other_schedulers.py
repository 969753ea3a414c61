"""A run through programs that stand for a scheduler: the same bytes, and training that goes on."""

import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import scheduler
from tests.slurm.cluster import until
from tests.workflow import interrupted
from tests.workflow.interrupted import goes_on, log_of, saved
from tests.workflow.lab import ROOT, Lab, assert_same_tables, changed

PROFILE = ROOT / "profiles" / "cluster-generic"
# The embedded experiment, cut small: one cell, two seeds, one step, few updates and rows.
SMALL = changed(
    yaml.safe_load((ROOT / "config.yaml").read_text()),
    {
        "seeds": [42, 43],
        "pretraining.tiny.rows": 200,
        "pretraining.tiny.training.steps": 20,
        "pretraining.tiny.training.warmup_steps": 2,
        "models": {"tiny-20": {"pretraining": "tiny", "pretraining_steps": 20}},
        "datasets.paraphrase.source.rows": 400,
        "cells": [["tiny-20", "paraphrase"]],
        "training.steps": 40,
        "training.checkpoints": [40],
        "training.warmup_steps": 4,
        "planes": [],
        "resources.finetune": {"gpu": 1, "mem_mb": 2300, "runtime": 23},
    },
)
del SMALL["datasets"]["entailment"], SMALL["layers"]


def options(commands: dict[str, str], *more: str, warned: bool = True) -> tuple[str, ...]:
    """Options of Snakemake: the profile as it is, with another scheduler's programs in the place of PBS's.

    Where jobs are not `warned`, they are not told how much time they have.
    """
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    submit = profile["cluster-generic-submit-cmd"].replace(
        "qsub", f"{commands['submit']} {{resources.runtime}}"
    )
    submit = submit if warned else submit.replace("WARN_AFTER", "NOBODY")
    named = {"submit": submit, "status": commands["status"], "cancel": commands["cancel"]}
    words = [word for key, value in named.items() for word in (f"--cluster-generic-{key}-cmd", value)]
    # Options that take any number of values do not stand last.
    fast = ("--latency-wait", "10", "--seconds-between-status-checks", "1")
    return ("--workflow-profile", str(PROFILE), *words, *more, *fast)


def asked(folder: Path) -> list[str]:
    """What the scheduler of a folder was asked for, job by job."""
    return [path.read_text() for path in sorted(folder.glob("*.asked"), key=lambda path: int(path.stem))]


# --------------------------------------------------------------------------------------------- a whole run


@pytest.fixture(scope="module")
def there(repository, tmp_path_factory) -> tuple[Lab, Path]:
    """The same, run through the scheduler; and its folder."""
    folder = tmp_path_factory.mktemp("there")
    lab = Lab(repository, folder / "lab", SMALL)
    lab.directory.mkdir()
    done = lab.call(None, *options(scheduler.commands(folder / "jobs")))
    assert done.returncode == 0, done.stdout
    return lab, folder / "jobs"


def test_results_are_those_of_a_local_run(here, there):
    assert_same_tables(here, there[0])


def test_every_job_goes_to_the_scheduler_with_what_its_rule_declares(there):
    _, folder = there
    trained = [line for line in asked(folder) if "ngpus=1" in line]
    assert len(trained) == 2
    assert all("-q gpu -l walltime=1380 -l select=1:ncpus=1:mem=2300mb:ngpus=1" in line for line in trained)
    # data, start, end as groups; pre-training, evaluations, rows, averages, examples one by one
    queues = Counter(re.search(r"-q (\w+)", line)[1] for line in asked(folder))
    assert queues == {"cpu": 3, "gpu": 1 + 2 + 4 + 2 + 1 + 1}


# ------------------------------------------------------------------------------------------- interruptions


@pytest.fixture
def untrained(uninterrupted, sleepy, tmp_path) -> Iterator[Callable[..., tuple[Lab, Path, Any]]]:
    """Makes the long runs before their training: a lab, its scheduler's folder, what submits its jobs."""
    folders = []

    def make(*more: str, warned: bool = True, **change: Any) -> tuple[Lab, Path, Any]:
        folder = tmp_path / f"jobs{len(folders)}"
        commands = scheduler.commands(folder)
        folders.append(folder)
        lab = interrupted.untrained(uninterrupted, sleepy, tmp_path / f"lab{len(folders)}", **change)
        return lab, folder, partial(interrupted.submitting, options=options(commands, *more, warned=warned))

    yield make
    for folder in folders:
        for path in folder.glob("*.asked"):
            path.with_suffix(".cancelled").touch()
        until(lambda folder=folder: len(asked(folder)) == len(list(folder.glob("*.ended"))))


def limit(minutes: float) -> dict[str, Any]:
    return {"resources.finetune": {"gpu": 0, "runtime": minutes, "mem_mb": 2300}}


@pytest.mark.rare  # SLURM is tested in the same ways
def test_training_that_is_warned_limited_cancelled_or_killed_goes_on_from_its_state(untrained, uninterrupted):
    """Seed 1 is warned a minute before its limit, and meets it in another folder; seeds 2 and 3 are ended."""
    warned, _, warned_by = untrained("--set-resources", "finetune:warning=60", **limit(3))
    limited, _, limited_by = untrained(warned=False, **limit(2))
    ended, jobs, ended_by = untrained()
    with (
        warned_by(warned, 1, sleeps=0.6) as first,
        limited_by(limited, 1, sleeps=0.6) as second,
        ended_by(ended, 2, 3, sleeps=0.15) as third,
    ):
        until(lambda: saved(ended, 2) and saved(ended, 3))
        (jobs / "1.cancelled").touch()
        scheduler.send(int((jobs / "2.session").read_text()), signal.SIGKILL)
        for lab, process in ((warned, first), (limited, second), (ended, third)):
            assert process.wait(timeout=1200) == 0, (lab.directory / "snakemake.txt").read_text()
    for lab, seed in ((warned, 1), (limited, 1), (ended, 2), (ended, 3)):
        start = goes_on(lab, uninterrupted, seed)
        assert f"training goes on from step {start} to 250" in log_of(lab, seed)
    for lab in (warned, limited):
        said = (lab.directory / "snakemake.txt").read_text()
        assert re.search(r"SIGTERM: .* step \d+.*; the next attempt goes on from there", said)


@pytest.mark.rare  # SLURM is tested in the same ways
def test_ctrl_c_cancels_the_jobs_which_save(untrained, uninterrupted):
    lab, jobs, submitting = untrained()
    with submitting(lab, 1, sleeps=0.15) as process:
        until(lambda: saved(lab, 1))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) != 0
    until(lambda: (jobs / "1.ended").exists())
    assert (jobs / "1.cancelled").exists()
    with submitting(lab, 1, sleeps=0) as process:
        assert process.wait(timeout=300) == 0, (lab.directory / "snakemake.txt").read_text()
    goes_on(lab, uninterrupted, 1)


# ---------------------------------------------------------------------------------------------- the profile


def test_the_profile_is_that_of_slurm_but_for_the_scheduler():
    one, other = (
        yaml.safe_load((PROFILE.parent / name / "config.yaml").read_text())
        for name in ("slurm", "cluster-generic")
    )
    own = {"executor", "jobscript", "default-resources", "set-resources", "max-status-checks-per-second"}
    shared = {key for key in one.keys() | other.keys() if not key.startswith(("slurm-", "cluster-"))} - own
    assert {key: one[key] for key in shared} == {key: other[key] for key in shared}
    assert one["set-resources"].keys() == other["set-resources"].keys()
    for rule, asked_for in one["set-resources"].items():
        assert ("slurm_extra" in asked_for) == ("warning" in other["set-resources"][rule])
        assert asked_for.get("slurm_partition") == other["set-resources"][rule].get("queue")
