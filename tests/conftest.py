"""Shared fixtures: a copy of the workflow, and a very small experiment that it has run once."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.workflow import interrupted
from tests.workflow.elsewhere import host
from tests.workflow.lab import NANO, ROOT, Lab, copy_workflow

# How long an example takes says how busy the machine is.
settings.register_profile("isthmus", deadline=None)
settings.load_profile("isthmus")


def made_once(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that all processes of a run of the tests share: one makes it while the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = base / name, base / f"{name}.done"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a process that failed left
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """A copy of the workflow as it is now. Read only."""
    return made_once(tmp_path_factory, "repository", lambda folder: copy_workflow(ROOT, folder))


@pytest.fixture(scope="session")
def git_host(repository, tmp_path_factory) -> Path:
    """A folder that stands for a host of git repositories, with the workflow as a bare one. Read only."""
    return made_once(tmp_path_factory, "git_host", lambda folder: host(repository, folder))


@pytest.fixture(scope="session")
def nano(repository, tmp_path_factory) -> Lab:
    """A very small experiment, run once. Read only: tests that change files take `nano_copy`."""

    def make(folder: Path) -> None:
        lab = Lab(repository, folder, NANO)
        for name, targets in {"by-hand": ["connectivity/tiny/toy.parquet"], "rest": []}.items():
            (folder / f"{name}.txt").write_text(lab.run(None, *targets))

    return Lab(repository, made_once(tmp_path_factory, "nano", make), NANO)


@pytest.fixture(scope="session")
def nano_by_hand(nano) -> tuple[set[str], set[str]]:
    """The rules that ran when one cell of it was asked for by hand, and those that ran for all of it then."""

    def ran(name: str) -> set[str]:
        return set(
            re.findall(r"^(?:local)?rule (\w+):$", (nano.directory / f"{name}.txt").read_text(), re.MULTILINE)
        )

    return ran("by-hand"), ran("rest")


@pytest.fixture(scope="module")
def here(request, repository, tmp_path_factory) -> Lab:
    """The `SMALL` experiment of a module of tests, run on this machine without a scheduler."""
    lab = Lab(repository, tmp_path_factory.mktemp("here"), request.module.SMALL)
    lab.run(None)
    return lab


@pytest.fixture(scope="module")
def uninterrupted(repository, tmp_path_factory) -> Lab:
    """The runs of `interrupted.LONG`, trained on this machine without an interruption."""
    lab = Lab(repository, tmp_path_factory.mktemp("uninterrupted"), interrupted.LONG)
    lab.run(None, *interrupted.targets(1, 2, 3))
    return lab


@pytest.fixture(scope="module")
def sleepy(repository, tmp_path_factory) -> Path:
    """A copy of the workflow whose training sleeps at each update."""
    return interrupted.sleepy(repository, tmp_path_factory.mktemp("sleepy"))


@pytest.fixture
def nano_copy(nano, tmp_path) -> Iterator[Lab]:
    """A copy of the small experiment's directory that a test may change."""
    yield nano.copied(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
