from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.data import tokens
    from isthmus.data.rows import read_rows
    from isthmus.experiment import folders
    from isthmus.models import class_labels, hf_folders, tokenizing

    folder = Path(snakemake.input.tokenizer).parent
    hf_folders.read_record(folder)
    tokenizer = tokenizing.open_tokenizer(folder)
    template = snakemake.params.pair_template or tokenizing.pair_template(folder)
    summary = stored.read_json(Path(snakemake.input.summary))
    groups = summary.get("groups", list(range(len(summary["labels"]))))
    if snakemake.params.adopted:  # whose classes stand in an order of their own
        labels = stored.read_json(Path(snakemake.input.subset))["labels"]
        where = f"models.{snakemake.wildcards.model}"
        own = class_labels.class_names(folder)
        if snakemake.params.adopted == "adapters":
            own = class_labels.of_adapters(own, where, snakemake.params.labels, labels)
        order = class_labels.class_labels(own, where, snakemake.params.labels, labels)
        groups = [groups[i] for i in order]
    limit, max_length = (
        folders.positions(stored.read_json(folder / "config.json")),
        snakemake.params.max_length,
    )
    for name, path in snakemake.output.items():
        rows = read_rows(Path(snakemake.input[name]))
        examples = tokens.tokenize(tokenizer, rows, groups, max_length, template)
        if limit is not None and examples.lengths.max(initial=0) > limit:
            key = f"datasets.{snakemake.wildcards.dataset}.max_length"
            folders.check_max_length(key, max_length, snakemake.wildcards.model, limit)
        print(f"{name}: {len(examples)} examples, {len(examples.ids)} tokens, {examples.truncated} truncated")
        tokens.write(examples, Path(path))
