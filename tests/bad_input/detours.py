"""Curves and alignment: as settings, on the command line, and between checkpoints that do not match."""

import json
from pathlib import Path
from typing import Any

from isthmus.experiment.config import load
from isthmus.measuring.aligning import align
from isthmus.measuring.ends import End
from isthmus.models import architectures, hf_folders
from isthmus.training.bending import Between

from tests.bad_input import connecting, settings
from tests.bad_input.case import Case, refusal
from tests.unit import families, runs, tiny
from tests.unit.runs import numeric, recipe
from tests.workflow.lab import NANO, changed

ADAPTED = {"pretraining": "small", "pretraining_steps": 10, "adapter": {"rank": 2}}
BEZIER = {"kind": "bezier"}
CURVE = {"--curve": "bezier", "--train": "{}/dev.tsv"}

MISTAKES = {
    "a curve that there is not": (
        {"curves": [{"kind": "spline"}]},
        "curves.0.kind: found 'spline' (str); allowed: 'bezier' or 'polychain'",
    ),
    "three bends": (
        {"curves": [{"bends": 3}]},
        "curves.0.bends: found 3 (int); allowed: less than or equal to 2",
    ),
    "one curve twice": (
        {"curves": [BEZIER, {"kind": "bezier", "steps": 9}]},
        "curves.1: found bezier, as curves.0; allowed: each once",
    ),
    "a curve between adapters": (
        {"models.tiny": ADAPTED, "curves": [BEZIER]},
        "curves.0: found tiny on toy, whose checkpoints are adapters; allowed: cells of whole models",
        "a bend is a whole model",
    ),
    "alignment of adapters": (
        {"models.tiny": ADAPTED, "alignment": {}, "paths.spaces": ["merged", "factors"]},
        "alignment: found tiny on toy, whose checkpoints are adapters; allowed: cells of whole models",
        "units of factors are not reordered",
    ),
    "a curve at no checkpoint": (
        {"curves": [{"at": [61]}]},
        "curves.0.at: found 61, which is no checkpoint of tiny on toy; allowed: ",
    ),
    "a curve of one run": (
        {"curves": [{"pairs": [[1, 1]]}]},
        "curves.0.pairs: found [1, 1]; allowed: two different ones of ['1', '2']",
    ),
    "a curve whose line is not measured": (
        {"seeds": [1, 2, 3], "pairs": [[1, 2]], "curves": [{"pairs": [[1, 3]]}]},
        "curves.0.pairs: found [1, 3], whose line is not measured; allowed: some of the experiment's `pairs`",
    ),
    "alignment whose line is not measured": (
        {"seeds": [1, 2, 3], "pairs": "first", "alignment": {"pairs": [[2, 3]]}},
        "alignment.pairs: found [2, 3], whose line is not measured",
    ),
    "the first pairs, of which none is measured": (
        {"seeds": [1, 2, 3], "pairs": [[2, 3]], "curves": [BEZIER]},
        "curves.0.pairs: found 'first', of which no line of tiny on toy is measured; allowed: some of",
    ),
    "bodies that are no models": (
        {"models.both": {"bodies": ["tiny", "tinny"]}},
        "models.both.bodies: found 'tinny' (did you mean 'tiny'?); allowed: tiny",
    ),
    "one body twice": (
        {"models.both": {"bodies": ["tiny", "tiny"]}},
        "models.both: bodies: found ['tiny', 'tiny']; allowed: each model once",
    ),
    "bodies of runs that part late": (
        {
            "models.other": {"pretraining": "small", "pretraining_steps": 5},
            "models.both": {"bodies": ["tiny", "other"]},
            "training.fork_at": 60,
        },
        "models.both.bodies: found on toy beside `fork_at` or `perturb` (60 updates",
    ),
    "alignment by what there is not": (
        {"alignment": {"method": "gradients"}},
        "alignment.method: found 'gradients' (str); allowed: 'activations', 'weights' or 'learned'",
    ),
    "a plane of a curve that is not asked for": (
        {"planes": [{"curve": "bezier"}]},
        "planes.0.curve: found bezier, which is none of `curves`; allowed: none",
    ),
    "a plane of a curve with two bends": (
        {"curves": [{"bends": 2}], "planes": [{"curve": "bezier"}]},
        "planes.0.curve: found bezier, which is none of `curves`; allowed: none",
    ),
    "a plane of seeds and of a curve": (
        {"curves": [BEZIER], "planes": [{"seeds": "first", "curve": "bezier"}]},
        "planes.0: allowed: one of `seeds`",
    ),
    "a plane of a curve at a step": (
        {"curves": [BEZIER], "planes": [{"curve": "bezier", "step": 60}]},
        "step: found beside `curve`, whose checkpoints have steps of their own",
    ),
}


