from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.measuring.aligning import align_pair
    from isthmus.measuring.ends import End

    w, settings = snakemake.wildcards, snakemake.params.alignment
    align_pair(
        ends=[
            End.read(int(seed), Path(weights).parent)
            for seed, weights in zip((w.seed, w.other), snakemake.input.ends, strict=True)
        ],
        examples=Path(snakemake.input.tokens),
        count=settings["examples"],
        method=settings["method"],
        seed=settings["seed"],
        numerics=numerics.setup(snakemake.params.numerics),
        budget=snakemake.params.token_budget,
        updates=settings.get("updates", 0),
        out=Path(snakemake.output.orders),
        record=Path(snakemake.output.record),
    )
