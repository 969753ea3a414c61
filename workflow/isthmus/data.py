"""Rows: from a source to a fixed, uniformly random subset, split once into train and test.

Texts arrive as they are written: nothing is guessed to be a number, a date or a missing value, and nothing is
trimmed. Each file that is written says in a JSON file beside it where its rows come from and how many were
dropped for which reason.
"""

import csv
import difflib
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus import hashing, stored, toy
from isthmus.config import Columns, Dataset, FilesSource, FurtherSet, HubSource, ToySource
from isthmus.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

DELIMITED = (".tsv", ".csv", ".txt")
JSON = (".jsonl", ".json")
ENDINGS = (*DELIMITED, *JSON, ".parquet")

TOY_TEXT, TOY_LABEL = ["text_a", "text_b"], "label"

FETCH_COMMAND = "snakemake --until fetch_dataset fetch_model"


class Rows(NamedTuple):
    """Labelled rows, in the order of their ids.

    `ids`: int64 (n,), each row's number in its source, counted from 0 before anything was dropped.
    `text_a`: n texts. `text_b`: n texts, or None where an example is a single text.
    `labels`: int64 (n,), positions in the list of label names.
    """

    ids: "np.ndarray"
    text_a: list[str]
    text_b: list[str] | None
    labels: "np.ndarray"

    def take(self, positions: "np.ndarray") -> "Rows":
        """The rows at these positions, in this order."""
        pick = positions.tolist()
        text_b = None if self.text_b is None else [self.text_b[i] for i in pick]
        return Rows(self.ids[positions], [self.text_a[i] for i in pick], text_b, self.labels[positions])


# ------------------------------------------------------------------------------------------------- doors


