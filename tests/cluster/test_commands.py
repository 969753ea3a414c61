"""The commands for PBS, LSF and SGE, with stand-ins for their programs, which answer as manuals say."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.profiles import ProfileConfigFileParser

from tests.workflow.lab import ROOT

PROFILE = ROOT / "profiles" / "cluster-generic"
# What `bsub`, `qsub` of SGE (with -terse) and of PBS print.
SUBMITTED = {"lsf": "Job <123> is submitted to queue <gpu>.", "sge": "123", "pbs": "123.server"}


@pytest.fixture
def program(tmp_path, monkeypatch) -> Callable[[str, str], None]:
    """Makes a program by its name and what it does, before all others."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    # No test waits for a scheduler that does not know a job.
    (tmp_path / "bin" / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "sleep").chmod(0o755)

    def make(name: str, does: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    return make


def profile(scheduler: str, folder: Path) -> dict[str, str]:
    """The profile as Snakemake reads it, with the lines of docs/cluster.md for one of the schedulers."""
    copy = folder / "profiles" / "cluster-generic"
    shutil.copytree(PROFILE, copy)
    text = (copy / "config.yaml").read_text()
    page = (ROOT / "docs" / "cluster.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if scheduler in block]
    if scheduler != "pbs":
        assert len(blocks) == 1
        text = re.sub(r"^cluster-generic-.*\n(?:  .*\n)*", "", text, flags=re.MULTILINE) + blocks[0]
    (copy / "config.yaml").write_text(text)
    with open(copy / "config.yaml") as file:
        return ProfileConfigFileParser().parse(file)


@pytest.mark.parametrize("scheduler", SUBMITTED)
@pytest.mark.parametrize("gpus", [0, 1])
def test_a_submitted_job_says_its_number_and_gets_its_warning(scheduler, gpus, program, tmp_path):
    read = profile(scheduler, tmp_path)
    asked = tmp_path / "asked"
    record = f'printf "%s\\n" "$@" $WARN_AFTER > {asked}'
    program("bsub" if scheduler == "lsf" else "qsub", f"{record}; echo '{SUBMITTED[scheduler]}'")
    resources = SimpleNamespace(mem_mb=2300, runtime=23, gpu=gpus, queue="short", warning=300)
    command = read["cluster-generic-submit-cmd"].format(threads=2, resources=resources)
    script = tmp_path / "a job.sh"
    done = subprocess.run(f'{command} "{script}"', shell=True, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines() == ["123.server" if scheduler == "pbs" else "123"]
    *words, last, warning = asked.read_text().splitlines()
    assert (last, warning) == (str(script), str(23 * 60 - 300))
    said = " ".join(words)
    assert "-q short" in said
    assert ("-W 23" if scheduler == "lsf" else "=1380") in said
    assert "2300" in said
    assert any(word in said for word in ("-n 2", "-pe smp 2", "ncpus=2"))
    if scheduler == "lsf" and not gpus:
        assert "gpu" not in said
    else:
        asked_for = {"pbs": "ngpus={}", "lsf": "-gpu num={}", "sge": "-l gpu={}"}
        assert re.search(rf"{asked_for[scheduler].format(gpus)}\b", said)


@pytest.mark.parametrize("scheduler", SUBMITTED)
def test_a_refused_submission_is_seen(scheduler, program, tmp_path):
    read = profile(scheduler, tmp_path)
    program("bsub" if scheduler == "lsf" else "qsub", "echo no such queue >&2; exit 3")
    resources = SimpleNamespace(mem_mb=2300, runtime=23, gpu=1, queue="short", warning=300)
    command = read["cluster-generic-submit-cmd"].format(threads=2, resources=resources)
    done = subprocess.run(f"{command} script.sh", shell=True, text=True, capture_output=True)
    assert done.returncode != 0
    assert (done.stdout, done.stderr) == ("", "no such queue\n")


PBS = "Job Id: 123.server\n    Job_Name = finetune\n    job_state = {}\n    Exit_status = {}\n"
TORQUE = "Job Id: 123.server\n    job_state = {}\n    exit_status = {}\n"
SGE = "qname        all.q\nfailed       {}\nexit_status  {}\n"
UNKNOWN = "echo unknown job >&2; exit 1"


def printing(text: str) -> str:
    return f"cat << 'END'\n{text}\nEND"


STATES = [
    ("pbs", "running", {"qstat": printing(PBS.format("Q", "").replace("    Exit_status = \n", ""))}),
    ("pbs", "running", {"qstat": printing(PBS.format("R", "").replace("    Exit_status = \n", ""))}),
    ("pbs", "success", {"qstat": printing(PBS.format("F", 0))}),
    ("pbs", "failed", {"qstat": printing(PBS.format("F", 271))}),
    ("pbs", "failed", {"qstat": printing(PBS.format("F", -29))}),
    ("pbs", "success", {"qstat": f'[ "$1" = -f ] || exit 2\n{printing(TORQUE.format("C", 0))}'}),
    ("pbs", "failed", {"qstat": UNKNOWN}),
    ("lsf", "running", {"bjobs": "echo PEND"}),
    ("lsf", "running", {"bjobs": "echo UNKWN"}),
    ("lsf", "success", {"bjobs": "echo DONE"}),
    ("lsf", "failed", {"bjobs": "echo EXIT"}),
    ("lsf", "failed", {"bjobs": UNKNOWN}),
    ("sge", "running", {"qstat": "echo job_number: 123"}),
    ("sge", "running", {"qstat": UNKNOWN, "qacct": UNKNOWN}),
    ("sge", "failed", {"qstat": UNKNOWN}),
    ("sge", "success", {"qstat": UNKNOWN, "qacct": printing(SGE.format("0", "0"))}),
    ("sge", "failed", {"qstat": UNKNOWN, "qacct": printing(SGE.format("0", "1"))}),
    ("sge", "failed", {"qstat": UNKNOWN, "qacct": printing(SGE.format("100 : assumedly after job", "137"))}),
]


@pytest.mark.parametrize(("scheduler", "status", "programs"), STATES)
def test_a_job_is_running_a_success_or_failed(scheduler, status, programs, program, tmp_path):
    for name, does in programs.items():
        program(name, does)
    command = profile(scheduler, tmp_path)["cluster-generic-status-cmd"]
    assert command == str(tmp_path / "profiles" / "cluster-generic" / f"status-{scheduler}.sh")
    done = subprocess.run(f"{command} '123'", shell=True, text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (0, f"{status}\n")
