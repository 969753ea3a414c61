from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.statistics import connectivity

    rows, gaps = (list(map(Path, files)) for files in (snakemake.input.rows, snakemake.input.gaps))
    reduced = connectivity.cell(rows, snakemake.params.k, snakemake.params.delta_from, gaps)
    stored.write_frame(Path(snakemake.output.metrics), reduced.metrics)
    stored.write_frame(Path(snakemake.output.deltas), reduced.deltas)
    stored.write_frame(Path(snakemake.output.means), reduced.means)
