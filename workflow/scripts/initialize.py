from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored, tensor_header
    from isthmus.models import architectures, classifiers, hf_folders, language_models, tokenizing
    from isthmus.space import groups
    from isthmus.training.schedule import run_seeds

    model, dataset, seed = (snakemake.wildcards[key] for key in ("model", "dataset", "seed"))
    out = Path(snakemake.output.weights).parent
    source, head = Path(snakemake.input.weights).parent, snakemake.params.head
    hf_folders.check_whole(source)
    for first in map(Path, snakemake.input.tokenizer):
        tokenizing.check_tokenizer(source, source.name, first.parent)
        architectures.check_alike(source, first.parent)
    if isinstance(head, str):  # a task that the model's own head does
        sha256 = language_models.write_checkpoint(source, f"models.{model}", head, out)
    else:
        labels = stored.read_json(Path(snakemake.input.summary))["labels"]
        seeded = run_seeds(int(seed), ["head"] if head else [])["head"]
        sha256 = classifiers.initialize(source, labels, snakemake.params.model_seed, seeded, out)
    # Said here, before anything is trained: which tensors there are is known from the first checkpoint on.
    groups.check(snakemake.params.groups, [*tensor_header.read(out / hf_folders.WEIGHTS)[0]])
    record = {"model": model, "dataset": dataset, "seed": int(seed), "step": 0, "sha256": sha256}
    record |= architectures.described(out) | {"versions": hf_folders.versions()}
    hf_folders.write_record(out / architectures.RECORD, record)
