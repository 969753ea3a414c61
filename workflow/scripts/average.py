from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.measuring import averaging, evaluation
    from isthmus.measuring.ends import End
    from isthmus.measuring.rows import Resampling

    settings = snakemake.params.evaluation
    files = dict(zip(snakemake.params.sets, map(Path, snakemake.input.tokens), strict=True))
    weights = zip(snakemake.params.seeds, snakemake.input.weights, strict=True)
    averaging.average(
        averages=averaging.Averages(
            [End.read(seed, Path(path).parent) for seed, path in weights],
            evaluation.read_sets(files, settings["train_examples"], settings["seed"]),
            settings["token_budget"],
            numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Path(snakemake.params.journal),
        ),
        greedy=snakemake.params.greedy,
        resampling=Resampling(**snakemake.params.bootstrap),
        labels={
            "model": snakemake.wildcards.model,
            "dataset": snakemake.wildcards.dataset,
            "step": int(snakemake.wildcards.step),
        },
        out=Path(snakemake.output[0]),
    )
