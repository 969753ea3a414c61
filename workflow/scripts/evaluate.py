from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.measuring import evaluation

    settings = snakemake.params.evaluation
    files = dict(zip(snakemake.params.sets, map(Path, snakemake.input.tokens), strict=True))
    evaluation.evaluate(
        checkpoint=Path(snakemake.input.weights).parent,
        sets=evaluation.read_sets(files, settings["train_examples"], settings["seed"]),
        budget=settings["token_budget"],
        numerics=numerics.resolved(snakemake.params.numerics),
        journal=Path(snakemake.params.journal),
        out=Path(snakemake.output[0]),
    )
