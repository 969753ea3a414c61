"""Isthmus: how linearly connected are fine-tuned language models, and how does that change with training?

Reads like the table of contents. `config.yaml` is the embedded experiment; `--configfile` names another one,
which replaces it whole.
"""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.10")
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from isthmus.experiment import experiment_files

# Snakemake would merge a given experiment with a default one; so a default is named only where none was given.
if not workflow.overwrite_configfiles:
    if Path("config.yaml").exists():
        experiment_files.main(["config.yaml"])

    configfile: "config.yaml"


# Only with `--software-deployment-method apptainer`; built from envs/isthmus.def.
container: "isthmus.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/retries.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/interpolate.smk"
include: "workflow/rules/detours.smk"
include: "workflow/rules/connectivity.smk"
include: "workflow/rules/findings.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"


localrules:
    all,
    fetch_dataset,
    fetch_model,
    plan,
    adopt,
    adopt_adapter,


# A page of what is there is made at once, where Snakemake runs.
if PARTIAL:

    localrules:
        report,


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        STATEMENTS.values(),
        results(layout.REPORT),
        # Where only the last weights are kept, Snakemake leaves these where they are.
        [results(dependencies.last_weights(cell)) for cell in CELLS.values() if EXPERIMENT.keep == "last"],
        **TIDY,


onsuccess:
    # The numbers that a reader asks for first; `make` says them itself.
    if "ISTHMUS_MAKE" not in os.environ and Path(results(layout.SUMMARY)).exists():
        print(Path(results(layout.SUMMARY)).read_text())
