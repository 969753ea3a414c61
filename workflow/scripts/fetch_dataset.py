from isthmus.machine.job import logged

with logged(snakemake.log[0], offline=False):
    from pathlib import Path

    from isthmus.data import hub
    from isthmus.experiment.config import HubSource

    hub.fetch(HubSource(**snakemake.params.source), Path(snakemake.output[0]))
