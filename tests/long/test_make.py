"""`make`, in a folder with spaces and umlauts: interrupted, killed, called twice, and given odd names."""

import json
import os
import shutil
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from tests.workflow.lab import NANO, ROOT, copy_workflow

pytestmark = pytest.mark.long

GATE = "import time\nfrom pathlib import Path\nwhile Path('closed').exists():\n    time.sleep(0.1)\n"
ODD = [
    "a'b.yaml",
    "`touch x`.yaml",
    "$(touch x).yaml",
    "$(shell touch x).yaml",
    "a; touch x",
    '"',
    "two words.yaml",
]


class Place:
    """A clone with an environment, and the small experiment in it, partly made."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.started: list[subprocess.Popen] = []

    def start(self, *words: str) -> subprocess.Popen:
        """Call make in a process group of its own, as a terminal would."""
        skip = ("SNAKEMAKE", "ISTHMUS", "MAKE", "MFLAGS")
        env = {key: value for key, value in os.environ.items() if not key.startswith(skip)}
        process = subprocess.Popen(
            ["make", *words],
            cwd=self.folder,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def make(self, *words: str) -> tuple[int, str]:
        """Call make to its end; its status and all that it said."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=600)
        return process.returncode, said

    def close_gate(self) -> None:
        """From now on, evaluations wait until the gate is open."""
        (self.folder / "closed").touch()

    def open_gate(self) -> None:
        (self.folder / "closed").unlink()

    def wait_at_gate(self, process: subprocess.Popen) -> None:
        """Wait until an evaluation waits."""
        log = self.folder / "results/nano/logs/evaluate/tiny-toy-seed2-step120.log"
        log.unlink(missing_ok=True)
        until = time.monotonic() + 120
        while not log.exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < until
            time.sleep(0.1)
        time.sleep(1)

    def record(self) -> dict:
        (path,) = (self.folder / ".snakemake/locks").glob("*.owner.json")
        return json.loads(path.read_text())

    def whole(self) -> bool:
        return (self.folder / "results/nano/evaluations/tiny/toy/seed2/step120.parquet").exists()


@pytest.fixture
def clone(tmp_path):
    """A clone with an environment; no process that was started in it outlives the test."""
    folder = copy_workflow(ROOT, tmp_path / "Größe und Gewicht")
    shutil.copy2(ROOT / "Makefile", folder / "Makefile")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    os.utime(folder / "envs" / "requirements.txt", (0, 0))  # older than what was installed from it
    it = Place(folder)
    yield it
    for process in it.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def place(nano, clone):
    """The small experiment in it, but for one evaluation, which waits while there is a file `closed`."""
    nano.copied(clone.folder)
    (clone.folder / "nano.yaml").write_text(yaml.safe_dump(NANO, sort_keys=False))
    (clone.folder / "results/nano/evaluations/tiny/toy/seed2/step120.parquet").unlink()
    (clone.folder / "results/nano/evaluations.csv").unlink()  # else Snakemake would not miss it
    script = clone.folder / "workflow/scripts/evaluate.py"
    head, colon, rest = script.read_text().partition("):\n")
    script.write_text(f"{head}{colon}{textwrap.indent(GATE, '    ')}{rest}")
    return clone


@pytest.mark.rare
def test_what_make_offers_in_a_folder_with_spaces_and_umlauts(place):
    (place.folder / "mein Versuch.yaml").write_text(yaml.safe_dump(NANO, sort_keys=False))
    code, said = place.make("status", "EXPERIMENT=mein Versuch.yaml")
    assert code == 0, said
    assert "left: 1 to evaluate; then the report" in said
    code, said = place.make("plan", "EXPERIMENT=mein Versuch.yaml", "CORES=3", "TFLOPS=1")
    assert code == 0, said
    assert "evaluate" in said
    assert "with 3 cores, 3 jobs at a time" in said
    code, said = place.make("clean-caches", "EXPERIMENT=mein Versuch.yaml")
    assert code != 0  # there is no terminal to ask at
    assert "results/nano/state: " in said
    assert (place.folder / "results/nano/journal").exists()
    code, said = place.make("run", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    assert place.whole()
    assert said.count("Look at results/nano/report.html") == 1
    code, said = place.make("run", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    assert "Nothing to be done" in said
    assert said.count("Look at results/nano/report.html") == 1
    code, said = place.make("report", "PARTIAL=1", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    code, said = place.make("clean-caches", "YES=1", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    assert not (place.folder / "results/nano/state").exists()
    code, said = place.make("run", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    assert "finetune" not in said  # nothing of what was expensive is made again
    assert place.whole()


@pytest.mark.parametrize(
    ("target", "name"), [*(("run", name) for name in ODD), ("plan", ODD[0]), ("status", ODD[1])]
)
def test_a_name_is_no_program(clone, target, name):
    before = sorted(path.name for path in clone.folder.iterdir())
    code, said = clone.make(target, f"EXPERIMENT={name}")
    assert code != 0
    assert said.count("EXPERIMENT: found ") == 1, said
    assert "Traceback" not in said
    assert sorted(path.name for path in clone.folder.iterdir()) == before


@pytest.mark.parametrize("word", ["PROFILE", "GPUS", "CORES", "PYTHON", "PARTIAL", "YES"])
def test_no_other_word_is_a_program(clone, word):
    target = {"GPUS": "plan", "CORES": "plan", "YES": "clean-caches"}.get(word, "run")
    clone.make(target, f"{word}=`touch x`$(shell touch x)'", "EXPERIMENT=none.yaml")
    assert not (clone.folder / "x").exists()


def test_after_a_kill_make_goes_on(place):
    place.close_gate()
    first = place.start("run", "EXPERIMENT=nano.yaml")
    place.wait_at_gate(first)
    owner = place.record()["pid"]
    code, said = place.make("run", "EXPERIMENT=nano.yaml")  # while that one lives
    assert code != 0
    assert f"process {owner} on this host" in said
    assert "Traceback" not in said
    assert "Not everything could be made" not in said
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert list((place.folder / ".snakemake/locks").glob("*.lock"))
    place.open_gate()
    code, said = place.make("run", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    assert said.count(f"(process {owner}) was ended from outside. Its lock is removed") == 1
    assert place.whole()


def test_a_lock_of_another_host_stays(place):
    place.close_gate()
    first = place.start("run", "EXPERIMENT=nano.yaml")
    place.wait_at_gate(first)
    (path,) = (place.folder / ".snakemake/locks").glob("*.owner.json")
    path.write_text(json.dumps(place.record() | {"host": "node7", "machine": "another boot"}))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    code, said = place.make("run", "EXPERIMENT=nano.yaml")
    assert code != 0
    assert "on the host node7" in said
    assert "snakemake --unlock" in said
    assert list((place.folder / ".snakemake/locks").glob("*.lock"))


def test_ctrl_c_says_how_to_go_on(place):
    place.close_gate()
    first = place.start("run", "EXPERIMENT=nano.yaml")
    place.wait_at_gate(first)
    os.killpg(first.pid, signal.SIGINT)
    said, _ = first.communicate(timeout=120)
    assert first.returncode != 0
    assert said.count("Stopped by SIGINT. What was trained and measured until then is saved") == 1
    assert "Traceback" not in said
    assert "Not everything could be made" not in said
    assert not (place.folder / ".snakemake/locks").exists()
    place.open_gate()
    code, said = place.make("run", "EXPERIMENT=nano.yaml")
    assert code == 0, said
    assert place.whole()
