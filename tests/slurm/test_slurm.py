"""The workflow on a real SLURM; `start.sh` beside this file starts one, and without it nothing is tested."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.lab import NANO, Lab, changed, copy_workflow, snakemake

# Each rule asks for something else, so that what SLURM was told can be told apart.
RESOURCES = {
    "pretrain": {"gpu": 1, "mem_mb": 2100, "runtime": 21},
    "initialize": {"mem_mb": 2200, "runtime": 22},
    "finetune": {"gpu": 1, "mem_mb": 2300, "runtime": 23},
    "evaluate": {"gpu": 1, "mem_mb": 2400, "runtime": 24},
    "interpolate": {"gpu": 1, "mem_mb": 2500, "runtime": 25},
}
SMALL = changed(NANO, {"training.checkpoints": [60], "resources": RESOURCES})
# Training that can be made to sleep at each update: long enough to be interrupted, on a fast machine too.
LONG = changed(
    NANO,
    {
        "seeds": [1, 2, 3],
        "training.steps": 300,
        "training.checkpoints": [250],
        "training.save_minutes": 0.02,
        "resources.finetune": {"gpu": 0, "runtime": 2, "mem_mb": 2300},
    },
)
PROFILE = (
    "--workflow-profile",
    "profiles/slurm",
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--latency-wait",
    "10",
)
# The profile's warning comes five minutes before a time limit; here the limit is two.
WARNING = ("--set-resources", "finetune:slurm_extra=--signal=TERM@60", "--show-failed-logs")


def command(*args: str) -> str:
    return subprocess.run(args, check=True, text=True, capture_output=True).stdout


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


# ------------------------------------------------------------------------------------------ what SLURM says


def jobs(directory: Path) -> list[dict[str, str]]:
    """What SLURM knows of the jobs of a working directory, oldest first."""
    lines = command("scontrol", "show", "job", "--oneliner").splitlines()
    found = [dict(re.findall(r"([A-Za-z/:]+)=(\S*)", line)) for line in lines]
    return sorted(
        (job for job in found if job.get("WorkDir") == str(directory)), key=lambda j: int(j["JobId"])
    )


def of_rule(found: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Jobs by the rule, or the group of rules, that their comment names."""
    rules = defaultdict(list)
    for job in found:
        rules[re.match(r"rule_(.*?)(?:_wildcards_.*)?$", job["Comment"])[1]].append(job)
    return rules


def most_at_once(found: list[dict[str, str]]) -> int:
    """How many of the jobs ran at the same time, at most; an end goes before a start of the same second."""
    events = sorted(
        event for job in found for event in ((job["StartTime"], 1), (job["EndTime"], -1)) if job["StartTime"]
    )
    running, most = 0, 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait for something to be true; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s in vain")


# ------------------------------------------------------------------------------------------------ a whole run


@pytest.fixture(scope="module")
def here(repository, tmp_path_factory) -> Lab:
    """The small experiment, run on this machine without SLURM."""
    lab = Lab(repository, tmp_path_factory.mktemp("here"), SMALL)
    lab.run(None)
    return lab


@pytest.fixture(scope="module")
def there(repository, tmp_path_factory) -> Lab:
    """The small experiment, run through SLURM."""
    lab = Lab(repository, tmp_path_factory.mktemp("there"), SMALL)
    done = lab.call(None, *PROFILE)
    assert done.returncode == 0, done.stdout
    return lab


def test_results_are_those_of_a_local_run(here, there):
    for name in ("metrics", "deltas", "pairs", "evaluations"):
        assert (there.results / f"{name}.csv").read_bytes() == (here.results / f"{name}.csv").read_bytes()


def test_every_job_went_through_slurm_with_what_its_rule_declares(there):
    rules = of_rule(jobs(there.directory))
    assert {rule: len(found) for rule, found in rules.items()} == {
        "pretrain": 1,
        "data_subset_tokenize": 1,
        "start_initialize": 1,
        "finetune": 2,
        "evaluate": 4,
        "interpolate": 2,
        "end_basins_collect_connectivity_figures_findings_report_tables": 1,
    }
    for rule in ("pretrain", "finetune", "evaluate", "interpolate"):
        for job in rules[rule]:
            declared = RESOURCES[rule]
            assert job["JobState"] == "COMPLETED"
            assert job["Partition"] == "gpu"
            assert job["TresPerJob"] in ("gres:gpu:1", "gres/gpu:1")
            assert job["MinMemoryNode"] == f"{declared['mem_mb']}M"
            assert job["TimeLimit"] == f"00:{declared['runtime']}:00"
            assert job["CPUs/Task"] == "1"
    for rule in (
        "data_subset_tokenize",
        "start_initialize",
        "end_basins_collect_connectivity_figures_findings_report_tables",
    ):
        assert rules[rule][0]["Partition"] == "cpu"
        assert "TresPerJob" not in rules[rule][0]
    # two runs, initialised one after the other: the memory of one, the time of both
    start = rules["start_initialize"][0]
    assert (start["MinMemoryNode"], start["TimeLimit"], start["CPUs/Task"]) == ("2200M", "00:10:00", "1")


