from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.statistics import findings, generalisation, tidy

    params = snakemake.params
    frames = tidy.load(Path(snakemake.input.metrics).parent)
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
