from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.statistics import basins

    frame = basins.cell(
        [Path(path) for path in snakemake.input.rows],
        snakemake.params.seeds,
        snakemake.params.step,
        **snakemake.params.clustering,
    )
    stored.write_frame(Path(snakemake.output[0]), frame)
