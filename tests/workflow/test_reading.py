"""Reading the workflow imports the standard library, pydantic and YAML only, beside Snakemake itself."""

import json
import subprocess
import sys

# What a script or a test would import for numbers, tables and pictures.
HEAVY = {"torch", "transformers", "pandas", "numpy", "pyarrow", "matplotlib", "datasets", "seaborn", "scipy"}
LIGHT = {"isthmus", "pydantic", "pydantic_core", "annotated_types", "typing_inspection", "yaml", "_yaml"}
READ = """
import json, sys
from pathlib import Path
import snakemake.cli
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.settings.types import StorageSettings

snakefile, workdir, out = sys.argv[1:4]
with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path(name) for name in sys.argv[4:]]),
        storage_settings=StorageSettings(),
        snakefile=Path(snakefile),
        workdir=Path(workdir),
    )
    workflow.dag().execute_workflow(executor="dryrun")
Path(out).write_text(json.dumps(sorted(sys.modules)))
"""
# The parts of a rule that ours have too, of which Snakemake imports some when it meets them.
TRIVIAL = """
from snakemake.utils import min_version

min_version("9.10")


rule one:
    output:
        report("one.txt", caption="one.rst", category="one"),
    log:
        "one.log",
    benchmark:
        "one.tsv"
    conda:
        "one.yaml"
    container:
        "one.sif"
    params:
        one=1,
    resources:
        mem_mb=1,
    script:
        "one.py"
"""


def modules(tmp_path, snakefile, *configs) -> set[str]:
    """What is imported once a workflow has been read and planned."""
    out = tmp_path / "modules.json"
    call = [sys.executable, "-c", READ, str(snakefile), str(tmp_path), str(out), *map(str, configs)]
    done = subprocess.run(call, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(out.read_text()))


def test_reading_the_workflow_imports_nothing_heavy(repository, tmp_path):
    (tmp_path / "Snakefile").write_text(TRIVIAL)
    (tmp_path / "one.py").touch()
    trivial = modules(tmp_path, tmp_path / "Snakefile", repository / "config.yaml")
    ours = modules(tmp_path, repository / "Snakefile", repository / "config.yaml") - trivial
    packages = {name.partition(".")[0] for name in ours}
    assert "isthmus.experiment.config" in ours
    assert packages & HEAVY == set()
    assert sorted(packages - LIGHT - sys.stdlib_module_names) == []
