"""Adapters, trained and others', from data to the page; what re-runs; that plain PEFT says the same."""

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus.data.rows import read_rows
from torch.nn.functional import cross_entropy

from tests.unit import lora
from tests.workflow.lab import NANO, Lab, changed

SMALL = NANO["pretraining"]["small"]
STORIES = {"kind": "toy", "task": "stories", "rows": 60}
LORA = {"rank": 2, "alpha": 8, "dropout": 0.1}
ADAPTED = changed(NANO, {
    "experiment": "adapted",
    "pretraining": {"small": SMALL, "decoding": SMALL | {"architecture": "gpt2"}},
    "models": {
        "lora": {"pretraining": "small", "pretraining_steps": 10, "adapter": {**LORA}},
        "decoder": {"pretraining": "decoding", "pretraining_steps": 10, "adapter": {**LORA}},
    },
    "datasets": {
        "toy": {"source": {"kind": "toy", "task": "entailment", "rows": 150}},
        "next": {"task": "causal_lm", "source": STORIES, "block_size": 32},
    },
    "cells": [["lora", "toy"], ["decoder", "next"]],
    "training": {"steps": 12, "checkpoints": [12], "learning_rate": 5e-2, "warmup_steps": 1},
    "paths": {"intervals": 4, "max_alphas": 9, "tolerance": 1e-5, "spaces": ["merged", "factors"]},
})  # fmt: skip


def with_own(folder):
    """The same with two adapters that plain PEFT saved, on a base in a folder."""
    base = lora.base(folder, "roberta")
    own = [lora.by_peft(folder / f"own{seed}", base, seed) for seed in (1, 2)]
    settings = [path / "adapter_config.json" for path in own]
    for path in settings:  # as it is where others trained them
        path.write_text(path.read_text().replace(str(base), "roberta-of-theirs"))
    model = {
        "base": {"folder": str(folder / "pretrained")},
        "checkpoints": [{"folder": str(path), "seed": seed} for seed, path in enumerate(own, 1)],
    }
    return changed(ADAPTED, {"models.own": model, "cells": [*ADAPTED["cells"], ["own", "toy"]]})


def test_what_is_planned_and_what_a_space_adds(repository, tmp_path):
    lab = Lab(repository, tmp_path / "lab", with_own(tmp_path))
    lab.directory.mkdir()
    planned = lab.dry_run()
    counts = {rule: len(jobs) for rule, jobs in planned.items()}
    expected = {"base": 3, "initialize_adapter": 4, "finetune_adapter": 4, "adopt_adapter": 2, "evaluate": 10}
    expected |= {"interpolate": 5, "interpolate_factors": 5, "fetch_model": 1}
    assert expected.items() <= counts.items()
    assert not {"initialize", "finetune", "adopt"} & counts.keys()
    merged = lab.dry_run({"paths.spaces": ["merged"]})
    assert {rule: jobs for rule, jobs in planned.items() if rule != "interpolate_factors"} == merged


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (
            "toy_lora",
            {"base": 3, "initialize_adapter": 9, "finetune_adapter": 9, "finetune": 3, "interpolate": 16},
        )
    ],
)
def test_what_ships_can_be_planned_with_nothing_fetched(repository, tmp_path, name, counts):
    import yaml

    config = yaml.safe_load((repository / "experiments" / f"{name}.yaml").read_text())
    planned = Lab(repository, tmp_path, config).dry_run(HF_ENDPOINT="http://127.0.0.1:9")
    assert counts.items() <= {rule: len(jobs) for rule, jobs in planned.items()}.items()


@pytest.fixture(scope="module")
def adapted(repository, tmp_path_factory):
    """That experiment, run once."""
    folder = tmp_path_factory.mktemp("adapted")
    lab = Lab(repository, folder / "lab", with_own(folder))
    lab.directory.mkdir()
    lab.run(None)
    return lab


