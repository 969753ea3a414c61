from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.data import tokens
    from isthmus.machine import numerics
    from isthmus.measuring import planing
    from isthmus.measuring.ends import End

    settings, grid = snakemake.params.evaluation, snakemake.params.grid
    examples = tokens.read(Path(snakemake.input.tokens))
    corners = zip(snakemake.params.corners, snakemake.input.weights, strict=True)
    first = int(snakemake.wildcards.part)
    planing.measure_plane(
        plane=planing.MeasuredPlane(
            [End.read(seed, Path(path).parent) for (seed, _), path in corners],
            tokens.sample(examples, grid["examples"], settings["seed"]),
            settings["token_budget"],
            numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Path(snakemake.params.journal),
        ),
        resolution=grid["resolution"],
        margin=grid["margin"],
        rows=range(first, min(first + snakemake.params.rows, grid["resolution"])),
        labels={key: snakemake.wildcards[key] for key in ("model", "dataset", "plane")},
        out=Path(snakemake.output[0]),
    )
