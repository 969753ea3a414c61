from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored, tensor_header
    from isthmus.caches.identity import CLASSIFICATION
    from isthmus.models import architectures, classifiers, hf_folders, language_models
    from isthmus.space import groups

    model, dataset, params = snakemake.wildcards.model, snakemake.wildcards.dataset, snakemake.params
    out, source = Path(snakemake.output.weights).parent, Path(snakemake.input.weights).parent
    hf_folders.check_whole(source)
    drawn = []
    if params.task == CLASSIFICATION.name:
        labels = params.labels or stored.read_json(Path(snakemake.input.summary))["labels"]
        sha256, drawn = classifiers.write_base(source, labels, params.model_seed, params.own_head, out)
    else:
        sha256 = language_models.write_checkpoint(source, f"models.{model}", params.task, out)
    groups.check(params.groups, [*tensor_header.read(out / hf_folders.WEIGHTS)[0]])
    record = {"model": model, "dataset": dataset, "drawn": drawn, "sha256": sha256}
    record |= architectures.described(out) | {"versions": hf_folders.versions()}
    hf_folders.write_record(out / architectures.RECORD, record)
