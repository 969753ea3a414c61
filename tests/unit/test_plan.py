"""The plan: shapes counted as PyTorch counts them, work and disk by hand, what is done and what is left."""

import subprocess
import sys
from pathlib import Path

import pytest
from isthmus.experiment import layout
from isthmus.experiment.config import load
from isthmus.experiment.jobs import Job
from isthmus.showing import plan

RAW = {
    "experiment": "e",
    "seeds": [1, 2, 3],
    "models": {"bert": {"hub": "google-bert/bert-base-uncased"}},
    "datasets": {
        "cola": {
            "source": {"kind": "hub", "id": "nyu-mll/glue", "config": "cola"},
            "text": ["sentence"],
            "label": "label",
        }
    },
    "training": {"steps": 3000, "every": 1000, "warmup_steps": 10},
    "evaluation": {"replicates": 100},
    "plan": {"tflops": 10},
}


def experiment(**changes):
    return load({**RAW, **changes})


def job(rule, folder=Path("nowhere"), **wildcards):
    name = "-".join([rule, *map(str, wildcards.values())])
    return Job(rule, {"model": "bert", "dataset": "cola"} | wildcards, folder / name)


@pytest.fixture
def costs(tmp_path):
    def of(**changes):
        chosen = experiment(**changes)
        return plan.Costs(chosen, tmp_path, plan.Sizes(chosen, tmp_path))

    return of


@pytest.mark.parametrize(
    ("name", "family", "vocabulary"),
    [
        ("bert-base-uncased", "bert", 30522),
        ("bert-large-cased", "bert", 28996),
        ("roberta-base", "roberta", 50265),
        ("roberta-large", "roberta", 50265),
    ],
)
def test_known_shapes_have_the_parameters_of_the_real_model(name, family, vocabulary):
    """A model of the published configuration, without memory, is counted; a class more or less is a row."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    shape = plan.KNOWN_MODELS[name]
    of_family = {"max_position_embeddings": 514, "type_vocab_size": 1} if family == "roberta" else {}
    config = AutoConfig.for_model(
        family,
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.width // 64,
        intermediate_size=shape.inner,
        **of_family,
    )
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(shape.parameters, abs=2 * shape.width)


def test_operations_of_a_pass():
    """Two per weight of the layers' matrices; attention multiplies each token with all others, twice."""
    shape = plan.encoder(2, 8, 100, 16)
    weights = 2 * (4 * 8 * 8 + 2 * 8 * 32)
    assert shape.flops(10) == 2 * weights + 2 * (2 * 2 * 10 * 8)


def test_a_segment_costs_its_updates(costs):
    of = costs()
    update = 3 * 32 * 11.3 * plan.KNOWN_MODELS["bert-base-uncased"].flops(11.3) / 10e12
    assert of.of(job("finetune", seed=1, step=2000)) == pytest.approx(plan.STARTUP + 1000 * update)


def test_a_row_costs_its_pairs_and_the_ends_that_are_new(costs):
    of = costs(paths={"grid": "uniform", "points": 11})
    one = (of.of(job("interpolate", seed=2, step=1000)) - plan.STARTUP) / (9 + 2)
    assert of.of(job("interpolate", seed=3, step=1000)) == pytest.approx(plan.STARTUP + (2 * 9 + 1) * one)
    examples = 2 * round(8551 * 0.2)
    assert one == pytest.approx(examples * 11.3 * plan.KNOWN_MODELS["bert-base-uncased"].flops(11.3) / 10e12)


def test_averages_planes_and_layers_cost_their_points(costs):
    of = costs(
        planes=[{"seeds": [1, 2, 3], "resolution": 7, "examples": 10**6}],
        layers={"pairs": [[1, 2]], "alphas": 11},
        paths={"grid": "uniform", "points": 11, "along": True},
    )
    one = (of.of(job("interpolate", seed=2, step=1000)) - plan.STARTUP) / (9 + 2)  # train and test, alike
    # The soup of three, and twice the two that a greedy choice adds.
    assert of.of(job("average", step=3000)) == pytest.approx(plan.STARTUP + 5 * one)
    # Five of seven rows, of the test part alone.
    name = "1.3000-2.3000-3.3000"
    assert of.of(job("plane", plane=name, part=0)) == pytest.approx(plan.STARTUP + 5 * 7 * one / 2)
    # Each of 14 groups alone, 12 lines of several from the shallow end, 12 from the deep one; from both ends.
    points = 2 * (14 + 12 + 12) * 10 + 2
    layers = plan.STARTUP + plan.LAYERS_SHARE * points * one / 2
    assert of.of(job("layers", step=3000, seed=1, other=2)) == pytest.approx(layers)
    # Three lines to the last step, nine points within each.
    assert of.of(job("along", seed=1)) == pytest.approx(plan.STARTUP + 3 * 9 * one)


def test_what_is_measured_beside_paths_takes_disk(tmp_path):
    def stays(**changes):
        chosen = experiment(averages={"at": []}, **changes)
        return plan.disk(chosen, plan.Sizes(chosen, tmp_path), 11, "all", "last", 1).stays

    plain, test = stays(), round(8551 * 0.2)
    plane = {"seeds": [1, 2, 3], "resolution": 7, "examples": 100}
    assert stays(planes=[plane]) - plain == 7**2 * 100 * (8 + 2)
    assert stays(layers={"pairs": [[1, 2]]}) - plain == (2 * 38 * 10 + 2) * test * (8 + 2)
    of_a_point = 100 * 2 * 2 * 4 + 2 * test * (8 + 2)  # both sets
    assert stays(paths={"along": True}) - plain == 3 * 3 * 9 * of_a_point


