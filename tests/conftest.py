"""Shared fixtures: a copy of the workflow, and a very small experiment that it has run once."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.lab import NANO, ROOT, Lab, copy_workflow


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of several processes (`-n`), one runs all tests of the workflow, which share an experiment."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "workflow" if file.startswith("tests/workflow/") else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """A copy of the workflow as it is now. Read only."""
    return copy_workflow(ROOT, tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def nano(repository, tmp_path_factory) -> Lab:
    """A very small experiment, run once. Read only: tests that change files take `nano_copy`."""
    lab = Lab(repository, tmp_path_factory.mktemp("nano"), NANO)
    for name, targets in {"by-hand": ["connectivity/tiny/toy.parquet"], "rest": []}.items():
        (lab.directory / f"{name}.txt").write_text(lab.run(None, *targets))
    return lab


@pytest.fixture(scope="session")
def nano_by_hand(nano) -> tuple[set[str], set[str]]:
    """The rules that ran when one cell of it was asked for by hand, and those that ran for all of it then."""

    def ran(name: str) -> set[str]:
        return set(
            re.findall(r"^(?:local)?rule (\w+):$", (nano.directory / f"{name}.txt").read_text(), re.MULTILINE)
        )

    return ran("by-hand"), ran("rest")


@pytest.fixture
def nano_copy(nano, tmp_path) -> Iterator[Lab]:
    """A copy of the small experiment's directory that a test may change."""
    yield nano.copied(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
