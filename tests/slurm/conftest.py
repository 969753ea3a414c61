"""Tests on a real SLURM; `start.sh` beside this file starts one, and without it nothing is tested."""

import shutil
import subprocess

import pytest


@pytest.fixture(scope="module", autouse=True)
def slurm() -> None:
    """Skips where no SLURM for tests answers: two GPUs on one node, partitions `cpu` and `gpu`."""
    if shutil.which("sinfo") is None:
        pytest.skip("SLURM is not installed (Debian's slurm-wlm and munge)")
    found = subprocess.run(
        ["sinfo", "--noheader", "--format=%R %D %G"], text=True, capture_output=True
    ).stdout.split("\n")
    if not {"cpu 1 gpu:2", "gpu 1 gpu:2"} <= set(found):
        pytest.skip("no SLURM for tests answers here; as root, tests/slurm/start.sh starts one")
