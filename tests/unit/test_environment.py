"""The two descriptions of the environment agree, and they hold what the project asks for."""

import re
import tomllib
from pathlib import Path

import isthmus
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")


def lock() -> list[str]:
    """The lines of the lock that name a package."""
    lines = (ROOT / "envs" / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_line_of_the_lock_is_an_exact_pin():
    assert [line for line in lock() if not PIN.fullmatch(line)] == []
    names = [canonicalize_name(line.partition("==")[0]) for line in lock()]
    assert len(set(names)) == len(names)


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    pins = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pins == [lock()], "run `make docs`"


def test_what_is_to_be_cited_is_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (isthmus.__version__, project["license"])
    assert f"## [{cited['version']}]" in (ROOT / "CHANGELOG.md").read_text()
    authors = " and ".join(author["name"] for author in cited["authors"])
    assert authors in (ROOT / "LICENSE").read_text()


def test_lock_satisfies_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"].get("optional-dependencies", {}).values()
    wanted = [
        *project["project"]["dependencies"],
        *(line for lines in optional for line in lines),
        *project["build-system"]["requires"],
    ]
    pinned = {canonicalize_name(match[1]): match[2] for match in map(PIN.fullmatch, lock()) if match}
    requirements = [Requirement(line) for line in wanted]
    assert [
        str(asked)
        for asked in requirements
        if canonicalize_name(asked.name) not in pinned
        or not asked.specifier.contains(pinned[canonicalize_name(asked.name)], prereleases=True)
    ] == []
