"""The workflow as a module of others: from a clone, from a git address, beside other rules; refusals."""

import os
import re
import shutil
import subprocess
import sysconfig
import venv

import pytest
import yaml
from isthmus import __version__

from tests.workflow.elsewhere import ALONE, GITHUB, Elsewhere
from tests.workflow.lab import NANO, ROOT, changed, copy_workflow, planned

BESIDE_OTHERS = """
configfile: "config/config.yaml"

rule everything:
    input: "gaps.txt"

module isthmus:
    snakefile: {snakefile}
    config: config["connectivity"]

use rule * from isthmus as isthmus_*

rule gaps:
    input: "results/nano/metrics.csv"
    output: "gaps.txt"
    shell: "grep ,CG, {{input}} > {{output}}"

print("LOCAL", *sorted(workflow._localrules))
"""
TWO = """
configfile: "config/config.yaml"

module first:
    snakefile: {snakefile}
    config: config["first"]

module second:
    snakefile: {other}
    config: config["second"]

use rule * from first as first_*
use rule * from second as second_*

rule both:
    default_target: True
    input: rules.first_all.input, rules.second_all.input
"""


@pytest.fixture
def elsewhere(tmp_path) -> Elsewhere:
    """A folder with no clone near."""
    (tmp_path / "elsewhere").mkdir()
    return Elsewhere(tmp_path / "elsewhere")


