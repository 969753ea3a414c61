"""Settings that cannot be: a change of a good experiment file, and what is said of it."""

import os
from pathlib import Path
from typing import Any

from isthmus.config import load

from tests.bad_input.case import Case, refusal
from tests.workflow.lab import NANO, changed

TINY = {"pretraining": "small", "pretraining_steps": 10}


def files(**options):
    return {"source": {"kind": "files", "paths": ["rows.tsv"]}, "text": ["a"], "label": "b", **options}


def loading(change: dict[str, Any], _: Path) -> str:
    """A good experiment with some keys changed, each named by its path."""
    os.environ.pop("NOWHERE_SET", None)
    message = refusal(lambda: load(changed(NANO, change), "nano.yaml"))
    assert message.startswith("nano.yaml cannot be used:\n")
    return message


# A change of a good config, and what the message says of it: key, found, allowed.
MISTAKES = {
    "misspelt key": ({"trainin": {}}, "trainin: unknown key (did you mean 'training'?); allowed: ", "seeds"),
    "misspelt inner key": (
        {"training.learnig_rate": 1},
        "training.learnig_rate: unknown key (did you mean 'learning_rate'?)",
        "warmup_steps",
    ),
    "misspelt key of a model": (
        {"models.tiny": {**TINY, "pretraning_steps": 1}},
        "models.tiny.pretraning_steps: unknown key (did you mean 'pretraining_steps'?)",
        "hub",
    ),
    "misspelt key of a source": (
        {"datasets.toy.source.row": 1},
        "datasets.toy.source.row: unknown key (did you mean 'rows'?)",
        "task",
    ),
    "misspelt key of a further set": (
        {
            "datasets.toy.sets": {
                "far": {"source": {"kind": "toy", "task": "paraphrase", "rows": 9}, "labls": []}
            }
        },
        "datasets.toy.sets.far.labls: unknown key (did you mean 'labels'?)",
        "label_map",
    ),
    "wrong type": ({"threads": "two"}, "threads: found 'two' (str); allowed: ", "integer"),
    "text for a number": (
        {"training.learning_rate": "1e-5x"},
        "training.learning_rate: found '1e-5x'",
        "number",
    ),
    "a number that is none": ({"training.batch_size": True}, "training.batch_size: found True", "integer"),
    "nothing for a number": ({"training.steps": None}, "training.steps: found nothing", "integer"),
    "unknown choice": ({"device": "gpu"}, "device: found 'gpu'", "'auto', 'cpu' or 'cuda'"),
    "no seeds": ({"seeds": []}, "seeds: found []; allowed: two or more", ""),
    "one seed": ({"seeds": [1]}, "seeds: found [1]; allowed: two or more", ""),
    "a seed alone": ({"seeds": 1}, "seeds: found 1 (int); allowed: list", ""),
    "negative seed": ({"seeds": [1, -2]}, "seeds.1: found -2", "greater than or equal to 0"),
    "duplicate seeds": ({"seeds": [1, 2, 1]}, "seeds: found [1] twice; allowed: each seed once", ""),
    "duplicate steps": (
        {"training.checkpoints": [60, 60]},
        "checkpoints: found a step twice in [60, 60]; allowed: each once",
        "training",
    ),
    "steps beyond the schedule": (
        {"training.checkpoints": [60, 151]},
        "checkpoints: found [151] beyond the schedule's end; allowed: 0 to 150",
        "training",
    ),
    "steps beyond a model's schedule": (
        {"models.tiny.training": {"steps": 100}},
        "models.tiny.training: ",
        "found [120] beyond the schedule's end; allowed: 0 to 100",
    ),
    "rung beyond the schedule": (
        {"models.tiny.pretraining_steps": 21},
        "models.tiny.pretraining_steps: found 21; allowed: 0 to 20",
        "",
    ),
    "fraction of 0": ({"datasets.toy.fraction": 0}, "datasets.toy.fraction: found 0", "greater than 0"),
    "fraction over 1": (
        {"datasets.toy.fraction": 1.5},
        "datasets.toy.fraction: found 1.5",
        "less than or equal to 1",
    ),
    "experiment that is no folder": (
        {"experiment": "a/b"},
        "experiment: ",
        "'a/b' cannot be a folder's name; allowed: ",
    ),
    "hidden folder": ({"experiment": ".a"}, "experiment: ", "'.a' cannot be a folder's name; allowed: "),
    "model that is no folder": (
        {"models.a b": TINY},
        "models.a b",
        "'a b' cannot be a folder's name; allowed: ",
    ),
    "data set that is no folder": (
        {"datasets.a:b": NANO["datasets"]["toy"]},
        "datasets.a:b",
        "'a:b' cannot be a folder's name; allowed: ",
    ),
    "unset variable": (
        {"models.far": {"folder": "$NOWHERE_SET/model"}},
        "models.far.folder: the environment variable NOWHERE_SET is not set (found '$NOWHERE_SET/model')",
        "",
    ),
    "unset variable in a list": (
        {"datasets.own": files(source={"kind": "files", "paths": ["${NOWHERE_SET}/x.tsv"]})},
        "datasets.own.source.paths.0: the environment variable NOWHERE_SET is not set",
        "",
    ),
    "unknown kind": (
        {"datasets.toy.source.kind": "web"},
        "datasets.toy.source.kind: found 'web'",
        "hub, files, toy",
    ),
    "no label column": (
        {"datasets.own": {"source": {"kind": "files", "paths": ["x.tsv"]}, "text": ["a"]}},
        "datasets.own: `label` is missing; allowed: ",
        "",
    ),
    "no origin": ({"models.other": {}}, "models.other: found no origin; allowed: exactly one of", "hub"),
    "unknown cell": (
        {"cells": [["tiny", "tot"]]},
        "cells: found 'tot' (did you mean 'toy'?); allowed: toy",
        "",
    ),
    "delta from no checkpoint": ({"delta_from": 61}, "delta_from: found 61", "allowed: one of [0, 60, 120]"),
}

CASES = [Case(name, loading, change, said) for name, (change, *said) in MISTAKES.items()]