def plain_loss(lab, model, name):
    """The mean loss of a plain classifier on the texts of the test part."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(lab.results / "models" / name)
    rows, losses = read_rows(lab.results / "data" / "toy" / "test.parquet"), []
    for a, b, label in zip(rows.text_a, rows.text_b, rows.labels, strict=True):
        inputs = tokenizer(a, b, return_tensors="pt")
        if name == "own":
            inputs.pop("token_type_ids", None)
        with torch.no_grad():
            losses.append(float(cross_entropy(model(**inputs).logits, torch.tensor([int(label)]))))
    return float(np.mean(losses))


@pytest.mark.rare
@pytest.mark.parametrize(("name", "step"), [("lora", 12), ("own", 1)])
def test_paths_in_both_spaces_are_those_of_plain_peft(adapted, tmp_path, monkeypatch, name, step):
    monkeypatch.chdir(adapted.directory)
    cell = adapted.results / "checkpoints" / name / "toy"
    folders = [cell / f"seed{seed}" / f"step{step}" for seed in (1, 2)]
    merged = [lora.merged(folder, cell / "base") for folder in folders]
    for where, of in (
        ("paths", lambda alpha: lora.between(merged, alpha)),
        ("factors", lambda alpha: lora.between_factors(folders, cell / "base", tmp_path / "own", alpha)),
    ):
        row = pd.read_parquet(adapted.results / where / name / "toy" / f"step{step}" / "seed2.parquet")
        for alpha in (0.0, 0.5, 1.0):
            point = row[(row["set"] == "test") & (row["alpha"] == alpha)]["loss"].item()
            assert point == pytest.approx(plain_loss(adapted, of(alpha), name), abs=1e-5)


@pytest.mark.rare
def test_rises_of_examples_add_up_to_the_gap_of_merged_weights(adapted):
    metrics = pd.read_csv(adapted.results / "metrics.csv").query(
        "set == 'test' and quantity == 'loss' and metric == 'CG' and space == 'merged'"
    )
    risen = 0
    for model, dataset, step in (("lora", "toy", 12), ("decoder", "next", 12), ("own", "toy", 1)):
        found = pd.read_parquet(adapted.results / "examples" / model / f"{dataset}.parquet")
        (gap,) = metrics[(metrics["model"] == model) & (metrics["step"] == step)]["value"]
        assert (len(found) > 0) == (gap >= 1e-6)
        if len(found):
            assert found["rise"].sum() / found["count"].sum() == pytest.approx(gap, abs=1e-6)
            risen += 1
    assert risen > 0


@pytest.mark.rare
def test_checkpoints_open_as_their_configurations_say(adapted, monkeypatch):
    from peft import AutoPeftModelForCausalLM, AutoPeftModelForSequenceClassification

    monkeypatch.chdir(adapted.directory)
    results = adapted.results.relative_to(adapted.directory)
    folder = results / "checkpoints/lora/toy/seed1/step12"
    model = AutoPeftModelForSequenceClassification.from_pretrained(str(folder), num_labels=3).eval()
    scores = pd.read_csv(adapted.results / "evaluations.csv")
    row = scores[(scores["model"] == "lora") & (scores["seed"] == 1) & (scores["step"] == 12)]
    found = row[row["set"] == "test"]["loss"].item()
    assert plain_loss(adapted, model, "lora") == pytest.approx(found, abs=1e-5)
    AutoPeftModelForCausalLM.from_pretrained(str(results / "checkpoints/decoder/next/seed1/step12"))


@pytest.mark.rare
def test_numbers_say_in_which_space_they_are_measured(adapted):
    metrics, means, pairs = (pd.read_csv(adapted.results / f"{n}.csv") for n in ("metrics", "means", "pairs"))
    for frame in (metrics, means):
        assert set(frame["space"]) == {"merged", "factors"}
    assert set(pairs["space"]) == {"merged"}
    start = metrics[(metrics["step"] == 0) & (metrics["metric"] == "CG") & (metrics["model"] == "decoder")]
    assert len(start) == 2 * 2 * 2  # sets, quantities, spaces
    assert (start["value"] == 0).all()  # B is zero: one model for all seeds, in both spaces
    ends = pairs[pairs["step"] > 0]
    assert (ends["distance_a"] > 0).all()
    assert ends["cosine"].between(-1, 1).all()  # also of adapters of others, which began at their base
    page = (adapted.results / "report.html").read_text()
    assert "Adapters in both spaces" in page
    plan = adapted.call(None, "plan").stdout
    assert "its adapters have some" in plan


@pytest.mark.rare
def test_what_a_change_makes_run_again(adapted):
    assert adapted.dry_run() == {}
    again = adapted.dry_run({"models.lora.adapter.dropout": 0.2})
    cell = {f"dataset=toy model=lora seed={seed}" for seed in (1, 2)}
    assert again["initialize_adapter"] == cell
    assert again["finetune_adapter"] == {f"{run} step=12" for run in cell}
    assert "base" not in again
    assert not any("decoder" in job for jobs in again.values() for job in jobs)
    less = adapted.dry_run({"paths.spaces": ["merged"]})
    assert not {"interpolate", "interpolate_factors", "evaluate", "finetune_adapter"} & less.keys()
    assert "connectivity" in less
