"""Ladders and many seeds: what a few lines of a config stand for, and the plans of the experiments."""

from pathlib import Path

import pytest
import yaml
from isthmus.experiment import config

from tests.workflow.lab import NANO, Lab, changed, planned, snakemake

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
REDUCTIONS = {"collect": 1, "tables": 1, "figures": 1, "report": 1}


def counts(repository, folder, name, **env):
    """How many jobs of each rule an experiment has, planned with the hub out of reach."""
    arguments = ("--dry-run", "--configfile", f"experiments/{name}.yaml")
    done = snakemake(repository, folder, *arguments, HF_ENDPOINT="http://127.0.0.1:9", **env)
    assert done.returncode == 0, done.stdout
    return {rule: len(jobs) for rule, jobs in planned(done.stdout).items()}


def test_the_ladder_of_multiberts(repository, tmp_path):
    assert counts(repository, tmp_path, "multiberts") == {
        "fetch_model": 6,
        "fetch_dataset": 2,
        "subset": 1,
        "further_set": 1,
        "tokenize": 6,
        "tokenize_further": 6,
        "initialize": 18,
        "finetune": 54,
        "evaluate": 72,
        "interpolate": 48,
        "average": 6,
        "examples": 6,
        "connectivity": 6,
        "basins": 6,
        "findings": 1,
        **REDUCTIONS,
    }


@pytest.mark.long
def test_the_ladder_of_pythia(repository, tmp_path):
    assert counts(repository, tmp_path, "pythia") == {
        "fetch_model": 7,
        "fetch_dataset": 1,
        "subset": 1,
        "tokenize": 7,
        "initialize": 21,
        "finetune": 63,
        "evaluate": 84,
        "interpolate": 56,
        "average": 7,
        "examples": 7,
        "connectivity": 7,
        "basins": 7,
        "findings": 1,
        **REDUCTIONS,
    }


@pytest.mark.long
def test_many_seeds(repository, tmp_path):
    for name, header in (
        ("hans/heuristics_evaluation_set.txt", "gold_label\tsentence1\tsentence2\theuristic"),
        ("paws_qqp/dev.tsv", "id\tsentence1\tsentence2\tlabel"),
        ("cola/out_of_domain_dev.tsv", "clc95\t1\t\tA sentence."),
    ):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"{header}\n")
    assert counts(repository, tmp_path, "many_seeds", ISTHMUS_DATA=str(tmp_path)) == {
        "fetch_model": 1,
        "fetch_dataset": 3,
        "subset": 3,
        "further_set": 3,
        "breakdown": 2,
        "tokenize": 3,
        "tokenize_further": 3,
        "initialize": 72,
        "finetune": 216,
        "evaluate": 288,
        "interpolate": 276,
        "average": 3,
        "examples": 3,
        "connectivity": 3,
        "basins": 3,
        "findings": 1,
        **REDUCTIONS,
    }


def load(name, monkeypatch):
    monkeypatch.setenv("ISTHMUS_DATA", "/somewhere")
    return config.load(yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text()))


def test_rungs_are_those_that_are_published(monkeypatch):
    multiberts, pythia = (load(name, monkeypatch).models for name in ("multiberts", "pythia"))
    assert multiberts["multiberts-20000"].hub == "google/multiberts-seed_0-step_20k"
    assert multiberts["multiberts-2000000"].hub == "google/multiberts-seed_0-step_2000k"
    assert {(m.hub, m.revision) for m in pythia.values()} >= {("EleutherAI/pythia-160m", "step143000")}
    assert {m.ladder_name for m in pythia.values()} == {"pythia-160m"}
    assert [m.pretraining_steps for m in pythia.values()] == [0, 512, 1000, 4000, 16000, 64000, 143000]


def test_many_seeds_train_three_epochs(monkeypatch):
    experiment = load("many_seeds", monkeypatch)
    for dataset, examples in {"qqp": 363_846, "mnli": 392_702, "cola": 8_551}.items():
        recipe = experiment.cell_training("bert-base-uncased", dataset)
        train = examples - round(experiment.datasets[dataset].test_fraction * examples)
        assert 3 * train <= recipe.steps * recipe.batch_size < 3 * train + 3 * recipe.batch_size
        assert (recipe.learning_rate, recipe.batch_size) == (2e-5, 32)
        assert len(recipe.checkpoint_steps()) == 4


LADDER = {"folder": "bodies/{step}", "steps": [0, 10]}


def ladder(change=None, **more):
    raw = {key: value for key, value in NANO.items() if key != "models"}
    return config.load(changed(raw, {"ladders": {"up": LADDER | (change or {})}, **more}))


def test_a_ladder_of_folders():
    models = ladder().models
    assert {name: str(model.folder) for name, model in models.items()} == {
        "up-0": "bodies/0",
        "up-10": "bodies/10",
    }


def test_a_ladder_that_is_pre_trained_here(repository, tmp_path):
    ladders = {"up": {"pretraining": "small", "steps": [0, 10, 20]}}
    raw = {key: value for key, value in NANO.items() if key != "models"}
    found = Lab(repository, tmp_path, raw | {"ladders": ladders, "cells": [["up", "toy"]]}).dry_run()
    assert found["pretrain"] == {"model=up-0", "model=up-10", "model=up-20"}
    assert len(found["connectivity"]) == 3


def test_a_ladder_stands_beside_models_and_one_rung_may_differ():
    models = {"alone": {"hub": "a/b"}, "up-10": {"training": {"learning_rate": 1e-4}}}
    found = ladder({"seed": 3}, models=models, cells=[["alone", "toy"], ["up", "toy"]])
    assert found.cell_list() == [("alone", "toy"), ("up-0", "toy"), ("up-10", "toy")]
    assert found.cell_training("up-10", "toy").learning_rate == 1e-4
    assert found.cell_training("up-0", "toy").learning_rate == NANO["training"]["learning_rate"]
    assert (found.models["up-10"].seed, found.models["alone"].seed) == (3, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": [0]}, r"ladders\.up\.steps: found \[0\]"),
        ({"steps": [0, 0]}, r"steps: found a number twice in \[0, 0\]"),
        ({"folder": "one"}, r"found one model for all rungs; allowed: \{step\} or \{thousands\}"),
        ({"folder": "{thousands}k"}, r"steps: found \[0, 10\]; allowed: whole thousands"),
        ({"hub": "a/{step}"}, r"ladders\.up: found \['hub', 'folder'\]; allowed: exactly one of"),
        ({"revison": "x"}, r"ladders\.up\.revison: unknown key \(did you mean 'revision'\?\)"),
    ],
)
def test_a_mistake_in_a_ladder_is_named(change, said):
    with pytest.raises(config.ConfigError, match=said):
        ladder(change)
