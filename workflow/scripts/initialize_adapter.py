from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    import tempfile
    from pathlib import Path

    from isthmus import hashing, stored
    from isthmus.models import adapters, architectures, classifiers, hf_folders
    from isthmus.training.schedule import run_seeds

    model, dataset, seed = (snakemake.wildcards[key] for key in ("model", "dataset", "seed"))
    out, params = Path(snakemake.output.weights).parent, snakemake.params
    base, source = Path(snakemake.input.base).parent, Path(snakemake.input.weights).parent
    hf_folders.check_whole(base)
    head = hf_folders.read_record(base)["drawn"]
    seeded = run_seeds(int(seed), ["head"] if params.drawn else [])["head"]
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        own = base
        if head:  # the run's own, and the same as a whole fine-tuning of this seed begins with
            own = Path(temporary)
            labels = stored.read_json(Path(snakemake.input.summary))["labels"]
            classifiers.initialize(source, labels, params.model_seed, seeded, own)
        where, drawn = f"models.{model}.adapter", hashing.seed("adapter", seeded)
        sha256 = adapters.initialize(base, where, params.adapter, params.task, own, head, drawn, out)
    record = {"model": model, "dataset": dataset, "seed": int(seed), "step": 0, "sha256": sha256}
    record |= adapters.described(out, base) | {"versions": hf_folders.versions()}
    hf_folders.write_record(out / architectures.RECORD, record)
