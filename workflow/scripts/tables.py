from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import config, tables

    frames = (tables.read(Path(snakemake.input[name])) for name in ("metrics", "deltas", "evaluations"))
    tables.write(config.load(snakemake.config), *frames, Path(snakemake.output[0]).parent)
