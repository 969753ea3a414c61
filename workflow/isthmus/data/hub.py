"""Data sets of the Hugging Face hub, fetched to one Parquet file each."""

from pathlib import Path

import datasets
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError

from isthmus import stored
from isthmus.errors import ConfigError
from isthmus.experiment.config import HubSource
from isthmus.machine import network


def fetch(source: HubSource, path: Path) -> None:
    """Load a split from the hub and write all its columns to one Parquet file.

    Columns of class labels keep their integers; their names stand in the schema's metadata, and so does the
    commit that was loaded.

    Raises:
        ConfigError: the hub cannot be reached, or has no such data set, configuration, split or revision, or
            does not let this login read it.
    """
    wanted = ", ".join(f"{key} {value!r}" for key, value in source if value is not None and key != "kind")
    what = f"the data set with {wanted}"
    if Path(source.id).exists():
        raise ConfigError(
            f"{what}: found a file or folder {source.id} where Snakemake runs, which would be read in its "
            "place; allowed: another name or place for it"
        )
    with network.asking(what, f"datasets/{source.id}", source.revision):
        commit = _commit(source)
        try:
            builder = datasets.load_dataset_builder(source.id, source.config, revision=commit)
        except datasets.exceptions.DatasetNotFoundError:
            HfApi().auth_check(source.id, repo_type="dataset")  # says better who may read it
            raise
        # Where the hub cannot be reached, the library takes any commit that it has kept.
        if builder.hash != commit:
            raise ConfigError(
                f"{what}: found commit {builder.hash} of it, kept here from before, and no answer of the "
                f"hub; allowed: commit {commit}. {network.ELSEWHERE}"
            )
        try:
            builder.download_and_prepare()
            split = builder.as_dataset(split=source.split)
        except datasets.exceptions.DatasetsError as error:
            # Its cause says what happened: to the network, to the disk, or which of the data cannot be read.
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise RuntimeError(network.in_a_line(error.__cause__ or error)) from error
    table = split.with_format("arrow")[:]
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"revision": commit.encode()})
    stored.write_table(path, table)


def _commit(source: HubSource) -> str:
    """The commit that a revision names, as the hub says, or as it said before where it is not reached."""
    try:
        card = hf_hub_download(source.id, "README.md", repo_type="dataset", revision=source.revision)
    except RemoteEntryNotFoundError:  # without a card
        return HfApi().dataset_info(source.id, revision=source.revision).sha
    return Path(card).parent.name  # of the folder of a commit
