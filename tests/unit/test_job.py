"""Where a job runs: it computes with the library that the workflow was read with, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parents[2] / "workflow"
JOB = """
import sys
from isthmus.machine.job import logged
with logged(sys.argv[1]):
    print("computed")
"""


@pytest.fixture
def job(tmp_path):
    """A job's process, and its log."""

    def of(library: Path) -> tuple[subprocess.CompletedProcess[str], str]:
        env = os.environ | {"PYTHONPATH": str(WORKFLOW), "ISTHMUS_LIBRARY": str(library)}
        call = [sys.executable, "-c", JOB, str(tmp_path / "log")]
        done = subprocess.run(call, env=env, text=True, capture_output=True)
        return done, (tmp_path / "log").read_text()

    return of


def test_the_library_that_the_workflow_was_read_with(job, tmp_path):
    """Also by another name of its folder, or where its folder cannot be seen from here, as in a container."""
    (tmp_path / "link").symlink_to(WORKFLOW / "isthmus")
    for library in (WORKFLOW / "isthmus", tmp_path / "link", tmp_path / "none"):
        done, log = job(library)
        assert (done.returncode, done.stderr, log) == (0, "", "computed\n")


def test_another_library_computes_nothing(job, tmp_path):
    (tmp_path / "isthmus").mkdir()
    done, log = job(tmp_path / "isthmus")
    assert done.returncode == 1
    assert log == done.stderr
    assert log.startswith(
        f"Error: isthmus: found {WORKFLOW / 'isthmus'} where this job runs; allowed: {tmp_path}"
    )
