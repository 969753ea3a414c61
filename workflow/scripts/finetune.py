from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.training.finetuning import finetune
    from isthmus.training.saving import Cache
    from isthmus.training.schedule import Recipe

    finetune(
        start=Path(snakemake.input.start).parent,
        examples=Path(snakemake.input.tokens),
        recipe=Recipe(**snakemake.params.recipe),
        seed=int(snakemake.wildcards.seed),
        previous=snakemake.params.previous,
        step=int(snakemake.wildcards.step),
        numerics=numerics.setup(snakemake.params.numerics),
        cache=Cache(**snakemake.params.states),
        trunk=Cache(**snakemake.params.trunk),
        out=Path(snakemake.output.weights).parent,
    )