def test_more_gpus_than_runs_gain_nothing(costs):
    of = costs()
    jobs = [job("finetune", seed=s, step=t) for s in (1, 2, 3) for t in (1000, 2000, 3000)]
    alone = plan.wall_time(of, jobs, 1)
    assert plan.wall_time(of, jobs, 3) == pytest.approx(alone / 3)
    assert plan.wall_time(of, jobs, 8) == pytest.approx(alone / 3)


def test_disk_by_hand(tmp_path):
    chosen = experiment(averages={"at": []})
    sizes = plan.Sizes(chosen, tmp_path)
    weights = 4 * plan.KNOWN_MODELS["bert-base-uncased"].parameters
    points = 4 * 3 * 11 * 2  # steps, pairs, alphas, sets
    # Of each: 100 replicates of loss and error; of each example its loss and its prediction.
    small = weights + points * (100 * 2 * 4 + round(8551 * 0.2) * (8 + 2))
    stays = {
        (keep, states): plan.disk(chosen, sizes, 11, keep, states, 2).stays
        for keep in ("all", "last")
        for states in ("last", "all")
    }
    assert stays == {
        ("all", "last"): small + 3 * weights * (4 + 3),
        ("all", "all"): small + 3 * weights * (4 + 9),
        ("last", "last"): small + 3 * weights * (2 + 3),
        ("last", "all"): small + 3 * weights * (2 + 9),
    }
    # Two jobs save at once; weights that go later may all be there for a while.
    assert plan.disk(chosen, sizes, 11, "last", "last", 2).peak == stays["all", "last"] + 2 * 3 * weights


def test_what_is_done_is_not_counted_as_left(tmp_path):
    jobs = [job("finetune", tmp_path, seed=s, step=1000) for s in (1, 2, 3)]
    jobs[0].file.touch()
    text = plan.describe(experiment(), jobs, tmp_path)
    assert [line.split()[1:4] for line in text.splitlines() if line.startswith("finetune")] == [
        ["3", "1", "2"]
    ]


def test_assumptions_are_named(tmp_path):
    unknown = {"other": {"hub": "somebody/something"}}
    jobs = [Job("finetune", {"model": "other", "dataset": "cola", "seed": 1, "step": 1000}, tmp_path / "x")]
    text = plan.describe(experiment(models=unknown), jobs, tmp_path)
    assert "10 TFLOP/s for each GPU, as given" in text
    assert "other: its shape is not known before it is fetched; counted as bert-base-uncased" in text
    assert "cola: 8,551 rows of some 11 tokens" in text


def test_no_torch():
    code = "import sys, isthmus.showing.plan; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def toy_experiment(**dataset):
    source = {"kind": "toy", "task": "entailment" if "task" not in dataset else "stories", "rows": 60}
    return load({
        **RAW,
        "pretraining": {"p": {"training": {"steps": 10, "warmup_steps": 1}}},
        "models": {"bert": {"pretraining": "p", "pretraining_steps": 10}},
        "datasets": {"cola": {"source": source, "test_fraction": 0.25, **dataset}},
    })  # fmt: skip


def test_rows_are_those_that_were_written(tmp_path):
    """Of a further set, too."""
    from isthmus.data import further_sets, subsets

    far = {"source": {"kind": "toy", "task": "entailment", "rows": 17, "seed": 3}}
    chosen = toy_experiment(sets={"far": far})
    dataset, folder = chosen.datasets["cola"], tmp_path / "data" / "cola"
    assert plan.Sizes(chosen, tmp_path).rows("cola", "far") == 17  # as it is before anything runs
    subsets.write("cola", dataset, None, folder)
    summary = tmp_path / layout.filled(layout.SET_SUMMARY, dataset="cola", set="far")
    out = folder / "far.parquet"
    further_sets.write("far", "cola", dataset, dataset.sets["far"], None, folder, out, summary)
    sizes = plan.Sizes(chosen, tmp_path)
    assert (sizes.rows("cola", "test"), sizes.rows("cola", "far")) == (15, 17)


def test_running_text_is_counted_in_blocks(tmp_path):
    tokens = plan.TOY_TOKENS["stories"]
    joined = plan.Sizes(toy_experiment(task="causal_lm", block_size=50), tmp_path)
    assert joined.rows("cola", "test") == round(15 * tokens / 50)
    assert joined.length("bert", "cola") == 50
    apart = plan.Sizes(toy_experiment(task="causal_lm", block_size=50, documents="apart"), tmp_path)
    assert apart.rows("cola", "test") == 15
    assert apart.length("bert", "cola") == tokens


def test_a_language_model_s_head_is_counted_for_what_it_names():
    shape = plan.encoder(2, 8, 1000, 64)
    assert shape.flops(10, 1.0) - shape.flops(10) == 2 * 8 * 1000
    assert shape.flops(10, 0.15) - shape.flops(10) == pytest.approx(0.15 * 2 * 8 * 1000)
