"""Bad input: one clear message that names the file or key, what was found and what is allowed."""

import pytest
from isthmus import data, models
from isthmus.config import ConfigError, Dataset, load

from tests.workflow.lab import NANO, Lab, changed

TINY = {"pretraining": "small", "pretraining_steps": 10}
HUB = {"hub": "nobody/nothing", "revision": "0123"}


def files(**options):
    return {"source": {"kind": "files", "paths": ["rows.tsv"]}, "text": ["a"], "label": "b", **options}


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


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_config_is_named(mistake, monkeypatch):
    monkeypatch.delenv("NOWHERE_SET", raising=False)
    change, *said = MISTAKES[mistake]
    with pytest.raises(ConfigError) as caught:
        load(changed(NANO, change), "nano.yaml")
    message = str(caught.value)
    assert message.startswith("nano.yaml cannot be used:\n")
    assert all(part in message for part in said), message


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        load(changed(NANO, {"threads": 0, "training.learnig_rate": 1, "experiment": "a/b"}))
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("key", ["experiment", "seeds", "models", "datasets"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ConfigError, match=f"(?m)^  {key}: missing; allowed: "):
        load({name: value for name, value in NANO.items() if name != key})


# ------------------------------------------------------------------------------------- files and folders


def write(path, rows, header="a\tb"):
    path.write_text("".join(f"{line}\n" for line in [header, *rows]))
    return path


def own(path, **options):
    return Dataset(**files(source={"kind": "files", "paths": [str(path)]}, **options))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"datasets\.own\.source\.paths: found .*none\.tsv, which is no file; allowed"
    ):
        data.check("datasets.own", own(tmp_path / "none.tsv"))


def test_a_file_of_an_unknown_kind_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"found .*rows\.xlsx; allowed: files that end in \.tsv"):
        data.check("datasets.own", own(write(tmp_path / "rows.xlsx", [])))


@pytest.mark.parametrize(("columns", "key"), [({"text": ["aa"]}, "text"), ({"label": "bb"}, "label")])
def test_a_missing_column_is_named_with_the_nearest(tmp_path, columns, key):
    path = write(tmp_path / "rows.tsv", ["x\ty"])
    with pytest.raises(ConfigError) as caught:
        data.check("datasets.own", own(path, **columns))
    for part in (f"datasets.own.{key}: found ", "did you mean", "rows.tsv", "'a', 'b'"):
        assert part in str(caught.value)


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


@pytest.mark.parametrize("rows", ROWS)
def test_rows_that_cannot_be_used_are_named(tmp_path, rows):
    rows, options, said = ROWS[rows]
    path = write(tmp_path / "rows.tsv", rows)
    with pytest.raises(ConfigError) as caught:
        data.write_subset("own", own(path, **options), None, tmp_path / "out")
    assert all(part in str(caught.value) for part in said), caught.value


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"models\.m\.folder: found no folder .*absent; allowed: a model folder"
    ):
        models.check("models.m", tmp_path / "absent")
    with pytest.raises(
        ConfigError, match=r"models\.m\.folder: .* is no model: it has no config\.json; allowed"
    ):
        models.check("models.m", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        ConfigError, match=r"models\.m\.folder: .* has no weights; allowed: model\.safetensors"
    ):
        models.check("models.m", tmp_path)


# --------------------------------------------------------------------------------------- through Snakemake


@pytest.fixture
def lab(repository, tmp_path):
    return Lab(repository, tmp_path, NANO)


def missing_file(folder):
    return {"datasets.own": files(source={"kind": "files", "paths": [str(folder / "none.tsv")]})}


def missing_column(folder):
    path = write(folder / "rows.tsv", ["x\ty"])
    return {"datasets.own": files(source={"kind": "files", "paths": [str(path)]}, label="bb")}


def no_model(folder):
    return {"models.own": {"folder": str(folder)}}


def misspelt(folder):
    return {"trainin": {}, "seeds": [1]}


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (misspelt, ("trainin: unknown key (did you mean 'training'?)", ".yaml cannot be used")),
        (missing_file, ("datasets.own.source.paths: found ", "none.tsv, which is no file; allowed: ")),
        (missing_column, ("datasets.own.label: found 'bb'", "rows.tsv", "'a', 'b'")),
        (no_model, ("models.own.folder: ", "is no model: it has no config.json; allowed: ")),
    ],
)
def test_a_plan_stops_with_the_message_alone(lab, mistake, said):
    done = lab.call(mistake(lab.directory), "--dry-run")
    assert done.returncode != 0
    assert all(part in done.stdout for part in said), done.stdout
    assert "Traceback" not in done.stdout
    assert "Building DAG" not in done.stdout
    assert done.stdout.count("Error") == 1


def test_a_hub_out_of_reach_names_the_command_that_fetches_beforehand(lab):
    done = lab.call(
        {"models": {"far": HUB}},
        *("--until", "fetch_model", "--cores", "1"),
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_HOME=str(lab.directory / "cache"),
    )
    assert done.returncode != 0
    assert "the model nobody/nothing (revision 0123) could not be fetched" in done.stdout
    assert "`snakemake --until fetch_model fetch_dataset`" in done.stdout
    assert "Traceback" not in done.stdout
