from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.measuring.ends import End
    from isthmus.measuring.mapping import map_of_runs

    found = zip(snakemake.params.checkpoints, snakemake.input.weights, strict=True)
    map_of_runs(
        ends=[(step, End.read(seed, Path(path).parent)) for (seed, step), path in found],
        labels={key: snakemake.wildcards[key] for key in ("model", "dataset")},
        out=Path(snakemake.output[0]),
    )
