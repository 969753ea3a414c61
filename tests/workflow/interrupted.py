"""Training that takes long enough to be interrupted on a cluster, and what shows that it went on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.workflow.lab import NANO, Lab, changed, copy_workflow

# Its updates can be made to sleep: long enough to be interrupted, on a fast machine too.
LONG = changed(
    NANO,
    {
        "seeds": [1, 2, 3],
        "training.steps": 300,
        "training.checkpoints": [250],
        "training.save_minutes": 0.02,
        "resources.finetune": {"gpu": 0, "runtime": 10, "mem_mb": 2300},
    },
)


def targets(*seeds: int) -> list[str]:
    return [f"checkpoints/tiny/toy/seed{seed}/step250/model.safetensors" for seed in seeds]


def sleepy(repository: Path, folder: Path) -> Path:
    """A copy of the workflow whose training sleeps SLEEPS seconds at each update."""
    copy = copy_workflow(repository, folder)
    path = copy / "workflow" / "isthmus" / "training" / "step.py"
    text = path.read_text()
    start = "    total, count = 0.0, 0\n    with _placed(model, t)"
    assert text.count(start) == 1
    path.write_text(
        text.replace(start, f"    import os, time; time.sleep(float(os.environ['SLEEPS']))\n{start}")
    )
    return copy


def untrained(trained: Lab, repository: Path, directory: Path, **change: Any) -> Lab:
    """The long runs as they were before their training, in another directory, with some settings changed."""
    lab = Lab(repository, trained.copied(directory).directory, changed(LONG, change))
    shutil.rmtree(lab.results / "state")
    for folder in lab.results.glob("checkpoints/tiny/toy/seed*/step250"):
        shutil.rmtree(folder)
    return lab


@contextmanager
def submitting(lab: Lab, *seeds: int, options: tuple[str, ...], sleeps: float) -> Iterator[subprocess.Popen]:
    """A Snakemake that submits the training of some seeds, while the block runs; updates sleep so long."""
    path = lab.directory / "long.yaml"
    path.write_text(json.dumps(lab.config))
    files = [f"{lab.results.relative_to(lab.directory)}/{target}" for target in targets(*seeds)]
    call = [sys.executable, "-m", "snakemake", "--directory", str(lab.directory), *options]
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


def same_weights(lab: Lab, other: Lab, seed: int) -> bool:
    path = targets(seed)[0]
    return (lab.results / path).read_bytes() == (other.results / path).read_bytes()


def log_of(lab: Lab, seed: int) -> str:
    """The log of a run's training; Snakemake removes it before each attempt."""
    path = lab.results / "logs" / "finetune" / f"tiny-toy-seed{seed}-step250.log"
    return path.read_text() if path.exists() else ""


def goes_on(lab: Lab, other: Lab, seed: int) -> int:
    """Check that the attempts at a run followed each other to the same weights; where the last one began."""
    assert same_weights(lab, other, seed)
    first, *later = attempts(lab, seed)
    assert first["start"] == 0
    # A killed process may have saved more than it had time to note.
    assert all(after["start"] >= before["saved"] for before, after in pairwise((first, *later)))
    assert later[-1]["start"] > 0
    return later[-1]["start"]
