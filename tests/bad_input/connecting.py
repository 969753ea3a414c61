"""The command line of `isthmus connect`."""

import contextlib
import io
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.bad_input import good_folders as good
from tests.bad_input import model_folders as damaged
from tests.bad_input.case import Case

ROWS = ["first\tsecond\tgold", "w1 w2\tw3\t0", "w4\tw5 w6\t1"]


def command(given: dict[str, Any], folder: Path) -> str:
    """The command with some options changed; nothing may be measured before it refuses.

    `A` is what is done to the first folder, `rows` are the lines of the data, `None` takes an option away;
    `{}` in an option's value stands for the test's own folder.
    """
    from isthmus import __main__

    given = dict(given)
    first, second = folder / "a", folder / "b"
    for place in (first, second):
        good.copied(place, "BertForSequenceClassification")
    given.pop("A", lambda place: None)(first)
    (folder / "dev.tsv").write_text("".join(f"{line}\n" for line in given.pop("rows", ROWS)))
    places = [str(given.pop(side, place)) for side, place in (("a", first), ("b", second))]
    options = {
        "--data": "{}/dev.tsv",
        "--text": ["first", "second"],
        "--label": "gold",
        "--max-length": "16",
        "--threads": "1",
        "--out": "{}/curve",
    } | given
    words = [*places]
    for option, value in options.items():
        words += [option, *(value if isinstance(value, list) else [value])] if value is not None else []
    argv = ["isthmus", "connect", *(word.replace("{}", str(folder)) for word in words)]
    said = io.StringIO()
    measured = mock.patch(
        "isthmus.measuring.paths.MeasuredPath.curve", side_effect=AssertionError("measured")
    )
    quiet = contextlib.redirect_stderr(said)
    with mock.patch.object(sys, "argv", argv), measured, quiet, pytest.raises(SystemExit) as end:
        __main__.main()
    code = end.value.code
    assert code not in (0, None)
    message = code if isinstance(code, str) else said.getvalue()
    assert not list(folder.glob("curve.*[vg]"))
    assert "weights_only" not in message
    return message


def offline(given: dict[str, Any], folder: Path) -> str:
    """The same where the hub cannot be reached."""
    import huggingface_hub.constants

    with mock.patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True):
        return command(given, folder)


def under_a_file(place: Path) -> None:
    (place.parent / "file").write_text("")


def taken(place: Path) -> None:
    (place.parent / "taken.csv").mkdir()


UNWRITABLE = "where nothing can be written ("
MISTAKES = {
    "weights that are NaN": (
        {"A": damaged.changed_tensor(damaged.EMBEDDING, damaged.nan)},
        ("error: ", "/a: found NaN or infinity in bert.embeddings.word_embeddings.weight; allowed: "),
    ),
    "truncated weights of A": (
        {"A": damaged.raw(lambda old: old[:-50])},
        ("error: A: ", "/a/model.safetensors is truncated: found ", "; allowed: "),
    ),
    "weights of something else in A": (
        {"A": damaged.foreign},
        ("error: ", "/a: the weights do not fit its config.json: missing ", "left over foo"),
    ),
    "a harmful pickle in A": (
        {"A": damaged.pickled(lambda state: state | {"more": damaged.Harmful()})},
        ("error: the model a: ", "pytorch_model.bin is damaged, or holds more than tensors"),
    ),
    "a folder without a configuration": (
        {"A": lambda place: (place / "config.json").unlink()},
        ("error: A: ", "/a is no model: it has no config.json; allowed: "),
    ),
    "a folder that is missing": ({"b": "./none"}, ("error: B: found no folder none; allowed: ",)),
    "a place for the curve under a file": (
        {"--out": "{}/file/curve", "A": under_a_file},
        ("error: --out: found ", "/file/curve, ", UNWRITABLE, "; allowed: "),
    ),
    "a place for the curve that is a folder": (
        {"--out": "{}/taken", "A": taken},
        ("error: --out: found ", "/taken, ", UNWRITABLE, "; allowed: "),
    ),
    "a curve without a name": ({"--out": "/"}, ("error: --out: found '/', which names no file; allowed: ",)),
    "a template without its second text": (
        {"--pair-template": "{a} and"},
        ("error: --pair-template: found '{a} and'; allowed: a text with {a} and then {b}",),
    ),
    "a template for one text": (
        {"--pair-template": "{a} {b}", "--text": "first"},
        ("error: --pair-template: found '{a} {b}' for one text, 'first'; allowed: with two columns",),
    ),
    "a negative length": ({"--max-length": "-5"}, ("error: --max-length: found -5 ", "; allowed: ")),
    "a length of 0": ({"--max-length": "0"}, ("error: --max-length: found 0 ", "; allowed: ")),
    "a length that is a word": ({"--max-length": "long"}, ("--max-length: invalid int value: 'long'",)),
    "a length beyond the positions": (
        {"--max-length": "129", "rows": [*ROWS, f"{'w1 ' * 127}\tw2\t1"]},
        ("error: --max-length: found 129; allowed: up to 128, the positions of the model ", "/a"),
    ),
    "no token a batch": ({"--token-budget": "0"}, ("error: --token-budget: found 0 ", "; allowed: ")),
    "fewer than no replicates": ({"--replicates": "-1"}, ("error: --replicates: found -1 ", "; allowed: ")),
    "no thread": ({"--threads": "0"}, ("error: --threads: found 0 ", "; allowed: ")),
    "no tolerance": ({"--tolerance": "0"}, ("error: --tolerance: found 0.0 ", "; allowed: greater than 0")),
    "a tolerance that is no number": (
        {"--tolerance": "nan"},
        ("error: --tolerance: found nan", "; allowed: "),
    ),
    "too few alphas": ({"--max-alphas": "4"}, ("error: --max-alphas: found 4; allowed: more than",)),
    "no rows": ({"rows": ROWS[:1]}, ("error: --data: found no labelled row (0 rows, ", "; allowed: one")),
    "an empty file": ({"rows": []}, ("error: --", "dev.tsv", "; allowed: ")),
    "data that are missing": (
        {"--data": "{}/none.tsv"},
        ("error: --data: found ", "/none.tsv, which is no file; allowed: "),
    ),
    "three columns of text": (
        {"--text": ["first", "second", "gold"]},
        ("error: --text: found ", "; allowed: "),
    ),
}

HUB = {
    "an id that cannot be reached": (
        {"b": "nobody/nothing@v1"},
        (
            "error: the model nobody/nothing (revision v1) could not be fetched from the hub: ",
            "There is no folder nobody/",
        ),
    ),
    "an id that cannot be": (
        {"b": "no body"},
        ("error: B: found no folder no body, and no id of the hub can be so: hub: ", "allowed: "),
    ),
}

CASES = [
    Case(name, door, given, said)
    for door, table in ((command, MISTAKES), (offline, HUB))
    for name, (given, said) in table.items()
]
