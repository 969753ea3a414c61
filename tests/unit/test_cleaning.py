"""The end of an experiment's caches: `make clean-caches`, and `make open`."""

import json
import os
import pty
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from isthmus.machine.processes import Owner

MAKE = Path(__file__).parents[2] / "workflow" / "make.py"


@pytest.fixture
def folder(tmp_path):
    """Results with both caches, and those of another experiment."""
    (tmp_path / "x.yaml").write_text("experiment: x\nseeds: [1, 2]\n")
    for name, text in {
        "x/state/m/d/seed1/lock-3.free": "",
        "x/state/m/d/seed1/step9.safetensors": "s" * 2_000_000,
        "x/journal/m/d/step0/seed1/a.bin": "j" * 3_000,
        "x/metrics.csv": "m",
        "x/report.html": "r",
        "other/state/m/d/seed1/step9.safetensors": "o",
    }.items():
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True) if not path.parent.exists() else None
        path.write_text(text)
    return tmp_path


def call(folder, word, stdin=subprocess.DEVNULL, **variables):
    environment = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "BROWSER", "YES")
    }
    environment |= {"PYTHONPATH": str(MAKE.parent), "EXPERIMENT": "x.yaml", **variables}
    return subprocess.run(
        [sys.executable, MAKE, word], cwd=folder, env=environment, stdin=stdin, capture_output=True, text=True
    )


def answered(folder, answer):
    """The call on a terminal where somebody types an answer."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    try:
        return call(folder, "clean-caches", stdin=theirs)
    finally:
        os.close(theirs)
        os.close(ours)


def caches(folder):
    return sorted(path.name for path in (folder / "results/x").iterdir() if path.is_dir())


def test_what_is_freed_is_said_and_deleted_with_a_yes(folder):
    done = call(folder, "clean-caches", YES="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == [
        "This frees 2.0 MB:",
        "  results/x/state: 2.0 MB in 2 files",
        "  results/x/journal: 3 kB in 1 files",
    ]
    assert caches(folder) == []
    assert (folder / "results/x/metrics.csv").exists()
    assert (folder / "results/other/state/m/d/seed1/step9.safetensors").exists()
    assert call(folder, "clean-caches", YES="1").stdout == "results/x has no caches: nothing to free.\n"


@pytest.mark.parametrize("name", ["..", "../results/x", "x/state", "''", "."])
def test_only_a_folder_of_results_is_looked_at(folder, name):
    (folder / "x.yaml").write_text(f"experiment: {name}\nseeds: [1, 2]\n")
    (folder / "state").mkdir()
    done = call(folder, "clean-caches", YES="1")
    assert done.returncode == 1
    assert "allowed: the name of a folder in results/" in done.stderr
    assert (folder / "state").exists()
    assert caches(folder) == ["journal", "state"]


def test_without_a_terminal_nothing_is_deleted(folder):
    for given in ({}, {"YES": "0"}, {"YES": "true"}):
        done = call(folder, "clean-caches", **given)
        assert done.returncode == 1
        assert "no terminal to ask at. YES=1" in done.stderr
    assert caches(folder) == ["journal", "state"]


@pytest.mark.parametrize(
    ("answer", "left"), [("yes", []), ("no", ["journal", "state"]), ("", ["journal", "state"])]
)
def test_on_a_terminal_the_answer_decides(folder, answer, left):
    done = answered(folder, answer)
    assert "Delete them? [yes/no]" in done.stdout
    assert caches(folder) == left
    assert ("Nothing was deleted." in done.stdout) == bool(left)
    assert done.returncode == 0


def test_while_a_run_holds_the_lock_nothing_is_deleted(folder):
    locks = folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/x/metrics.csv\n")
    (locks / f"x-{os.getpid()}.owner.json").write_text(json.dumps(asdict(Owner.this())))
    done = call(folder, "clean-caches", YES="1")
    assert done.returncode == 1
    assert f"results/x is being made: by Snakemake, process {os.getpid()}" in done.stderr
    assert caches(folder) == ["journal", "state"]
    assert (locks / "0.output.lock").exists()


def test_while_a_job_trains_nothing_is_deleted(folder):
    """Of a cluster's job, whose Snakemake may be dead."""
    lock = folder / "results/x/state/m/d/seed1/lock-4"
    lock.touch()
    done = call(folder, "clean-caches", YES="1")
    assert done.returncode == 1
    assert "results/x/state/m/d/seed1/lock-4 was held within the last two minutes" in done.stderr
    assert caches(folder) == ["journal", "state"]
    os.utime(lock, (0, 0))
    assert call(folder, "clean-caches", YES="1").returncode == 0


def test_a_cache_on_another_disk_is_left_to_its_owner(folder):
    """A link is not followed, and not deleted."""
    state, elsewhere = folder / "results/x/state", folder / "scratch"
    state.rename(elsewhere)
    state.symlink_to(elsewhere)
    done = call(folder, "clean-caches", YES="1")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: found results/x/state, which is a link; allowed: a folder.")
    assert (elsewhere / "m/d/seed1/step9.safetensors").exists()
    assert caches(folder) == ["journal", "state"]


def test_where_no_browser_opens_the_report_s_place_is_said(folder):
    done = call(folder, "open", PATH=str(folder))
    assert done.returncode == 0, done.stderr
    assert str(folder / "results/x/report.html") in done.stdout
    (folder / "results/x/report.html").unlink()
    done = call(folder, "open")
    assert done.returncode == 1
    assert done.stderr.startswith("There is no results/x/report.html yet: `make run` makes it")


def test_a_browser_opens_the_report(folder):
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {folder}/opened\n')
    browser.chmod(0o755)
    done = call(folder, "open", BROWSER=str(browser))
    assert done.stdout == "Opening results/x/report.html\n"
    assert (folder / "opened").read_text() == (folder / "results/x/report.html").as_uri()


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 kB"), (40_000, "40 kB"), (2_340_000, "2.3 MB"), (45_600_000_000, "45.6 GB")]
)
def test_bytes_for_people(monkeypatch, count, said):
    monkeypatch.syspath_prepend(str(MAKE.parent))
    assert runpy.run_path(str(MAKE))["size"](count) == said
