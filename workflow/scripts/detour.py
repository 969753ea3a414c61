from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.measuring import evaluation
    from isthmus.measuring.detours import Detour, measure
    from isthmus.measuring.ends import End
    from isthmus.measuring.rows import Resampling
    from isthmus.space import sampling

    w, settings = snakemake.wildcards, snakemake.params.evaluation
    files = dict(zip(snakemake.params.sets, map(Path, snakemake.input.tokens), strict=True))
    a, b = (
        End.read(int(seed), Path(weights).parent)
        for seed, weights in zip((w.seed, w.other), snakemake.input.ends, strict=True)
    )
    bends = [End.read(0, Path(weights).parent) for weights in snakemake.input.get("through", [])]
    if orders := snakemake.input.get("orders"):
        b = b.aligned(Path(orders))
    measure(
        detour=Detour(
            snakemake.params.kind,
            [a, *bends, b],
            evaluation.read_sets(files, settings["train_examples"], settings["seed"]),
            settings["token_budget"],
            numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
            Resampling(**snakemake.params.bootstrap),
            Path(snakemake.params.journal),
        ),
        sampler=sampling.sampler(snakemake.params.sampler),
        labels={"model": w.model, "dataset": w.dataset, "step": int(w.step), "path": snakemake.params.path},
        out=Path(snakemake.output.points),
        gaps=Path(snakemake.output.gaps),
    )
