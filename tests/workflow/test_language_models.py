"""An encoder and a decoder with their own heads, from text to the page; what re-runs; others' checkpoints."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus.data import tokens
from isthmus.data.rows import read_rows
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from tests.workflow.lab import NANO, Lab, changed

SMALL = NANO["pretraining"]["small"]
STORIES = {"source": {"kind": "toy", "task": "stories", "rows": 60}, "block_size": 32, "test_fraction": 0.3}
LANGUAGE = changed(NANO, {
    "experiment": "language",
    "pretraining": {"small": SMALL, "decoding": SMALL | {"architecture": "gpt2"}},
    "models": {
        "encoder": {"pretraining": "small", "pretraining_steps": 10},
        "decoder": {"pretraining": "decoding", "pretraining_steps": 10},
    },
    "datasets": {
        "hidden": {"task": "masked_lm", "masked": 0.2, "documents": "apart", **STORIES},
        "next": {"task": "causal_lm", **STORIES},
    },
    "cells": [["encoder", "hidden"], ["decoder", "next"]],
    "training": {"steps": 6, "checkpoints": [6], "learning_rate": 1e-2, "warmup_steps": 1},
})  # fmt: skip
CELLS = {"encoder": "hidden", "decoder": "next"}


def cells(rule, **fixed):
    return {" ".join(f"{k}={v}" for k, v in sorted({**fixed, "model": m, "dataset": d}.items()))
            for m, d in CELLS.items()}  # fmt: skip


def test_what_is_planned(repository, tmp_path):
    planned = Lab(repository, tmp_path, LANGUAGE).dry_run()
    assert planned["blocks"] == {"dataset=hidden model=encoder", "dataset=next model=decoder"}
    assert "tokenize" not in planned
    counts = {rule: len(jobs) for rule, jobs in planned.items()}
    assert (counts["initialize"], counts["finetune"], counts["evaluate"]) == (4, 4, 8)
    assert (counts["interpolate"], counts["average"], counts["pretrain"]) == (4, 2, 2)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("polypythias", {"fetch_model": 5, "adopt": 45, "blocks": 5, "evaluate": 45, "interpolate": 30}),
        ("multiberts_mlm", {"fetch_model": 1, "adopt": 5, "blocks": 1, "evaluate": 5, "layers": 4}),
        (
            "multiberts_aligned",
            {"fetch_model": 6, "adopt": 5, "initialize": 5, "finetune": 5, "align": 20, "aligned": 20},
        ),
        ("toy_basins", {"pretrain": 2, "initialize": 6, "bend": 4, "curve": 4, "align": 6, "aligned": 6}),
        ("toy_language_model", {"pretrain": 2, "initialize": 6, "finetune": 12, "interpolate": 12}),
    ],
)
def test_what_ships_can_be_planned_with_nothing_fetched(repository, tmp_path, name, counts):
    import yaml

    config = yaml.safe_load((repository / "experiments" / f"{name}.yaml").read_text())
    planned = Lab(repository, tmp_path, config).dry_run(HF_ENDPOINT="http://127.0.0.1:9")
    assert counts.items() <= {rule: len(jobs) for rule, jobs in planned.items()}.items()
    counted = {"polypythias": 3, "multiberts_mlm": 10, "toy_language_model": 3}
    pairs = (counted | {"multiberts_aligned": 10, "toy_basins": 15})[name]
    from isthmus.experiment.config import Experiment

    experiment = Experiment(**config)
    assert len(experiment.cell_pairs(*experiment.cell_list()[0])) == pairs


@pytest.fixture(scope="module")
def language(repository, tmp_path_factory):
    """That experiment, run once."""
    lab = Lab(repository, tmp_path_factory.mktemp("language"), LANGUAGE)
    lab.run(None)
    return lab


def plain(lab, model, weights):
    """The mean loss of each set by Transformers alone: text by text, for next tokens; masks as they are."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    dataset = CELLS[model]
    folder = lab.results / "checkpoints" / model / dataset / "seed1" / "step6"
    kind = AutoModelForCausalLM if model == "decoder" else AutoModelForMaskedLM
    network = kind.from_pretrained(folder).eval()
    network.load_state_dict(weights, strict=False)
    network.tie_weights()
    tokenizer = AutoTokenizer.from_pretrained(lab.results / "models" / model)
    rows = read_rows(lab.results / "data" / dataset / "test.parquet")
    total = count = 0
    if model == "decoder":
        stream = [
            id
            for text in rows.text_a
            for id in [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.sep_token_id]
        ]
        for begin in range(0, len(stream) // 32 * 32, 32):
            ids = torch.tensor(stream[begin : begin + 32])[None]
            with torch.no_grad():
                total += 31 * float(network(input_ids=ids, labels=ids).loss)
            count += 31
        return total / count
    # Which tokens are hidden only the project knows; what they were, the texts say.
    from isthmus.machine import numerics
    from isthmus.tasks.language_modelling import LanguageModelling

    examples = tokens.read(lab.results / "tokens" / model / dataset / "test.safetensors")
    how = {"device": "cpu", "precision": "float32", "attention": "eager", "threads": 1, "deterministic": True}
    asked = LanguageModelling(examples.task, 0, numerics.setup(how))
    for i, text in enumerate(rows.text_a):
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.sep_token_id][:32]
        inputs, targets = asked.ask(examples, np.array([i]))
        where = targets[0] != -1
        assert np.array_equal(np.array(ids)[where], targets[0][where])
        with torch.no_grad():
            scores = network(input_ids=torch.as_tensor(inputs["input_ids"])).logits[0]
        total += float(cross_entropy(scores[where], torch.as_tensor(targets[0][where]), reduction="sum"))
        count += int(where.sum())
    return total / count


