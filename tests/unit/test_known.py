"""Rates from earlier runs: results are planted whose jobs all ran at one rate, which must come back."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from isthmus import stored
from isthmus.experiment import layout
from isthmus.experiment.config import load
from isthmus.experiment.jobs import Job
from isthmus.planning import known, plan
from isthmus.planning.costs import OTHER, STARTUP, Costs
from isthmus.planning.shapes import read_shape
from isthmus.planning.sizes import Sizes

START, RATE = 3.0, 2e9  # seconds, and operations a second
UPDATES, TOKENS, LENGTH = 100, 500, 10  # tokens an update, and an example
N = {"train": 40, "test": 60}
ALPHAS = np.linspace(0, 1, 12) ** 2  # of an adaptive path: not equally spaced


class Earlier:
    """Results of an experiment, as if its jobs had taken `START` and then computed at a rate."""

    def __init__(self, folder, width=64, rate=RATE, device="cpu", seeds=(1, 2, 3)):
        self.folder, self.rate, self.seeds = folder, rate, seeds
        self.config = {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": width, "vocab_size": 100}
        self.config |= {"max_position_embeddings": 64, "type_vocab_size": 2}
        cell = {"model": "m", "dataset": "d"}
        arrays = {"ids": np.zeros(LENGTH * 7, np.int32), "offsets": np.arange(0, LENGTH * 7 + 1, LENGTH)}
        stored.write_arrays(self._place(layout.TOKENS, set="train", **cell), arrays)
        for seed in seeds:
            for step in (0, UPDATES):
                here = {"seed": seed, "step": step, **cell}
                folder = self._place(layout.RECORD, **here).parent
                (folder / "config.json").write_text(json.dumps(self.config))
                numerics = {"device": device} if step else {}
                record = {"identity_of": {"numerics": numerics, "task": {"name": "classification"}}}
                stored.write_json(folder / "checkpoint.json", record)
        shape = read_shape(self._place(layout.RECORD, seed=1, step=0, **cell).parent)
        self.token = shape.flops(LENGTH)
        for seed in seeds:
            self._finetuned({**cell, "seed": seed, "step": UPDATES})
            self._ran("evaluate", 0, {**cell, "seed": seed, "step": UPDATES})
        for seed in seeds[1:]:
            self._row({**cell, "seed": seed, "step": UPDATES}, [one for one in seeds if one < seed])
        self._ran("collect", 0, {}, seconds=8.0, name="metrics")

    def _place(self, template, **wildcards):
        path = self.folder / layout.filled(template, **wildcards)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _ran(self, rule, work, wildcards, seconds=None, **more):
        """The job's benchmark, and the file that says that it is done."""
        seconds = START + work / self.rate if seconds is None else seconds
        path = self._place(layout.benchmark(rule), **wildcards)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds:.9f}\t0:00:00\t1.0\n")
        templates = {"evaluate": layout.EVALUATION, "collect": layout.TIDY}
        if rule in templates:
            self._place(templates[rule], **wildcards, **more).touch()

    def _finetuned(self, wildcards):
        work = 3 * UPDATES * TOKENS * self.token
        seconds = [work / self.rate / UPDATES] * UPDATES
        frame = pd.DataFrame({"tokens": [TOKENS] * UPDATES, "seconds": seconds})
        stored.write_frame(self._place(layout.HISTORY, **wildcards), frame)
        self._ran("finetune", work, wildcards)

    def _row(self, wildcards, others):
        rows = [
            {"seed_a": other, "set": name, "alpha": alpha, "n": n}
            for other in others
            for name, n in N.items()
            for alpha in ALPHAS
        ]
        stored.write_frame(self._place(layout.ROW, **wildcards), pd.DataFrame(rows))
        points = len(others) * (len(ALPHAS) - 2) + 1
        self._ran("interpolate", points * sum(N.values()) * LENGTH * self.token, wildcards)


