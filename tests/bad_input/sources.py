"""Data files, their columns and their labels."""

import functools
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from isthmus import __main__ as command
from isthmus.data import further_sets, subsets
from isthmus.experiment import config, data_files
from isthmus.experiment.config import Dataset

from tests.bad_input.case import Case, refusal
from tests.workflow.lab import NANO, changed


def write(path, rows, header="a\tb"):
    path.write_text("".join(f"{line}\n" for line in [header, *rows]))
    return path


def own(*paths, source=None, **options):
    source = {"kind": "files", "paths": [str(path) for path in paths], **(source or {})}
    return Dataset(**{"source": source, "text": ["a"], "label": "b"} | options)


def made(folder: Path, dataset: Dataset) -> str:
    """The refusal to make a subset of the data set `own`."""
    return refusal(lambda: subsets.write("own", dataset, None, folder / "out"))


def before_anything_runs(given: tuple[str, list[str], dict[str, Any]], folder: Path) -> str:
    """A file (none without lines) of a data set, looked at when the workflow is read."""
    name, lines, options = given
    path = folder / name
    if lines:
        write(path, lines[1:], lines[0])
    return refusal(lambda: data_files.check("datasets.own", own(path, **options)))


def subset(given: tuple[list[str], dict[str, Any]], folder: Path) -> str:
    """Rows with the columns a and b, made into a subset."""
    rows, options = given
    return made(folder, own(write(folder / "rows.tsv", rows), **options))


def raw(given: tuple[str, bytes, dict[str, Any]], folder: Path) -> str:
    """A file's bytes, made into a subset."""
    name, content, options = given
    (folder / name).write_bytes(content)
    return made(folder, own(folder / name, **options))


def twice(given: tuple[str, str], folder: Path) -> str:
    """One file (named twice), or two with the same content."""
    paths = [write(folder / name, ["x\tyes", "y\tno"]) for name in given]
    return refusal(lambda: data_files.check("datasets.own", own(*paths)))


def parquet(given: tuple[list, dict[str, Any]], folder: Path) -> str:
    """A column b of a Parquet file beside texts, made into a subset."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    values, options = given
    texts = [f"text {i}" for i in range(len(values))]
    pq.write_table(pa.table({"a": texts, "b": values}), folder / "rows.parquet")
    return made(folder, own(folder / "rows.parquet", **options))


def class_labelled(given: tuple[list[list[str]], dict[str, Any]], folder: Path) -> str:
    """Parquet files that say themselves what their integers are called, made into a subset."""
    import datasets

    names, options = given
    paths = []
    for i, classes in enumerate(names):
        features = {"a": datasets.Value("string"), "b": datasets.ClassLabel(names=classes)}
        rows = {"a": [f"text {i} {j}" for j in range(20)], "b": [j % len(classes) for j in range(20)]}
        paths.append(folder / f"{i}.parquet")
        datasets.Dataset.from_dict(rows, features=datasets.Features(features)).to_parquet(str(paths[-1]))
    return made(folder, own(*paths, **options))


def settings(text: str, folder: Path) -> str:
    """Lines of YAML for a data set of files, or of its further set where they begin with `sets:`."""
    options = {"source": {"kind": "files", "paths": ["rows.tsv"]}, "text": ["a"], "label": "b"}
    change = {"datasets.own": options | yaml.safe_load(text)}
    return refusal(lambda: config.load(changed(NANO, change), "nano.yaml"))


def further(given: tuple[list[str], list[str], str], folder: Path) -> str:
    """The rows of a data set, of a further set, and the set's settings as YAML, made into files."""
    whole, rows, text = given
    path = write(folder / "more.tsv", rows)
    more = {"source": {"kind": "files", "paths": [str(path)]}, **(yaml.safe_load(text) or {})}
    dataset = own(write(folder / "rows.tsv", whole), sets={"more": more})
    subsets.write("own", dataset, None, folder)
    parts = (folder, folder / "more.parquet", folder / "more.json")
    return refusal(lambda: further_sets.write("more", "own", dataset, dataset.sets["more"], None, *parts))