def fetch(source: HubSource, path: Path) -> None:
    """Load a split from the hub and write all its columns to one Parquet file.

    Columns of class labels keep their integers; their names stand in the schema's metadata, and so does the
    commit that was loaded, where the hub told it.

    Raises:
        ConfigError: the hub cannot be reached, or has no such data set, configuration, split or revision.
    """
    import datasets

    try:
        split = datasets.load_dataset(
            source.id, source.config, split=source.split, revision=source.revision
        ).with_format("arrow")
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        wanted = ", ".join(f"{key} {value!r}" for key, value in source if value is not None and key != "kind")
        raise ConfigError(
            f"the data set with {wanted} could not be fetched from the hub: {_first_line(error)}. "
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


def check(key: str, columns: Columns) -> None:
    """Look at the first row of each file of a `files` source, before anything runs (a JSON list is read all).

    Args:
        key: where `columns` stands in the config, such as `datasets.sick`; it begins every message.
        columns: a data set, or a further set (see `inherit`); what it leaves open is not checked.

    Raises:
        ConfigError: a file is missing, of an unknown kind or not readable, or lacks a column that is named.
    """
    if not isinstance(columns.source, FilesSource):
        return
    for path in columns.source.paths:
        if path.suffix.lower() not in ENDINGS:
            raise ConfigError(
                f"{key}.source.paths: found {path}; allowed: files that end in {', '.join(ENDINGS)}"
            )
        if not path.is_file():
            raise ConfigError(f"{key}.source.paths: found {path}, which is no file; allowed: existing files")
        _check_columns(key, columns, _column_names(key, path, columns.source), str(path))


def inherit(dataset: Dataset, further: FurtherSet) -> FurtherSet:
    """The further set with the text and label columns that it takes from its data set filled in."""
    open_keys = {key: getattr(dataset, key) for key in ("text", "label") if getattr(further, key) is None}
    # The toy language names its columns itself: what the data set's own source calls them says nothing there.
    return further if isinstance(further.source, ToySource) else further.model_copy(update=open_keys)


def write_subset(name: str, dataset: Dataset, fetched: Path | None, folder: Path) -> None:
    """Write a data set's subset, split into `train.parquet` and `test.parquet`, and `subset.json`.

    The columns of both are `id`, `text_a`, `text_b` (null for single texts) and `label`; rows stand in the
    source's order. Subset and split depend on the source's rows, the columns, the labels, the sizes and the
    seed only.

    Args:
        name: the data set's name in the config.
        dataset: its settings.
        fetched: what `fetch` wrote, for a source on the hub.
        folder: where to write.

    Raises:
        ConfigError: the rows cannot be read, a label does not fit, there are too few rows, a class is missing
            from train, or a part is empty.
    """
    import numpy as np

    where = f"datasets.{name}"
    rows, labels, counts = _labelled_rows(where, dataset, fetched, dataset.labels)
    order = _subset(where, dataset, len(rows.ids))
    tested = min(max(1, round(len(order) * dataset.test_fraction)), len(order) - 1)
    if tested < 1:
        raise ConfigError(
            f"{where}: found a subset of {len(order)} row; allowed: two or more, one each for train and test"
        )
    test, train = rows.take(np.sort(order[:tested])), rows.take(np.sort(order[tested:]))
    seen = set(_inputs(train))
    fresh = np.array([text not in seen for text in _inputs(test)])
    test = test.take(np.flatnonzero(fresh))
    if not len(test.ids):
        raise ConfigError(
            f"{where}: found an empty test part (each of its {tested} inputs stands in train too); "
            "allowed: one row or more; raise `test_fraction` or the subset's size"
        )
    if missing := [label for i, label in enumerate(labels) if i not in train.labels]:
        raise ConfigError(
            f"{where}: found no row of {_listed(missing)} in train ({len(train.ids)} rows); allowed: one "
            "or more of each label; take a larger subset, another `seed`, or only `labels` that the data have"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "train.parquet", train)
    _write_rows(folder / "test.parquet", test)
    counts |= {"subset": len(order), "duplicates_dropped_from_test": int((~fresh).sum())}
    parts = {"train": _part(train, labels), "test": _part(test, labels)}
    stored.write_json(
        folder / "subset.json", _origin(dataset, fetched) | {"labels": labels, "counts": counts} | parts
    )


def write_set(
    name: str,
    dataset_name: str,
    dataset: Dataset,
    further: FurtherSet,
    fetched: Path | None,
    labels: list[str],
    path: Path,
    summary: Path,
) -> None:
    """Write a further evaluation set: rows as `write_subset` writes them, and a JSON file.

    The JSON file holds the set's own `labels` and, under `groups`, for each label of the data set the
    position of the set's label that it counts as.

    Args:
        name: the set's name in the config.
        dataset_name: the name of its data set.
        dataset: the data set's settings, which name the columns where the set does not.
        further: the set's settings.
        fetched: what `fetch` wrote, for a source on the hub.
        labels: the data set's label names, in the order of their ids (`labels` in its `subset.json`).
        path: the Parquet file to write.
        summary: the JSON file to write.

    Raises:
        ConfigError: as in `write_subset`, or the labels of data set and set do not go together.
    """
    import numpy as np

    where = f"datasets.{dataset_name}.sets.{name}"
    names, groups = _groups(where, further, labels)
    columns = inherit(dataset, further)
    for key in ("text", "label"):
        if getattr(columns, key) is None and not isinstance(columns.source, ToySource):
            raise ConfigError(f"{where}.{key}: missing; allowed: the name(s) of the source's {key} column(s)")
    # A number stands for a label by its position only where the config itself gives the names' order.
    ordered = bool(further.labels or (dataset.labels and not further.label_map))
    rows, _, counts = _labelled_rows(where, columns, fetched, names, ordered)
    pairs = len(dataset.text or TOY_TEXT) == 2
    if (rows.text_b is not None) != pairs:
        found, allowed = ("pairs", "single texts") if rows.text_b is not None else ("single texts", "pairs")
        raise ConfigError(f"{where}.text: found {found}; allowed: {allowed}, as in datasets.{dataset_name}")
    order = _subset(where, further, len(rows.ids))
    rows = rows.take(np.sort(order))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_rows(path, rows)
    counts["subset"] = len(order)
    parts = {"labels": names, "groups": groups, "counts": counts, "set": _part(rows, names)}
    stored.write_json(summary, _origin(columns, fetched) | parts)


def write_breakdown(
    where: str, columns: Columns, fetched: Path | None, sets: dict[str, Path], path: Path
) -> None:
    """Write which part each row of some sets belongs to: a Parquet file with `set, id, part`.

    Args:
        where: begins every message.
        columns: where the sets come from; `by` is the column whose values are the parts.
        fetched: what `fetch` wrote, for a source on the hub.
        sets: the rows of each set, by name.
        path: the file to write.

    Raises:
        ConfigError: the source cannot be read, or a row has no value.
    """
    import pyarrow as pa

    parts: list[str | None] = []
    for _, table in _tables(where, columns, fetched, [columns.by]):
        parts += [_label(value, table.class_names) for value in table.columns[columns.by]]
    names, ids = [], []
    for name, rows in sets.items():
        found = read_rows(rows).ids.tolist()
        names += [name] * len(found)
        ids += found
    chosen = [parts[i] for i in ids]
    if not all(chosen):
        raise ConfigError(f"{where}.by: found rows without {columns.by!r}; allowed: a value in each row")
    stored.write_table(path, pa.table({"set": names, "id": ids, "part": chosen}))


def labelled_rows(where: str, columns: Columns, labels: list[str]) -> Rows:
    """The labelled rows of your own files whose labels are known beforehand, by name or by position.

    Args:
        where: begins every message.
        columns: the files, and what their columns mean.
        labels: the label names, in the order of their ids.

    Raises:
        ConfigError: as in `check`, or a label is not among `labels`.
    """
    check(where, columns)
    return _labelled_rows(where, columns, None, labels)[0]


def read_rows(path: Path) -> Rows:
    """The rows of a Parquet file that `write_subset` or `write_set` wrote.

    Raises:
        errors.Damaged: the file is not what was written.
    """
    table = stored.read_table(path)
    text_b = table["text_b"]
    return Rows(
        table["id"].to_numpy(),
        table["text_a"].to_pylist(),
        None if text_b.null_count == len(text_b) else text_b.to_pylist(),
        table["label"].to_numpy(),
    )


# ------------------------------------------------------------------------------------------ reading files


def _delimiter(path: Path, source: FilesSource) -> str:
    return source.delimiter or ("," if path.suffix.lower() == ".csv" else "\t")


def _quoting(path: Path, source: FilesSource) -> int:
    default = "minimal" if path.suffix.lower() == ".csv" else "none"
    return csv.QUOTE_NONE if (source.quoting or default) == "none" else csv.QUOTE_MINIMAL


def _lines(where: str, path: Path, source: FilesSource) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and fields of each row of a delimited file, header included, blank lines not."""
    try:
        # Split at \n alone: any other line-like character, such as U+2028, belongs to its sentence.
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            options = {"delimiter": _delimiter(path, source), "quoting": _quoting(path, source)}
            reader = csv.reader(file, strict=True, **options)
            for fields in reader:
                if any("\0" in field for field in fields):
                    raise ConfigError(
                        f"{where}: {path}, line {reader.line_num}: found a NUL byte; allowed: text in UTF-8"
                    )
                if len(fields) > 1 or any(field.strip(" \t") for field in fields):
                    yield reader.line_num, fields
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: {path} is no text in UTF-8 ({error.reason}); allowed: UTF-8") from error
    except csv.Error as error:
        raise ConfigError(
            f"{where}: {path}, line {reader.line_num}: {error}; allowed: what `delimiter` and `quoting` say "
            "(`quoting: none` where a quotation mark is a character of the text)"
        ) from error


def _records(where: str, path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON file: one a line, or (.json) a list of them.

    Not by the `datasets` library, whose JSON reader takes strings for times where all of a column are dates.
    """
    wanted = "one record a line, such as {...}" + (
        ", or one list of records" if path.suffix.lower() == ".json" else ""
    )
    number = 1
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            if _is_list(path):
                numbered: Iterable = enumerate(json.load(file), start=1)
            else:
                lines = enumerate(map(str.strip, file), start=1)
                numbered = ((number, line) for number, line in lines if line)
            for number, record in numbered:
                record = json.loads(record) if isinstance(record, str) else record
                if not isinstance(record, dict):
                    raise ConfigError(
                        f"{where}: {path}, record {number}: found {record!r}; allowed: {wanted}"
                    )
                yield record
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: {path} is no text in UTF-8 ({error.reason}); allowed: UTF-8") from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{where}: {path}, line {number + error.lineno - 1}: no JSON ({error.msg}); allowed: {wanted}"
        ) from error


