from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.showing import tables
    from isthmus.statistics import tidy

    frames = tidy.load(Path(snakemake.input.metrics).parent)
    shown = (frames[name] for name in ("metrics", "deltas", "evaluations"))
    tables.write(config.load(snakemake.config), *shown, Path(snakemake.output[0]).parent)