@functools.cache
def classifiers(*names: str) -> tuple[tempfile.TemporaryDirectory, list[str]]:
    """Two classifiers with these names of their classes, as Transformers saves them."""
    from transformers import AutoModelForSequenceClassification

    from tests.unit import families

    folder = tempfile.TemporaryDirectory()
    known = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    body = families.pretrained(Path(folder.name, "body"), "bert")
    for name in "AB":
        model = AutoModelForSequenceClassification.from_pretrained(body, num_labels=len(names), **known)
        model.save_pretrained(Path(folder.name, name))
        families.tokenizer("bert").save_pretrained(Path(folder.name, name))
    return folder, [str(Path(folder.name, name)) for name in "AB"]


def connecting(given: tuple[list[str], list[str], list[str]], folder: Path) -> str:
    """The classes of two models, the labels of a file, and options, on the command line."""
    names, values, options = given
    _, models = classifiers(*names)
    path = write(folder / "rows.tsv", [f"text {i}\t{value}" for i, value in enumerate(values)])
    before, sys.argv = sys.argv, ["isthmus", "connect", *models, "--data", str(path), *options]
    sys.argv += ["--text", "a", "--label", "b", "--out", str(folder / "curve"), "--threads", "1"]
    try:
        command.main()
    except SystemExit as failure:
        message = str(failure.code)
        assert message.startswith("error: "), message
        assert "\n" not in message
        return message
    finally:
        sys.argv = before
    raise AssertionError("accepted")


def in_turn(*labels: str) -> list[str]:
    """Twenty rows of different texts whose labels take turns."""
    return [f"text {i}\t{labels[i % len(labels)]}" for i in range(20)]


LABEL, TEN = "datasets.own.label: found ", "(10 rows, first in row "
NEITHER = "their positions in all rows"

# Rows of a file with columns a and b, settings, and what the message says.
ROWS = {
    "a label that does not fit": (
        ["x\tyes", "y\tmaybe"],
        {"labels": ["yes", "no"]},
        ("datasets.own.label: found 'maybe' (1 row, first in row 2 of rows.tsv); allowed: 'yes', 'no'",),
    ),
    "no label at all": (
        ["x\t", "y\t-1"],
        {},
        ("found no labelled row (2 rows, 2 of them without a label", "allowed: one or more"),
    ),
    "one label only": (
        ["x\tyes", "y\tyes"],
        {},
        ("datasets.own.label: found 'yes' only; allowed: two labels or more",),
    ),
    "an empty subset": (
        ["x\tyes", "y\tno"],
        {"fraction": 0.1},
        ("datasets.own.fraction: found 0.1 of 2 labelled rows, an empty subset; allowed: 0.5",),
    ),
    "more rows than there are": (
        ["x\tyes", "y\tno"],
        {"rows": 3},
        ("datasets.own.rows: found 3; allowed: 1 to 2",),
    ),
    "a class missing from train": (
        [f"x{i}\tyes" for i in range(9)],
        {"labels": ["yes", "no"]},
        ("datasets.own: found no row of 'no' in train", "allowed: one or more of each label"),
    ),
    "names that are also positions, of three": (
        in_turn("0", "1", "2"),
        {"labels": ["1", "2"]},
        (LABEL + "'0' (7 rows, first in row 1 of rows.tsv); allowed: '1', '2'", NEITHER),
    ),
    "names that are also positions, of two": (
        in_turn("0", "1"),
        {"labels": ["1", "2"]},
        (LABEL + "'0' " + TEN + "1 of rows.tsv); allowed: '1', '2'", NEITHER),
    ),
    "names and positions mixed": (
        in_turn("no", "yes", "0", "1"),
        {"labels": ["no", "yes"]},
        (LABEL + "'0' (5 rows, first in row 3 of rows.tsv), '1' (5 rows, first in row 4", NEITHER),
    ),
    "a position too many": (
        in_turn("0", "1", "2"),
        {"labels": ["no", "yes"]},
        (LABEL + "'2' (6 rows, first in row 3 of rows.tsv); allowed: 0 to 1, the positions of 'no', 'yes'",),
    ),
    "positions counted from 1": (
        in_turn("1", "2"),
        {"labels": ["no", "yes"]},
        (LABEL + "'2' " + TEN + "2 of rows.tsv); allowed: 0 to 1, the positions of",),
    ),
    "positions written as floats": (
        in_turn("0.0", "1.0"),
        {"labels": ["no", "yes"]},
        (LABEL + "'0.0' " + TEN + "1 of rows.tsv), '1.0' " + TEN + "2 of rows.tsv); allowed: 'no', 'yes'",),
    ),
    "a whole number and the same one as a float": (
        in_turn("0", "1", "0.0", "1.0"),
        {},
        (LABEL + "'0', '0.0', '1', '1.0', which differ only in", "how a number is written; allowed: "),
    ),
    "a truth value and the same one as a number": (
        in_turn("True", "1", "False"),
        {},
        (LABEL + "'True', '1', which differ only in", "allowed: one way of writing each label"),
    ),
    "labels that differ in case": (
        in_turn("yes", "no", "Yes"),
        {},
        (LABEL + "'yes', 'Yes', which differ only in upper and lower case", "allowed: one way"),
    ),
    "a label in another case than its name": (
        in_turn("yes", "no", "Yes"),
        {"labels": ["yes", "no"]},
        (LABEL + "'Yes' (6 rows, first in row 3 of rows.tsv); allowed: 'yes', 'no'",),
    ),
    "labels that differ in their Unicode form": (
        in_turn("caf\u00e9", "bar", "cafe\u0301"),
        {},
        (LABEL + "'caf\u00e9', 'cafe\u0301', which differ only in", "Unicode form", "allowed: one way"),
    ),
    "labels that differ in an inner blank": (
        in_turn("not so", "so", "not\u00a0so"),
        {},
        (LABEL + "'not so', 'not\\xa0so', which differ only in", "blanks", "allowed: one way"),
    ),
    "-1 where nobody says what it is": (
        in_turn("-1", "0", "1"),
        {},
        (LABEL + "'-1' (7 rows, first in row 1 of rows.tsv), a class or", "`labels`", "besides: '0', '1'"),
    ),
}

