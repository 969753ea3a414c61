"""What the cluster's profile makes of a rule's resources. No SLURM is needed to look."""

import re
import shutil

import pytest


@pytest.fixture
def asked(nano_copy):
    """The resources of one fine-tuning job on the cluster, with the config changed and at some attempt."""
    shutil.rmtree(nano_copy.results / "checkpoints" / "tiny" / "toy" / "seed1" / "step60")

    def of(attempt, **finetune):
        target = "results/nano/checkpoints/tiny/toy/seed1/step60/model.safetensors"
        change = {f"resources.finetune.{key}": value for key, value in finetune.items()}
        args = ("--workflow-profile", "profiles/slurm", "--attempt", str(attempt), "--dry-run", target)
        done = nano_copy.call(change, *args)
        assert done.returncode == 0, done.stdout
        line = re.search(r"^rule finetune:\n(?: .*\n)*?    resources: (.*)$", done.stdout, re.MULTILINE)[1]
        return dict(part.split("=", 1) for part in line.split(", "))

    return of


def test_a_rule_gets_what_it_declares_and_time_for_its_state(asked):
    found = asked(1, gpu=1, mem_mb=3000, runtime=90)
    assert (found["gpu"], found["mem_mb"], found["runtime"]) == ("1", "3000", "90")
    assert found["slurm_partition"] == "gpu"
    assert found["slurm_extra"] == "--signal=TERM@300"


@pytest.mark.parametrize(("attempt", "memory"), [(2, "4500"), (9, "6750")])
def test_a_retry_asks_for_more_memory_and_not_for_more_time(asked, attempt, memory):
    found = asked(attempt, mem_mb=3000, runtime=90)
    assert (found["mem_mb"], found["runtime"]) == (memory, "90")


@pytest.mark.long
def test_the_profile_caps_both(asked):
    found = asked(3, mem_mb=100_000, runtime=500_000)
    assert (found["mem_mb"], found["runtime"]) == ("120000", "2880")
