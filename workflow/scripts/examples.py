from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.data import tokens
    from isthmus.machine import numerics
    from isthmus.measuring import rises
    from isthmus.measuring.ends import End
    from isthmus.metrics import FLOOR

    weights = zip(snakemake.params.seeds, snakemake.input.weights, strict=True)
    rises.write(
        lines=rises.Lines(
            [End.read(seed, Path(path).parent) for seed, path in weights],
            tokens.read(Path(snakemake.input.tokens)),
            snakemake.params.budget,
            numerics.resolved(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Path(snakemake.params.journal),
        ),
        rows=[Path(path) for path in snakemake.input.rows],
        floor=FLOOR,
        labels={
            **{key: snakemake.wildcards[key] for key in ("model", "dataset")},
            "step": snakemake.params.step,
        },
        out=Path(snakemake.output[0]),
    )
