"""The subset of a data set: fixed, uniformly random, split once into train and test.

Each file that is written says in a JSON file beside it where its rows come from and how many were dropped for
which reason.
"""

from pathlib import Path

import numpy as np

from isthmus import stored
from isthmus.data import labelled, running_text, summaries
from isthmus.data.rows import inputs, write_rows
from isthmus.errors import ConfigError
from isthmus.experiment.config import Columns, Dataset
from isthmus.experiment.labels import listed


def write(name: str, dataset: Dataset, fetched: Path | None, folder: Path) -> None:
    """Write a data set's subset, split into `train.parquet` and `test.parquet`, and `subset.json`.

    The columns of both are `id`, `text_a`, `text_b` (null for single texts) and `label`; rows stand in the
    source's order. Subset and split depend on the source's rows, the columns, the labels, the sizes and the
    seed only.

    `subset.json` holds under `renamed` what the source itself calls the classes, where `labels` renames them.

    Args:
        name: the data set's name in the config.
        dataset: its settings.
        fetched: what `hub.fetch` wrote, for a source on the hub.
        folder: where to write.

    Raises:
        ConfigError: the rows cannot be read, a label does not fit, there are too few rows, a class is missing
            from train, or a part is empty.
    """
    where = f"datasets.{name}"
    if dataset.language:
        (rows, counts), names, renamed = running_text.read(where, dataset, fetched), [], None
    else:
        rows, names, counts, renamed = labelled.read(
            where, dataset, fetched, dataset.labels, renames=dataset.labels
        )
    order = draw(where, dataset, len(rows.ids))
    tested = min(max(1, round(len(order) * dataset.test_fraction)), len(order) - 1)
    if tested < 1:
        raise ConfigError(
            f"{where}: found a subset of {len(order)} row; allowed: two or more, one each for train and test"
        )
    test, train = rows.take(np.sort(order[:tested])), rows.take(np.sort(order[tested:]))
    # Of running text each row is there once.
    seen = set() if dataset.language else set(inputs(train))
    fresh = np.array([text not in seen for text in inputs(test)])
    test = test.take(np.flatnonzero(fresh))
    if not len(test.ids):
        raise ConfigError(
            f"{where}: found an empty test part (each of its {tested} inputs stands in train too); "
            "allowed: one row or more; raise `test_fraction` or the subset's size"
        )
    if missing := [label for i, label in enumerate(names) if i not in train.labels]:
        raise ConfigError(
            f"{where}: found no row of {listed(missing)} in train ({len(train.ids)} rows); allowed: one "
            "or more of each label; take a larger subset, another `seed`, or only `labels` that the data have"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "train.parquet", train)
    write_rows(folder / "test.parquet", test)
    counts |= {"subset": len(order), "duplicates_dropped_from_test": int((~fresh).sum())}
    parts = {"train": summaries.part(train, names), "test": summaries.part(test, names)}
    known = {"labels": names, "renamed": renamed, "counts": counts}
    stored.write_json(folder / "subset.json", summaries.origin(dataset, fetched) | known | parts)


def draw(where: str, columns: Columns, total: int) -> np.ndarray:
    """Positions of a uniformly random subset of the labelled rows, in random order: the split is cut from it.

    Rows are ordered by random 64-bit keys, one a row, from the generator's raw stream: NumPy promises that
    stream (and not what is made of it, such as permutations) for all versions.
    """
    size = columns.rows if columns.rows is not None else round(total * columns.fraction)
    if size > total:
        raise ConfigError(
            f"{where}.rows: found {size}; allowed: 1 to {total}, the usable rows that there are"
        )
    if size == 0:
        raise ConfigError(
            f"{where}.fraction: found {columns.fraction} of {total} labelled rows, an empty subset; "
            f"allowed: {1 / total:.3g} or more"
        )
    keys = np.random.Philox(columns.seed).random_raw(total)
    return np.argsort(keys, kind="stable")[:size]