def _is_list(path: Path) -> bool:
    with open(path, "rb") as file:
        return (
            path.suffix.lower() == ".json"
            and file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
        )


def _column_names(where: str, path: Path, source: FilesSource) -> list[str]:
    """The names of a file's columns, from its first row or record, or its schema."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet_names(where, path)
    if ending in JSON:
        record = next(_records(where, path), None)
        if record is None:
            raise ConfigError(f"{where}: found no record in {path}; allowed: one or more")
        return list(record)
    first = next(_lines(where, path, source), None)
    if first is None:
        raise ConfigError(f"{where}: found no row in {path}; allowed: one or more")
    if source.header is False:
        raise ConfigError(
            f"{where}.source.header: found false; allowed: true (the first line names the columns), or a list"
        )
    names = first[1] if source.header is True else source.header
    if len(names) != len(first[1]):
        raise ConfigError(
            f"{where}.source.header: found {len(names)} names for {path}; allowed: {len(first[1])}, as "
            "many as its first line has columns"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{where}: found {_listed(twice)} twice among the columns of {path}; allowed: each name once"
        )
    return names


def _parquet_names(where: str, path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path).names
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{where}: {path} is no Parquet file ({_first_line(error)})") from error


def _check_columns(where: str, columns: Columns, names: list[str], origin: str) -> None:
    """Raise a ConfigError if a column that the config names is not among `names`."""
    wanted = [("text", name) for name in columns.text or []]
    wanted += [(key, getattr(columns, key)) for key in ("label", "by") if getattr(columns, key)]
    for key, name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(
                f"{where}.{key}: found {name!r}{hint}; allowed: the columns of {origin}, {_listed(names)}"
            )


class _Table(NamedTuple):
    """The columns that the config names; `class_names` where the file itself says what its integers mean."""

    columns: dict[str, list]
    class_names: list[str] | None = None


def _read_delimited(where: str, path: Path, source: FilesSource, wanted: list[str]) -> _Table:
    from datasets import Features, Value

    names = _column_names(where, path, source)
    rows = -1 if source.header is True else 0
    for line, fields in _lines(where, path, source):
        rows += 1
        if len(fields) != len(names):
            raise ConfigError(
                f"{where}: {path}, line {line}: found {len(fields)} column{'s' * (len(fields) != 1)}; "
                f"allowed: {len(names)} ({_listed(names)})"
            )
    if rows == 0:
        return _Table({name: [] for name in wanted})
    table = _load(
        where,
        "csv",
        path,
        wanted,
        names=names,
        header=0 if source.header is True else None,
        sep=_delimiter(path, source),
        quoting=_quoting(path, source),
        encoding="utf-8-sig",
        na_filter=False,  # a sentence may be `NA`, `null` or nothing but a number
        features=Features({name: Value("string") for name in names}),
    )
    if (read := len(table.columns[wanted[0]])) != rows:
        raise ConfigError(
            f"{where}: {path}: found {rows} rows by one reader, {read} by another; allowed: one row a line, "
            "and quotation marks as `quoting` says"
        )
    return table


def _read_json(where: str, path: Path, source: FilesSource, wanted: list[str]) -> _Table:
    records = list(_records(where, path))
    return _Table({name: [record.get(name) for record in records] for name in wanted})


def _read_parquet(where: str, path: Path, source: FilesSource | HubSource, wanted: list[str]) -> _Table:
    return _load(where, "parquet", path, wanted)


def _load(where: str, builder: str, path: Path, wanted: list[str], **options: Any) -> _Table:
    """Read columns of one file, the label's last, by a builder of the `datasets` library; no cache stays."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        # The library reads a path as a pattern, so it gets a plain name that stands for the file.
        plain = Path(folder, "rows" + path.suffix.lower())
        plain.symlink_to(path.resolve())
        try:
            table = datasets.load_dataset(
                builder, data_files=str(plain), split="train", cache_dir=f"{folder}/cache", **options
            )
        except datasets.exceptions.DatasetsError as error:
            raise ConfigError(
                f"{where}: {path} cannot be read: {_first_line(error.__cause__ or error)}"
            ) from error
        label = table.features[wanted[-1]]
        class_names = label.names if isinstance(label, datasets.ClassLabel) else None
        return _Table({name: table[name][:] for name in wanted}, class_names)


