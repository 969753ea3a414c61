from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.data import breakdowns
    from isthmus.experiment import config, data_files

    dataset, name = snakemake.wildcards.dataset, snakemake.wildcards.name
    whole = config.load(snakemake.config).datasets[dataset]
    where = f"datasets.{dataset}" + ("" if name == "_main" else f".sets.{name}")
    breakdowns.write(
        where,
        whole if name == "_main" else data_files.inherit(whole, whole.sets[name]),
        Path(snakemake.input.fetched[0]) if snakemake.input.fetched else None,
        {Path(rows).stem: Path(rows) for rows in snakemake.input.rows},
        Path(snakemake.output[0]),
    )
