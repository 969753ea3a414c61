from job import gpus, logged

with logged(snakemake.log[0], gpus=gpus(snakemake)):
    from pathlib import Path

    from isthmus.experiment import config
    from isthmus.machine import numerics
    from isthmus.training.pretraining import Pretraining, pretrain
    from isthmus.training.saving import Cache
    from isthmus.training.schedule import Recipe

    experiment = config.load(snakemake.config)
    name = experiment.models[snakemake.wildcards.model].pretraining
    rungs = frozenset(m.pretraining_steps for m in experiment.models.values() if m.pretraining == name)
    pretrain(
        settings=Pretraining(**snakemake.params.settings),
        recipe=Recipe(**snakemake.params.recipe),
        step=snakemake.params.step,
        numerics=numerics.setup(snakemake.params.numerics),
        cache=Cache(
            # No model's name begins with an underscore.
            Path("results", experiment.experiment, "state", "_pretraining", name),
            rungs if experiment.keep_states == "all" else frozenset(),
            experiment.pretraining[name].training.save_minutes,
        ),
        out=Path(snakemake.output.weights).parent,
    )
