"""Seeds that are the same but for a Gaussian step in weight space."""

import shutil

import numpy as np
import pytest
import torch
from isthmus import hashing
from isthmus.data import tokens
from isthmus.training.perturbation import perturb
from isthmus.training.schedule import batch_at, run_seeds
from runs import Run, make
from transformers import AutoModelForSequenceClassification

SCALE = 0.05


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made"))


def opened(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


def weights(model):
    return {name: tensor.detach().double().clone() for name, tensor in model.named_parameters()}


def test_each_tensor_moves_by_its_own_norm(made):
    model = opened(made.start)
    zero = next(iter(weights(model)))
    with torch.no_grad():
        model.get_parameter(zero).zero_()
    before = weights(model)
    perturb(model, SCALE, 7)
    for name, moved in weights(model).items():
        assert torch.linalg.norm(moved - before[name]) == pytest.approx(
            SCALE * torch.linalg.norm(before[name]).item(), rel=1e-5
        )
    assert not model.get_parameter(zero).any()


def test_the_direction_is_gaussian_and_the_seeds_own(made):
    directions = {}
    for seed, scale in ((1, SCALE), (1, 2 * SCALE), (2, SCALE)):
        model = opened(made.start)
        before = weights(model)
        perturb(model, scale, seed)
        steps = [(moved - before[name]).ravel() for name, moved in weights(model).items()]
        directions[seed, scale] = torch.cat([step / torch.linalg.norm(step) for step in steps])
    one, longer, other = directions.values()
    torch.testing.assert_close(one, longer, atol=1e-4, rtol=0)
    tensors = len(weights(model))
    assert abs(one @ other) / tensors < 0.1  # each of them of norm 1
    largest = max(weights(model).values(), key=torch.numel).numel()
    sample = max((step for step in steps), key=torch.numel).numpy()
    sample = sample / sample.std()
    assert len(sample) == largest > 500
    assert abs(np.mean(sample**4) - 3) < 1  # a uniform one has 1.8


@pytest.fixture(scope="module")
def push(made, tmp_path_factory):
    """A run that is pushed at a step, in a folder of its own unless told otherwise."""

    def begin(at=4, scale=SCALE, **changes):
        folder = tmp_path_factory.mktemp("pushed")
        settings = {"vary": [], "dropout": 0, "attention_dropout": 0} | changes
        return Run(folder, made.start, made.examples, perturb={"at": at, "scale": scale}, **settings)

    return begin


def test_seeds_differ_by_the_push_alone(made, push, tmp_path):
    runs = [push(seed=seed, trunk=tmp_path / "trunk") for seed in (42, 43)]
    assert runs[0].to(4) == runs[1].to(4)
    assert runs[0].to(8) != runs[1].to(8)
    one, other = (each.history(4, 8) for each in runs)
    assert one["loss"][:4] == other["loss"][:4]
    assert one["tokens"] == other["tokens"]  # the same examples in the same order
    # The loss of the first update after it is that of the pushed weights, which are known otherwise.
    examples = tokens.read(made.examples)
    rows = batch_at(4, 8, len(examples), run_seeds(42, [])["order"])
    for run in runs:
        model = opened(run.folder / "step4")
        assert plain_loss(model, examples, rows) != pytest.approx(run.history(8)["loss"][0], abs=1e-6)
        perturb(model, SCALE, hashing.seed("perturb", run.seed))
        assert plain_loss(model, examples, rows) == pytest.approx(run.history(8)["loss"][0], abs=1e-6)


def plain_loss(model, examples, rows):
    """The mean loss of examples, one by one."""
    losses = []
    for row in rows:
        where = slice(examples.offsets[row], examples.offsets[row + 1])
        ids, types = (
            torch.as_tensor(values[where].astype(np.int64))[None] for values in (examples.ids, examples.types)
        )
        with torch.no_grad():
            logits = model(input_ids=ids, token_type_ids=types).logits
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor([int(examples.labels[row])])))
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("at", [4, 0])
@pytest.mark.parametrize("lost", ["nothing", "trunk", "own"])
def test_pushed_bits_do_not_depend_on_cuts_or_caches(push, at, lost):
    whole, cut = push(at), push(at)
    for step in (1, 4, 5, 8):
        if lost != "nothing":
            shutil.rmtree(cut.trunk if lost == "trunk" else cut.cache, ignore_errors=True)
        end = cut.to(step)
    assert end == whole.to(8)


def test_the_push_is_part_of_what_a_run_is(push, tmp_path):
    ends = []
    for settings in ({}, {"scale": 0.06}, {"at": 3}, {"seed": 43}):
        run = push(**settings)
        run.folder = tmp_path / str(len(ends))
        ends.append(run.to(6))
    assert len(set(ends)) == 4
