"""Measuring jobs that are killed, run twice at once, or find damage end in the file of an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import tiny

ROOT = Path(__file__).resolve().parents[2]

# Measures the row of the cell in a folder into a journal. It says when each measurement begins, and waits for
# a line before it if asked to. With `kill` it forks processes that kill themselves at one measurement each,
# as SIGKILL from outside would; forking saves the seconds that a start costs.
JOB = """
import os, signal, sys
from pathlib import Path
from isthmus.tasks.classification import Placed
from tests.unit import tiny

cell, journal, mode = tiny.Cell(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
made = 0
fatal = None
measure = Placed.measure

def watched(self, model, **asked):
    global made
    print("measuring", made, flush=True)
    if mode == "wait":
        sys.stdin.readline()
    if made == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    made += 1
    return measure(self, model, **asked)

Placed.measure = watched
if mode == "kill":
    from transformers import BertForSequenceClassification  # once, and not in each process
    for fatal in map(int, sys.argv[4:]):
        child = os.fork()
        if child == 0:
            cell.interpolate(journal=f"{journal}{fatal}", out=f"{journal}{fatal}")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
else:
    print("made", cell.interpolate(journal=journal, out=sys.argv[4]).count, flush=True)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A cell, and what an undisturbed run makes of it."""
    cell = tiny.Cell(tmp_path_factory.mktemp("faults") / "cell")
    return cell, cell.interpolate()


def job(cell, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(cell.folder), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT}", "TOKENIZERS_PARALLELISM": "false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_killed_at_any_measurement_and_run_again(undisturbed):
    cell, measured = undisturbed
    deaths = [0, 1, 3, 8, 13, measured.count - 1]
    process = job(cell, "killed", "kill", *deaths)
    process.communicate(timeout=300)
    assert process.returncode == 0
    for survived in deaths:
        assert not (cell.folder / f"killed{survived}.parquet").exists()
        again = cell.interpolate(journal=f"killed{survived}", out=f"again{survived}")
        assert again.count == measured.count - survived
        assert again.bytes == measured.bytes


def test_killed_from_outside(undisturbed):
    cell, measured = undisturbed
    process = job(cell, "outside", "run", "outside")
    while process.stdout.readline() != "measuring 3\n":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    last = cell.interpolate(journal="outside", out="outside")
    assert last.count <= measured.count - 3
    assert last.bytes == measured.bytes


@pytest.mark.long
def test_two_processes_that_measure_at_once(undisturbed):
    cell, measured = undisturbed
    both = [job(cell, "both", "wait", f"both{number}") for number in (0, 1)]
    for process in both:
        assert process.stdout.readline().startswith("measuring 0")  # neither knows anything yet
    for process in both:
        process.stdin.write("\n" * 1000)
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0].split()[-1]) for process in both]
    assert max(counts) == measured.count
    third = cell.interpolate(journal="both", out="both2")
    assert third.count == 0
    for number in range(3):
        assert (cell.folder / f"both{number}.parquet").read_bytes() == measured.bytes[0]
        assert (cell.folder / f"both{number}.pairs.parquet").read_bytes() == measured.bytes[1]


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_costs_one_measurement(undisturbed, seed):
    cell, measured = undisturbed
    folder = cell.folder / f"flipped{seed}"
    shutil.copytree(cell.folder / "journal", folder)
    generator = random.Random(seed)
    path = generator.choice(sorted(folder.glob("*/*.journal")))
    content = bytearray(path.read_bytes())
    content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        again = cell.interpolate(journal=folder.name, out=folder.name)
    assert again.count <= 1  # none, where it was the pair's record
    assert again.bytes == measured.bytes


@pytest.mark.long
def test_a_journal_that_is_deleted_under_a_job(undisturbed):
    cell, measured = undisturbed
    process = job(cell, "deleted", "wait", "deleted")
    for number in range(7):
        assert process.stdout.readline() == f"measuring {number}\n"
        if number == 6:
            shutil.rmtree(cell.folder / "deleted")
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate("\n" * 1000, timeout=120)
    assert process.returncode == 0
    assert (cell.folder / "deleted.parquet").read_bytes() == measured.bytes[0]
