from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.statistics import findings, generalisation, tidy

    params = snakemake.params
    evaluations = tidy.read(Path(snakemake.input.evaluations))
    findings.write(
        params.experiment,
        params.cells,
        params.ladders,
        params.negligible,
        evaluations,
        [Path(path) for path in snakemake.input.cells],
        [Path(path) for path in snakemake.input.barriers],
        Path(snakemake.output.findings),
    )
    generalisation.write(
        params.experiment,
        evaluations,
        [Path(path) for path in snakemake.input.groups],
        Path(snakemake.output.basins),
        Path(snakemake.output.generalisation),
    )
