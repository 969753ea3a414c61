from job import logged

with logged(snakemake.log[0], offline=False):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.models import origins

    model = config.load(snakemake.config).models[snakemake.wildcards.model]
    origins.fetch(model.origin, Path(snakemake.output.weights).parent)
