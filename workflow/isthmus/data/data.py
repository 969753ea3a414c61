"""Rows: from a source to a fixed, uniformly random subset, split once into train and test.

Texts arrive as they are written: nothing is guessed to be a number, a date or a missing value, and nothing is
trimmed. Each file that is written says in a JSON file beside it where its rows come from and how many were
dropped for which reason.
"""

import csv
import difflib
import filecmp
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus import hashing, stored
from isthmus.data import toy
from isthmus.errors import ConfigError
from isthmus.experiment import labels
from isthmus.experiment.config import Columns, Dataset, FilesSource, FurtherSet, HubSource, ToySource
from isthmus.experiment.labels import listed

if TYPE_CHECKING:
    import numpy as np

# How a file is read where the source's `format` does not say it.
FORMATS = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".txt": "tsv",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
ENDINGS = tuple(FORMATS)

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
        if columns.source.format is None and path.suffix.lower() not in ENDINGS:
            raise ConfigError(
                f"{key}.source.paths: found {path}; allowed: files that end in {', '.join(ENDINGS)}, or "
                f"{key}.source.format, which says how a file with another ending is read"
            )
        if not path.is_file():
            raise ConfigError(f"{key}.source.paths: found {path}, which is no file; allowed: existing files")
        _check_columns(key, columns, _column_names(key, path, columns.source), str(path))
    for one, other in combinations(columns.source.paths, 2):
        if one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False):
            raise ConfigError(
                f"{key}.source.paths: found {one} and {other}, which hold the same; allowed: each file once"
            )


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

    `subset.json` holds under `renamed` what the source itself calls the classes, where `labels` renames them.

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
    rows, names, counts, renamed = _labelled_rows(
        where, dataset, fetched, dataset.labels, renames=dataset.labels
    )
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
    if missing := [label for i, label in enumerate(names) if i not in train.labels]:
        raise ConfigError(
            f"{where}: found no row of {listed(missing)} in train ({len(train.ids)} rows); allowed: one "
            "or more of each label; take a larger subset, another `seed`, or only `labels` that the data have"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "train.parquet", train)
    _write_rows(folder / "test.parquet", test)
    counts |= {"subset": len(order), "duplicates_dropped_from_test": int((~fresh).sum())}
    parts = {"train": _part(train, names), "test": _part(test, names)}
    known = {"labels": names, "renamed": renamed, "counts": counts}
    stored.write_json(folder / "subset.json", _origin(dataset, fetched) | known | parts)


def write_set(
    name: str,
    dataset_name: str,
    dataset: Dataset,
    further: FurtherSet,
    fetched: Path | None,
    whole: Path,
    path: Path,
    summary: Path,
) -> None:
    """Write a further evaluation set: rows as `write_subset` writes them, and a JSON file.

    The JSON file holds the set's own `labels` and, under `groups`, for each label of the data set the
    position of the set's label that it counts as. `also_in_train` of its `counts` says how many of the rows,
    which all stay, have an input that stands in train too.

    Args:
        name: the set's name in the config.
        dataset_name: the name of its data set.
        dataset: the data set's settings, which name the columns where the set does not.
        further: the set's settings.
        fetched: what `fetch` wrote, for a source on the hub.
        whole: the folder that `write_subset` wrote the data set to.
        path: the Parquet file to write.
        summary: the JSON file to write.

    Raises:
        ConfigError: as in `write_subset`, or the labels of data set and set do not go together.
    """
    import numpy as np

    where = f"datasets.{dataset_name}.sets.{name}"
    known = stored.read_json(whole / "subset.json")
    names, groups = _groups(where, further, known["labels"])
    columns = inherit(dataset, further)
    rows, counts = _further_rows(where, dataset, further, fetched, names, known)
    order = _subset(where, further, len(rows.ids))
    rows = rows.take(np.sort(order))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_rows(path, rows)
    trained = set(_inputs(read_rows(whole / "train.parquet")))
    counts |= {"subset": len(order), "also_in_train": sum(text in trained for text in _inputs(rows))}
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
    for file, table in _tables(where, columns, fetched, [columns.by]):
        parts += _labels(f"{where}.by", file, table.columns[columns.by], table.class_names)
    names, ids = [], []
    for name, rows in sets.items():
        found = read_rows(rows).ids.tolist()
        names += [name] * len(found)
        ids += found
    chosen = [parts[i] for i in ids]
    if not all(chosen):
        raise ConfigError(f"{where}.by: found rows without {columns.by!r}; allowed: a value in each row")
    stored.write_table(path, pa.table({"set": names, "id": ids, "part": chosen}))


