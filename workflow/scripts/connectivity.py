from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.statistics import barriers, connectivity, layers

    given = {name: list(map(Path, files)) for name, files in snakemake.input.items()}
    k, delta_from = snakemake.params.k, snakemake.params.delta_from
    reduced = connectivity.cell(
        given["rows"], k, delta_from, given["gaps"], given["averages"], given["along"]
    )
    if given["factors"]:
        reduced = reduced.with_factors(
            connectivity.cell(given["factors"], k, delta_from, given["factors_gaps"])
        )
    lines = {
        connectivity.row_of(points): (points, gaps)
        for points, gaps in zip(given["rows"], given["gaps"], strict=True)
    }
    detours = barriers.cell(
        zip(given["detours"], given["detours_gaps"], strict=True), lines, k, snakemake.params.bodies
    )
    reduced = reduced.with_paths(detours.rows)
    for name in ("metrics", "deltas", "means", "averages"):
        stored.write_frame(Path(snakemake.output[name]), getattr(reduced, name))
    stored.write_frame(Path(snakemake.output.barriers), detours.frame())
    stored.write_frame(Path(snakemake.output.layers), layers.cell(map(Path, snakemake.input.layers)))
