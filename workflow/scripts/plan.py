from pathlib import Path

import job  # noqa: F401 - finds the library
from isthmus import config, plan

experiment = config.load(snakemake.config)
jobs = [plan.Job(rule, wildcards, Path(file)) for rule, wildcards, file in snakemake.params.jobs]
text = plan.describe(experiment, jobs, Path("results", experiment.experiment))
Path(snakemake.log[0]).write_text(text)
print(text)
