from job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import data, models, tokens

    tokenizer = models.open_tokenizer(Path(snakemake.input.tokenizer).parent)
    summary = models.read_json(Path(snakemake.input.summary))
    groups = summary.get("groups", list(range(len(summary["labels"]))))
    for name, path in snakemake.output.items():
        rows = data.read_rows(Path(snakemake.input[name]))
        examples = tokens.tokenize(tokenizer, rows, groups, snakemake.params.max_length)
        print(f"{name}: {len(examples)} examples, {len(examples.ids)} tokens, {examples.truncated} truncated")
        tokens.write(examples, Path(path))
