"""Experiment files that cannot be read, or are none: EXPERIMENT of make, --configfile of Snakemake."""

import subprocess
import sys
from pathlib import Path

from isthmus.experiment import experiment_files

from tests.bad_input.case import Case, refusal


def reading(given: str | bytes | None, folder: Path) -> str:
    """A file of some content (None: no file)."""
    path = folder / "some.yaml"
    if given is not None:
        path.write_bytes(given if isinstance(given, bytes) else given.encode())
    message = refusal(lambda: experiment_files.read([path]))
    assert message.startswith(str(path))
    return message


def reading_a_folder(_: None, folder: Path) -> str:
    return refusal(lambda: experiment_files.read([folder]))


def beforehand(given: str, folder: Path) -> str:
    """As make asks, before Snakemake starts: a process with its message and status."""
    path = folder / "some.yaml"
    path.write_text(given)
    call = [sys.executable, "-m", "isthmus.experiment.experiment_files", str(path)]
    library = Path(experiment_files.__file__).parents[1]
    done = subprocess.run(call, cwd=library, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def a_place(_: None, folder: Path) -> str:
    """Results whose folder is there as a file."""
    (folder / "results").mkdir()
    (folder / "results" / "mini").write_text("")
    return refusal(lambda: experiment_files.check_place(folder / "results" / "mini"))


TEN_OF_TEN = "".join(
    f"{name}: &{name} [{', '.join([of] * 10)}]\n"
    for name, of in [("a", "1"), ("b", "*a"), ("c", "*b"), ("d", "*c"), ("e", "*d"), ("f", "*e")]
)

# The content of a file, and what is said of it besides its name.
FILES = {
    "no file": (None, "found no such file; allowed: a text file in YAML"),
    "an empty file": ("", "found nothing; allowed: keys and their values"),
    "only comments": ("# experiment: x\n", "found nothing; allowed: keys and their values"),
    "an empty group": ("{}\n", "found nothing; allowed: keys and their values"),
    "a list": ("- experiment\n- x\n", "found a list; allowed: keys and their values"),
    "a text": ("just words\n", "found a text; allowed: keys and their values"),
    "two documents": ("experiment: x\n---\nexperiment: y\n", ", line 2: no YAML (", "another document"),
    "tabs": ("experiment: x\n\tseeds: [1]\n", ", line 2: no YAML (", "allowed: spaces, no tabs"),
    "a NUL": ("experiment: x\nseeds: \0\n", ", line 2: found the character U+0000; allowed: "),
    "an unclosed bracket": ("seeds: [1, 2\nmodels: {}\n", ", line 2: no YAML (", "expected ',' or ']'"),
    "an unclosed quotation mark": ('experiment: "x\n', "no YAML (", "quoted scalar"),
    "wrong indentation": ("models:\n  a: 1\n b: 2\n", ", line 3: no YAML ("),
    "Latin-1": ("experiment: café\n".encode("latin-1"), "is no text in UTF-8 (byte 15", "`iconv -f LATIN1"),
    "UTF-16": ("experiment: x\n".encode("utf-16"), "is no text in UTF-8 (byte 0", "allowed: UTF-8"),
    "a key twice": (
        "experiment: x\nseeds: [1]\nexperiment: y\n",
        ", line 3: found the key 'experiment' twice, first in line 1; allowed: each key once",
    ),
    "an inner key twice": (
        "training:\n  steps: 1\n  every: 1\n  steps: 2\n",
        ", line 4: found the key 'steps' twice in training, first in line 2; allowed: each key once",
    ),
    "a key twice in a flow": ("a: {b: {c: 1, c: 2}}\n", ", line 1: found the key 'c' twice in a.b"),
    "a key twice in an item": ("a: [{b: 1}, {c: 1, c: 2}]\n", "found the key 'c' twice in a.1"),
    "a key twice in JSON": ('{"a": {"b": 1, "b": 2}}', "found the key 'b' twice in one group; allowed: "),
    "a key that is a fraction": (
        "models: {3.5: x}\n",
        "found the key 3.5 in models, which YAML reads as float",
    ),
    "a key in eights": (
        "map: {010: x}\n",
        ", line 1: map (a key): found 010, which YAML reads as 8; allowed: 8",
    ),
    "a number as a key twice": ("map: {1: x, 1: y}\n", "found the key '1' twice in map, first in line 1"),
    "a key that is a truth": ("models:\n  on: x\n", ", line 2: found the key on in models", "reads as bool"),
    "a key that is nothing": ("~: x\n", "found the key ~, which YAML reads as null; allowed: a text"),
    "a key that is a list": ("? [1, 2]\n: 3\n", "which YAML reads as seq; allowed: a text"),
    "a number in eights": (
        "training: {steps: 0100}\n",
        ", line 1: training.steps: found 0100, which YAML reads as 64; allowed: 64, or a text in quotes",
    ),
    "a number in sixties": (
        "resources:\n  finetune:\n    runtime: 12:30\n",
        ", line 3: resources.finetune.runtime: found 12:30, which YAML reads as 750; allowed: ",
    ),
    "a number of too many digits": (f"seeds: {'9' * 5000}\n", "no YAML (", "4300 digits"),
    "a date that is none": ("experiment: 2020-99-01\n", "no YAML (month must be in 1..12)"),
    "an object of Python": ("experiment: !!python/object:os.system x\n", ", line 1: no YAML (", "the tag"),
    "an unknown alias": ("models: *other\n", ", line 1: no YAML (", "undefined alias"),
    "an alias in itself": (
        "a: &a [*a]\n",
        "a.0: found an alias (*) of what it stands in; allowed: of others",
    ),
    "aliases of aliases": (TEN_OF_TEN, ", line 6: f: found more than 1,000,000 values"),
    "brackets in brackets": (f"a: {'[' * 3000}{']' * 3000}\n", "no YAML (", "recursion"),
    "a large file": ("#" * 2**20 + "\n", "found 1,048,577 bytes; allowed: a text file in YAML"),
    "weights": (bytes([0x80, 0xFF, 0]) * 9, "is no text in UTF-8 (byte 0"),
}

CASES = [
    *(Case(name, reading, given, tuple(said)) for name, (given, *said) in FILES.items()),
    Case("a folder", reading_a_folder, None, ("found a folder; allowed: a text file in YAML",)),
    Case(
        "asked before Snakemake",
        beforehand,
        "a: 1\na: 2\n",
        ("Error: ", "some.yaml, line 2: found the key 'a' twice"),
    ),
    Case(
        "results that are a file",
        a_place,
        None,
        ("experiment: found ", "mini, which is a file; allowed: a folder"),
    ),
]