@pytest.fixture
def installed(git_host, elsewhere, tmp_path) -> Elsewhere:
    """The same where the library is installed, and where `git_host` is github.com."""
    shutil.copytree(ROOT / "workflow" / "isthmus", tmp_path / "site" / "isthmus")
    env = {
        "PYTHONPATH": str(tmp_path / "site"),
        "GIT_CONFIG_GLOBAL": str(git_host / "gitconfig"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    return Elsewhere(elsewhere.folder, env)


@pytest.fixture(scope="session")
def jobs(repository, tmp_path_factory) -> dict[str, set[str]]:
    """What the small experiment is in a clone."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "config.yaml").write_text(yaml.safe_dump(NANO))
    done = Elsewhere(repository).call("--dry-run", "--directory", str(folder))
    assert done.returncode == 0, done.stdout
    return planned(done.stdout)


# `.ci/run` installs it into an environment of its own and names it here.
SNAKEDEPLOY = os.environ.get("SNAKEDEPLOY") or shutil.which("snakedeploy")


def prefixed(jobs, prefix):
    return {f"{prefix}_{rule}": found for rule, found in jobs.items()}


# ------------------------------------------------------------------------------------------ what is planned


def test_alone_from_a_clone(repository, elsewhere, jobs):
    assert elsewhere.write(ALONE, NANO, snakefile=repository).planned() == jobs


def test_alone_from_a_git_address(installed, jobs):
    assert installed.write(ALONE, NANO, snakefile=GITHUB).planned() == jobs


@pytest.mark.skipif(SNAKEDEPLOY is None, reason="there is no snakedeploy")
def test_deployed_by_snakedeploy(installed, jobs):
    """As the catalogue says; the folder then holds the embedded experiment, and the profiles."""
    call = [SNAKEDEPLOY, "deploy-workflow", "https://github.com/someone/isthmus", ".", "--tag", "v1"]
    subprocess.run(call, cwd=installed.folder, env=os.environ | installed.env, check=True)
    assert (installed.folder / "config/config.yaml").read_bytes() == (ROOT / "config.yaml").read_bytes()
    assert "finetune" in installed.planned()
    assert "profiles/default" in installed.call("--dry-run").stdout.splitlines()[0]
    (installed.folder / "config/config.yaml").write_text(yaml.safe_dump(NANO))
    assert installed.planned() == jobs


def test_beside_other_rules(repository, elsewhere, jobs):
    """The first rule of the whole workflow is its target, and what touches the network stays local."""
    elsewhere.write(BESIDE_OTHERS, {"connectivity": NANO, "own": 1}, snakefile=repository)
    done = elsewhere.call("--dry-run")
    assert done.returncode == 0, done.stdout
    found = planned(done.stdout)
    needed = prefixed(jobs, "isthmus")
    assert found.pop("gaps") == {""}
    assert found.pop("everything") == {""}
    assert found == {rule: needed[rule] for rule in found}
    assert {"isthmus_finetune", "isthmus_interpolate", "isthmus_collect"} <= set(found)
    local = re.search(r"^LOCAL (.*)$", done.stdout, re.MULTILINE)[1].split()
    expected = ("adopt", "adopt_adapter", "all", "fetch_dataset", "fetch_model", "plan")
    assert local == [f"isthmus_{name}" for name in expected]
    assert "localrules directive" not in done.stdout


@pytest.mark.long
def test_two_experiments_in_one_workflow(repository, elsewhere, jobs):
    both = {"first": NANO, "second": changed(NANO, {"experiment": "other"})}
    found = elsewhere.write(TWO, both, snakefile=repository, other=repository).planned()
    assert found.pop("both") == {""}
    assert found == prefixed(jobs, "first") | prefixed(jobs, "second")


@pytest.mark.long
def test_a_clones_library_goes_before_one_that_is_installed(repository, elsewhere, tmp_path, jobs):
    (tmp_path / "site" / "isthmus").mkdir(parents=True)
    (tmp_path / "site" / "isthmus" / "__init__.py").write_text("__version__ = '99'\n")
    there = Elsewhere(elsewhere.folder, {"PYTHONPATH": str(tmp_path / "site")})
    assert there.write(ALONE, NANO, snakefile=repository).planned() == jobs


# ------------------------------------------------------------------------------------------ what is refused


def test_a_module_without_a_config(repository, elsewhere):
    (elsewhere.folder / "config.yaml").write_text("mine: 1\n")
    text = ALONE.replace("    config: config\n", "")
    said = elsewhere.write(text, NANO, snakefile=repository).refused()
    assert "Error: module: found nothing for `config:`; allowed: the settings of an experiment" in said


@pytest.mark.parametrize("line", ['prefix: "sub"', 'replace_prefix: {{"results/": "sub/"}}'])
def test_a_prefix(repository, elsewhere, line):
    text = ALONE.replace("    config: config\n", f"    config: config\n    {line}\n")
    said = elsewhere.write(text, NANO, snakefile=repository).refused()
    assert "Error: module: found a `prefix:` or `replace_prefix:`; allowed: none." in said


def test_a_mistake_in_the_settings(repository, elsewhere):
    said = elsewhere.write(ALONE, changed(NANO, {"threads": 0}), snakefile=repository).refused()
    assert "config/config.yaml cannot be used" in said
    assert "threads: found 0" in said


def test_a_mistake_in_the_settings_that_are_a_part(repository, elsewhere):
    config = {"connectivity": changed(NANO, {"threads": 0})}
    said = elsewhere.write(BESIDE_OTHERS, config, snakefile=repository).refused()
    assert "the module's config cannot be used" in said
    assert "threads: found 0" in said


def test_a_key_that_stands_twice(repository, elsewhere):
    """YAML would take the last one; where only a part of the file is Isthmus's, that is left to its owner."""
    text = yaml.safe_dump(NANO) + "seeds: [3, 4]\n"
    said = elsewhere.write(ALONE, text, snakefile=repository).refused()
    assert re.search(r"Error: config/config\.yaml, line \d+: found the key 'seeds' twice", said)
    text = yaml.safe_dump({"connectivity": NANO}) + "own: 1\nown: 2\n"
    assert elsewhere.write(BESIDE_OTHERS, text, snakefile=repository).planned()


@pytest.mark.long
def test_one_experiment_twice(repository, elsewhere):
    both = {"first": NANO, "second": NANO}
    said = elsewhere.write(TWO, both, snakefile=repository, other=repository).refused()
    assert re.search(r"Rules \w+ and \w+ are ambiguous", said)


@pytest.mark.long
def test_two_copies_of_isthmus(repository, elsewhere, tmp_path):
    other = copy_workflow(repository, tmp_path / "other")
    both = {"first": NANO, "second": changed(NANO, {"experiment": "other"})}
    said = elsewhere.write(TWO, both, snakefile=repository, other=other).refused()
    assert "Error: isthmus: found " in said
    assert (
        "which was imported before (by another module, or by your Snakefile); allowed: one copy of Isthmus"
        in said
    )


def test_a_git_address_without_the_library(installed, tmp_path):
    venv.create(tmp_path / "lean", with_pip=False)
    # Packages are found by this path, but an editable installation is not: it needs a .pth file to be read.
    env = installed.env | {"PYTHONPATH": sysconfig.get_path("purelib")}
    lean = Elsewhere(installed.folder, env, str(tmp_path / "lean" / "bin" / "python"))
    said = lean.write(ALONE, NANO, snakefile=GITHUB).refused()
    assert "Error: isthmus: found no such package in " in said
    assert f"allowed: `pip install` of version {__version__}" in said


def test_a_git_address_with_a_library_of_another_version(installed, tmp_path):
    package = tmp_path / "site" / "isthmus" / "__init__.py"
    package.write_text(package.read_text().replace(f'"{__version__}"', '"0.0.9"'))
    said = installed.write(ALONE, NANO, snakefile=GITHUB).refused()
    assert "Error: isthmus: found version 0.0.9 in " in said
    assert f"allowed: {__version__}" in said


# ----------------------------------------------------------------------------------------------- whole runs


@pytest.mark.long
def test_whole_runs_elsewhere_have_the_numbers_of_a_clone(nano, repository, installed):
    """From a git address with the library installed; seen from a clone, nothing is left to do there."""
    profile = installed.folder / "profiles" / "default" / "config.yaml"
    profile.parent.mkdir(parents=True)
    shutil.copy(ROOT / "profiles" / "default" / "config.yaml", profile)
    done = installed.write(ALONE, NANO, snakefile=GITHUB).call("--cores", "2")
    assert done.returncode == 0, done.stdout
    results = installed.folder / "results" / "nano"
    for name in ("metrics.csv", "deltas.csv", "means.csv", "averages.csv", "findings.csv"):
        assert (results / name).read_bytes() == (nano.results / name).read_bytes(), name
    assert (results / "report.html").stat().st_size > 100_000
    done = installed.call("--report", "report.zip")  # captions come from the git address too
    assert done.returncode == 0, done.stdout
    again = Elsewhere(installed.folder).write(ALONE, NANO, snakefile=repository)
    assert again.planned() == {}


@pytest.mark.long
def test_a_whole_run_beside_other_rules(nano, repository, elsewhere):
    elsewhere.write(BESIDE_OTHERS, {"connectivity": NANO}, snakefile=repository)
    done = elsewhere.call("--cores", "2")
    assert done.returncode == 0, done.stdout
    rows = (nano.results / "metrics.csv").read_text().splitlines(keepends=True)
    assert (elsewhere.folder / "gaps.txt").read_text() == "".join(row for row in rows if ",CG," in row)
