"""Further evaluation sets of a data set, whose labels count as those of the data set."""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus import stored
from isthmus.data import labelled, running_text, subsets, summaries
from isthmus.data.rows import Rows, inputs, read_rows, write_rows
from isthmus.data.sources import TOY_TEXT
from isthmus.errors import ConfigError
from isthmus.experiment.config import Dataset, FurtherSet, ToySource
from isthmus.experiment.data_files import inherit
from isthmus.experiment.labels import listed


def write(
    name: str,
    dataset_name: str,
    dataset: Dataset,
    further: FurtherSet,
    fetched: Path | None,
    whole: Path,
    path: Path,
    summary: Path,
) -> None:
    """Write a further evaluation set: rows as `subsets.write` writes them, and a JSON file.

    The JSON file holds the set's own `labels` and, under `groups`, for each label of the data set the
    position of the set's label that it counts as. `also_in_train` of its `counts` says how many of the rows,
    which all stay, have an input that stands in train too.

    Args:
        name: the set's name in the config.
        dataset_name: the name of its data set.
        dataset: the data set's settings, which name the columns where the set does not.
        further: the set's settings.
        fetched: what `hub.fetch` wrote, for a source on the hub.
        whole: the folder that `subsets.write` wrote the data set to.
        path: the Parquet file to write.
        summary: the JSON file to write.

    Raises:
        ConfigError: as in `subsets.write`, or the labels of data set and set do not go together.
    """
    where = f"datasets.{dataset_name}.sets.{name}"
    known, columns = stored.read_json(whole / "subset.json"), inherit(dataset, further)
    if dataset.language:
        (rows, counts), names, groups = running_text.read(where, columns, fetched), [], []
    else:
        names, groups = _groups(where, further, known["labels"])
        rows, counts = _further_rows(where, dataset, further, fetched, names, known)
    order = subsets.draw(where, further, len(rows.ids))
    rows = rows.take(np.sort(order))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, rows)
    trained = set(inputs(read_rows(whole / "train.parquet")))
    counts |= {"subset": len(order), "also_in_train": sum(text in trained for text in inputs(rows))}
    parts = {"labels": names, "groups": groups, "counts": counts, "set": summaries.part(rows, names)}
    stored.write_json(summary, summaries.origin(columns, fetched) | parts)


def _further_rows(
    where: str,
    dataset: Dataset,
    further: FurtherSet,
    fetched: Path | None,
    names: list[str],
    whole: dict[str, Any],
) -> tuple[Rows, dict[str, int]]:
    """The labelled rows of a further set, and how many were dropped why.

    Args:
        names: the set's label names.
        whole: the data set's `subset.json`.
    """
    columns = inherit(dataset, further)
    for key in ("text", "label"):
        if getattr(columns, key) is None and not isinstance(columns.source, ToySource):
            raise ConfigError(f"{where}.{key}: missing; allowed: the name(s) of the source's {key} column(s)")
    # A number stands for a label by its position only where the config itself gives the names' order.
    ordered = bool(further.labels or (dataset.labels and not further.label_map))
    hint = "" if ordered else f"; or numbers, where {where}.labels names the labels in their order"
    rows, _, counts, renamed = labelled.read(
        where, columns, fetched, names, numbered=ordered, hint=hint, renames=names if ordered else None
    )
    if renamed and not further.labels and renamed != whole["renamed"]:
        raise ConfigError(
            f"{where}.labels: missing, and the source calls its classes {listed(renamed)}, which are not "
            f"those of the data set ({listed(whole['renamed'] or whole['labels'])}); allowed: the names of "
            "the set's classes, in the order of their numbers"
        )
    pairs = len(dataset.text or TOY_TEXT) == 2
    if (rows.text_b is not None) != pairs:
        found, allowed = ("pairs", "single texts") if rows.text_b is not None else ("single texts", "pairs")
        raise ConfigError(f"{where}.text: found {found}; allowed: {allowed}, as in the data set")
    return rows, counts


def _groups(where: str, further: FurtherSet, whole: list[str]) -> tuple[list[str], list[int]]:
    """A further set's label names, and for each of its data set's labels the position of its counterpart."""
    mapping = further.label_map or {label: label for label in whole}
    names = further.labels or list(dict.fromkeys(mapping.values()))
    if further.label_map and (unknown := [label for label in mapping if label not in whole]):
        raise ConfigError(
            f"{where}.label_map: found {listed(unknown)}; allowed: the data set's labels, {listed(whole)}"
        )
    if missing := [label for label in whole if label not in mapping]:
        raise ConfigError(
            f"{where}.label_map: found nothing for {listed(missing)}; allowed: one of {listed(names)} for "
            "each label of the data set"
        )
    if wrong := [label for label in whole if mapping[label] not in names]:
        raise ConfigError(
            f"{where}.label_map: found {listed([mapping[label] for label in wrong])} for {listed(wrong)}; "
            f"allowed: the set's labels, {listed(names)}"
        )
    groups = [names.index(mapping[label]) for label in whole]
    if unreached := [name for i, name in enumerate(names) if i not in groups]:
        raise ConfigError(
            f"{where}.labels: found {listed(unreached)}, which no label of the data set ({listed(whole)}) "
            "counts as; allowed: labels that `label_map` leads to"
        )
    return names, groups
