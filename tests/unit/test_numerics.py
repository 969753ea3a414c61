"""What settings come to, and that it is known without PyTorch where there can be no GPU."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from isthmus.errors import ConfigError
from isthmus.machine import computing, numerics

SETTINGS = {
    "device": "auto",
    "precision": "float32",
    "attention": "auto",
    "threads": 1,
    "deterministic": True,
}
NO_GPU = {"__version__": "1.0", "cuda": None, "hip": None}


@pytest.fixture
def driver(monkeypatch):
    """A machine with NVIDIA's driver, and one GPU that PyTorch knows."""
    monkeypatch.setattr(numerics.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(computing, "gpu", lambda: "H100")


def test_the_version_is_that_of_pytorch_itself():
    assert numerics.resolved(SETTINGS).torch == torch.__version__


def test_where_no_gpu_can_be_pytorch_is_not_imported():
    code = f"""
import sys
from isthmus.machine import numerics
numerics._build = lambda: {NO_GPU}
found = numerics.resolved({SETTINGS})
assert (found.device, found.attention, found.torch) == ("cpu", "eager", "1.0")
assert "torch" not in sys.modules
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("build", [{"cuda": "12.8"}, {"hip": "6.4"}])
def test_a_build_for_gpus_asks_pytorch(monkeypatch, driver, build):
    monkeypatch.setattr(numerics, "_build", lambda: NO_GPU | build)
    found = numerics.resolved(SETTINGS)
    assert (found.device, found.attention, found.hardware) == ("cuda", "sdpa", "H100")
    assert numerics.resolved(SETTINGS | {"device": "cpu"}).device == "cpu"


def test_without_a_driver_there_is_no_gpu(monkeypatch, driver):
    monkeypatch.setattr(numerics, "_build", lambda: NO_GPU | {"cuda": "12.8"})

    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(numerics.ctypes, "CDLL", missing)
    assert numerics.resolved(SETTINGS).device == "cpu"
    with pytest.raises(ConfigError, match="found `cuda`, but this machine has no usable GPU"):
        numerics.resolved(SETTINGS | {"device": "cuda"})


def test_a_process_computes_as_it_was_told():
    before = torch.get_num_threads()
    try:
        found = numerics.setup(SETTINGS | {"device": "cpu", "threads": 2})
        assert (torch.get_num_threads(), found.threads) == (2, 2)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)
