"""Data sets of the Hugging Face hub, fetched to one Parquet file each."""

import re
from pathlib import Path

import datasets

from isthmus import stored
from isthmus.errors import ConfigError
from isthmus.experiment.config import HubSource
from isthmus.experiment.data_files import first_line

FETCH_COMMAND = "snakemake --until fetch_dataset fetch_model"


def fetch(source: HubSource, path: Path) -> None:
    """Load a split from the hub and write all its columns to one Parquet file.

    Columns of class labels keep their integers; their names stand in the schema's metadata, and so does the
    commit that was loaded, where the hub told it.

    Raises:
        ConfigError: the hub cannot be reached, or has no such data set, configuration, split or revision.
    """
    try:
        split = datasets.load_dataset(
            source.id, source.config, split=source.split, revision=source.revision
        ).with_format("arrow")
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        wanted = ", ".join(f"{key} {value!r}" for key, value in source if value is not None and key != "kind")
        raise ConfigError(
            f"the data set with {wanted} could not be fetched from the hub: {first_line(error)}. "
            "Fetching runs where Snakemake runs, and needs internet there (other jobs do not): on a machine "
            f"that has it, fetch beforehand with `{FETCH_COMMAND}`"
        ) from error
    table = split[:]
    commits = re.findall(r"@([0-9a-f]{40})/", " ".join(split.info.download_checksums or {}))
    if commits:
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), b"revision": commits[0].encode()}
        )
    stored.write_table(path, table)
