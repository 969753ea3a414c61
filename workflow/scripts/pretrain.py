from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.training.pretraining import Pretraining, pretrain
    from isthmus.training.saving import Cache
    from isthmus.training.schedule import Recipe

    pretrain(
        settings=Pretraining(**snakemake.params.settings),
        recipe=Recipe(**snakemake.params.recipe),
        step=snakemake.params.step,
        numerics=numerics.setup(snakemake.params.numerics),
        cache=Cache(**snakemake.params.states),
        out=Path(snakemake.output.weights).parent,
    )
