"""Isthmus: how linearly connected are fine-tuned language models, and how does that change with training?

Reads like the table of contents. `config.yaml` is the embedded experiment; `--configfile` names another one,
which replaces it whole.
"""

from snakemake.utils import min_version

min_version("9.10")

# Snakemake would merge a given experiment with a default one; so a default is named only where none was given.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/interpolate.smk"
include: "workflow/rules/connectivity.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    fetch_dataset,
    fetch_model,


rule all:
    default_target: True
    input:
        expand(results("{name}.csv"), name=["metrics", "deltas", "pairs", "evaluations"]),
        TABLES,
        FIGURES,
        results("report.html"),


onsuccess:
    say_summary()
