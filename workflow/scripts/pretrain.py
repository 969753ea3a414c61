from job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.training import pretraining
    from isthmus.training.training import Cache

    pretraining.pretrain(
        settings=snakemake.params.settings,
        recipe=snakemake.params.recipe,
        step=snakemake.params.step,
        numerics=numerics.setup(snakemake.params.numerics),
        cache=Cache(**snakemake.params.states),
        out=Path(snakemake.output.weights).parent,
    )
