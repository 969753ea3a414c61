from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.data import further_sets
    from isthmus.experiment import parameters
    from isthmus.experiment.config import Dataset, FurtherSet

    settings = parameters.with_files(snakemake.params.settings, snakemake.input.files)
    further_sets.write(
        snakemake.wildcards.set,
        snakemake.wildcards.dataset,
        Dataset(**snakemake.params.dataset),
        FurtherSet(**settings),
        Path(snakemake.input.fetched[0]) if snakemake.input.fetched else None,
        Path(snakemake.input.summary).parent,
        Path(snakemake.output.rows),
        Path(snakemake.output.summary),
    )
