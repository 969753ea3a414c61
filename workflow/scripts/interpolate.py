from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.caches.identity import MERGED
    from isthmus.machine import numerics
    from isthmus.measuring import evaluation
    from isthmus.measuring.ends import End
    from isthmus.measuring.interpolation import interpolate
    from isthmus.measuring.rows import Resampling, Row
    from isthmus.space import sampling

    model, dataset, step = (snakemake.wildcards[key] for key in ("model", "dataset", "step"))
    seed = int(snakemake.wildcards.seed)
    settings, space = snakemake.params.evaluation, snakemake.params.get("space", MERGED)
    files = dict(zip(snakemake.params.sets, map(Path, snakemake.input.tokens), strict=True))
    others = zip(snakemake.params.seeds, snakemake.input.others, strict=True)
    # Where these are not given, all began from one body.
    starts = zip(snakemake.params.seeds, snakemake.input.starts, strict=bool(snakemake.input.starts))
    interpolate(
        row=Row(
            End.read(seed, Path(snakemake.input.weights).parent, space),
            End.read(seed, Path(snakemake.input.start[0]).parent) if snakemake.input.start else None,
            evaluation.read_sets(files, settings["train_examples"], settings["seed"]),
            settings["token_budget"],
            numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Resampling(**snakemake.params.bootstrap),
            Path(snakemake.params.journal),
        ),
        others=[End.read(other, Path(weights).parent, space) for other, weights in others],
        starts=[End.read(other, Path(weights).parent) for other, weights in starts],
        sampler=sampling.sampler(snakemake.params.sampler),
        labels={"model": model, "dataset": dataset, "step": int(step)},
        out=Path(snakemake.output.points),
        # How far two runs are apart is said of the weights themselves, once.
        pairs=Path(snakemake.output.pairs) if space == MERGED else None,
        gaps=Path(snakemake.output.gaps),
    )
