import sys
from pathlib import Path

import job  # noqa: F401 - finds the library
from isthmus.errors import UserError
from isthmus.experiment import config
from isthmus.showing import plan

experiment = config.load(snakemake.config)
jobs = [plan.Job(rule, wildcards, Path(file)) for rule, wildcards, file in snakemake.params.jobs]
try:
    text = plan.describe(experiment, jobs, Path("results", experiment.experiment))
except UserError as error:
    sys.exit(f"Error: {error}")
Path(snakemake.log[0]).write_text(text)
print(text)
