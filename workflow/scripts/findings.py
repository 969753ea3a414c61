from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.statistics import findings, generalisation, tidy

    experiment = config.load(snakemake.config)
    frames = tidy.load(Path(snakemake.input.metrics).parent)
    findings.write(
        experiment, frames, [Path(path) for path in snakemake.input.cells], Path(snakemake.output.findings)
    )
    generalisation.write(
        experiment.experiment,
        frames["evaluations"],
        [Path(path) for path in snakemake.input.basins],
        Path(snakemake.output.basins),
        Path(snakemake.output.generalisation),
    )
