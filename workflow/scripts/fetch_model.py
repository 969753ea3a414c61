from job import logged

with logged(snakemake.log[0], offline=False):
    from pathlib import Path

    from isthmus import config, models

    model = config.load(snakemake.config).models[snakemake.wildcards.model]
    models.fetch(model.origin, Path(snakemake.output.weights).parent)