def without_a_recipe(curve: dict[str, Any], _: Path) -> str:
    """A curve between checkpoints of others, in an experiment that says nothing of training."""
    own = {"checkpoints": [{"folder": "a", "seed": 1}, {"folder": "b", "seed": 2}]}
    asked = changed(NANO, {"models.tiny": own, "curves": [curve], "averages.at": []})
    return refusal(lambda: load({key: value for key, value in asked.items() if key != "training"}))


def bending(other: str, folder: Path) -> str:
    """The bends between a checkpoint and one that is no point of its space."""
    made = runs.make(folder)
    ends = made.start, getattr(made, other)
    return refusal(lambda: Between(ends, "bezier", 1).run(runs.pairs(), recipe(vary=[]), (1, 2), numeric()))


def heads(classes: int, folder: Path) -> str:
    """The same where the second has another number of classes."""
    made = runs.make(folder)
    other = runs.write_start(folder / "classes", seed=3)
    stated = json.loads((other / "config.json").read_text())
    names = {str(i): f"LABEL_{i}" for i in range(classes)}
    (other / "config.json").write_text(json.dumps(stated | {"id2label": names}))
    return refusal(
        lambda: Between((made.start, other), "bezier", 1).run(
            runs.pairs(), recipe(vary=[]), (1, 2), numeric()
        )
    )


def aligning(family: str, folder: Path) -> str:
    """Two checkpoints of an architecture that is in no table."""
    from isthmus.models import classifiers

    model = families.fetched(folder, family)
    for seed, name in enumerate("ab"):
        classifiers.initialize(model, tiny.LABELS, 0, seed, folder / name)
        hf_folders.write_record(
            folder / name / architectures.RECORD,
            {"sha256": hashing_of(folder / name), **architectures.described(folder / name)},
        )
    a, b = (End.read(seed, folder / name) for seed, name in enumerate("ab"))
    return refusal(lambda: align(a, b, tiny.examples(5), 5, "weights", 0, tiny.cpu(), 64))


def hashing_of(folder: Path) -> str:
    from isthmus import hashing

    return hashing.of_file(folder / hf_folders.WEIGHTS)


def command(given: dict[str, Any], folder: Path) -> str:
    return connecting.command(given, folder)


CASES = [Case(name, settings.loading, change, tuple(says)) for name, (change, *says) in MISTAKES.items()]
CASES += [
    Case(
        "a curve between others' checkpoints without a recipe",
        without_a_recipe,
        {"steps": 5},
        (
            "curves.0.learning_rate: missing, and tiny on toy has no recipe to take it from",
            "allowed: a number",
        ),
    ),
    Case(
        "bends between other heads",
        bending,
        "other_heads",
        ("num_attention_heads: found 2 and 4", "allowed:"),
    ),
    Case("bends between other classes", heads, 3, ("found 2 and 3", "allowed: the same values in both")),
    Case(
        "alignment of an architecture in no table",
        aligning,
        "deberta-v2",
        ("found the architecture deberta-v2", "allowed for alignment: bert, distilbert, electra, gpt2"),
    ),
    Case(
        "a curve without training data",
        command,
        CURVE | {"--train": None},
        ("--train: missing; allowed: a file of examples that the bends of --curve are trained on",),
    ),
    Case(
        "training data without a curve",
        command,
        {"--train": "{}/dev.tsv"},
        ("--train: found", "without --curve; allowed: with --curve"),
    ),
    Case(
        "training data that are not there", command, CURVE | {"--train": "{}/no.tsv"}, ("no.tsv", "allowed:")
    ),
    Case(
        "alignment by no examples",
        command,
        {"--align": "weights", "--align-examples": "0"},
        ("--align-examples: found 0; allowed: 1 or more",),
    ),
    Case("a curve of no updates", command, CURVE | {"--steps": "0"}, ("--steps: found 0", "allowed:")),
    Case("three bends asked for", command, CURVE | {"--bends": "3"}, ("--bends: found 3", "allowed:")),
]
