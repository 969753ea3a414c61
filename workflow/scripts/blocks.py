from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus import stored
    from isthmus.data import blocks, tokens
    from isthmus.data.rows import read_rows
    from isthmus.experiment import folders
    from isthmus.models import hf_folders, tokenizing

    folder, where = Path(snakemake.input.tokenizer).parent, f"datasets.{snakemake.wildcards.dataset}"
    hf_folders.read_record(folder)
    tokenizer = tokenizing.open_tokenizer(folder)
    cut = blocks.Blocks(**snakemake.params.blocks)
    limit = folders.positions(stored.read_json(folder / "config.json"))
    folders.check_max_length(f"{where}.block_size", cut.block_size, snakemake.wildcards.model, limit)
    for name, path in snakemake.output.items():
        part = f"{snakemake.wildcards.get('set', name)} part"
        examples = cut.of(tokenizer, read_rows(Path(snakemake.input[name])), where, part)
        print(f"{name}: {len(examples)} blocks, {len(examples.ids)} tokens, {examples.truncated} cut off")
        tokens.write(examples, Path(path))
