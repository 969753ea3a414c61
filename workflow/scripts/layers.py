from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.data import tokens
    from isthmus.machine import numerics
    from isthmus.measuring import layering
    from isthmus.measuring.ends import End
    from isthmus.measuring.known import SAMPLER_SET
    from isthmus.measuring.rows import Resampling

    model, dataset, step = (snakemake.wildcards[key] for key in ("model", "dataset", "step"))
    settings = snakemake.params.evaluation
    seeds = int(snakemake.wildcards.seed), int(snakemake.wildcards.other)
    weights = zip(seeds, snakemake.input.weights, strict=True)
    layering.layers(
        pair=layering.LayeredPair(
            *(End.read(seed, Path(path).parent) for seed, path in weights),
            {SAMPLER_SET: tokens.read(Path(snakemake.input.tokens))},
            settings["token_budget"],
            numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Path(snakemake.params.journal),
            snakemake.params.cache_mb * 2**20,
        ),
        **snakemake.params.layers,
        resampling=Resampling(**snakemake.params.bootstrap),
        labels={"model": model, "dataset": dataset, "step": int(step)},
        out=Path(snakemake.output[0]),
    )
