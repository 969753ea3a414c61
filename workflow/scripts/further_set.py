from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.data import further_sets
    from isthmus.experiment import config

    name, dataset = snakemake.wildcards.set, snakemake.wildcards.dataset
    whole = config.load(snakemake.config).datasets[dataset]
    further_sets.write(
        name,
        dataset,
        whole,
        whole.sets[name],
        Path(snakemake.input.fetched[0]) if snakemake.input.fetched else None,
        Path(snakemake.input.summary).parent,
        Path(snakemake.output.rows),
        Path(snakemake.output.summary),
    )
