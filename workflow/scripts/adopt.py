from isthmus.machine.job import logged

with logged(snakemake.log[0], offline=False):
    import tempfile
    from pathlib import Path

    from isthmus import stored
    from isthmus.caches.identity import CLASSIFICATION
    from isthmus.experiment.config import Checkpoint
    from isthmus.models import (
        architectures,
        class_labels,
        classifiers,
        hf_folders,
        language_models,
        origins,
        tokenizing,
    )

    model, dataset, seed, step = (snakemake.wildcards[key] for key in ("model", "dataset", "seed", "step"))
    folder = Path(snakemake.input.files[0]).parent if snakemake.input.files else None
    out = Path(snakemake.output.weights).parent
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        copy = Path(temporary, "copy")
        origins.fetch(Checkpoint(**snakemake.params.origin, folder=folder), copy)
        origin = stored.read_json(copy / "model.json")
        tokenizing.check_tokenizer(copy, origin["origin"], Path(snakemake.input.tokenizer).parent)
        if snakemake.params.task == CLASSIFICATION.name:
            sha256 = classifiers.adopt(copy, origin["origin"], out)
        else:
            sha256 = language_models.write_checkpoint(copy, origin["origin"], snakemake.params.task, out)
    first = Path(snakemake.input.config).parent
    hf_folders.read_record(first)
    if snakemake.params.task == CLASSIFICATION.name:
        class_labels.check_classes(out, origin["origin"], first)
    record = {"model": model, "dataset": dataset, "seed": int(seed), "step": int(step), "sha256": sha256}
    record |= {"name": snakemake.params.run, **{key: origin[key] for key in ("origin", "revision")}}
    record |= architectures.described(out) | {"versions": hf_folders.versions()}
    hf_folders.write_record(out / architectures.RECORD, record)
