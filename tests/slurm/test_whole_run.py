"""A whole run through SLURM: the same bytes, what each job was given, what a failure says."""

import os
import re
import shutil
import subprocess

import pytest

from tests.slurm.cluster import PROFILE, jobs, most_at_once, of_rule
from tests.workflow.lab import NANO, Lab, assert_same_tables, changed

# Each rule asks for something else, so that what SLURM was told can be told apart.
RESOURCES = {
    "pretrain": {"gpu": 1, "mem_mb": 2100, "runtime": 21},
    "initialize": {"mem_mb": 2200, "runtime": 22},
    "finetune": {"gpu": 1, "mem_mb": 2300, "runtime": 23},
    "evaluate": {"gpu": 1, "mem_mb": 2400, "runtime": 24},
    "interpolate": {"gpu": 1, "mem_mb": 2500, "runtime": 25},
    "bend": {"gpu": 1, "mem_mb": 2600, "runtime": 26},
    "curve": {"gpu": 1, "mem_mb": 2700, "runtime": 27},
}
DETOURS = {"curves": [{"kind": "bezier", "steps": 20}], "alignment": {"method": "weights"}}
SMALL = changed(NANO, {"training.checkpoints": [60], "resources": RESOURCES, **DETOURS})


@pytest.fixture(scope="module")
def there(repository, tmp_path_factory) -> Lab:
    """The small experiment, run through SLURM."""
    lab = Lab(repository, tmp_path_factory.mktemp("there"), SMALL)
    done = lab.call(None, *PROFILE)
    assert done.returncode == 0, done.stdout
    return lab


def test_results_are_those_of_a_local_run(here, there):
    assert_same_tables(here, there)


def test_every_job_went_through_slurm_with_what_its_rule_declares(there):
    rules = of_rule(jobs(there.directory))
    assert {rule: len(found) for rule, found in rules.items()} == {
        "pretrain": 1,
        "data": 1,
        "start": 1,
        "finetune": 2,
        "evaluate": 4,
        "interpolate": 2,
        "average": 1,
        **dict.fromkeys(("bend", "curve", "align", "aligned", "examples", "end"), 1),
    }
    for rule in RESOURCES.keys() - {"initialize"}:
        for job in rules[rule]:
            declared = RESOURCES[rule]
            assert job["JobState"] == "COMPLETED"
            assert job["Partition"] == "gpu"
            assert job["TresPerJob"] in ("gres:gpu:1", "gres/gpu:1")
            assert job["MinMemoryNode"] == f"{declared['mem_mb']}M"
            assert job["TimeLimit"] == f"00:{declared['runtime']}:00"
            assert job["CPUs/Task"] == "1"
    for rule in ("data", "start", "end"):
        assert rules[rule][0]["Partition"] == "cpu"
        assert "TresPerJob" not in rules[rule][0]
    # two runs, initialised one after the other: the memory of one, the time of both
    start = rules["start"][0]
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
TRIES_THE_HUB = """from isthmus.machine.job import logged

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