# The bytes of a file, settings, and what the message says.
CONTENT = {
    "a JSON row without the text": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n\n{"b": "no"}\n',
        {},
        (
            "datasets.own: ",
            "rows.jsonl, line 3: found no key 'a'; allowed: this key in each record, with null",
        ),
    ),
    "a JSON row without the label": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n{"a": "y", "B": "no"}\n',
        {},
        ("rows.jsonl, line 2: found no key 'b'; allowed: this key",),
    ),
    "a record of a list without the text": (
        "rows.json",
        b'[{"a": "x", "b": "yes"},\n{"b": "no"}]',
        {},
        ("rows.json, record 2: found no key 'a'; allowed: ",),
    ),
    "half a character": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n{"a": "\\ud800", "b": "no"}\n',
        {},
        ("rows.jsonl, line 2: found \\ud800, half a character", "allowed: text in Unicode"),
    ),
    "half a character in a label": (
        "rows.json",
        b'[{"a": "x", "b": "yes"}, {"a": "y", "b": "n\\udfff"}]',
        {},
        ("rows.json, record 2: found \\udfff, half a character", "allowed: text in Unicode"),
    ),
    "JSON nested very deep": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b', "b": "no"}\n',
        {},
        ("rows.jsonl, line 2: found JSON that is nested too deep to read; allowed: one record a line",),
    ),
    "a list of JSON nested very deep": (
        "rows.json",
        b"[" * 10_000 + b"]" * 10_000,
        {},
        ("rows.json, line 1: found JSON that is nested too deep to read; allowed: one record a line",),
    ),
    "a number of thousands of digits": (
        "rows.jsonl",
        b'{"a": "x", "b": ' + b"1" * 5000 + b"}\n",
        {},
        ("rows.jsonl, line 1: found a number of thousands of digits; allowed: text",),
    ),
    "a JSON key twice in a record": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n{"a": "y", "b": "no", "a": "z"}\n',
        {},
        ("rows.jsonl, line 2: found the key 'a' twice in one record; allowed: each key once",),
    ),
    "a JSON text that is a number": (
        "rows.jsonl",
        b'{"a": 1.50, "b": "yes"}\n{"a": "y", "b": "no"}\n',
        {},
        ("datasets.own.text: rows.jsonl: found a float in column 'a'; allowed: text",),
    ),
    "a JSON label that is a list": (
        "rows.jsonl",
        b'{"a": "x", "b": ["yes"]}\n{"a": "y", "b": ["no"]}\n',
        {},
        ("datasets.own.label: row 1 of rows.jsonl: found a list; allowed: text, numbers",),
    ),
    "a label beyond what a float can hold": (
        "rows.jsonl",
        b'{"a": "x", "b": 1}\n{"a": "y", "b": 9007199254740993.0}\n',
        {},
        ("datasets.own.label: row 2 of rows.jsonl: found the number 9007199254740992.0, too large",),
    ),
    "a text file that is none": (
        "rows.tsv",
        "a\tb\nx\tyes\n".encode("utf-16"),
        {},
        ("rows.tsv is no text in UTF-8", "allowed: UTF-8"),
    ),
    "a NUL byte": (
        "rows.csv",
        b"a,b\nx\0,yes\n",
        {},
        ("rows.csv, line 2: found a NUL byte; allowed: text in UTF-8",),
    ),
    "a trailing delimiter in one row": (
        "rows.csv",
        b"a,b\nx,yes,\ny,no\n",
        {},
        ("rows.csv, line 2: found 3 columns; allowed: 2 ('a', 'b')",),
    ),
    "names for columns that the first line names": (
        "rows.csv",
        b"a,b\nx,yes\ny,no\n",
        {"source": {"header": ["a", "b"]}},
        ("datasets.own.source.header: found 'a', 'b', which is also the first line of ", "allowed: true"),
    ),
    "names for columns of a file that names its own": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n',
        {"source": {"header": ["b", "a"]}},
        (
            "datasets.own.source.header: found ['b', 'a'] for ",
            "rows.jsonl, which is read as jsonl; allowed: ",
        ),
    ),
    "a delimiter for a file that has none": (
        "rows.jsonl",
        b'{"a": "x", "b": "yes"}\n',
        {"source": {"delimiter": ";"}},
        ("datasets.own.source.delimiter: found ';' for ", "rows.jsonl, which is read as jsonl; allowed: "),
    ),
    "a format that is another one": (
        "rows.tsv",
        b"a\tb\nx\tyes\n",
        {"source": {"format": "jsonl"}},
        ("rows.tsv, line 1: no JSON (", "allowed: one record a line"),
    ),
    "Parquet that is none": (
        "rows",
        b"a\tb\nx\tyes\n",
        {"source": {"format": "parquet"}},
        ("datasets.own: ", "rows is no Parquet file ("),
    ),
}

