from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.experiment.config import Experiment
    from isthmus.showing import figures

    figures.write(
        Experiment(**snakemake.params.shown),
        Path(snakemake.input.metrics).parent,
        Path(snakemake.output[0]).parent,
        [Path(path) for path in snakemake.input.histories],
        [Path(path) for path in snakemake.input.rows],
        [Path(path) for path in snakemake.input.planes],
        [Path(path) for path in snakemake.input.maps],
        [Path(path) for path in snakemake.input.detours],
    )
