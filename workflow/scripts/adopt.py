from job import logged

with logged(snakemake.log[0], offline=False):
    import tempfile
    from pathlib import Path

    from isthmus import config, models

    model, dataset, seed, step = (snakemake.wildcards[key] for key in ("model", "dataset", "seed", "step"))
    settings = config.load(snakemake.config).models[model]
    checkpoint = settings.runs()[int(seed)][int(step)]
    out = Path(snakemake.output.weights).parent
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        copy = Path(temporary, "copy")
        models.fetch(checkpoint, copy)
        origin = models.read_json(copy / "model.json")
        models.check_tokenizer(copy, origin["origin"], Path(snakemake.input.tokenizer).parent)
        sha256 = models.adopt(copy, origin["origin"], out)
    models.check_classes(out, origin["origin"], Path(snakemake.input.config).parent)
    record = {"model": model, "dataset": dataset, "seed": int(seed), "step": int(step), "sha256": sha256}
    described = {"name": checkpoint.name, **{key: origin[key] for key in ("origin", "revision")}}
    models.write_json(out / "checkpoint.json", {**record, **described, "versions": models.versions()})
