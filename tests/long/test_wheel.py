"""`pip install`: the wheel has all that the commands and the doors need, with no clone near."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.unit.test_connect import ROWS, arguments, finetuned
from tests.workflow.elsewhere import ALONE, GITHUB, Elsewhere
from tests.workflow.lab import NANO, ROOT

pytestmark = pytest.mark.long
READS = """
import sys
import isthmus
found = isthmus.results.read(sys.argv[1])
path = found.path("tiny", "toy", step=120, seeds=(1, 2))
gap = isthmus.metrics.convexity_gap(path["alpha"], path["loss"]).value
metrics = found["metrics"].query("step == 120 and set == 'test' and quantity == 'loss' and metric == 'CG'")
assert metrics["value"].tolist() == [gap], (metrics, gap)
points = found.paths().query("step == 120 and set == 'test'")
assert points["loss"].tolist() == path["loss"].tolist()
assert isthmus.sampling.adaptive(lambda alpha: alpha**2).converged
assert not {"torch", "snakemake"} & set(sys.modules), sys.modules
print(isthmus.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, since a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    passed_over = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "workflow", folder / "workflow", ignore=passed_over)
    options = [
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(folder / "out"),
    ]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder)], check=True)
    (built,) = (folder / "out").glob("isthmus-*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    call = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)]
    subprocess.run(call, check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file is looked into, but .pth files there are not, such as an editable installation's.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Two fine-tunings by another program, and a file of examples."""
    folder = tmp_path_factory.mktemp("models")
    for name, seed in (("a", 1), ("b", 2)):
        finetuned(folder / name, folder / f"{name}-pretrained", "bert", seed)
    lines = ["\t".join(row) for row in [("premise", "hypothesis", "gold"), *ROWS]]
    (folder / "named.tsv").write_text("\n".join(lines) + "\n")
    return folder


def called(folder: Path, *call: object, **env: str) -> str:
    folder.mkdir()
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env = plain | {"HF_HUB_OFFLINE": "1"} | env
    done = subprocess.run([*map(str, call)], cwd=folder, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_library_and_nothing_of_the_clone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    library = ROOT / "workflow" / "isthmus"
    expected = {
        path.relative_to(library.parent).as_posix() for path in library.rglob("*.*") if path.suffix != ".pyc"
    }
    assert {name for name in names if name.startswith("isthmus/")} == expected
    others = {name.partition("/")[0] for name in names} - {"isthmus"}
    assert others == {"snakemake_logger_plugin_isthmus", f"{wheel.name.partition('-py3')[0]}.dist-info"}


def test_commands_say_what_they_say_in_a_clone(fresh, models, tmp_path):
    """`connect` and `average`: the same words and files."""
    clone = {"PYTHONPATH": str(ROOT / "workflow")}
    average = ["average", *arguments(models)[1:10], "--threads", "1", "--out", "mean"]
    for command in ([*arguments(models), "--out", "curve"], average):
        folders = tmp_path / command[0], tmp_path / f"{command[0]}-clone"
        said = called(folders[0], fresh / "isthmus", *command)
        assert said == called(folders[1], sys.executable, "-m", "isthmus", *command, **clone)
    for name in ("connect{}/curve.csv", "average{}/mean/model.safetensors", "average{}/mean/README.md"):
        pair = [(tmp_path / name.format(end)).read_bytes() for end in ("", "-clone")]
        assert pair[0] == pair[1], name


def test_doors_read_results_without_snakemake_and_pytorch(fresh, nano, tmp_path):
    place = called(tmp_path / "there", fresh / "python", "-c", READS, nano.results).strip()
    assert place.startswith(str(fresh.parent))


def test_a_workflow_of_a_git_address_is_read_with_it(fresh, git_host, nano, tmp_path):
    """Also what is shown: a page made in a clone is up to date for the same code from the wheel."""
    env = {"GIT_CONFIG_GLOBAL": str(git_host / "gitconfig"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    lab = nano.copied(tmp_path / "copy")
    there = Elsewhere(lab.directory, env, str(fresh / "python"))
    profile = lab.directory / "profiles" / "default"
    shutil.copytree(ROOT / "profiles" / "default", profile)
    assert there.write(ALONE, NANO, snakefile=GITHUB).planned() == {}
