"""All that is measured between two language models, against plain Transformers; and their exact training."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import hashing, stored
from isthmus.data import tokens
from isthmus.data.blocks import Blocks
from isthmus.data.rows import Rows
from isthmus.measuring import averaging, layering, rises
from isthmus.measuring.ends import End
from isthmus.measuring.evaluation import evaluate
from isthmus.measuring.planing import MeasuredPlane, measure_plane
from isthmus.models import hf_folders, language_models, weight_files
from isthmus.space.sampling import Uniform
from isthmus.statistics import connectivity
from isthmus.tasks.language_modelling import LanguageModelling
from isthmus.training.finetuning import finetune
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.unit import families, tiny

TASKS = {"gpt2": "causal_lm", "bert": "masked_lm"}
SEEDS = (1, 2, 3)


class Cell(tiny.Cell):
    """As `tiny.Cell`, of a language model with its own head."""

    def __init__(self, folder, family):
        self.folder, self.task = folder, TASKS[family]
        model = families.fetched(folder, family)
        language_models.write_checkpoint(model, family, self.task, folder / "start")
        stored.write_json(folder / "start" / "checkpoint.json", self._record(folder / "start"))
        for seed in SEEDS:
            place = folder / f"seed{seed}"
            language_models.write_checkpoint(model, family, self.task, place)
            state = weight_files.load(place / hf_folders.WEIGHTS)
            draw = torch.Generator().manual_seed(seed)
            for tensor in state.values():
                tensor += 0.05 * torch.randn(tensor.shape, generator=draw)
            weight_files.save(state, place / hf_folders.WEIGHTS)
            stored.write_json(place / "checkpoint.json", self._record(place))
        self.start = End.read(SEEDS[-1], folder / "start")
        self.ends = [End.read(seed, folder / f"seed{seed}") for seed in SEEDS]
        self.tokenizer = families.tokenizer(family)
        self.sets = {"train": self.blocks(1), "test": self.blocks(2)}

    @staticmethod
    def _record(folder):
        sha256 = hashing.of_file(folder / hf_folders.WEIGHTS)
        return {"model": "m", "dataset": "d", "seed": 0, "step": 0, "sha256": sha256}

    def blocks(self, seed, documents=12):
        texts = tiny.toy.stories(documents, seed)
        rows = Rows(np.arange(documents), texts, None, np.zeros(documents, np.int64))
        masked = {"masked": 0.2, "seed": 5} if self.task == "masked_lm" else {}
        return Blocks(self.task, 24, documents="apart", **masked).of(self.tokenizer, rows, "datasets.d")

    def plain(self, weights, name="test"):
        """Summed losses, errors and counts of each block by Transformers' own forward, one by one."""
        kind = AutoModelForCausalLM if self.task == "causal_lm" else AutoModelForMaskedLM
        model, examples = kind.from_pretrained(self.folder / "seed1").eval(), self.sets[name]
        model.load_state_dict(weights, strict=False)
        model.tie_weights()
        asked = LanguageModelling(examples.task, 0, tiny.cpu())
        found = []
        for i in range(len(examples)):
            inputs, targets = asked.ask(examples, np.array([i]))
            targets = torch.as_tensor(targets)
            with torch.no_grad():
                logits = model(input_ids=torch.as_tensor(inputs["input_ids"])).logits
            where = targets != -1
            loss = cross_entropy(logits[where], targets[where], reduction="sum")
            wrong = (logits.argmax(-1) != targets)[where].sum()
            found.append((float(loss), int(wrong), int(where.sum())))
        return np.array(found)

    def mixed(self, coefficients):
        states = [load_file(end.folder / hf_folders.WEIGHTS) for end in self.ends]
        return {n: sum(c * s[n] for c, s in zip(coefficients, states, strict=True)) for n in states[0]}


@pytest.fixture(scope="module", params=TASKS)
def cell(request, tmp_path_factory):
    return Cell(tmp_path_factory.mktemp("language") / request.param, request.param)


def means(found):
    return found[:, 0].sum() / found[:, 2].sum(), found[:, 1].sum() / found[:, 2].sum()