def experiment(name="e", **changes):
    """One of the same cell whose rows have two sets of as many examples as were planted."""
    raw = {
        "experiment": name,
        "seeds": [1, 2, 3],
        "models": {"m": {"pretraining": "p", "pretraining_steps": 10}},
        "pretraining": {"p": {"layers": 2, "width": 64, "training": {"steps": 10, "warmup_steps": 1}}},
        "datasets": {
            "d": {"source": {"kind": "toy", "task": "entailment", "rows": 300}, "test_fraction": 0.2},
        },
        "training": {"steps": UPDATES, "warmup_steps": 1, "checkpoints": [UPDATES]},
        "evaluation": {"train_examples": 40},
        "device": "cpu",
    }
    return load(raw | changes)


def costs(chosen, folder):
    return Costs(chosen, folder, Sizes(chosen, folder))


def job(rule, **wildcards):
    return Job(rule, {"model": "m", "dataset": "d"} | wildcards, None)


def test_what_ran_is_read_back(tmp_path):
    earlier = Earlier(tmp_path / "e")
    jobs = known.ran(tmp_path / "e")
    by_rule = {name: [one for one in jobs if one.rule == name] for name in ("finetune", "interpolate")}
    assert len(by_rule["finetune"]) == 3
    (trained,) = set(by_rule["finetune"])
    assert trained.cell == ("m", "d")
    assert trained.start == pytest.approx(START)
    assert trained.work / (trained.seconds - START) == pytest.approx(RATE)
    assert [row.work / (row.seconds - START) for row in by_rule["interpolate"]] == pytest.approx([RATE] * 2)
    assert [row.alphas for row in by_rule["interpolate"]] == [12, 12]
    assert {row.token for row in by_rule["interpolate"]} == {earlier.token}
    assert known.device(tmp_path / "e") == "cpu"


def test_an_experiment_s_own_rates_give_its_own_times(tmp_path):
    """Another seed takes what those before it took; a longer row as much more as it has points."""
    earlier = Earlier(tmp_path / "e")
    found = costs(experiment(), tmp_path / "e")
    assert found.alphas() == (12, "as in e so far")
    trained = found.of(job("finetune", seed=4, step=UPDATES))
    work = 3 * UPDATES * 32 * LENGTH * found.work.token(job("finetune"))
    assert trained.seconds == pytest.approx(START + work / RATE)
    row = found.of(job("interpolate", seed=3, step=UPDATES))
    points = (2 * 10 + 1) * 100 * LENGTH * found.work.token(job("interpolate"))
    assert row.seconds == pytest.approx(START + points / RATE)
    assert found.work.token(job("interpolate")) == pytest.approx(earlier.token)
    assert (trained.measured, trained.source) == (True, "3 alike in e")
    assert found.of(job("evaluate", seed=4, step=0)).seconds == pytest.approx(START)
    assert found.of(Job("collect", {}, None)).seconds == 8.0
    # Nothing like these ran: by the rate of their kind, or a guess.
    assert found.of(job("along", seed=1)).source == "2 of measuring in e"
    assert found.of(Job("tables", {}, None)) == (OTHER, "a guess", False)


def test_rates_of_other_experiments_are_those_of_the_nearest_model(tmp_path):
    Earlier(tmp_path / "near", width=64)
    Earlier(tmp_path / "far", width=512, rate=50 * RATE)
    found = costs(experiment(), tmp_path / "e").of(job("finetune", seed=1, step=UPDATES))
    assert (found.measured, found.source.endswith("in near")) == (True, True)
    wide = {"p": {"layers": 2, "width": 256, "training": {"steps": 10, "warmup_steps": 1}}}
    found = costs(experiment(pretraining=wide), tmp_path / "e").of(job("finetune", seed=1, step=UPDATES))
    assert "in far, a model 4 times as large" in found.source


def test_what_ran_on_another_kind_of_device_says_nothing(tmp_path):
    Earlier(tmp_path / "gpu", device="cuda")
    found = costs(experiment(), tmp_path / "e").of(job("finetune", seed=1, step=UPDATES))
    assert not found.measured
    chosen = experiment(device="cuda")
    assert costs(chosen, tmp_path / "e").of(job("finetune", seed=1, step=UPDATES)).measured