COLUMNS = {
    "a Parquet label that is a list": (
        [["yes"], ["no"]],
        {},
        ("datasets.own.label: row 1 of rows.parquet: found a list; allowed: text, numbers",),
    ),
    "a Parquet label that is bytes": (
        [b"yes", b"no"],
        {},
        ("datasets.own.label: row 1 of rows.parquet: found a bytes; allowed: text, numbers",),
    ),
    "truth values where names are given": (
        [True, False] * 10,
        {"labels": ["no", "yes"]},
        (LABEL + "'true' " + TEN + "1 of rows.parquet), 'false'", "allowed: 'no', 'yes'"),
    ),
    "a Parquet text that is a number": (
        [0.5, 1.5],
        {"text": ["b"], "label": "a"},
        ("datasets.own.text: rows.parquet: found a float in column 'b'; allowed: text",),
    ),
}

CLASSES = {
    "files that number their classes differently, and other names for these": (
        [["no", "yes"], ["yes", "no"]],
        {"labels": ["false", "true"]},
        ("datasets.own.labels: found 'false', 'true'", "'no', 'yes' and 'yes', 'no'", "files' own names"),
    ),
    "fewer other names than a file has classes": (
        [["no", "yes", "unknown"]],
        {"labels": ["false", "true"]},
        ("datasets.own.labels: found 'false', 'true'", "'no', 'yes', 'unknown'", "a name for each"),
    ),
    "classes of a file that are alike": (
        [["No", "no", "yes"]],
        {},
        (LABEL + "'No', 'no', which differ only in upper and lower case", "allowed: one way"),
    ),
    "a name that a file's classes lack": (
        [["no", "yes"]],
        {"labels": ["yes", "nope"]},
        (LABEL + "'no' " + TEN + "1 of 0.parquet); allowed: 'yes', 'nope'",),
    ),
}

