from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.showing import tables
    from isthmus.statistics import tidy

    frames = tidy.load(Path(snakemake.input.metrics).parent)
    tables.write(snakemake.params.names, frames, Path(snakemake.output[0]).parent)
