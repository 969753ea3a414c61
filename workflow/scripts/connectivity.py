from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.statistics import connectivity, layers

    given = {name: list(map(Path, files)) for name, files in snakemake.input.items()}
    k, delta_from = snakemake.params.k, snakemake.params.delta_from
    reduced = connectivity.cell(
        given["rows"], k, delta_from, given["gaps"], given["averages"], given["along"]
    )
    if given["factors"]:
        reduced = reduced.with_factors(
            connectivity.cell(given["factors"], k, delta_from, given["factors_gaps"])
        )
    for name in ("metrics", "deltas", "means", "averages"):
        stored.write_frame(Path(snakemake.output[name]), getattr(reduced, name))
    stored.write_frame(Path(snakemake.output.layers), layers.cell(map(Path, snakemake.input.layers)))
