"""Which rows of a source have a label and a text, and the names of their classes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.data import sources
from isthmus.data.rows import Rows
from isthmus.errors import ConfigError
from isthmus.experiment import labels
from isthmus.experiment.config import Columns
from isthmus.experiment.data_files import check


class Labelled(NamedTuple):
    """The rows of a source that have a label and a text, and how many were dropped for which reason.

    `names` are the label names; `renamed` is what the source calls its classes where others stand in their
    place.
    """

    rows: Rows
    names: list[str]
    counts: dict[str, int]
    renamed: list[str] | None


def read_known(
    where: str, columns: Columns, names: list[str], *, numbered: bool = True, hint: str = ""
) -> tuple[Rows, dict[str, int]]:
    """The labelled rows of your own files whose labels are known beforehand, and how many were dropped why.

    Args:
        where: begins every message.
        columns: the files, and what their columns mean.
        names: the label names, in the order of their ids; digits from 0 where nobody has named the classes.
        numbered: whether whole numbers may stand for the names, by position.
        hint: what else would help with other labels, as the end of a message.

    Raises:
        ConfigError: as in `check`, or the labels are neither all names nor all positions.
    """
    check(where, columns)
    unnamed = names == [str(i) for i in range(len(names))]
    renames = names if unnamed else None
    known = read(where, columns, None, names, numbered=numbered, hint=hint, renames=renames)
    return known.rows, known.counts


def read(
    where: str,
    columns: Columns,
    fetched: Path | None,
    given: list[str] | None,
    *,
    numbered: bool = True,
    hint: str = "",
    renames: list[str] | None,
) -> Labelled:
    """The labelled rows of a source.

    Args:
        where: begins every message.
        columns: the source, and what its columns mean.
        fetched: what `hub.fetch` wrote, for a source on the hub.
        given: the label names, if they are known beforehand.
        numbered, hint: as in `labels.classes`, for these names.
        renames: as in `sources.read`.

    Raises:
        ConfigError: the source cannot be read, no row has a label and a text, or a label does not fit.
    """
    raw = sources.read(where, columns, fetched, renames)
    total = len(raw.labels)
    own = None if raw.renamed else raw.class_names
    # By custom -1 is no label. Where nobody has named the classes it might be one, and is not dropped unseen.
    named = given or own
    nothing = (None, "") if named is None or "-1" in named else (None, "", "-1")
    with_label = [i for i, label in enumerate(raw.labels) if label not in nothing]
    if {raw.labels[i] for i in with_label} == {"-1"} and named is None:
        with_label = []
    keep = [i for i in with_label if all((column[i] or "").strip() for column in raw.texts)]
    if not keep:
        raise ConfigError(
            f"{where}: found no labelled row ({total} rows, {total - len(with_label)} of them without a "
            f"label, {len(with_label)} without a text); allowed: one or more"
        )
    seen = labels.seen((i, raw.labels[i]) for i in keep)
    names = named or labels.names_found(f"{where}.label", seen, raw.origin)
    labels.check_alike(f"{where}.label", names)
    ids = labels.classes(f"{where}.label", seen, raw.origin, names, numbered and bool(given), hint)
    texts = [[column[i] for i in keep] for column in raw.texts]
    rows = Rows(
        np.array(keep, np.int64),
        texts[0],
        texts[1] if len(texts) == 2 else None,
        np.array([ids[raw.labels[i]] for i in keep], np.int64),
    )
    counts = {
        "rows_read": total,
        "unlabelled_dropped": total - len(with_label),
        "empty_dropped": len(with_label) - len(keep),
        "labelled": len(keep),
    }
    return Labelled(rows, names, counts, raw.class_names if raw.renamed else None)
