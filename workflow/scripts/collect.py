from job import logged

with logged(snakemake.log[0]):
    from isthmus import config, connectivity

    connectivity.collect(
        config.load(snakemake.config).experiment,
        snakemake.params.pretraining_steps,
        {name: list(files) for name, files in snakemake.input.items()},
        dict(snakemake.output.items()),
    )
