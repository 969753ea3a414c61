from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.data import subsets
    from isthmus.experiment import config

    name = snakemake.wildcards.dataset
    dataset = config.load(snakemake.config).datasets[name]
    fetched = Path(snakemake.input.fetched[0]) if snakemake.input.fetched else None
    subsets.write(name, dataset, fetched, Path(snakemake.output.train).parent)
