from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.statistics import connectivity, layers

    rows, gaps, soups, along = (
        list(map(Path, snakemake.input[name])) for name in ("rows", "gaps", "averages", "along")
    )
    reduced = connectivity.cell(rows, snakemake.params.k, snakemake.params.delta_from, gaps, soups, along)
    stored.write_frame(Path(snakemake.output.metrics), reduced.metrics)
    stored.write_frame(Path(snakemake.output.deltas), reduced.deltas)
    stored.write_frame(Path(snakemake.output.means), reduced.means)
    stored.write_frame(Path(snakemake.output.averages), reduced.averages)
    stored.write_frame(Path(snakemake.output.layers), layers.cell(map(Path, snakemake.input.layers)))
