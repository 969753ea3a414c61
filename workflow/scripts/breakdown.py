from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.data import breakdowns
    from isthmus.experiment import parameters
    from isthmus.experiment.config import Dataset, FurtherSet
    from isthmus.experiment.jobs import MAIN

    dataset, name = snakemake.wildcards.dataset, snakemake.wildcards.name
    where = f"datasets.{dataset}" + ("" if name == MAIN else f".sets.{name}")
    settings = parameters.with_files(snakemake.params.settings, snakemake.input.files)
    columns = (Dataset if name == MAIN else FurtherSet)(**settings, by=snakemake.params.by)
    breakdowns.write(
        where,
        columns,
        Path(snakemake.input.fetched[0]) if snakemake.input.fetched else None,
        {Path(rows).stem: Path(rows) for rows in snakemake.input.rows},
        Path(snakemake.output[0]),
    )
