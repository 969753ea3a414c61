from isthmus.machine.job import logged

with logged(snakemake.log[0], offline=False):
    from pathlib import Path

    from isthmus.experiment.config import Checkpoint, Model
    from isthmus.models import origins

    folder = Path(snakemake.input[0]).parent if snakemake.input else None
    origin = Checkpoint if snakemake.params.adopted else Model
    origins.fetch(origin(**snakemake.params.origin, folder=folder), Path(snakemake.output.weights).parent)