_READERS: dict[str, Callable[..., _Table]] = {
    **dict.fromkeys(DELIMITED, _read_delimited),
    **dict.fromkeys(JSON, _read_json),
    ".parquet": _read_parquet,
}


# ----------------------------------------------------------------------------------- from source to rows


class _Raw(NamedTuple):
    """A whole source: texts (one list a text column), label values as text (None: none), and rows by file."""

    texts: list[list[str | None]]
    labels: list[str | None]
    class_names: list[str] | None
    files: list[tuple[str, int]]

    def origin(self, row: int) -> str:
        """Where a row stands, for messages."""
        for file, rows in self.files:
            if row < rows:
                return f"row {row + 1} of {file}"
            row -= rows
        raise IndexError(row)


def _read(where: str, columns: Columns, fetched: Path | None, ordered: list[str] | None) -> _Raw:
    """Read a whole source; `ordered` are label names whose order the config gives."""
    if isinstance(columns.source, ToySource):
        text, label = columns.text or TOY_TEXT, columns.label or TOY_LABEL
    else:
        text, label = columns.text, columns.label
    tables = _tables(where, columns, fetched, [*text, label])
    # A config whose names have none in common with the source's renames them: integers are positions in both.
    known = [table.class_names for _, table in tables if table.class_names]
    renamed = bool(ordered and known and not set(known[0]) & set(ordered))
    texts: list[list[str | None]] = [[] for _ in text]
    labels, files = [], []
    for file, table in tables:
        names = None if renamed else table.class_names
        for column, name in zip(texts, text, strict=True):
            column += [_text(f"{where}.text: {file}", name, value) for value in table.columns[name]]
        labels += [_label(value, names) for value in table.columns[label]]
        files.append((file, len(table.columns[label])))
    return _Raw(texts, labels, None if renamed or not known else known[0], files)


