from job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.machine import numerics
    from isthmus.measuring import evaluation

    model, dataset, seed, step = (snakemake.wildcards[key] for key in ("model", "dataset", "seed", "step"))
    settings = snakemake.params.evaluation
    files = dict(zip(snakemake.params.sets, map(Path, snakemake.input.tokens), strict=True))
    results = Path("results", config.load(snakemake.config).experiment)
    evaluation.evaluate(
        checkpoint=Path(snakemake.input.weights).parent,
        sets=evaluation.read_sets(files, settings["train_examples"], settings["seed"]),
        budget=settings["token_budget"],
        numerics=numerics.setup(snakemake.params.numerics),
        journal=results / "journal" / model / dataset / f"step{step}" / f"seed{seed}",
        out=Path(snakemake.output[0]),
    )
