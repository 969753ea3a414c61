from isthmus.machine.job import logged

with logged(snakemake.log[0], offline=False):
    import tempfile
    from pathlib import Path

    from isthmus.experiment.config import Checkpoint
    from isthmus.models import adapters, architectures, hf_folders, origins

    model, dataset, seed, step = (snakemake.wildcards[key] for key in ("model", "dataset", "seed", "step"))
    folder = Path(snakemake.input.files[0]).parent if snakemake.input.files else None
    out, base = Path(snakemake.output.weights).parent, Path(snakemake.input.base).parent
    hf_folders.check_whole(base)
    with tempfile.TemporaryDirectory(dir=out) as temporary:
        checkpoint = Checkpoint(**snakemake.params.origin, folder=folder)
        origin = origins.fetch_adapter(checkpoint, Path(temporary, "copy"))
        named = snakemake.params.base
        hub = (named["hub"], named["revision"]) if named["hub"] else None
        sha256 = adapters.adopt(Path(temporary, "copy"), origin["origin"], base, out, hub)
    record = {"model": model, "dataset": dataset, "seed": int(seed), "step": int(step), "sha256": sha256}
    record |= {"name": snakemake.params.run, **origin, **adapters.described(out, base)}
    hf_folders.write_record(out / architectures.RECORD, record | {"versions": hf_folders.versions()})
