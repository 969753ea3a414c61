from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import basins

    frame = basins.cell(
        [Path(path) for path in snakemake.input.rows],
        snakemake.params.seeds,
        snakemake.params.step,
        **snakemake.params.how,
    )
    frame.to_parquet(snakemake.output[0], index=False)
