"""Bends of curves: their gradients, where they lead, and the same bits however their training is cut."""

import json
import os
import signal
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from isthmus import errors, hashing
from isthmus.caches import identity
from isthmus.data import tokens
from isthmus.models import hf_folders
from isthmus.space.geometries import CURVES
from isthmus.training import bending
from isthmus.training.bending import Between, bend
from isthmus.training.bends import Bends, position
from isthmus.training.optimizer import AdamW
from isthmus.training.saving import Cache
from isthmus.training.step import Objective, update
from safetensors.torch import load_file
from torch import nn
from torch.func import functional_call

from tests.unit import runs
from tests.unit.runs import numeric, recipe

SEEDS = (42, 43)


# -------------------------------------------------------------------------------------------- planted valleys


class Ring(nn.Module):
    """The smallest network with a hill between two wells: `|w - centre|^2`, which should be 1."""

    def __init__(self, at=(0.0, 0.0)):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(at))

    def forward(self):
        return ((self.w - torch.tensor([0.0, -0.2])) ** 2).sum()


@dataclass(frozen=True)
class ToOne:
    """The task of `Ring`: its output should be 1. What it is shown counts for nothing."""

    def micro_batches(self, examples, index, budget, step):
        return [SimpleNamespace(tokens=1)]

    def loss(self, model, batch):
        return (model() - 1) ** 2


def loss_at(w) -> float:
    with torch.no_grad():
        return float((Ring(tuple(map(float, w)))() - 1) ** 2)


@pytest.mark.parametrize(
    ("kind", "count"), [("bezier", 1), ("bezier", 2), ("polychain", 1), ("polychain", 2)]
)
def test_a_curve_leads_round_a_hill_that_the_line_climbs(kind, count):
    """Of the two ways round the ring the midpoint lies on the side of the shorter one: over the top."""
    reach = 0.96**0.5  # both ends are on the ring, at a height of 0
    ends = tuple({"w": torch.tensor([x, 0.0])} for x in (-reach, reach))
    of = lambda t: CURVES[kind](t, count)  # noqa: E731
    bends = Bends(Ring().train(), ends, count, of, seed=3)
    assert loss_at((0.0, 0.0)) > 0.9  # the hill, in the middle of the line
    wanted = replace(recipe(learning_rate=0.02, warmup_steps=1, weight_decay=0.0), steps=600)
    objective = Objective(ToOne(), tokens.Tokens, wanted, {"order": 0, "dropout": 0})
    object.__setattr__(objective, "micro_batches", lambda t: ToOne().micro_batches(None, None, 0, t))
    optimizer = AdamW(bends, wanted)
    for t in range(wanted.steps):
        update(bends, optimizer, objective, t, numeric())
    found = [own["w"].detach() for own in bends.weights()]
    corners = [ends[0]["w"], *found, ends[1]["w"]]
    along = [sum(c * corner for c, corner in zip(of(t), corners, strict=True)) for t in np.linspace(0, 1, 41)]
    height = max(map(loss_at, along))
    # A polychain of two straight lines on a ring: the best there is has a height of some 0.15.
    assert height < (0.05 if kind == "bezier" or count == 2 else 0.25), (height, found)


def test_the_gradient_of_a_bend_is_that_of_the_loss_at_the_curve():
    """By brute force: the loss at the combination of leaves, differentiated by PyTorch through all of it."""
    torch.manual_seed(0)
    live = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    ends = tuple({name: torch.randn_like(w) for name, w in live.named_parameters()} for _ in "ab")
    inputs, seed = torch.randn(5, 3), 11
    for kind, count, step in (("bezier", 1, 4), ("bezier", 2, 5), ("polychain", 2, 0), ("polychain", 2, 1)):
        bends = Bends(live, ends, count, lambda t, k=kind, n=count: CURVES[k](t, n), seed)
        with torch.no_grad():  # away from the line
            for parameter in bends.parameters():
                parameter += torch.randn_like(parameter)
        leaves = [{n: w.detach().clone().requires_grad_() for n, w in own.items()} for own in bends.weights()]
        coefficients = CURVES[kind](position(seed, step), count)
        at = {
            name: sum(c * w[name] for c, w in zip(coefficients, [ends[0], *leaves, ends[1]], strict=True))
            for name in ends[0]
        }
        functional_call(live, at, (inputs,)).square().mean().backward()
        with bends.at_step(step) as model:
            model(inputs).square().mean().backward()
        for own, leaf in zip(bends.weights(), leaves, strict=True):
            for name, weight in own.items():
                torch.testing.assert_close(weight.grad, leaf[name].grad)
        assert all(w.grad is None for w in live.parameters())


