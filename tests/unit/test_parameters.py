"""What rules depend on: exactly so much, and enough to make the typed settings of it again."""

from pathlib import Path

import pytest
import yaml
from isthmus.experiment import parameters, resources
from isthmus.experiment.cells import cells
from isthmus.experiment.config import Dataset, Experiment, load

from tests.unit.synthetic import experiment

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "experiments").glob("*.yaml"))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_shown_is_made_again(path, monkeypatch):
    """What was not set stays so: a recipe of one model alone overrides what it names, and nothing else."""
    monkeypatch.setenv("ISTHMUS_DATA", "/some/where")
    monkeypatch.setenv("ISTHMUS_MODEL", "/a/model")
    chosen = load(yaml.safe_load(path.read_text()) | {"keep": "last", "keep_states": "all"})
    again = Experiment(**parameters.shown(chosen))
    assert (again.keep, again.keep_states) == ("all", "last")
    free = {key: getattr(again, key) for key in parameters.FREE}
    if chosen.layers:
        free["layers"] = chosen.layers.model_copy(update={"cache_mb": again.layers.cache_mb})
    assert again == chosen.model_copy(update=free)
    assert cells(again) == cells(chosen)
    assert parameters.shown(again) == parameters.shown(chosen)


def test_a_cells_own_recipe_is_made_again():
    rung = {"pretraining": "mlm", "pretraining_steps": 600}
    models = {"tiny-0": rung | {"training": {"fork_at": 10}}, "tiny_600": rung}
    chosen = experiment(models=models)
    again = Experiment(**parameters.shown(chosen))
    recipes = {key: cell.training.recipe() for key, cell in cells(again).items()}
    assert recipes == {key: cell.training.recipe() for key, cell in cells(chosen).items()}
    assert recipes["tiny-0", "entailment"]["fork_at"] == 10


FILES = {"kind": "files", "paths": ["a$b.tsv", "~.tsv"], "format": "tsv"}


def test_rows_depend_on_no_place():
    """Where files stand is no parameter, and is put back as it is."""
    columns = Dataset(
        source=FILES | {"paths": [Path("a$b.tsv"), Path("~.tsv")]}, text=["s"], label="l", rows=9
    )
    settings = parameters.rows(columns)
    assert "a$b.tsv" not in str(settings)
    assert parameters.rows(columns.model_copy(update={"max_length": 99, "by": "x"})) == settings
    assert parameters.rows(columns.model_copy(update={"rows": 8})) != settings
    assert Dataset(**parameters.with_files(settings, ["a$b.tsv", "~.tsv"])) == columns


def test_states_stay_where_all_are_kept():
    chosen = experiment(checkpoints=(100, 400), keep_states="all")
    cell = cells(chosen)["tiny_600", "paraphrase"]
    states = parameters.states(chosen, cell, 42)
    assert states["folder"] == Path("results/synthetic/state/tiny_600/paraphrase/seed42")
    assert states["keep"] == {0, 100, 400}
    assert parameters.states(experiment(checkpoints=(100, 400)), cell, 42)["keep"] == frozenset()
    rungs = parameters.pretraining_states(chosen, "tiny_600")
    assert (rungs["folder"], rungs["keep"]) == (Path("results/synthetic/state/_pretraining/mlm"), {0, 600})


def test_a_trunk_keeps_its_checkpoints_and_where_runs_part():
    training = {"steps": 400, "checkpoints": [100, 200, 400], "warmup_steps": 10, "fork_at": 150}
    chosen = experiment(training=training)
    trunk = parameters.trunk_states(chosen, cells(chosen)["tiny_600", "paraphrase"])
    assert trunk["folder"] == Path("results/synthetic/state/tiny_600/paraphrase/trunk")
    assert trunk["keep"] == {0, 100, 150}


def test_a_head_is_each_seeds_own_where_it_varies_from_the_start():
    def seeded(**training):
        base = {"steps": 400, "every": 200, "warmup_steps": 10}
        chosen = experiment(training=base | training)
        return parameters.head(chosen, cells(chosen)["tiny-0", "entailment"])

    assert seeded()
    assert not seeded(vary=["order"])
    assert not seeded(fork_at=100)


def test_findings_ask_each_cell_and_ladder():
    asked = parameters.findings(chosen := experiment(), cells(chosen))
    assert asked["cells"]["tiny-0", "entailment"] == ([0, 100, 200, 400], 100)
    assert asked["ladders"] == [("mlm", "entailment", {"tiny-0": 0, "tiny_600": 600})]


def test_resources_as_set_else_by_rule():
    chosen = experiment(resources={"finetune": {"mem_mb": 1000, "runtime": 7, "gpu": 3}}, device="cuda")
    assert [resources.memory(chosen, "finetune", attempt) for attempt in (1, 2, 3, 4)] == [
        1000,
        1500,
        2250,
        2250,
    ]
    assert (resources.runtime(chosen, "finetune"), resources.gpus(chosen, "finetune")) == (7, 3)
    assert (resources.runtime(chosen, "pretrain"), resources.gpus(chosen, "pretrain")) == (60, 1)
    assert resources.memory(chosen, "evaluate", 1) == 6000
    assert resources.gpus(experiment(device="cpu"), "evaluate") == 0
