"""A page of what is there: for a run that failed, and before a whole one."""

import pytest

from tests.workflow.lab import Lab

PARTIAL = {"ISTHMUS_PARTIAL": "1"}


def _partial(lab: Lab) -> str:
    done = lab.call(None, "report", "--cores", "1", "--forcerun", "report", "--nolock", **PARTIAL)
    assert done.returncode == 0, done.stdout
    return (lab.results / "report.html").read_text()


@pytest.fixture
def broken(nano_copy):
    """The small experiment without what comes of the second seed's last segment."""
    (nano_copy.results / "checkpoints/tiny/toy/seed2/step120/model.safetensors").unlink()
    (nano_copy.results / "paths/tiny/toy/step120/seed2.parquet").unlink()
    (nano_copy.results / "evaluations/tiny/toy/seed2/step120.parquet").unlink()
    for name in ("metrics.csv", "report.html", "connectivity/tiny/toy.parquet"):
        (nano_copy.results / name).unlink()
    return nano_copy


@pytest.mark.long
def test_a_page_of_what_is_there_names_what_is_not(broken):
    page = _partial(broken)
    assert "the run tiny on toy, seed 2: no checkpoint at step 120; log: results/nano/logs/finetune/" in page
    assert "tiny on toy, step 120, set test: 1 of 1 paths" in page
    assert "tiny on toy, step 120, set test: 1 of 2 evaluations" in page
    assert "step 60, set test" not in page
    assert not (broken.results / "metrics.csv").exists()


@pytest.mark.long
def test_a_whole_page_replaces_one_of_what_is_there(nano_copy):
    assert nano_copy.dry_run() == {}
    _partial(nano_copy)
    assert nano_copy.dry_run() == {"report": {""}}


@pytest.mark.long
def test_a_page_before_anything_was_made(nano, tmp_path):
    lab = Lab(nano.repository, tmp_path, nano.config)
    assert "There are no results yet" in _partial(lab)