def test_own_rates_go_before_a_given_one_and_that_before_others(tmp_path):
    Earlier(tmp_path / "other")
    given = experiment(plan={"tflops": 7})
    assert (
        costs(given, tmp_path / "e")
        .of(job("finetune", seed=1, step=UPDATES))
        .source.startswith("plan.tflops")
    )
    Earlier(tmp_path / "e")
    assert costs(given, tmp_path / "e").of(job("finetune", seed=1, step=UPDATES)).source.endswith("in e")


def test_jobs_that_the_journal_answered_and_resumed_ones_say_nothing(tmp_path):
    """They took next to no time for what their files hold."""
    earlier = Earlier(tmp_path / "e", seeds=(1, 2))
    path = earlier.folder / layout.filled(
        layout.benchmark("interpolate"), model="m", dataset="d", seed=2, step=100
    )
    path.write_text(f"s\th:m:s\n{START + 0.2}\t0:00:03\n")
    cost = costs(experiment(seeds=[1, 2]), earlier.folder).of(job("interpolate", seed=2, step=UPDATES))
    assert cost.source == "2 with a model in e"
    path = earlier.folder / layout.filled(
        layout.benchmark("finetune"), model="m", dataset="d", seed=1, step=100
    )
    path.write_text("s\th:m:s\n0.01\t0:00:00\n")
    trained = [one for one in known.ran(earlier.folder) if one.rule == "finetune"]
    assert [bool(one.work) for one in trained] == [False, True]


def test_training_says_itself_how_long_it_took(tmp_path):
    """However short it was beside the start."""
    Earlier(tmp_path / "e", rate=1e12)
    cost = costs(experiment(), tmp_path / "e").of(job("finetune", seed=4, step=UPDATES))
    assert cost.source == "3 alike in e"
    assert cost.seconds == pytest.approx(START, rel=0.01)


def test_damaged_and_half_written_files_are_left_out(tmp_path):
    earlier = Earlier(tmp_path / "e")
    benchmark = layout.benchmark("finetune")
    for seed, text in ((1, ""), (2, "s\th:m:s\nNA\tNA\n")):
        path = earlier.folder / layout.filled(benchmark, model="m", dataset="d", seed=seed, step=100)
        path.write_text(text)
    history = earlier.folder / layout.filled(layout.HISTORY, model="m", dataset="d", seed=3, step=100)
    os.truncate(history, 200)
    assert [one for one in known.ran(earlier.folder) if one.rule == "finetune"] == []


def test_of_a_large_grid_a_sample_is_read(tmp_path, monkeypatch):
    Earlier(tmp_path / "e", seeds=range(1, 41))
    monkeypatch.setattr(known, "SAMPLE", 5)
    seeds = {row.work for row in known.ran(tmp_path / "e") if row.rule == "interpolate"}
    assert len(seeds) == 5
    assert max(seeds) > 5 * min(seeds)  # short rows and long ones


def test_the_plan_says_which_figures_are_measured(tmp_path):
    Earlier(tmp_path / "results" / "before")
    results = tmp_path / "results" / "e"
    jobs = [
        Job("finetune", {"model": "m", "dataset": "d", "seed": 1, "step": UPDATES}, tmp_path / "a"),
        Job("tables", {}, tmp_path / "b"),
    ]
    text = plan.describe(experiment(), jobs, results)
    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith(("finetune", "tables"))}
    assert lines["finetune"].endswith("alike in before")
    assert lines["tables"].endswith("a guess")
    assert "12 alphas a path, as in before so far" in text
    total = costs(experiment(), results).of(jobs[0]).seconds + OTHER
    assert f"{OTHER / total:.0%} of it guessed or given, the rest by what ran here" in text
    assert STARTUP not in (total, total - OTHER)
