from job import logged

with logged(snakemake.log[0], offline=False):
    from pathlib import Path

    from isthmus.data import data
    from isthmus.experiment.config import HubSource

    data.fetch(HubSource(**snakemake.params.source), Path(snakemake.output[0]))
