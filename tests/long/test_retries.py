"""Which failed jobs Snakemake tries again: counted in its own output."""

import shutil
import textwrap

import pytest

pytestmark = pytest.mark.long

STEP60 = "results/nano/checkpoints/tiny/toy/seed1/step60/model.safetensors"
EVALUATION = "results/nano/evaluations/tiny/toy/seed1/step60.parquet"


@pytest.fixture
def lab(nano_copy, tmp_path):
    """The small experiment, and a copy of the workflow that a test may break."""
    return nano_copy.elsewhere(tmp_path / "repository")


def _break(lab, script: str, code: str) -> None:
    """Put code where a job's script begins its work."""
    path = lab.repository / "workflow" / "scripts" / f"{script}.py"
    head, colon, rest = path.read_text().partition("):\n")
    path.write_text(f"{head}{colon}{textwrap.indent(code, '    ')}\n{rest}")


def _fails(lab, target: str, change=None, *more: str) -> str:
    (lab.directory / target).unlink()
    done = lab.call(change, "--cores", "1", *more, target)
    assert done.returncode == 1, done.stdout
    return done.stdout


def _attempts(output: str, rule: str) -> int:
    return output.count(f"Error in rule {rule}:")


def test_a_loss_that_is_not_finite_is_said_once(lab):
    _break(
        lab,
        "finetune",
        "from isthmus.tasks.classification import Classification\n"
        "whole = Classification.loss\n"
        "Classification.loss = lambda *of: whole(*of) * float('nan')",
    )
    shutil.rmtree(lab.results / "state")  # else there is nothing to train
    output = _fails(lab, STEP60)
    assert output.count("not a finite number") == 1, output
    assert _attempts(output, "finetune") == 1
    assert "Trying to restart" not in output
    assert "earlier attempt" not in output


def test_a_bug_is_shown_once(lab):
    _break(lab, "finetune", "None + 1")
    output = _fails(lab, STEP60)
    assert output.count("TypeError: unsupported operand") == 1, output
    assert "Trying to restart" not in output


def test_retries_of_other_rules_are_not_for_what_is_bound_to_come_again(lab):
    _break(lab, "evaluate", "raise MemoryError()")
    output = _fails(lab, EVALUATION, None, "--retries", "2")
    assert output.count("Error: out of memory") == 1, output
    assert "Traceback" not in output
    assert "Trying to restart" not in output


def test_without_the_profile_the_job_says_it_itself(lab):
    """Nothing shows a failed job's log there."""
    _break(lab, "evaluate", "raise MemoryError()")
    output = _fails(lab, EVALUATION, None, "--workflow-profile=none", "--rerun-triggers=mtime")
    assert output.count("Error: out of memory") == 1, output


def test_a_full_disk_is_tried_once_more(lab):
    """A limit on the size of files stands in for it: their system calls fail in the same way."""
    job = lab.repository / "workflow" / "isthmus" / "machine" / "job.py"
    assert "PAUSE = 60 " in job.read_text()
    job.write_text(job.read_text().replace("PAUSE = 60 ", "PAUSE = 0.1 "))
    _break(
        lab,
        "evaluate",
        "open('tries', 'a').write('one ')\n"
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))\n"
        "open('large', 'wb').write(bytes(100000))",
    )
    output = _fails(lab, EVALUATION, None, "--retries", "2")
    assert output.count("the disk is full, or a quota is") == 1, output
    assert (lab.directory / "tries").read_text() == "one one "
    assert "Trying to restart" not in output


def test_a_disk_with_room_at_the_second_try(lab):
    job = lab.repository / "workflow" / "isthmus" / "machine" / "job.py"
    job.write_text(job.read_text().replace("PAUSE = 60 ", "PAUSE = 0.1 "))
    _break(
        lab,
        "evaluate",
        "import os\nif not os.path.exists('tried'):\n    open('tried', 'w')\n"
        "    raise OSError(28, 'No space left on device')",
    )
    (lab.directory / EVALUATION).unlink()
    done = lab.call(None, "--cores", "1", EVALUATION)
    assert done.returncode == 0, done.stdout
    assert "Error in rule" not in done.stdout
    assert (
        "this job waits 0.1 s, once" in (lab.results / "logs/evaluate/tiny-toy-seed1-step60.log").read_text()
    )


def test_a_killed_job_is_tried_again(lab):
    _break(
        lab,
        "evaluate",
        "import os\nif not os.path.exists('tried'):\n    open('tried', 'w')\n    os.kill(os.getpid(), 9)",
    )
    (lab.directory / EVALUATION).unlink()
    done = lab.call(None, "--cores", "1", "--retries", "2", EVALUATION)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Trying to restart") == 1
    assert not list((lab.results / "logs/evaluate").glob(".*"))


def test_a_failure_of_the_network_is_tried_again(lab):
    _break(lab, "evaluate", "raise ConnectionResetError(104, 'Connection reset by peer')")
    output = _fails(lab, EVALUATION, None, "--retries", "2")
    assert output.count("Trying to restart") == 2, output


def test_word_of_an_earlier_call_does_not_count(lab):
    _break(lab, "evaluate", "raise MemoryError()")
    _fails(lab, EVALUATION, None, "--retries", "1")
    (left,) = (lab.results / "logs/evaluate").glob(".*")
    script = lab.repository / "workflow" / "scripts" / "evaluate.py"
    script.write_text("import os\nos.kill(os.getpid(), 9)\n")  # before it can remove the word
    done = lab.call(None, "--cores", "1", "--retries", "1", EVALUATION)
    assert done.stdout.count("Trying to restart") == 1, done.stdout
    assert left.exists()
