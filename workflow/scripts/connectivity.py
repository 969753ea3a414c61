from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.statistics import connectivity

    files = [Path(path) for path in snakemake.input]
    reduced = connectivity.cell(files, snakemake.params.k, snakemake.params.delta_from)
    stored.write_frame(Path(snakemake.output.metrics), reduced.metrics)
    stored.write_frame(Path(snakemake.output.deltas), reduced.deltas)
    stored.write_frame(Path(snakemake.output.means), reduced.means)