# Lines of YAML, and what the message says.
YAML = {
    "labels that YAML takes for truth values": (
        "labels: [yes, no]",
        ("datasets.own.labels.0: found true: YAML reads yes, no, on, off", 'such as "yes"'),
    ),
    "a label that is nothing": (
        "labels: [~, a]",
        ("datasets.own.labels.0: found nothing; allowed: a label in quotation marks",),
    ),
    "a label that is a fraction": (
        "labels: [0.5, 1.5]",
        ("datasets.own.labels.0: found 0.5 (float); allowed: a label in quotation marks, or a whole number",),
    ),
    "a label of blanks": (
        "labels: [' ', a]",
        ("datasets.own.labels.0: found ' ' (str); allowed: a label in",),
    ),
    "a name twice, as number and as text": (
        "labels: [1, ' 1']",
        ("datasets.own", "labels: found a name twice in ['1', '1']; allowed: each once"),
    ),
    "names that differ in case": (
        "labels: [No, no, maybe]".replace("No, no", '"No", "no"'),
        ("datasets.own", "labels: found 'No', 'no', which differ only in upper and lower case"),
    ),
    "a label map whose keys YAML takes for truth values": (
        "sets: {far: {source: {kind: files, paths: [x.tsv]}, label_map: {yes: a, no: b}}}",
        ("datasets.own.sets.far.label_map.", "found true: YAML reads yes, no, on, off"),
    ),
    "a label map whose values YAML takes for truth values": (
        "sets: {far: {source: {kind: files, paths: [x.tsv]}, label_map: {a: on, b: off}}}",
        ("datasets.own.sets.far.label_map.a: found true: YAML reads yes, no, on, off",),
    ),
    "a label map with one label twice": (
        "sets: {far: {source: {kind: files, paths: [x.tsv]}, label_map: {1: a, '1': b}}}",
        ("datasets.own.sets.far.label_map: found the label(s) '1' twice; allowed: each once",),
    ),
    "one column twice in the text": (
        "text: [a, a]",
        ("datasets.own", "text: found 'a' twice; allowed: two different columns, or one"),
    ),
    "a text that is the label": (
        "text: [a, b]",
        ("datasets.own", "label: found 'b', which is a column of `text` too; allowed: another column"),
    ),
    "a further set's text that is the inherited label": (
        "sets: {far: {source: {kind: files, paths: [x.tsv]}, text: [b]}}",
        ("datasets.own", "sets.far.label: found 'b', which is a column of `text` too; allowed: another"),
    ),
    "a set named as a file that is there": (
        "sets: {subset: {source: {kind: files, paths: [x.tsv]}}}",
        ("datasets.own", "datasets.own.sets: found 'subset'; allowed: any name but "),
    ),
    "an unknown format": (
        "source: {kind: files, paths: [x.tsv], format: xlsx}",
        (
            "datasets.own.source.format: found 'xlsx' (str); allowed: 'tsv', 'csv', 'jsonl', 'parquet'",
            "'document'",
        ),
    ),
    "a delimiter that ends lines": (
        'source: {kind: files, paths: [x.tsv], delimiter: "\\n"}',
        ("datasets.own.source.delimiter: found '\\n'; allowed: a character that is no line end",),
    ),
    "a delimiter that encloses fields": (
        "source: {kind: files, paths: [x.tsv], delimiter: '\"'}",
        ("datasets.own.source.delimiter: found '\"'; allowed: a character that is no line end",),
    ),
}

# Rows of a data set and of a further set, the set's settings, and what the message says.
SETS = {
    "a further set with numbers where the data set has names that nobody ordered": (
        in_turn("no", "yes"),
        in_turn("0", "1"),
        "",
        ("datasets.own.sets.more.label: found '0' " + TEN + "1 of more.tsv)", "sets.more.labels names"),
    ),
    "a further set with names and positions mixed": (
        in_turn("no", "yes"),
        in_turn("0", "1", "yes"),
        "labels: [no, yes]".replace("no, yes", "'no', 'yes'"),
        ("datasets.own.sets.more.label: found '0' (7 rows, first in row 1 of more.tsv), '1'", NEITHER),
    ),
    "a further set with labels from 1 that are also positions": (
        in_turn("1", "2"),
        in_turn("0", "1"),
        "labels: [1, 2]",
        ("datasets.own.sets.more.label: found '0' " + TEN + "1 of more.tsv); allowed: '1', '2'", NEITHER),
    ),
    "a label map for labels that the data set lacks": (
        in_turn("1", "2"),
        in_turn("a", "b"),
        "label_map: {0: a, 1: b}",
        ("datasets.own.sets.more.label_map: found '0'; allowed: the data set's labels, '1', '2'",),
    ),
}

