from job import logged

with logged(snakemake.log[0], offline=False):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.models import models

    model = config.load(snakemake.config).models[snakemake.wildcards.model]
    models.fetch(model.origin, Path(snakemake.output.weights).parent)