def _tables(
    where: str, columns: Columns, fetched: Path | None, wanted: list[str]
) -> list[tuple[str, _Table]]:
    """The source's tables, each with the name to give it in messages; more than one for several files."""
    source = columns.source
    if isinstance(source, ToySource):
        rows = toy.examples(source.task, source.rows, source.seed, source.shifted)
        made = dict(zip([*TOY_TEXT, TOY_LABEL], map(list, zip(*rows, strict=True)), strict=True))
        _check_columns(where, columns, list(made), "the toy language")
        return [("the toy language", _Table(made, list(toy.TASKS[source.task])))]
    if isinstance(source, HubSource):
        stored.check_table(fetched)
        _check_columns(where, columns, _parquet_names(where, fetched), source.id)
        return [(source.id, _read_parquet(where, fetched, source, wanted))]
    check(where, columns)
    return [(path.name, _READERS[path.suffix.lower()](where, path, source, wanted)) for path in source.paths]


def _text(where: str, column: str, value: Any) -> str | None:
    if isinstance(value, list | dict | bytes):
        raise ConfigError(f"{where}: found a {type(value).__name__} in column {column!r}; allowed: text")
    return None if value is None or value != value else str(value)


def _label(value: Any, class_names: list[str] | None) -> str | None:
    """A label as it would be written in the config; None if there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # integers, with NaN where one is missing
        value = None if value != value else int(value) if value.is_integer() else value
    if class_names is not None and isinstance(value, int) and 0 <= value < len(class_names):
        return class_names[value]
    return None if value is None else str(value).strip()


def _labelled_rows(
    where: str, columns: Columns, fetched: Path | None, given: list[str] | None, ordered: bool = True
) -> tuple[Rows, list[str], dict[str, int]]:
    """The source's rows that have a label and a text, the label names, and how many rows were dropped why.

    Args:
        given: the label names, if they are known beforehand.
        ordered: whether an integer stands for a label by its position among them.
    """
    import numpy as np

    raw = _read(where, columns, fetched, given if ordered else None)
    read = len(raw.labels)
    labelled = [
        i
        for i, label in enumerate(raw.labels)
        if label not in (None, "") and (label != "-1" or label in (given or ()))
    ]
    keep = [i for i in labelled if all((column[i] or "").strip() for column in raw.texts)]
    if not keep:
        raise ConfigError(
            f"{where}: found no labelled row ({read} rows, {read - len(labelled)} of them without a label, "
            f"{len(labelled)} without a text); allowed: one or more"
        )
    names = given or raw.class_names or _names_found(where, [raw.labels[i] for i in keep])
    numbers = {str(i): i for i in range(len(names))} if ordered and given else {}
    ids = numbers | {name: i for i, name in enumerate(names)}
    for i in keep:
        if raw.labels[i] not in ids:
            hint = (
                ""
                if ordered or not raw.labels[i].isdecimal()
                else "; name them by `labels`, in the order of the numbers"
            )
            raise ConfigError(
                f"{where}.label: found {raw.labels[i]!r} in {raw.origin(i)}; allowed: {_listed(names)}{hint}"
            )
    texts = [[column[i] for i in keep] for column in raw.texts]
    rows = Rows(
        np.array(keep, np.int64),
        texts[0],
        texts[1] if len(texts) == 2 else None,
        np.array([ids[raw.labels[i]] for i in keep], np.int64),
    )
    counts = {
        "rows_read": read,
        "unlabelled_dropped": read - len(labelled),
        "empty_dropped": len(labelled) - len(keep),
        "labelled": len(keep),
    }
    return rows, names, counts


def _names_found(where: str, found: list[str]) -> list[str]:
    """The distinct labels, sorted; by value if all are integers."""
    numbers = all(re.fullmatch(r"-?\d+", label) for label in set(found))
    names = sorted(set(found), key=(lambda label: (int(label), label)) if numbers else None)
    if len(names) < 2:
        raise ConfigError(f"{where}.label: found {_listed(names)} only; allowed: two labels or more")
    return names


def _groups(where: str, further: FurtherSet, labels: list[str]) -> tuple[list[str], list[int]]:
    """A further set's label names, and for each label of its data set the position of its counterpart."""
    mapping = further.label_map or {label: label for label in labels}
    names = further.labels or list(dict.fromkeys(mapping.values()))
    if further.label_map and (unknown := [label for label in mapping if label not in labels]):
        raise ConfigError(
            f"{where}.label_map: found {_listed(unknown)}; allowed: the data set's labels, {_listed(labels)}"
        )
    if missing := [label for label in labels if label not in mapping]:
        raise ConfigError(
            f"{where}.label_map: found nothing for {_listed(missing)}; allowed: one of {_listed(names)} for "
            "each label of the data set"
        )
    if wrong := [label for label in labels if mapping[label] not in names]:
        raise ConfigError(
            f"{where}.label_map: found {_listed([mapping[label] for label in wrong])} for {_listed(wrong)}; "
            f"allowed: the set's labels, {_listed(names)}"
        )
    groups = [names.index(mapping[label]) for label in labels]
    if unreached := [name for i, name in enumerate(names) if i not in groups]:
        raise ConfigError(
            f"{where}.labels: found {_listed(unreached)}, which no label of the data set ({_listed(labels)}) "
            "counts as; allowed: labels that `label_map` leads to"
        )
    return names, groups


