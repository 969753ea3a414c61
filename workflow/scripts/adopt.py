from job import logged

with logged(snakemake.log[0], offline=False):
    import tempfile
    from pathlib import Path

    from isthmus import stored
    from isthmus.caches import identity
    from isthmus.experiment import config
    from isthmus.models import class_labels, classifiers, hf_folders, origins, tokenizing

    model, dataset, seed, step = (snakemake.wildcards[key] for key in ("model", "dataset", "seed", "step"))
    settings = config.load(snakemake.config).models[model]
    checkpoint = settings.runs()[int(seed)][int(step)]
    out = Path(snakemake.output.weights).parent
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        copy = Path(temporary, "copy")
        origins.fetch(checkpoint, copy)
        origin = stored.read_json(copy / "model.json")
        tokenizing.check_tokenizer(copy, origin["origin"], Path(snakemake.input.tokenizer).parent)
        sha256 = classifiers.adopt(copy, origin["origin"], out)
    first = Path(snakemake.input.config).parent
    hf_folders.read_record(first)
    class_labels.check_classes(out, origin["origin"], first)
    record = {"model": model, "dataset": dataset, "seed": int(seed), "step": int(step), "sha256": sha256}
    record |= {"name": checkpoint.name, **{key: origin[key] for key in ("origin", "revision")}}
    record |= identity.described(out) | {"versions": hf_folders.versions()}
    hf_folders.write_record(out / identity.RECORD, record)