def labelled_rows(
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
    rows, _, counts, _ = _labelled_rows(
        where, columns, None, names, numbered=numbered, hint=hint, renames=names if unnamed else None
    )
    return rows, counts


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


def _format(path: Path, source: FilesSource) -> str:
    return source.format or FORMATS[path.suffix.lower()]


def _delimiter(path: Path, source: FilesSource) -> str:
    return source.delimiter or ("," if _format(path, source) == "csv" else "\t")


def _quoting(path: Path, source: FilesSource) -> int:
    default = "minimal" if _format(path, source) == "csv" else "none"
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


def _records(where: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a JSON file, one a line or (.json) a list of them, each with its place for messages.

    Not by the `datasets` library, whose JSON reader takes strings for times where all of a column are dates.
    """
    wanted = "one record a line, such as {...}" + (
        ", or one list of records" if path.suffix.lower() == ".json" else ""
    )
    whole = _is_list(path)
    for number, text in _json_texts(where, path, whole):
        value = _parsed(where, path, text, number, wanted)
        for position, record in enumerate(value if whole else [value], start=1):
            place = f"{path}, record {position}" if whole else f"{path}, line {number}"
            if not isinstance(record, dict):
                raise ConfigError(f"{where}: {place}: found {_short(record)}; allowed: {wanted}")
            if "\\u" in text:
                _check_characters(f"{where}: {place}", record)
            yield place, record


def _json_texts(where: str, path: Path, whole: bool) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text of each line that is not blank, or the file's whole text as one."""
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            if whole:
                yield 1, file.read()
                return
            for number, line in enumerate(map(str.strip, file), start=1):
                if line:
                    yield number, line
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: {path} is no text in UTF-8 ({error.reason}); allowed: UTF-8") from error


def _parsed(where: str, path: Path, text: str, line: int, wanted: str) -> Any:
    """The value of a JSON text that begins at a line; an error where it would be read as something else."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        found, allowed = f"no JSON ({error.msg})", wanted
    except RecursionError:
        found, allowed = "found JSON that is nested too deep to read", wanted
    except _KeyTwice as error:
        found, allowed = f"found the key {error.args[0]!r} twice in one record", "each key once"
    except ValueError:
        found, allowed = "found a number of thousands of digits", "text, in quotation marks"
    raise ConfigError(f"{where}: {path}, line {line}: {found}; allowed: {allowed}")


class _KeyTwice(Exception):
    """A JSON object with a key twice, of which a reader would drop one."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise _KeyTwice(key)
        record[key] = value
    return record


def _check_characters(place: str, record: dict[str, Any]) -> None:
    """Raise a ConfigError where a text holds half of a character, which no file can be written with."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode()
        raise ConfigError(
            f"{place}: found {half}, half a character (a lone surrogate); allowed: text in Unicode"
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _is_list(path: Path) -> bool:
    with open(path, "rb") as file:
        return (
            path.suffix.lower() == ".json"
            and file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
        )


def _column_names(where: str, path: Path, source: FilesSource) -> list[str]:
    """The names of a file's columns, from its first row or record, or its schema."""
    kind = _format(path, source)
    if kind == "parquet":
        names = _parquet_names(where, path)
    elif kind == "jsonl":
        _, record = next(_records(where, path), (None, None))
        if record is None:
            raise ConfigError(f"{where}: found no record in {path}; allowed: one or more")
        names = list(record)
    else:
        names = _header(where, path, source)
    ignored = {"header": source.header is not True, "delimiter": source.delimiter, "quoting": source.quoting}
    for key in ignored:
        if ignored[key] and kind not in ("tsv", "csv"):
            raise ConfigError(
                f"{where}.source.{key}: found {getattr(source, key)!r} for {path}, which is read as {kind}; "
                f"allowed: no {key}, or tsv and csv files"
            )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{where}: found {listed(twice)} twice among the columns of {path}; allowed: each name once"
        )
    return names


def _header(where: str, path: Path, source: FilesSource) -> list[str]:
    """The names of a delimited file's columns: its first line, or as the settings give them."""
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
    if source.header is not True and [field.strip() for field in first[1]] == names:
        raise ConfigError(
            f"{where}.source.header: found {listed(names)}, which is also the first line of {path}; "
            "allowed: true (the first line names the columns), or a file without such a line"
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
                f"{where}.{key}: found {name!r}{hint}; allowed: the columns of {origin}, {listed(names)}"
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
                f"allowed: {len(names)} ({listed(names)})"
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
    read: dict[str, list] = {name: [] for name in wanted}
    for place, record in _records(where, path):
        for name, values in read.items():
            if name not in record:
                raise ConfigError(
                    f"{where}: {place}: found no key {name!r}; allowed: this key in each record, with null "
                    "where it has no value"
                )
            values.append(record[name])
    return _Table(read)


def _read_parquet(where: str, path: Path, source: FilesSource | HubSource, wanted: list[str]) -> _Table:
    return _load(where, "parquet", path, wanted)


def _load(where: str, builder: str, path: Path, wanted: list[str], **options: Any) -> _Table:
    """Read columns of one file, the label's last, by a builder of the `datasets` library; no cache stays."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        # The library reads a path as a pattern, so it gets a plain name that stands for the file.
        plain = Path(folder, f"rows.{builder}")
        plain.symlink_to(path.resolve())
        try:
            table = datasets.load_dataset(
                builder, data_files=str(plain), split="train", cache_dir=f"{folder}/cache", **options
            )
            label = table.features[wanted[-1]]
            class_names = (
                [name.strip() for name in label.names] if isinstance(label, datasets.ClassLabel) else None
            )
            return _Table({name: table[name][:] for name in wanted}, class_names)
        except (datasets.exceptions.DatasetsError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{where}: {path} cannot be read: {_first_line(error.__cause__ or error)}"
            ) from error


_READERS: dict[str, Callable[..., _Table]] = {
    "tsv": _read_delimited,
    "csv": _read_delimited,
    "jsonl": _read_json,
    "parquet": _read_parquet,
}


# ----------------------------------------------------------------------------------- from source to rows


class _Raw(NamedTuple):
    """A whole source: texts (one list a text column), label values as text (None: none), and rows by file.

    `class_names` are the source's own; they are `renamed` where the settings have others in their place.
    """

    texts: list[list[str | None]]
    labels: list[str | None]
    class_names: list[str] | None
    renamed: bool
    files: list[tuple[str, int]]

    def origin(self, row: int) -> str:
        """Where a row stands, for messages."""
        for file, rows in self.files:
            if row < rows:
                return f"row {row + 1} of {file}"
            row -= rows
        raise IndexError(row)


def _read(where: str, columns: Columns, fetched: Path | None, renames: list[str] | None) -> _Raw:
    """Read a whole source; `renames` are names of classes, in order, that may stand for the source's own."""
    if isinstance(columns.source, ToySource):
        text, label = columns.text or TOY_TEXT, columns.label or TOY_LABEL
    else:
        text, label = columns.text, columns.label
    tables = _tables(where, columns, fetched, [*text, label])
    known = [table.class_names for _, table in tables if table.class_names]
    renamed = _renamed(where, known, renames)
    texts: list[list[str | None]] = [[] for _ in text]
    found, files = [], []
    for file, table in tables:
        names = None if renamed else table.class_names
        for column, name in zip(texts, text, strict=True):
            column += [_text(f"{where}.text: {file}", name, value) for value in table.columns[name]]
        found += _labels(f"{where}.label", file, table.columns[label], names)
        files.append((file, len(table.columns[label])))
    return _Raw(texts, found, known[0] if known else None, renamed, files)


def _renamed(where: str, known: list[list[str]], renames: list[str] | None) -> bool:
    """Whether names have none in common with the source's own: integers are then positions in both.

    Args:
        known: what each file calls its classes, of those that say it.
        renames: as in `_read`.
    """
    if not renames or not known or set(known[0]) & set(renames):
        return False
    if other := [names for names in known if names != known[0]]:
        raise ConfigError(
            f"{where}.labels: found {listed(renames)}, other names than the files' own, which are not the "
            f"same in all files ({listed(known[0])} and {listed(other[0])}); allowed: the files' own names"
        )
    if len(known[0]) != len(renames):
        raise ConfigError(
            f"{where}.labels: found {listed(renames)} for the source's classes {listed(known[0])}; allowed: "
            "a name for each of them, in this order, or some of these names"
        )
    return True


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
    return [
        (path.name, _READERS[_format(path, source)](where, path, source, wanted)) for path in source.paths
    ]


def _text(where: str, column: str, value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(f"{where}: found a {type(value).__name__} in column {column!r}; allowed: text")
    return str(value)


def _labels(key: str, file: str, values: list, class_names: list[str] | None) -> list[str | None]:
    """A column's labels, as they would be written in the config; None where there is none."""
    found = []
    try:
        for value in values:
            found.append(labels.of_value(value, class_names))
    except ValueError as error:
        raise ConfigError(f"{key}: row {len(found) + 1} of {file}: {error}") from error
    return found


def _labelled_rows(
    where: str,
    columns: Columns,
    fetched: Path | None,
    given: list[str] | None,
    *,
    numbered: bool = True,
    hint: str = "",
    renames: list[str] | None,
) -> tuple[Rows, list[str], dict[str, int], list[str] | None]:
    """The source's rows that have a label and a text, the label names, and how many rows were dropped why.

    Args:
        given: the label names, if they are known beforehand.
        numbered, hint: as in `labels.classes`, for these names.
        renames: as in `_read`.

    Returns:
        Rows, names, counts, and what the source calls the classes where `renames` stand in their place.
    """
    import numpy as np

    raw = _read(where, columns, fetched, renames)
    read = len(raw.labels)
    own = None if raw.renamed else raw.class_names
    # By custom -1 is no label. Where nobody has named the classes it might be one, and is not dropped unseen.
    named = given or own
    nothing = (None, "") if named is None or "-1" in named else (None, "", "-1")
    labelled = [i for i, label in enumerate(raw.labels) if label not in nothing]
    if {raw.labels[i] for i in labelled} == {"-1"} and named is None:
        labelled = []
    keep = [i for i in labelled if all((column[i] or "").strip() for column in raw.texts)]
    if not keep:
        raise ConfigError(
            f"{where}: found no labelled row ({read} rows, {read - len(labelled)} of them without a label, "
            f"{len(labelled)} without a text); allowed: one or more"
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
        "rows_read": read,
        "unlabelled_dropped": read - len(labelled),
        "empty_dropped": len(labelled) - len(keep),
        "labelled": len(keep),
    }
    return rows, names, counts, raw.class_names if raw.renamed else None


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
    rows, _, counts, renamed = _labelled_rows(
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
    """What makes two inputs identical: their texts, but for blanks around them, upper and lower case, and
    which of the two texts of a pair comes first."""
    texts = [rows.text_a] if rows.text_b is None else [rows.text_a, rows.text_b]
    plain = ([text.strip().casefold() for text in column] for column in texts)
    return [tuple(sorted(example)) for example in zip(*plain, strict=True)]


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


def _part(rows: Rows, names: list[str]) -> dict[str, Any]:
    """Number, class balance and hash of rows; the hash covers ids, labels and texts, in order."""
    digest = hashlib.sha256(rows.ids.astype("<i8").tobytes() + rows.labels.astype("<i8").tobytes())
    for texts in (rows.text_a, rows.text_b):
        digest.update(json.dumps(texts).encode())
    balance = {name: int((rows.labels == i).sum()) for i, name in enumerate(names)}
    return {"rows": len(rows.ids), "class_balance": balance, "ids_sha256": digest.hexdigest()}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
