"""The typed settings: what is allowed, what a mistake is told, what a recipe holds."""

import copy
import json
from typing import Any

import pytest
from isthmus.errors import ConfigError
from isthmus.experiment import config, wording

BASE = {
    "experiment": "x",
    "seeds": [1, 2],
    "models": {"m": {"hub": "some/model"}},
    "datasets": {"d": {"source": {"kind": "toy", "task": "entailment", "rows": 10}}},
    "training": {"steps": 100, "warmup_steps": 10, "checkpoints": [50, 100]},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    place = raw
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return raw


def test_defaults_are_the_source_papers_recipe():
    recipe = config.Training().recipe()
    assert (recipe["steps"], recipe["batch_size"], recipe["learning_rate"], recipe["warmup_steps"]) == (
        160_000,
        32,
        1e-5,
        7_432,
    )
    assert recipe["betas"] == (0.9, 0.98)
    assert (recipe["eps"], recipe["weight_decay"], recipe["power"]) == (1e-6, 0.1, 1.0)
    assert (recipe["dropout"], recipe["attention_dropout"]) == (0.1, 0.1)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"checkpoints": [100, 50]}, [0, 50, 100]),
        ({"checkpoints": [0]}, [0]),
        ({"every": 40}, [0, 40, 80, 100]),
        ({}, [0, 100]),
    ],
)
def test_checkpoint_steps(settings, steps):
    assert config.Training(steps=100, warmup_steps=1, **settings).checkpoint_steps() == steps


def test_the_recipe_does_not_depend_on_when_it_is_looked_at():
    one = config.Training(steps=100, warmup_steps=1, checkpoints=[10], save_minutes=1)
    other = config.Training(steps=100, warmup_steps=1, every=20, save_minutes=2)
    assert one.recipe() == other.recipe()


def test_settings_of_a_model_come_before_those_of_a_data_set():
    raw = changed("datasets.d.training", {"learning_rate": 2e-5, "batch_size": 8})
    raw["models"]["m"]["training"] = {"learning_rate": 3e-5}
    merged = config.load(raw).cell_training("m", "d")
    assert (merged.learning_rate, merged.batch_size, merged.steps) == (3e-5, 8, 100)


def test_every_of_a_data_set_replaces_checkpoints_of_the_experiment():
    raw = changed("datasets.d.training", {"every": 25})
    assert config.load(raw).cell_training("m", "d").checkpoint_steps() == [0, 25, 50, 75, 100]


def test_cells_default_to_all():
    raw = changed("models.n", {"hub": "other"})
    assert config.load(raw).cell_list() == [("m", "d"), ("n", "d")]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("sedes", [1, 2], ["sedes", "unknown key", "did you mean 'seeds'?"]),
        ("training.learning_rte", 1, ["training.learning_rte", "did you mean 'learning_rate'?"]),
        ("models.m.training", {"stps": 1}, ["models.m.training.stps", "did you mean 'steps'?"]),
        ("datasets.d.source.rws", 1, ["datasets.d.source.rws", "did you mean 'rows'?"]),
        ("datasets.d.source.kind", "tyo", ["datasets.d.source.kind", "'tyo'", "hub, files, toy"]),
        ("seeds", [], ["seeds", "[]", "two or more"]),
        ("seeds", [1], ["seeds", "[1]", "two or more"]),
        ("seeds", [1, 2, 1], ["seeds", "[1]", "each seed once"]),
        ("seeds", "42", ["seeds", "'42'", "list"]),
        ("seeds", [1, 2.5], ["seeds.1", "2.5"]),
        ("training.checkpoints", [50, 200], ["checkpoints", "[200]", "0 to 100"]),
        ("training.checkpoints", [50, 50], ["checkpoints", "twice"]),
        ("training.every", 10, ["every", "checkpoints", "one of them"]),
        ("training.warmup_steps", 100, ["warmup_steps", "100", "fewer than `steps`"]),
        ("training.learning_rate", "fast", ["training.learning_rate", "'fast'", "number"]),
        ("datasets.d.fraction", 0, ["datasets.d.fraction", "0", "greater than 0"]),
        ("datasets.d.fraction", 1.5, ["datasets.d.fraction", "1.5", "less than or equal to 1"]),
        ("models.a/b", {"hub": "x"}, ["a/b", "folder's name"]),
        ("experiment", "..", ["experiment", "'..'", "folder's name"]),
        ("models.m.folder", "/x", ["models.m", "exactly one of hub, folder, pretraining"]),
        ("models.m", {"pretraining": "p", "pretraining_steps": 1}, ["models.m.pretraining", "'p'"]),
        ("cells", [["m", "q"]], ["cells", "'q'", "allowed: d"]),
        ("delta_from", 7, ["delta_from", "7", "[0, 50, 100]"]),
        ("device", "tpu", ["device", "'tpu'", "'auto', 'cpu' or 'cuda'"]),
        ("paths", {"grid": "uniform", "points": 12}, ["paths", "points", "12", "multiple"]),
        ("figures.training_model", "k", ["figures.training_model", "'k'", "allowed: m"]),
    ],
)
def test_a_mistake_names_its_key_what_was_found_and_what_is_allowed(path, value, said):
    with pytest.raises(ConfigError) as error:
        config.load(changed(path, value), "some.yaml")
    message = str(error.value)
    assert message.startswith("some.yaml cannot be used:")
    for part in said:
        assert part in message


def test_all_mistakes_are_told_at_once():
    raw = changed("sedes", [1]) | {"device": "tpu"}
    with pytest.raises(ConfigError) as error:
        config.load(raw)
    assert "sedes" in str(error.value)
    assert "device" in str(error.value)


