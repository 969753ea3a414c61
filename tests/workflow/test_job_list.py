"""What a job finds where it runs: the library, though not installed, and as many threads as declared."""

import json
import os
import subprocess
import sys
import sysconfig
import venv

import pytest
import yaml

from tests.workflow.lab import NANO, copy_workflow

PROBE = """

rule probe:
    output:
        "probe.json",
    log:
        "probe.log",
    threads: 1
    script:
        "workflow/scripts/probe.py"
"""
COUNTS_THREADS = """from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    import json

    import isthmus
    import pyarrow
    import torch
    from pathlib import Path

    found = {"library": isthmus.__file__, "torch": torch.get_num_threads(), "arrow": pyarrow.cpu_count()}
    Path(snakemake.output[0]).write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def job(repository, tmp_path_factory) -> tuple[dict, str]:
    """What a job says in an environment with every package but Isthmus; its copy of the workflow."""
    folder = tmp_path_factory.mktemp("job")
    copy = copy_workflow(repository, folder / "repository")
    with open(copy / "Snakefile", "a") as snakefile:
        snakefile.write(PROBE)
    (copy / "workflow" / "scripts" / "probe.py").write_text(COUNTS_THREADS)
    (folder / "config.yaml").write_text(yaml.safe_dump(NANO))
    venv.create(folder / "lean", with_pip=False)
    python = str(folder / "lean" / "bin" / "python")
    # Packages are found by this path, but an editable installation is not: it needs a .pth file to be read.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "ISTHMUS", "OMP_"))}
    env = inherited | {"PYTHONPATH": sysconfig.get_path("purelib")}
    assert subprocess.run([python, "-c", "import isthmus"], env=env, capture_output=True).returncode != 0
    call = [python, "-m", "snakemake", "--cores", "2", "--directory", str(folder)]
    targets = ["probe.json", "results/nano/data/toy/subset.json"]
    done = subprocess.run([*call, *targets], cwd=copy, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "probe.json").read_text()), str(copy)


@pytest.mark.long
def test_the_library_needs_no_installation(job):
    found, copy = job
    assert found["library"].startswith(copy)


def test_a_job_uses_the_threads_that_it_declared(job):
    """Two cores are there, and one is declared: two jobs side by side do not take four."""
    found, _ = job
    assert (found["torch"], found["arrow"]) == (1, 1)


@pytest.mark.long
def test_planning_imports_no_torch(repository, tmp_path):
    """A module that fails to import stands in for PyTorch while the workflow is read."""
    (tmp_path / "torch.py").write_text(
        "raise ImportError('PyTorch was imported while the workflow was read')"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    call = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "--directory", str(tmp_path)]
    done = subprocess.run(
        [*call, "--configfile", "experiments/paper.yaml"],
        cwd=repository,
        env=env,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
