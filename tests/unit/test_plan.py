"""The plan: shapes counted as PyTorch counts them, work and disk by hand, what is done and what is left."""

import subprocess
import sys
from pathlib import Path

import pytest
from isthmus.experiment import layout
from isthmus.experiment.config import load
from isthmus.experiment.jobs import Job
from isthmus.planning import plan
from isthmus.planning.costs import STARTUP, Costs, wall_time
from isthmus.planning.disk import disk
from isthmus.planning.shapes import KNOWN_MODELS, encoder
from isthmus.planning.sizes import TOY_TOKENS, Sizes
from isthmus.planning.work import LAYERS_SHARE

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
def results(tmp_path):
    """Where results of the experiment would be; there are none, and none of others."""
    return tmp_path / "results" / "e"


@pytest.fixture
def costs(results):
    def of(**changes):
        chosen = experiment(**changes)
        found = Costs(chosen, results, Sizes(chosen, results))
        return lambda job: found.of(job).seconds

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

    shape = KNOWN_MODELS[name]
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
    shape = encoder(2, 8, 100, 16)
    weights = 2 * (4 * 8 * 8 + 2 * 8 * 32)
    assert shape.flops(10) == 2 * weights + 2 * (2 * 2 * 10 * 8)


def test_a_segment_costs_its_updates(costs):
    of = costs()
    update = 3 * 32 * 11.3 * KNOWN_MODELS["bert-base-uncased"].flops(11.3) / 10e12
    assert of(job("finetune", seed=1, step=2000)) == pytest.approx(STARTUP + 1000 * update)


def test_a_row_costs_its_pairs_and_the_ends_that_are_new(costs):
    of = costs(paths={"grid": "uniform", "points": 11})
    one = (of(job("interpolate", seed=2, step=1000)) - STARTUP) / (9 + 2)
    assert of(job("interpolate", seed=3, step=1000)) == pytest.approx(STARTUP + (2 * 9 + 1) * one)
    examples = 2 * round(8551 * 0.2)
    assert one == pytest.approx(examples * 11.3 * KNOWN_MODELS["bert-base-uncased"].flops(11.3) / 10e12)


def test_averages_planes_and_layers_cost_their_points(costs):
    of = costs(
        planes=[{"seeds": [1, 2, 3], "resolution": 7, "examples": 10**6}],
        layers={"pairs": [[1, 2]], "alphas": 11},
        paths={"grid": "uniform", "points": 11, "along": True},
    )
    one = (of(job("interpolate", seed=2, step=1000)) - STARTUP) / (9 + 2)  # train and test, alike
    # The soup of three, and twice the two that a greedy choice adds.
    assert of(job("average", step=3000)) == pytest.approx(STARTUP + 5 * one)
    # Five of seven rows, of the test part alone.
    name = "1.3000-2.3000-3.3000"
    assert of(job("plane", plane=name, part=0)) == pytest.approx(STARTUP + 5 * 7 * one / 2)
    # Each of 14 groups alone, 12 lines of several from the shallow end, 12 from the deep one; from both ends.
    points = 2 * (14 + 12 + 12) * 10 + 2
    layers = STARTUP + LAYERS_SHARE * points * one / 2
    assert of(job("layers", step=3000, seed=1, other=2)) == pytest.approx(layers)
    # Three lines to the last step, nine points within each.
    assert of(job("along", seed=1)) == pytest.approx(STARTUP + 3 * 9 * one)


def test_what_is_measured_beside_paths_takes_disk(tmp_path):
    def stays(**changes):
        chosen = experiment(averages={"at": []}, **changes)
        return disk(chosen, Sizes(chosen, tmp_path), 11, "all", "last", 1).stays

    plain, test = stays(), round(8551 * 0.2)
    plane = {"seeds": [1, 2, 3], "resolution": 7, "examples": 100}
    assert stays(planes=[plane]) - plain == 7**2 * 100 * (8 + 2)
    assert stays(layers={"pairs": [[1, 2]]}) - plain == (2 * 38 * 10 + 2) * test * (8 + 2)
    of_a_point = 100 * 2 * 2 * 4 + 2 * test * (8 + 2)  # both sets
    assert stays(paths={"along": True}) - plain == 3 * 3 * 9 * of_a_point


def test_more_gpus_than_runs_gain_nothing(costs):
    of = costs()
    jobs = [job("finetune", seed=s, step=t) for s in (1, 2, 3) for t in (1000, 2000, 3000)]
    each = [(job, of(job)) for job in jobs]
    alone = wall_time(each, 1)
    assert wall_time(each, 3) == pytest.approx(alone / 3)
    assert wall_time(each, 8) == pytest.approx(alone / 3)
    last = [(Job(rule, {}, Path("x")), 7.0) for rule in ("collect", "report")]
    assert wall_time([*each, *last], 3) == pytest.approx(alone / 3 + 14)


