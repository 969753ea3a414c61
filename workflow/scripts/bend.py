from isthmus.machine.job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.machine import numerics
    from isthmus.training.bending import bend
    from isthmus.training.saving import Cache
    from isthmus.training.schedule import Recipe

    bending = snakemake.params.bending
    bend(
        ends=[Path(weights).parent for weights in snakemake.input.ends],
        seeds=(int(snakemake.wildcards.seed), int(snakemake.wildcards.other)),
        examples=Path(snakemake.input.tokens),
        recipe=Recipe(**bending["recipe"]),
        kind=bending["kind"],
        numerics=numerics.setup(snakemake.params.numerics | {"anchors": snakemake.params.anchors}),
        cache=Cache(**snakemake.params.states),
        outs=[Path(weights).parent for weights in snakemake.output.weights],
    )