def test_an_environment_variable_that_is_not_set_is_named(monkeypatch, tmp_path):
    raw = changed("models.m", {"folder": "$ISTHMUS_NOT_SET/model"})
    monkeypatch.delenv("ISTHMUS_NOT_SET", raising=False)
    with pytest.raises(ConfigError, match="ISTHMUS_NOT_SET is not set"):
        config.load(raw)
    monkeypatch.setenv("ISTHMUS_NOT_SET", str(tmp_path))
    assert config.load(raw).models["m"].folder == tmp_path / "model"


def test_numbers_that_snakemake_hands_on_as_text_are_numbers():
    raw = changed("paths", {"grid": "uniform", "points": "21"}) | {
        "seeds": ["3", "4"],
        "figures": {"dpi": "60"},
    }
    raw["training"] = {"steps": "100", "warmup_steps": "0", "dropout": "0.25", "betas": ["0.5", "0.75"]}
    found = config.load(raw)
    assert (found.paths.points, found.seeds, found.figures.dpi) == (21, [3, 4], 60)
    assert (found.training.steps, found.training.warmup_steps) == (100, 0)
    assert (found.training.dropout, found.training.betas) == (0.25, (0.5, 0.75))


def test_minus_nothing_is_nothing():
    signed = config.Training(weight_decay=-0.0, dropout=-0.0, betas=(-0.0, 0.5)).recipe()
    assert json.dumps(signed) == json.dumps(
        config.Training(weight_decay=0, dropout=0, betas=(0, 0.5)).recipe()
    )


def test_a_step_0_may_be_shared_by_runs():
    runs = [{"hub": f"me/{seed}", "seed": seed, "step": 9} for seed in (1, 2)]
    starts = [{"hub": "me/start", "seed": seed, "step": 0} for seed in (1, 2)]
    raw = {key: value for key, value in BASE.items() if key != "seeds"}
    assert config.load({**raw, "models": {"own": {"checkpoints": runs + starts}}}).cell_steps("own", "d") == [
        0,
        9,
    ]


def test_large_experiments_are_allowed():
    training = {"steps": 160_000, "every": 1000}
    raw = {**BASE, "seeds": list(range(400)), "pairs": "first", "training": training}
    assert len(config.load(raw).cell_pairs("m", "d")) == 399


def test_a_samplers_settings_are_only_those_it_uses():
    uniform = config.Paths(grid="uniform", points=21)
    assert uniform.sampler() == config.Paths(grid="uniform", points=21, tolerance=0.5).sampler()
    assert config.Paths().sampler() == config.Paths(points=101).sampler()


def test_the_table_of_settings_has_every_key():
    table = wording.table(config.Experiment, without=[config.TrainingOverride])
    for group in (config.Experiment, config.Training, config.Paths, config.FilesSource, config.FurtherSet):
        for key in group.model_fields:
            assert f"| `{key}` |" in table


# ---------------------------------------------------------------------------------------- pairs and forks


@pytest.mark.parametrize(
    ("pairs", "rows"),
    [
        ("all", {2: [1], 3: [1, 2], 4: [1, 2, 3]}),
        ("first", {2: [1], 3: [1], 4: [1]}),
        ([[4, 2], [1, 2]], {2: [1], 4: [2]}),
    ],
)
def test_pairs_make_rows(pairs, rows):
    found = config.load({**BASE, "seeds": [1, 2, 3, 4], "pairs": pairs})
    assert found.cell_rows(*found.cell_list()[0]) == rows


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([[1, 5]], r"pairs: found \[1, 5\]; allowed: two different ones of \['1', '2', '3'\]"),
        ([[2, 2]], "two different ones"),
        ([[1, 2], [2, 1]], "a pair twice"),
        ([], "one or more a cell"),
        ("some", "pairs"),
    ],
)
def test_pairs_that_cannot_be(pairs, said):
    with pytest.raises(ConfigError, match=said):
        config.load({**BASE, "seeds": [1, 2, 3], "pairs": pairs})


def test_own_checkpoints_are_paired_by_name():
    items = [{"hub": f"me/{name}", "name": name} for name in ("left", "right", "odd")]
    raw = {key: value for key, value in BASE.items() if key != "seeds"}
    found = config.load({**raw, "models": {"own": {"checkpoints": items}}, "pairs": [["odd", "left"]]})
    assert found.cell_rows(*found.cell_list()[0]) == {3: [1]}


def test_a_perturbation_sets_apart_seeds_that_are_the_same_else():
    training = {"steps": 10, "warmup_steps": 1, "vary": []}

    def load(**changes):
        return config.load({**BASE, "training": {**training, **changes}}).training

    push = {"at": 4, "scale": 0.01}
    assert load(perturb=push).shared_steps == 4
    assert load(perturb=push).recipe()["perturb"] == push
    assert load(perturb={"at": 0, "scale": 0.01}).shared_steps == 0
    # Nothing that was trained before there were any trains again.
    assert "perturb" not in load(vary=["order"]).recipe()
    with pytest.raises(ConfigError, match=r"vary: found \['order'\] beside `perturb`"):
        load(perturb=push, vary=["order"])
    with pytest.raises(ConfigError, match=r"fork_at: found 3 beside `perturb`"):
        load(perturb=push, fork_at=3)
    with pytest.raises(ConfigError, match=r"perturb\.at: found 10; allowed: 0 to 9"):
        load(perturb=push | {"at": 10})


def test_a_fork_stands_within_the_schedule():
    training = {"steps": 10, "warmup_steps": 1}
    assert config.load({**BASE, "training": {**training, "fork_at": 10}}).training.fork_at == 10
    with pytest.raises(ConfigError, match=r"fork_at: found 11; allowed: 0 to 10"):
        config.load({**BASE, "training": {**training, "fork_at": 11}})
