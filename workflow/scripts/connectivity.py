from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import connectivity

    metrics, deltas = connectivity.cell(
        [Path(path) for path in snakemake.input], snakemake.params.k, snakemake.params.delta_from
    )
    metrics.to_parquet(snakemake.output.metrics, index=False)
    deltas.to_parquet(snakemake.output.deltas, index=False)
