from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import connectivity

    files = [Path(path) for path in snakemake.input]
    reduced = connectivity.cell(files, snakemake.params.k, snakemake.params.delta_from)
    reduced.metrics.to_parquet(snakemake.output.metrics, index=False)
    reduced.deltas.to_parquet(snakemake.output.deltas, index=False)
    reduced.means.to_parquet(snakemake.output.means, index=False)