def test_bends_begin_at_equal_distances_on_the_line_and_positions_are_uniform():
    live = nn.Linear(2, 1)
    ends = tuple({name: torch.full_like(w, own) for name, w in live.named_parameters()} for own in (0.0, 3.0))
    bends = Bends(live, ends, 2, lambda t: CURVES["bezier"](t, 2), 0)
    assert [float(own["weight"].detach()[0, 0]) for own in bends.weights()] == pytest.approx([1.0, 2.0])
    assert {name for name, _ in bends.named_parameters()} == {
        f"bend{bend}.{name}" for bend in (1, 2) for name in ("weight", "bias")
    }
    drawn = [position(0, step) for step in range(2000)]
    assert np.histogram(drawn, 10, (0, 1))[0] == pytest.approx(200, abs=60)
    assert position(0, 5) == drawn[5] != position(1, 5)


# ---------------------------------------------------------------------------------------------------- one job


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return runs.make(tmp_path_factory.mktemp("made"))


class Job:
    """The bends of a curve in a folder of its own."""

    def __init__(self, made, folder, count=2, ends=None, save_minutes=10.0, **changes):
        self.folder, self.recipe = folder, recipe(vary=[], learning_rate=1e-2, **changes)
        self.outs = [folder / f"bend{bend}" for bend in range(1, count + 1)]
        self.ends, self.made = ends or [made.start, made.other_start], made
        self.cache = Cache(folder / "state", frozenset(), save_minutes)

    def run(self, kind="bezier"):
        bend(
            ends=self.ends, seeds=SEEDS, examples=self.made.examples, recipe=self.recipe, kind=kind,
            numerics=numeric(), cache=self.cache, outs=self.outs,
        )  # fmt: skip
        return [hashing.of_file(hf_folders.weights_file(out)) for out in self.outs]


def test_bends_are_checkpoints_that_open_as_any_other(made, tmp_path):
    from transformers import AutoModelForSequenceClassification

    job = Job(made, tmp_path)
    hashes = job.run()
    for place, (out, sha256) in enumerate(zip(job.outs, hashes, strict=True), start=1):
        record = hf_folders.read_record(out)
        assert (record["bend"], record["seeds"], record["sha256"]) == (place, list(SEEDS), sha256)
        model, said = AutoModelForSequenceClassification.from_pretrained(out, output_loading_info=True)
        assert not {*said["missing_keys"], *said["unexpected_keys"]}
        stored = load_file(out / "model.safetensors")
        assert stored.keys() == load_file(made.start / "model.safetensors").keys()
        for name, weight in model.named_parameters():
            torch.testing.assert_close(weight, stored[name], rtol=0, atol=0)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("kind", CURVES)
def test_bends_have_the_same_bits_however_their_training_is_cut(made, tmp_path, monkeypatch, kind):
    whole = Job(made, tmp_path / "whole").run(kind)
    cut = Job(made, tmp_path / "cut", save_minutes=1e-9)
    seen, plain = [], bending.Bends.at_step

    def killed(self, step):
        if step in (3, 9) and step not in seen:  # before the update from that step is made
            seen.append(step)
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, step)

    monkeypatch.setattr(bending.Bends, "at_step", killed)
    for _ in range(2):
        with pytest.raises(errors.Interrupted):
            cut.run(kind)
    assert cut.run(kind) == whole
    assert seen == [3, 9]


def test_a_lost_cache_costs_time_and_no_bit(made, tmp_path):
    first, again = Job(made, tmp_path / "a"), Job(made, tmp_path / "b")
    assert first.run() == again.run()


def test_what_is_asked_counts_in_the_key(made, tmp_path):
    """Another end, kind, number of bends, recipe, pair of seeds: another training."""

    def key(ends=(made.start, made.other_start), kind="bezier", count=1, seeds=SEEDS, **changes):
        examples = tokens.read(made.examples)
        wanted = recipe(vary=[], **changes)
        return identity.key(
            Between(tuple(ends), kind, count).run(examples, wanted, seeds, numeric()).identity
        )

    others = [
        key(ends=(made.other_start, made.start)),
        key(kind="polychain"),
        key(count=2),
        key(learning_rate=2e-3),
        key(dropout=0.0),
        key(seeds=(42, 44)),
    ]
    assert len({key(), *others}) == 7
    assert key() == key()


def test_ends_of_two_architectures_are_refused(made, tmp_path):
    settings = json.loads((made.other_heads / "config.json").read_text())
    assert settings["num_attention_heads"] == 4
    with pytest.raises(errors.MismatchedEnds, match="num_attention_heads: found 2 and 4"):
        Job(made, tmp_path, ends=[made.start, made.other_heads]).run()


def test_an_end_that_is_damaged_is_said(made, tmp_path):
    import shutil

    end = shutil.copytree(made.start, tmp_path / "end")
    runs.damage(end / "model.safetensors")
    with pytest.raises(errors.Damaged):
        Job(made, tmp_path, ends=[made.other_start, end]).run()