def test_gpu_jobs_keep_both_gpus_busy_and_never_want_a_third(there):
    asked = [job for job in jobs(there.directory) if "TresPerJob" in job]
    assert most_at_once(asked) == 2


def test_nothing_is_left_to_do(there):
    assert there.dry_run(None, *PROFILE) == {}


# ------------------------------------------------------------------------------------------------- failures

PROBE = """

rule probe:
    output:
        "probe.txt",
    log:
        "probe.log",
    threads: 2
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "workflow/scripts/probe.py"
"""
TRIES_THE_HUB = """from job import logged

with logged(snakemake.log[0]):
    from huggingface_hub import hf_hub_download

    hf_hub_download("google-bert/bert-base-uncased", "config.json")
"""


@pytest.fixture(scope="module")
def failing(there, tmp_path_factory) -> tuple[Lab, subprocess.CompletedProcess[str]]:
    """Two evaluations, one of a damaged checkpoint, and a job that wants the network."""
    folder = tmp_path_factory.mktemp("failing")
    lab = there.copied(folder / "results").elsewhere(folder / "repository")
    with open(lab.repository / "Snakefile", "a") as snakefile:
        snakefile.write(PROBE)
    (lab.repository / "workflow" / "scripts" / "probe.py").write_text(TRIES_THE_HUB)
    weights = lab.results / "checkpoints/tiny/toy/seed2/step60/model.safetensors"
    times = weights.stat()
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    shutil.rmtree(lab.results / "journal")
    targets = [f"results/nano/evaluations/tiny/toy/seed{seed}/step60.parquet" for seed in (1, 2)]
    for target in targets:
        (lab.directory / target).unlink()
    offline = {"HF_HOME": str(folder / "hub"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    return lab, lab.call(None, *PROFILE, "--retries", "0", "probe.txt", *targets, **offline)


def test_a_failure_says_where_and_why_and_the_others_go_on(failing):
    lab, done = failing
    assert done.returncode != 0
    assert (lab.results / "evaluations/tiny/toy/seed1/step60.parquet").exists()
    block = re.search(r"^Error in rule evaluate:\n((?: .*\n)+)", done.stdout, re.MULTILINE)[1]
    assert "seed2/step60/model.safetensors" in block
    assert "results/nano/logs/evaluate/tiny-toy-seed2-step60.log" in block
    assert re.search(r"model=tiny.*dataset=toy.*seed=2.*step=60", done.stdout)
    reasons = [
        line for line in done.stdout.splitlines() if line.startswith("Error: ") and "seed2/step60" in line
    ]
    assert reasons, done.stdout


def test_a_compute_job_cannot_reach_the_hub(failing):
    lab, _ = failing
    assert not (lab.directory / "probe.txt").exists()
    assert "HF_HUB_OFFLINE" in (lab.directory / "probe.log").read_text()


def test_threads_are_cores_of_the_job(failing):
    lab, _ = failing
    assert {job["CPUs/Task"] for job in of_rule(jobs(lab.directory))["probe"]} == {"2"}


# -------------------------------------------------------------------------------------------- interruptions


@pytest.fixture(scope="module")
def uninterrupted(repository, tmp_path_factory) -> Lab:
    """The long runs, trained on this machine without an interruption."""
    lab = Lab(repository, tmp_path_factory.mktemp("uninterrupted"), LONG)
    lab.run(None, *targets(1, 2, 3))
    return lab


@pytest.fixture(scope="module")
def sleepy(repository, tmp_path_factory) -> Path:
    """A copy of the workflow whose training sleeps at each update."""
    copy = copy_workflow(repository, tmp_path_factory.mktemp("sleepy"))
    path = copy / "workflow" / "isthmus" / "training.py"
    text = path.read_text()
    start = "    total, count = 0.0, 0\n    for number, micro in"
    assert text.count(start) == 1
    path.write_text(text.replace(start, f"    import os; time.sleep(float(os.environ['SLEEPS']))\n{start}"))
    return copy


@pytest.fixture
def long(uninterrupted, sleepy, tmp_path) -> Iterator[Lab]:
    """The long runs before their training, in a directory of their own."""
    lab = Lab(sleepy, uninterrupted.copied(tmp_path / "long").directory, LONG)
    shutil.rmtree(lab.results / "state")
    for folder in lab.results.glob("checkpoints/tiny/toy/seed*/step250"):
        shutil.rmtree(folder)
    yield lab
    for job in jobs(lab.directory):
        if job["JobState"] in ("PENDING", "RUNNING"):
            command("scancel", job["JobId"])


def targets(*seeds: int) -> list[str]:
    return [f"checkpoints/tiny/toy/seed{seed}/step250/model.safetensors" for seed in seeds]


@contextmanager
def submitting(lab: Lab, *seeds: int, sleeps: float) -> Iterator[subprocess.Popen]:
    """A Snakemake that submits the training of some seeds, while the block runs; updates sleep so long."""
    path = lab.directory / "long.yaml"
    path.write_text(json.dumps(lab.config))
    files = [f"{lab.results.relative_to(lab.directory)}/{target}" for target in targets(*seeds)]
    call = [sys.executable, "-m", "snakemake", "--directory", str(lab.directory), *PROFILE, *WARNING]
    with open(lab.directory / "snakemake.txt", "a") as output:
        process = subprocess.Popen(
            [*call, *files, "--configfile", str(path)],
            cwd=lab.repository,
            env={**os.environ, "SLEEPS": str(sleeps)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def attempts(lab: Lab, seed: int) -> list[dict[str, Any]]:
    """What the processes that trained a run wrote down, in their order."""
    folder = lab.results / "state" / "tiny" / "toy" / f"seed{seed}" / "attempts"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("[0-9]*.json"))]


def saved(lab: Lab, seed: int) -> bool:
    return any(attempt["saved"] > 0 for attempt in attempts(lab, seed))


def running(lab: Lab, seed: int) -> str:
    """The number of the job that trains a run."""
    comment = "rule_finetune_wildcards_"
    found = [
        job["JobId"]
        for job in jobs(lab.directory)
        if job["Comment"].startswith(comment)
        and {"250", str(seed)} <= set(job["Comment"].split("_"))
        and job["JobState"] == "RUNNING"
    ]
    return found[-1]


def same_weights(lab: Lab, other: Lab, seed: int) -> bool:
    path = targets(seed)[0]
    return (lab.results / path).read_bytes() == (other.results / path).read_bytes()


def log_of(lab: Lab, seed: int) -> str:
    """The log of a run's training; Snakemake removes it before each attempt."""
    path = lab.results / "logs" / "finetune" / f"tiny-toy-seed{seed}-step250.log"
    return path.read_text() if path.exists() else ""


def test_time_limit_scancel_and_requeue_lose_nothing(long, uninterrupted):
    """Seed 1 meets its time limit, seed 2 `scancel`, seed 3 is requeued; each goes on where it was."""
    with submitting(long, 1, 2, 3, sleeps=0.4) as process:
        until(lambda: saved(long, 2))
        cancelled = running(long, 2)
        command("scancel", cancelled)
        until(lambda: saved(long, 3))
        requeued = running(long, 3)
        command("scontrol", "requeue", requeued)
        assert process.wait(timeout=600) == 0, (long.directory / "snakemake.txt").read_text()
    for seed in (1, 2, 3):
        assert same_weights(long, uninterrupted, seed)
        first, *later = attempts(long, seed)
        assert first["start"] == 0
        # A killed process may have saved more than it had time to note.
        assert all(after["start"] >= before["saved"] for before, after in pairwise((first, *later)))
        assert later[-1]["start"] > 0
        assert f"training goes on from step {later[-1]['start']} to 250" in log_of(long, seed)
    ended = {job["JobId"]: job for job in jobs(long.directory)}
    assert ended[cancelled]["JobState"] == "CANCELLED"
    assert int(ended[requeued]["Restarts"]) >= 1
    # The warning comes before the limit and the process ends by itself, so SLURM calls this a failure.
    of_seed_1 = [job["JobState"] for job in ended.values() if "1" in job["Comment"].split("_")]
    assert of_seed_1 == ["FAILED"] * (len(of_seed_1) - 1) + ["COMPLETED"]
    assert len(of_seed_1) >= 2
    said = (long.directory / "snakemake.txt").read_text()
    assert re.search(r"SIGTERM: saved the state of step \d+ .*the next attempt goes on from there", said)


def test_a_second_snakemake_waits_for_the_jobs_of_a_killed_one(long, uninterrupted):
    # The first job must still run when the second one begins, so no time limit comes between.
    unhurried = changed(long.config, {"resources.finetune": {"gpu": 0, "runtime": 10, "mem_mb": 2300}})
    long = Lab(long.repository, long.directory, unhurried)
    with submitting(long, 1, sleeps=0.4) as process:
        until(lambda: saved(long, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    first = running(long, 1)
    unlocked = snakemake(
        long.repository, long.directory, "--unlock", "--configfile", f"{long.directory}/long.yaml"
    )
    assert unlocked.returncode == 0, unlocked.stdout
    with submitting(long, 1, sleeps=0.4) as process:
        until(lambda: "waiting: this run is being trained by" in log_of(long, 1))
        assert running(long, 1) != first
        assert process.wait(timeout=600) == 0, (long.directory / "snakemake.txt").read_text()
    assert same_weights(long, uninterrupted, 1)
    assert re.search(r"(step 250 is in the cache|goes on from step [1-9])", log_of(long, 1))