# The classes of two models, the labels of a file, options of the command, and what the message says.
COMMANDS = {
    "connect: names that match nothing": (
        ["LABEL_0", "LABEL_1"],
        ["0", "1"] * 5,
        ["--labels", "yes", "no"],
        ("--label: found '0' (5 rows, first in row 1 of rows.tsv), '1'", "'yes', 'no'", "without --labels"),
    ),
    "connect: the model's names in another order": (
        ["negative", "positive"],
        ["negative", "positive"] * 5,
        ["--labels", "positive", "negative"],
        ("--labels: found 'positive' for the class 'negative'", "allowed: ", "'negative', 'positive'"),
    ),
    "connect: one of the model's names for another class": (
        ["negative", "positive"],
        ["positive", "other"] * 5,
        ["--labels", "Positive", "other"],
        ("--labels: found 'Positive' for the class 'negative'", "calls another class so; allowed: names"),
    ),
    "connect: names and numbers mixed": (
        ["negative", "positive"],
        ["negative", "1"] * 5,
        [],
        ("--label: found '1' (5 rows, first in row 2 of rows.tsv); allowed: 'negative', 'positive'", NEITHER),
    ),
    "connect: names for a model that has none": (
        ["LABEL_0", "LABEL_1"],
        ["no", "yes"] * 5,
        [],
        ("--label: found 'no' (5 rows, first in row 1 of rows.tsv), 'yes'", "allowed: '0', '1'", "--labels"),
    ),
    "connect: names alike": (
        ["LABEL_0", "LABEL_1"],
        ["no", "No"] * 5,
        ["--labels", "no", "No"],
        ("--labels: found 'no', 'No', which differ only in upper and lower case",),
    ),
    "connect: a format that is another one": (
        ["LABEL_0", "LABEL_1"],
        ["0", "1"] * 5,
        ["--format", "jsonl"],
        ("--data: ", "rows.tsv, line 1: no JSON (", "allowed: one record a line"),
    ),
}

CASES = [
    Case(
        "a missing file",
        before_anything_runs,
        ("none.tsv", [], {}),
        ("datasets.own.source.paths: found ", "none.tsv, which is no file; allowed"),
    ),
    *(
        Case(
            f"a file {kind}",
            before_anything_runs,
            (name, ["a\tb"], {}),
            ("found ", f"{name}; allowed: files that end in .tsv", "datasets.own.source.format, which says"),
        )
        for name, kind in [("rows.xlsx", "of an unknown kind"), ("rows", "without an ending")]
    ),
    *(
        Case(
            f"a missing {key} column",
            before_anything_runs,
            ("rows.tsv", ["a\tb", "x\ty"], columns),
            (f"datasets.own.{key}: found ", "did you mean", "rows.tsv", "'a', 'b'"),
        )
        for columns, key in [({"text": ["aa"]}, "text"), ({"label": "bb"}, "label")]
    ),
    *(
        Case(
            name,
            twice,
            given,
            ("datasets.own.source.paths: found ", "which hold the same; allowed: each file"),
        )
        for name, given in [
            ("one file twice", ("rows.tsv", "rows.tsv")),
            ("a file and its copy", ("rows.tsv", "copy.tsv")),
        ]
    ),
    *(
        Case(name, door, tuple(given), said)
        for door, table in [
            (subset, ROWS),
            (raw, CONTENT),
            (parquet, COLUMNS),
            (class_labelled, CLASSES),
            (further, SETS),
            (connecting, COMMANDS),
        ]
        for name, (*given, said) in table.items()
    ),
    *(Case(name, settings, text, said) for name, (text, said) in YAML.items()),
]
