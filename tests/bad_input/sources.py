"""Data files, their columns and their labels."""

from pathlib import Path
from typing import Any

from isthmus import data
from isthmus.config import Dataset

from tests.bad_input.case import Case, refusal


def write(path, rows, header="a\tb"):
    path.write_text("".join(f"{line}\n" for line in [header, *rows]))
    return path


def own(path, **options):
    settings = {"source": {"kind": "files", "paths": [str(path)]}, "text": ["a"], "label": "b"}
    return Dataset(**settings | options)


def before_anything_runs(given: tuple[str, list[str], dict[str, Any]], folder: Path) -> str:
    """A file (none without lines) of a data set, looked at when the workflow is read."""
    name, lines, options = given
    path = folder / name
    if lines:
        write(path, lines[1:], lines[0])
    return refusal(lambda: data.check("datasets.own", own(path, **options)))


def subset(given: tuple[list[str], dict[str, Any]], folder: Path) -> str:
    """Rows with the columns a and b, made into a subset."""
    rows, options = given
    path = write(folder / "rows.tsv", rows)
    return refusal(lambda: data.write_subset("own", own(path, **options), None, folder / "out"))


# Rows of a file with columns a and b, settings, and what the message says.
ROWS = {
    "a label that does not fit": (
        ["x\tyes", "y\tmaybe"],
        {"labels": ["yes", "no"]},
        ("datasets.own.label: found 'maybe' in row 2", "rows.tsv", "allowed: 'yes', 'no'"),
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
}

CASES = [
    Case(
        "a missing file",
        before_anything_runs,
        ("none.tsv", [], {}),
        ("datasets.own.source.paths: found ", "none.tsv, which is no file; allowed"),
    ),
    Case(
        "a file of an unknown kind",
        before_anything_runs,
        ("rows.xlsx", ["a\tb"], {}),
        ("found ", "rows.xlsx; allowed: files that end in .tsv"),
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
    *(Case(name, subset, (rows, options), said) for name, (rows, options, said) in ROWS.items()),
]
