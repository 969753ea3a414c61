from isthmus.machine.job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from isthmus.data import subsets
    from isthmus.experiment import parameters
    from isthmus.experiment.config import Dataset

    dataset = Dataset(**parameters.with_files(snakemake.params.settings, snakemake.input.files))
    fetched = Path(snakemake.input.fetched[0]) if snakemake.input.fetched else None
    subsets.write(snakemake.wildcards.dataset, dataset, fetched, Path(snakemake.output.train).parent)
