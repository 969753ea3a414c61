import sys
from pathlib import Path

from isthmus.errors import UserError
from isthmus.experiment import layout
from isthmus.experiment.config import Experiment
from isthmus.experiment.jobs import jobs
from isthmus.planning import plan

experiment = Experiment(**snakemake.params.settings)
try:
    text = plan.describe(experiment, jobs(experiment), Path(layout.results(experiment.experiment)))
except UserError as error:
    sys.exit(f"Error: {error}")
Path(snakemake.log[0]).write_text(text)
print(text)
