from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.statistics import connectivity

    outputs = dict(snakemake.output.items())
    connectivity.collect(
        snakemake.params.experiment,
        snakemake.params.pretraining_steps,
        {name: list(files) for name, files in snakemake.input.items() if name in outputs},
        outputs,
        [Path(path) for path in snakemake.input.breakdowns],
        snakemake.params.adapted,
    )
