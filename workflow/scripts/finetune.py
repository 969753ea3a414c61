from job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.machine import numerics
    from isthmus.training.finetuning import finetune
    from isthmus.training.saving import Cache
    from isthmus.training.schedule import Recipe

    experiment = config.load(snakemake.config)
    model, dataset, seed, step = (snakemake.wildcards[key] for key in ("model", "dataset", "seed", "step"))
    settings = experiment.cell_training(model, dataset)
    states = Path("results", experiment.experiment, "state", model, dataset)
    steps, fork = settings.checkpoint_steps(), settings.fork_at
    finetune(
        start=Path(snakemake.input.start).parent,
        examples=Path(snakemake.input.tokens),
        recipe=Recipe(**snakemake.params.recipe),
        seed=int(seed),
        previous=snakemake.params.previous,
        step=int(step),
        numerics=numerics.setup(snakemake.params.numerics),
        cache=Cache(
            states / f"seed{seed}",
            frozenset(steps) if experiment.keep_states == "all" else frozenset(),
            settings.save_minutes,
        ),
        trunk=Cache(
            states / "trunk",
            frozenset({fork, *(step for step in steps if step < fork)}),
            settings.save_minutes,
        ),
        out=Path(snakemake.output.weights).parent,
    )
