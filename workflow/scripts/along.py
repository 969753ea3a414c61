from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.measuring import evaluation
    from isthmus.measuring.along import Trajectory, along
    from isthmus.measuring.ends import End
    from isthmus.measuring.rows import Resampling
    from isthmus.space import sampling

    settings, seed = snakemake.params.evaluation, int(snakemake.wildcards.seed)
    files = dict(zip(snakemake.params.sets, map(Path, snakemake.input.tokens), strict=True))
    weights = zip(snakemake.params.steps, snakemake.input.weights, strict=True)
    along(
        run=Trajectory(
            {step: End.read(seed, Path(path).parent) for step, path in weights},
            evaluation.read_sets(files, settings["train_examples"], settings["seed"]),
            settings["token_budget"],
            numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Path(snakemake.params.journal),
        ),
        steps=snakemake.params.steps[:-1],
        sampler=sampling.sampler(snakemake.params.sampler),
        resampling=Resampling(**snakemake.params.bootstrap),
        labels={key: snakemake.wildcards[key] for key in ("model", "dataset")},
        out=Path(snakemake.output[0]),
    )