# ---------------------------------------------------------------------------------------- subset and split


def _subset(where: str, columns: Columns, labelled: int) -> "np.ndarray":
    """Positions of a uniformly random subset of the labelled rows, in random order: the split is cut from it.

    Rows are ordered by random 64-bit keys, one a row, from the generator's raw stream: NumPy promises that
    stream (and not what is made of it, such as permutations) for all versions.
    """
    import numpy as np

    size = columns.rows if columns.rows is not None else round(labelled * columns.fraction)
    if size > labelled:
        raise ConfigError(
            f"{where}.rows: found {size}; allowed: 1 to {labelled}, the labelled rows that there are"
        )
    if size == 0:
        raise ConfigError(
            f"{where}.fraction: found {columns.fraction} of {labelled} labelled rows, an empty subset; "
            f"allowed: {1 / labelled:.3g} or more"
        )
    keys = np.random.Philox(columns.seed).random_raw(labelled)
    return np.argsort(keys, kind="stable")[:size]


def _inputs(rows: Rows) -> list[tuple[str, ...]]:
    """What makes two inputs identical: their texts, but for blanks around them and upper and lower case."""
    texts = [rows.text_a] if rows.text_b is None else [rows.text_a, rows.text_b]
    return list(zip(*([text.strip().casefold() for text in column] for column in texts), strict=True))


