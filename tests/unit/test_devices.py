"""Each job its own GPU: with made-up device files, so that no GPU is needed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from isthmus.errors import ConfigError
from isthmus.machine import devices

HOLDER = """
import sys
from pathlib import Path
from isthmus.machine import devices
import os
with devices.claimed(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])):
    print("holds", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


class Holder:
    """A process that claims devices and holds them until it is ended."""

    def __init__(self, count: int, folder: Path, **env: str):
        inherited = {key: value for key, value in os.environ.items() if key != "SLURM_JOB_ID"}
        path = os.pathsep.join(sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(count), str(folder / "dev"), str(folder)],
            env=inherited | {"PYTHONPATH": path} | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self, word: str) -> str:
        """The rest of the first line that begins with a word."""
        return next(line for line in self.process.stdout if line.startswith(word)).partition(" ")[2].strip()

    def holds(self) -> set[str]:
        return set(self.says("holds").split(","))

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.wait()


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A machine with three made-up GPUs and what else NVIDIA's driver puts beside them."""
    for name in ("SLURM_JOB_ID", devices.VISIBLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "POLL", 0.05)
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / "dev" / name).touch()
    return tmp_path


@pytest.fixture
def hold(machine):
    """Starts holders, and ends them with the test."""
    holders = []

    def start(count: int, **env: str) -> Holder:
        holders.append(Holder(count, machine, **env))
        return holders[-1]

    yield start
    for holder in holders:
        holder.process.kill()
        holder.process.communicate()


def claim(machine: Path, count: int = 1):
    return devices.claimed(count, machine / "dev", machine)


def test_devices_are_counted_as_cuda_counts_them(machine):
    assert devices.present(machine / "dev") == ["nvidia0", "nvidia1", "nvidia10"]


def test_each_process_holds_another_device_and_a_killed_one_frees_its_own(hold, machine):
    holders = [hold(1) for _ in range(3)]
    held = [holder.holds() for holder in holders]
    assert set.union(*held) == {"0", "1", "2"}

    waiting = hold(1)
    assert waiting.says("waiting:")
    holders[1].end(signal.SIGKILL)
    assert waiting.holds() == held[1]


def test_a_job_of_two_gpus_waits_until_both_are_free(hold):
    one, other = hold(1), hold(1)
    free = {"0", "1", "2"} - one.holds() - other.holds()
    both = hold(2)
    assert both.says("waiting:")
    # what waits holds nothing meanwhile
    third = hold(1)
    assert third.holds() == free
    third.end()
    one.end()
    assert free < both.holds()


def test_a_device_is_free_again_after_the_block(machine):
    for _ in range(4):
        with claim(machine, 3):
            assert os.environ[devices.VISIBLE] == "0,1,2"
        assert devices.VISIBLE not in os.environ


@pytest.mark.parametrize(
    ("outside", "expected"),
    [("2", {"2"}), ("1,2", {"1"}), ("GPU-8932f937-d72c", {"GPU-8932f937-d72c"}), ("1,7,0", {"1"})],
)
def test_only_devices_that_were_allowed_from_outside_are_claimed(machine, monkeypatch, outside, expected):
    monkeypatch.setenv(devices.VISIBLE, outside)
    with claim(machine):
        assert set(os.environ[devices.VISIBLE].split(",")) == expected
    assert os.environ[devices.VISIBLE] == outside


def test_the_same_device_has_one_lock_whatever_list_it_comes_from(hold, machine):
    assert hold(1, CUDA_VISIBLE_DEVICES="1").holds() == {"1"}
    assert hold(2).holds() == {"0", "2"}


@pytest.mark.parametrize("outside", ["", "-1"])
def test_nothing_is_claimed_where_devices_are_hidden(machine, monkeypatch, outside):
    monkeypatch.setenv(devices.VISIBLE, outside)
    with claim(machine):
        assert os.environ[devices.VISIBLE] == outside
    assert not list(machine.glob("*.lock"))


def test_nothing_is_claimed_on_a_machine_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    with devices.claimed(1, tmp_path, tmp_path):
        assert devices.VISIBLE not in os.environ


def test_a_schedulers_choice_is_left_alone(machine, monkeypatch):
    """Where SLURM confines its jobs, each calls its own GPU number 0: they must not wait for each other."""
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv(devices.VISIBLE, "0")
    with claim(machine), claim(machine):
        assert os.environ[devices.VISIBLE] == "0"


def test_asking_for_more_than_there_is_says_so(machine):
    with pytest.raises(ConfigError, match=r"gpu: 4, but this job may use 3"), claim(machine, 4):
        pass


def test_importing_takes_no_torch():
    code = "import sys, isthmus.machine.devices; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)})
