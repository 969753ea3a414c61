"""Which Snakemake holds the lock of a folder, and whether it lives."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from isthmus.machine import running
from isthmus.machine.processes import Owner

BOOT = next(line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if "btime" in line)


@pytest.fixture
def locks(tmp_path):
    """A lock for results/nano, and one for another experiment."""
    folder = tmp_path / ".snakemake" / "locks"
    folder.mkdir(parents=True)
    (folder / "0.input.lock").write_text("results/nano/a\n")
    (folder / "0.output.lock").write_text("my/data.tsv\nresults/nano/b\n")
    (folder / "1.output.lock").write_text("results/nano-2/b\n")
    return folder


def _record(locks, owner, name="nano-77"):
    path = locks / f"{name}.owner.json"
    path.write_text(json.dumps(asdict(owner)))
    return path


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(Owner.this(), pid=process.pid, started="5")


def _files(locks):
    return sorted(path.name for path in locks.iterdir())


def test_without_a_lock_nothing_is_said(tmp_path, dead):
    assert running.clear(tmp_path, "nano") is None


def test_a_dead_ones_lock_is_removed_and_no_other(tmp_path, locks, dead):
    _record(locks, dead)
    _record(locks, Owner.this(), "nano-2-78")
    assert f"process {dead.pid}" in running.clear(tmp_path, "nano")
    assert _files(locks) == ["1.output.lock", "nano-2-78.owner.json"]


def test_a_living_one_is_named(tmp_path, locks, dead):
    _record(locks, dead)
    _record(locks, Owner.this(), "nano-78")
    before = _files(locks)
    with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on this host.*kill {os.getpid()}"):
        running.clear(tmp_path, "nano")
    assert _files(locks) == before


def test_another_host_is_named(tmp_path, locks):
    _record(locks, Owner("node7", "another boot", 12, "5"))
    with pytest.raises(BlockingIOError, match=r"process 12 on the host node7.*snakemake --unlock"):
        running.clear(tmp_path, "nano")


@pytest.mark.parametrize(("written", "gone"), [(float(BOOT) - 60, True), (float(BOOT) + 1, False)])
def test_after_a_power_cut(tmp_path, locks, written, gone):
    """Before this machine started, another boot of it; after it, another one of its name."""
    path = _record(locks, Owner(socket.gethostname(), "another boot", 12, "5"))
    os.utime(path, (written, written))
    if gone:
        assert "Its lock is removed" in running.clear(tmp_path, "nano")
    else:
        with pytest.raises(BlockingIOError):
            running.clear(tmp_path, "nano")


def test_a_lock_without_a_record_and_no_snakemake(tmp_path, locks):
    assert "left no word" in running.clear(tmp_path, "nano")
    assert _files(locks) == ["1.output.lock"]


@pytest.mark.parametrize(("arguments", "counts"), [([], True), (["--nolock"], False)])
def test_a_lock_without_a_record_and_a_snakemake_of_this_folder(tmp_path, locks, arguments, counts):
    """A program of that name stands in for Snakemake."""
    program = tmp_path / "snakemake"
    program.write_text("print('here', flush=True)\nimport time\ntime.sleep(600)\n")
    call = [sys.executable, str(program), *arguments]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            assert running.snakemakes(tmp_path) == ([process.pid] if counts else [])
            if counts:
                with pytest.raises(BlockingIOError, match=f"process {process.pid}"):
                    running.clear(tmp_path, "nano")
            assert running.snakemakes(tmp_path / ".snakemake") == []
        finally:
            process.kill()


def test_a_record_is_left_only_beside_a_lock(tmp_path, locks):
    running.record(locks, "nano")
    running.record(locks, "another")
    running.record(tmp_path / "no locks", "nano")
    (path,) = locks.glob("*.json")
    assert json.loads(path.read_text())["pid"] == os.getpid()