@pytest.mark.rare
@pytest.mark.parametrize("model", CELLS)
def test_paths_are_those_of_plain_transformers(language, model):
    dataset = CELLS[model]
    ends = [load_file(language.results / "checkpoints" / model / dataset / f"seed{seed}" / "step6" /
                      "model.safetensors") for seed in (1, 2)]  # fmt: skip
    row = pd.read_parquet(language.results / "paths" / model / dataset / "step6" / "seed2.parquet")
    for alpha in (0.0, 0.5, 1.0):
        mixed = {name: torch.lerp(tensor, ends[1][name], alpha) for name, tensor in ends[0].items()}
        point = row[(row["set"] == "test") & (row["alpha"] == alpha)]["loss"].item()
        assert point == pytest.approx(plain(language, model, mixed), abs=1e-5)


@pytest.mark.rare
def test_step_0_is_one_model_and_has_no_gap(language):
    for model, dataset in CELLS.items():
        runs = language.results / "checkpoints" / model / dataset
        assert len({(runs / f"seed{seed}/step0/model.safetensors").read_bytes() for seed in (1, 2)}) == 1
    metrics = pd.read_csv(language.results / "metrics.csv")
    start = metrics[(metrics["step"] == 0) & (metrics["metric"] == "CG")]
    assert len(start)
    assert (start["value"] == 0).all()


@pytest.mark.rare
@pytest.mark.parametrize("model", CELLS)
def test_rises_of_blocks_add_up_to_the_gap(language, model):
    """A mean a token, of sums a block; where there is no gap, there is no block."""
    dataset = CELLS[model]
    found = pd.read_parquet(language.results / "examples" / model / f"{dataset}.parquet")
    metrics = pd.read_csv(language.results / "metrics.csv").query(
        "model == @model and step == 6 and set == 'test' and quantity == 'loss' and metric == 'CG'"
    )
    (gap,) = metrics["value"]
    assert (len(found) > 0) == (gap >= 1e-6)
    if len(found):
        assert found["label"].isna().all()
        assert found["count"].max() > 1
        assert found["rise"].sum() / found["count"].sum() == pytest.approx(gap, abs=1e-6)


@pytest.mark.rare
def test_scores_and_words(language):
    scores = pd.read_csv(language.results / "evaluations.csv")
    assert np.allclose(scores["perplexity"], np.exp(scores["loss"]))
    assert scores[["f1", "mcc"]].isna().all().all()
    for _, run in scores.groupby(["model", "seed", "set"]):
        start, end = (run[run["step"] == step].iloc[0] for step in (0, 6))
        assert end["majority"] == pytest.approx(max(start["majority"], start["accuracy"]))
    table = (language.results / "tables" / "evaluations.md").read_text()
    assert "token accuracy" in table
    assert "nats a token" in table
    page = (language.results / "report.html").read_text()
    assert "Language modelling" in page


@pytest.mark.rare
def test_what_runs_again(language):
    assert language.dry_run() == {}
    changes = {
        "datasets.hidden.masked": 0.3,
        "datasets.hidden.documents": "joined",
        "datasets.hidden.block_size": 24,
    }
    for key, value in changes.items():
        planned = language.dry_run({key: value})
        assert planned["blocks"] == {"dataset=hidden model=encoder"}
        assert "subset" not in planned
        assert "initialize" not in planned
        assert all("next" not in job for rule in ("finetune", "interpolate") for job in planned[rule])
    planned = language.dry_run({"datasets.hidden.test_fraction": 0.4})
    assert planned["subset"] == {"dataset=hidden"}


@pytest.mark.rare
def test_others_checkpoints_and_a_text_file(language, repository, tmp_path):
    folders = []
    for seed in (1, 2):
        folder = tmp_path / f"run{seed}"
        source = language.results / "checkpoints" / "decoder" / "next" / f"seed{seed}" / "step6"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("checkpoint.json", "history.parquet"))
        for path in (language.results / "models" / "decoder").glob("tokenizer*"):
            shutil.copy(path, folder)
        folders.append({"folder": str(folder)})
    rows = read_rows(language.results / "data" / "next" / "test.parquet")
    (tmp_path / "notes.txt").write_text("\n".join(rows.text_a))
    config = {
        "experiment": "two",
        "models": {"mine": {"checkpoints": folders}},
        "datasets": {
            "notes": {
                "task": "causal_lm",
                "source": {"kind": "files", "paths": [str(tmp_path / "notes.txt")]},
                "block_size": 32,
            }
        },
        "device": "cpu",
        "evaluation": {"replicates": 50},
    }
    lab = Lab(repository, tmp_path / "own", config)
    lab.directory.mkdir()
    lab.run(None)
    metrics = pd.read_csv(lab.results / "metrics.csv")
    assert {"BH", "CG"} <= set(metrics["metric"])
    assert pd.read_csv(lab.results / "evaluations.csv")["perplexity"].notna().all()