# ----------------------------------------------------------------------------------------- what is written


def _write_rows(path: Path, rows: Rows) -> None:
    import pyarrow as pa

    table = {
        "id": rows.ids,
        "text_a": pa.array(rows.text_a, pa.string()),
        "text_b": pa.array(rows.text_b or [None] * len(rows.ids), pa.string()),
        "label": rows.labels,
    }
    stored.write_table(path, pa.table(table))


def _origin(columns: Columns, fetched: Path | None) -> dict[str, Any]:
    """The source's settings and revision, with the hash of each file instead of its place."""
    source, revision = columns.source, None
    described = source.model_dump(mode="json", exclude={"paths"})
    if isinstance(source, FilesSource):
        described["files"] = [{"name": path.name, "sha256": hashing.of_file(path)} for path in source.paths]
    elif isinstance(source, HubSource):
        import pyarrow.parquet as pq

        loaded = (pq.read_schema(fetched).metadata or {}).get(b"revision")
        revision = loaded.decode() if loaded else source.revision
    return {"source": described, "revision": revision}


def _part(rows: Rows, labels: list[str]) -> dict[str, Any]:
    """Number, class balance and hash of rows; the hash covers ids, labels and texts, in order."""
    digest = hashlib.sha256(rows.ids.astype("<i8").tobytes() + rows.labels.astype("<i8").tobytes())
    for texts in (rows.text_a, rows.text_b):
        digest.update(json.dumps(texts).encode())
    balance = {name: int((rows.labels == i).sum()) for i, name in enumerate(labels)}
    return {"rows": len(rows.ids), "class_balance": balance, "ids_sha256": digest.hexdigest()}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
