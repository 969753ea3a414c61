"""A copy of the workflow, a very small experiment, and what Snakemake would run of it."""

import copy
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ("Snakefile", "config.yaml", "config", "workflow", "profiles", "envs", "experiments")

# One cell, two seeds, two checkpoints after step 0, and room in both schedules for more.
NANO = {
    "experiment": "nano",
    "seeds": [1, 2],
    "pretraining": {
        "small": {
            "layers": 1,
            "width": 16,
            "heads": 2,
            "rows": 200,
            "training": {"steps": 20, "learning_rate": 1e-3, "warmup_steps": 2},
        }
    },
    "models": {"tiny": {"pretraining": "small", "pretraining_steps": 10}},
    "datasets": {"toy": {"source": {"kind": "toy", "task": "paraphrase", "rows": 200}}},
    "training": {"steps": 150, "checkpoints": [60, 120], "learning_rate": 1e-2, "warmup_steps": 10},
    "keep_states": "all",
    "evaluation": {"replicates": 50},
    "paths": {"intervals": 4, "max_alphas": 9, "tolerance": 1e-5},
    "device": "cpu",
    "threads": 1,
}


def changed(config: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config with some keys set, each named by its path, such as `paths.intervals`."""
    config = copy.deepcopy(config)
    for path, value in change.items():
        *groups, last = path.split(".")
        place = config
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return config


def copy_workflow(source: Path, target: Path) -> Path:
    """Copy what Snakemake reads, with its times, so that tests may change it (and nobody else does)."""
    for name in WORKFLOW:
        if (source / name).is_dir():
            passed_over = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source / name, target / name, ignore=passed_over, symlinks=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
    return target


def snakemake(repository: Path, directory: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Call Snakemake in `repository`, which it takes the profile from, for results in `directory`."""
    call = [sys.executable, "-m", "snakemake", "--directory", str(directory), "--nocolor", *args]
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE", "ISTHMUS"))
    }
    return subprocess.run(
        call, cwd=repository, env=inherited | env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def planned(output: str) -> dict[str, set[str]]:
    """What a dry run would run: for each rule its jobs, as sorted `key=value` pairs of their wildcards.

    The jobs that are read one by one are checked against Snakemake's own counts.
    """
    jobs, counts = defaultdict(list), {}
    for block in re.split(r"^\[[A-Z][a-z]{2} .*\]$", output, flags=re.MULTILINE)[1:]:
        rule = re.search(r"^(?:local)?(?:rule|checkpoint) (\w+):$", block, re.MULTILINE)
        wildcards = re.search(r"^    wildcards: (.*)$", block, re.MULTILINE)
        if rule:
            jobs[rule[1]].append(" ".join(sorted(wildcards[1].split(", "))) if wildcards else "")
    if table := re.search(r"^Job stats:\n.*\n-+  -+\n((?:\w+ +\d+\n)+)", output, re.MULTILINE):
        counts = {name: int(count) for name, count in (line.split() for line in table[1].splitlines())}
        counts.pop("total")
    else:
        assert "Nothing to be done" in output, output
    assert {rule: len(found) for rule, found in jobs.items()} == counts, output
    return {rule: set(found) for rule, found in jobs.items() if rule != "all"}


def passing(folder: str, names: list[str]) -> set[str]:
    """What comes and goes in a directory that other processes look at, for `shutil.copytree`."""
    return set(names) - {"metadata"} if Path(folder).name == ".snakemake" else {"configs"} & set(names)


@dataclass(frozen=True)
class Lab:
    """A working directory, the copy of the workflow that fills it, and its config."""

    repository: Path
    directory: Path
    config: dict[str, Any]

    @property
    def results(self) -> Path:
        return self.directory / "results" / self.config["experiment"]

    def call(self, change: dict[str, Any] | None, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Call Snakemake with the config, some keys changed."""
        text = yaml.safe_dump(changed(self.config, change or {}), sort_keys=False)
        folder = self.directory / "configs"
        folder.mkdir(exist_ok=True)
        path = folder / f"{os.urandom(4).hex()}.yaml"
        path.write_text(text)
        # Options that take any number of values stand last.
        return snakemake(self.repository, self.directory, *args, "--configfile", str(path), **env)

    def dry_run(self, change: dict[str, Any] | None = None, *args: str, **env: str) -> dict[str, set[str]]:
        """What Snakemake would run."""
        done = self.call(change, *args, "--dry-run", **env)
        assert done.returncode == 0, done.stdout
        return planned(done.stdout)

    def run(self, change: dict[str, Any] | None, *targets: str) -> str:
        """Make targets (files of the results, all without any) on two cores; Snakemake's output."""
        done = self.call(
            change, "--cores", "2", *(f"{self.results.relative_to(self.directory)}/{t}" for t in targets)
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def copied(self, directory: Path) -> "Lab":
        """The same in a copy of the directory, with all times kept."""
        shutil.copytree(self.directory, directory, symlinks=True, ignore=passing, dirs_exist_ok=True)
        return Lab(self.repository, directory, self.config)

    def elsewhere(self, repository: Path) -> "Lab":
        """The same directory, seen by another copy of the workflow."""
        return Lab(copy_workflow(self.repository, repository), self.directory, self.config)


def assert_same_tables(one: Lab, other: Lab) -> None:
    """Both have the same tidy files, byte for byte."""
    names = {path.name for path in one.results.glob("*.csv")}
    assert {"metrics.csv", "deltas.csv", "pairs.csv", "evaluations.csv", "findings.csv"} < names
    assert names == {path.name for path in other.results.glob("*.csv")}
    for name in sorted(names):
        assert (one.results / name).read_bytes() == (other.results / name).read_bytes(), name
