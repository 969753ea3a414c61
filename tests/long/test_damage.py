"""A disk that turned a bit: the job that reads the file names it, and the command that it names mends it."""

import os
import re
import shlex
import subprocess

import pytest

pytestmark = pytest.mark.long

CELL = "tiny/toy"
RUN = f"checkpoints/{CELL}/seed1/step60"


def turn_a_bit(path):
    """Damage a file as a disk does, which leaves its times as they were."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("damaged", "command", "asked"),
    [
        (f"tokens/{CELL}/test.safetensors", "rm {}", f"evaluations/{CELL}/seed1/step60.parquet"),
        (f"{RUN}/config.json", f"rm -r results/nano/{RUN}", f"evaluations/{CELL}/seed1/step60.parquet"),
        (f"evaluations/{CELL}/seed1/step60.parquet", "rm {}", "metrics.csv"),
        ("metrics.csv", "rm {}", "tables/toy.md"),
    ],
)
def test_the_command_of_the_message_mends_it(nano_copy, damaged, command, asked):
    results, numbers = nano_copy.results, ("metrics.csv", "evaluations.csv", "pairs.csv")
    before = {name: (results / name).read_bytes() for name in [*numbers, asked]}
    (results / asked).unlink()
    turn_a_bit(results / damaged)
    failed = nano_copy.call(None, "--cores", "2", f"results/nano/{asked}")
    assert failed.returncode != 0
    assert f"Error: results/nano/{damaged} is damaged: found " in failed.stdout
    assert "Traceback" not in failed.stdout
    (named,) = set(re.findall(r"`(rm [^`]*)`", failed.stdout))
    assert named == command.format(f"results/nano/{damaged}")
    subprocess.run(shlex.split(named), cwd=nano_copy.directory, check=True)
    nano_copy.run(None, asked)
    nano_copy.run(None)
    assert {name: (results / name).read_bytes() for name in before} == before