def test_paths_are_those_of_plain_transformers(cell):
    row = cell.interpolate("row", Uniform(3), others=cell.ends[:1], end=cell.ends[1])
    for name in ("train", "test"):
        for alpha in (0.0, 0.5, 1.0):
            point = row.points.query("set == @name and alpha == @alpha").iloc[0]
            loss, error = means(cell.plain(cell.mixed((1 - alpha, alpha, 0)), name))
            assert point["loss"] == pytest.approx(loss, abs=1e-5)
            assert point["error"] == pytest.approx(error, abs=1e-9)
            assert point["n"] == len(cell.sets[name])
            assert abs(point["loss_replicates"].mean() - loss) < 4 * point["loss_replicates"].std()
    pair = row.pairs.iloc[0]
    both = [cell.plain(cell.mixed(at)) for at in ((1, 0, 0), (0, 1, 0))]
    assert 0 < pair["disagreement_test"] <= 1
    assert pair["disagreement_test"] >= abs(means(both[0])[1] - means(both[1])[1])
    assert pair["distance"] > 0


def test_cross_fitted_gaps_are_a_token_and_not_a_block(cell):
    row = cell.interpolate("gaps", Uniform(5), others=cell.ends[:1], end=cell.ends[1])
    gaps = row.gaps.query("set == 'test' and quantity == 'loss' and metric == 'CG'").iloc[0]
    curve = row.points.query("set == 'test'").sort_values("alpha")["loss"].to_numpy()
    spread = curve.max() - curve.min()
    assert abs(gaps["value"]) <= 2 * spread + 1e-6  # by blocks it would be some twenty times as large
    assert abs(np.mean(gaps["replicates"]) - gaps["value"]) < 4 * np.std(gaps["replicates"]) + 1e-6


def test_rises_are_of_whole_blocks_and_add_up_a_token(cell):
    row = cell.interpolate("rises", Uniform(5), others=cell.ends[:1], end=cell.ends[1])
    ((*_, gap),) = rises.gaps([row.points_file])
    lines = rises.Lines(cell.ends[:2], cell.sets["test"], tiny.BUDGET, tiny.cpu(), cell.folder / "journal")
    out, labels = cell.folder / "examples.parquet", {"model": "m", "dataset": "d", "step": 6}
    rises.write(lines=lines, rows=[row.points_file], floor=-1.0, labels=labels, out=out)
    assert lines.engine.measured == 0
    found = pd.read_parquet(out)
    at = cell.plain(cell.mixed((1 - gap.alpha, gap.alpha, 0)))
    np.testing.assert_allclose(found["loss"], at[:, 0], rtol=1e-5)
    assert found["count"].tolist() == at[:, 2].tolist()
    assert found["label"].isna().all()
    assert found["id"].tolist() == cell.sets["test"].rows.tolist()
    assert found["rise"].sum() / found["count"].sum() == pytest.approx(gap.value, abs=1e-6)


def test_where_both_ends_are_equal_there_is_no_gap(cell):
    same = [End(seed, cell.start.folder, cell.start.anchor) for seed in (1, 2)]
    row = cell.interpolate("start", Uniform(5), others=same[:1], end=same[1])
    for _, points in row.points.groupby("set"):
        assert points["loss"].nunique() == 1


