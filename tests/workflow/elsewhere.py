"""A folder that is no clone, whose workflow uses Isthmus as a module, and a host of git repositories."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.workflow.lab import copy_workflow, planned

GITHUB = 'github("someone/isthmus", path="workflow/Snakefile", tag="v1")'
ALONE = """
configfile: "config/config.yaml"

module isthmus:
    snakefile: {snakefile}
    config: config

use rule * from isthmus
"""


@dataclass(frozen=True)
class Elsewhere:
    """A folder that is no clone, whose workflow uses Isthmus."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable

    def write(self, text: str, config: dict | str, **snakefiles: object) -> "Elsewhere":
        """The workflow and its config, as `snakedeploy` places them."""
        config = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        places = {
            name: place if place == GITHUB else f'"{place}/workflow/Snakefile"'
            for name, place in snakefiles.items()
        }
        for name, content in (("workflow/Snakefile", text.format(**places)), ("config/config.yaml", config)):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(content)
        return self

    def call(self, *args: str) -> subprocess.CompletedProcess[str]:
        own = ("SNAKEMAKE", "ISTHMUS", "PYTHONPATH")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        return subprocess.run(
            [self.python, "-m", "snakemake", "--nocolor", *args],
            cwd=self.folder, env=inherited | self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def planned(self, *args: str) -> dict[str, set[str]]:
        done = self.call("--dry-run", *args)
        assert done.returncode == 0, done.stdout
        return planned(done.stdout)

    def refused(self) -> str:
        """What is said where it cannot be read."""
        done = self.call("--dry-run")
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout


def git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *args], check=True, capture_output=True)


def host(repository: Path, folder: Path) -> None:
    """Make a folder that stands for a host of git repositories, with the workflow as a bare one, tagged."""
    clone = copy_workflow(repository, folder / "clone")
    git(folder, "init", "--quiet", "-b", "main", str(clone))
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "The workflow")
    git(clone, "tag", "v1")
    git(folder, "clone", "--quiet", "--bare", str(clone), str(folder / "someone" / "isthmus.git"))
    (folder / "gitconfig").write_text(f'[url "file://{folder}/"]\n    insteadOf = https://github.com/\n')