def test_disk_by_hand(tmp_path):
    chosen = experiment(averages={"at": []})
    sizes = Sizes(chosen, tmp_path)
    weights = 4 * KNOWN_MODELS["bert-base-uncased"].parameters
    points = 4 * 3 * 11 * 2  # steps, pairs, alphas, sets
    # Of each: 100 replicates of loss and error; of each example its loss and its prediction.
    small = weights + points * (100 * 2 * 4 + round(8551 * 0.2) * (8 + 2))
    stays = {
        (keep, states): disk(chosen, sizes, 11, keep, states, 2).stays
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
    assert disk(chosen, sizes, 11, "last", "last", 2).peak == stays["all", "last"] + 2 * 3 * weights


def test_what_is_done_is_not_counted_as_left(tmp_path, results):
    jobs = [job("finetune", tmp_path, seed=s, step=1000) for s in (1, 2, 3)]
    jobs[0].file.touch()
    text = plan.describe(experiment(), jobs, results)
    assert [line.split()[1:4] for line in text.splitlines() if line.startswith("finetune")] == [
        ["3", "1", "2"]
    ]


def test_assumptions_are_named(tmp_path, results):
    unknown = {"other": {"hub": "somebody/something"}}
    jobs = [Job("finetune", {"model": "other", "dataset": "cola", "seed": 1, "step": 1000}, tmp_path / "x")]
    text = plan.describe(experiment(models=unknown), jobs, results)
    assert "plan.tflops, as given" in text
    assert "other: its shape is not known before it is fetched; counted as bert-base-uncased" in text
    assert "cola: 8,551 rows of some 11 tokens" in text
    assert "(guessed or given: nothing like it ran here)" in text


def test_jobs_without_a_model_take_no_gpu_hours(results):
    """They are in the table all the same."""
    small = [Job("collect", {}, Path("none")), job("tokenize")]
    text = plan.describe(experiment(), small, results)
    assert "GPU hours: 0;" in text
    assert [line.split()[-3:] for line in text.splitlines() if line.startswith("tokenize")] == [
        ["s", "a", "guess"]
    ]


@pytest.mark.parametrize(
    ("changes", "cores", "at_once"),
    [
        ({"plan": {"cores": 8}}, 8, 8),
        ({"plan": {"cores": 8}, "threads": 3}, 8, 2),
        ({"plan": {"cores": 2}, "threads": 3}, 2, 1),
        ({}, 5, 5),
    ],
)
def test_on_a_cpu_as_many_jobs_run_at_once_as_there_are_cores_for(
    results, monkeypatch, changes, cores, at_once
):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(5)))
    chosen = experiment(**{"plan": {}, "device": "cpu"} | changes)
    found = Costs(chosen, results, Sizes(chosen, results))
    assert (found.cores, found.at_once) == (cores, at_once)
    jobs = [job("finetune", seed=s, step=1000) for s in range(40)]
    text = plan.describe(chosen, jobs, results)
    assert f"wall time with {cores} cores, {at_once} job" in text
    seconds = 40 * found.of(jobs[0]).seconds
    assert f"core hours: {seconds / 3600 * chosen.threads:.0f}; " in text
    assert f": {plan.duration(seconds / at_once)} or more" in text


def test_gpus_count_for_nothing_on_a_cpu(results):
    chosen = experiment(device="cpu", plan={"gpus": 4, "cores": 1})
    text = plan.describe(chosen, [job("finetune", seed=1, step=1000)], results)
    assert "plan.gpus (4) counts for nothing" in text
    assert "with 1 core, 1 job at a time" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 second"),
        (61, "61 seconds"),
        (600, "10 minutes"),
        (4 * 3600, "4 hours"),
        (3 * 86400, "3.0 days"),
    ],
)
def test_times_in_words(seconds, said):
    assert plan.duration(seconds) == said


def test_no_torch():
    code = "import sys, isthmus.planning.forecast, isthmus.planning.plan; sys.exit('torch' in sys.modules)"
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
    assert Sizes(chosen, tmp_path).rows("cola", "far") == 17  # as it is before anything runs
    subsets.write("cola", dataset, None, folder)
    summary = tmp_path / layout.filled(layout.SET_SUMMARY, dataset="cola", set="far")
    out = folder / "far.parquet"
    further_sets.write("far", "cola", dataset, dataset.sets["far"], None, folder, out, summary)
    sizes = Sizes(chosen, tmp_path)
    assert (sizes.rows("cola", "test"), sizes.rows("cola", "far")) == (15, 17)


def test_running_text_is_counted_in_blocks(tmp_path):
    tokens = TOY_TOKENS["stories"]
    joined = Sizes(toy_experiment(task="causal_lm", block_size=50), tmp_path)
    assert joined.rows("cola", "test") == round(15 * tokens / 50)
    assert joined.length("bert", "cola") == 50
    apart = Sizes(toy_experiment(task="causal_lm", block_size=50, documents="apart"), tmp_path)
    assert apart.rows("cola", "test") == 15
    assert apart.length("bert", "cola") == tokens


def test_a_language_model_s_head_is_counted_for_what_it_names():
    shape = encoder(2, 8, 1000, 64)
    assert shape.flops(10, 1.0) - shape.flops(10) == 2 * 8 * 1000
    assert shape.flops(10, 0.15) - shape.flops(10) == pytest.approx(0.15 * 2 * 8 * 1000)