def test_evaluations_are_scored_by_tokens(cell):
    out = cell.folder / "evaluation.parquet"
    evaluate(
        checkpoint=cell.ends[0].folder,
        sets=cell.sets,
        budget=tiny.BUDGET,
        numerics=tiny.cpu(),
        journal=cell.folder / "alone",
        out=out,
    )
    scores = {row["set"]: row for row in connectivity.evaluation_rows(out)}["test"]
    loss, error = means(cell.plain(cell.mixed((1, 0, 0))))
    assert scores["loss"] == pytest.approx(loss, abs=1e-5)
    assert scores["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    assert scores["accuracy"] == pytest.approx(1 - error)
    assert scores["accuracy_low"] <= scores["accuracy"] <= scores["accuracy_high"]
    assert scores["n"] == len(cell.sets["test"])
    assert 0 < scores["majority"] < 1


def test_soups_and_ensembles(cell):
    out = cell.folder / "averages.parquet"
    averages = averaging.Averages(cell.ends, cell.sets, tiny.BUDGET, tiny.cpu(), cell.folder / "soups")
    averaging.average(
        averages=averages, greedy=True, resampling=tiny.RESAMPLING, labels={"model": "m"}, out=out
    )
    rows = pd.read_parquet(out).query("set == 'test'").set_index(["kind", "seeds"])
    loss, error = means(cell.plain(cell.mixed((1 / 3, 1 / 3, 1 / 3))))
    assert rows.loc[("uniform", "1+2+3"), "loss"] == pytest.approx(loss, abs=1e-5)
    assert rows.loc[("uniform", "1+2+3"), "error"] == pytest.approx(error)
    together = rows.loc[("ensemble", "1+2+3")]
    members = [rows.loc[("member", str(seed)), "loss"] for seed in SEEDS]
    assert together["loss"] <= np.mean(members) + 1e-9  # the logarithm is concave
    assert np.isnan(together["error"])
    assert "greedy" in rows.index.get_level_values(0)


def test_layers_and_planes(cell):
    pair = layering.LayeredPair(
        *cell.ends[:2], {"test": cell.sets["test"]}, tiny.BUDGET, tiny.cpu(), cell.folder / "layers", 10**8
    )
    out = cell.folder / "layers.parquet"
    layering.layers(
        pair=pair, groups="blocks", alphas=3, resampling=tiny.RESAMPLING, labels={"model": "m"}, out=out
    )
    rows = pd.read_parquet(out)
    assert {"embeddings", "block 0", "block 1"} <= set(rows["group"])
    states = [load_file(end.folder / hf_folders.WEIGHTS) for end in cell.ends]
    mixed = {
        name: torch.lerp(tensor, states[1][name], 0.5) if ".1." in name and "ln_f" not in name else tensor
        for name, tensor in states[0].items()
    }
    row = rows.query("order == 'alone' and group == 'block 1' and `from` == 'a' and alpha == 0.5").iloc[0]
    assert row["loss"] == pytest.approx(means(cell.plain(mixed))[0], abs=1e-5)
    plane = MeasuredPlane(cell.ends, cell.sets["test"], tiny.BUDGET, tiny.cpu(), cell.folder / "planes")
    labels = {"model": "m", "dataset": "d", "plane": "p"}
    out = cell.folder / "plane.parquet"
    measure_plane(plane=plane, resolution=3, margin=0.2, rows=range(3), labels=labels, out=out)
    places = pd.read_parquet(out).set_index("place")
    assert places.loc["mean", "loss"] == pytest.approx(
        means(cell.plain(cell.mixed((1 / 3,) * 3)))[0], abs=1e-5
    )


def run(cell, folder, steps, seed=1, keep=frozenset(), vary=("order", "dropout")):
    """Fine-tune to each of some steps, a job each; returns the hash of the last weights."""
    recipe = Recipe(
        steps=8, batch_size=4, learning_rate=1e-2, warmup_steps=1, power=1.0, betas=(0.9, 0.98), eps=1e-6,
        weight_decay=0.1, dropout=0.1, attention_dropout=0.1, vary=list(vary), fork_at=0, token_budget=60,
    )  # fmt: skip
    tokens.write(cell.sets["train"], cell.folder / "train.safetensors")
    previous = 0
    for step in steps:
        out = folder / f"step{step}"
        finetune(
            start=cell.folder / "start", examples=cell.folder / "train.safetensors", recipe=recipe, seed=seed,
            previous=previous, step=step, numerics=tiny.cpu(),
            cache=Cache(folder / "state", keep, 10.0), out=out,
        )  # fmt: skip
        previous = step
    return json.loads((out / "checkpoint.json").read_text())["sha256"]


NUMERICS = {
    "device": "cpu",
    "precision": "float32",
    "attention": "eager",
    "threads": 1,
    "deterministic": True,
}


def test_training_is_exact_however_it_is_cut(cell, tmp_path):
    whole = run(cell, tmp_path / "whole", [8])
    assert run(cell, tmp_path / "cut", [3, 5, 8]) == whole
    assert run(cell, tmp_path / "other", [8], seed=2) != whole
    # Of masks and order alone, too: they come from one seed.
    assert run(cell, tmp_path / "order", [8], seed=2, vary=("order",)) != whole


def test_training_lowers_the_loss(cell, tmp_path):
    run(cell, tmp_path / "run", [8])
    before = means(cell.plain(load_file(cell.folder / "start" / hf_folders.WEIGHTS), "train"))[0]
    after = means(cell.plain(load_file(tmp_path / "run" / "step8" / hf_folders.WEIGHTS), "train"))[0]
    assert after < before
