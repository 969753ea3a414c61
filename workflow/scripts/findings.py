from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.showing import tables
    from isthmus.statistics import findings, generalisation

    params = snakemake.params
    frames = tables.load(Path(snakemake.input.metrics).parent)
    means = [Path(path) for path in snakemake.input.cells]
    findings.write(
        params.experiment, params.cells, params.ladders, frames, means, Path(snakemake.output.findings)
    )
    generalisation.write(
        params.experiment,
        frames["evaluations"],
        [Path(path) for path in snakemake.input.groups],
        Path(snakemake.output.basins),
        Path(snakemake.output.generalisation),
    )
