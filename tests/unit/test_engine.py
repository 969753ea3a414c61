"""The live model: where it is moved to, bit for bit, and what one row of measurements holds in memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from isthmus.caches.identity import Anchor
from isthmus.measuring.engine import Engine
from isthmus.measuring.live import LiveModel
from isthmus.models import bert, classifiers, fitting, hf_folders, weight_files
from isthmus.space import anchors
from isthmus.space.anchors import mapped
from isthmus.space.geometries import Layers, Line, mean
from isthmus.space.groups import in_order
from isthmus.space.points import at
from isthmus.tasks.classification import Classification
from torch import nn

from tests.unit import families, tiny

A, B, C = (Anchor(letter, "e") for letter in "abc")


def mover(model, a, b):
    """Moves a model to an alpha of the line between two sets of weights."""
    live = LiveModel(model)
    return lambda alpha: live.move(Line(A, B).at(alpha), {A: a, B: b})


class Tangle(nn.Module):
    """Tied weights, a float buffer, an integer buffer, an integer parameter."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)
        self.norm.running_mean += seed
        self.norm.num_batches_tracked += seed
        self.count = nn.Parameter(torch.tensor([seed]), requires_grad=False)


def tangle(seed):
    return {name: tensor.clone() for name, tensor in weight_files.distinct(Tangle(seed)).items()}


@given(st.floats(0, 1))
def test_weights_are_on_the_line(alpha):
    a, b = tangle(1), tangle(2)
    model = mover(Tangle(0), a, b)(alpha)
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point():
            expected = (1 - alpha) * a[name].double() + alpha * b[name].double()
            assert torch.allclose(tensor.double(), expected, atol=3e-7)


def test_ends_have_their_own_bits():
    a, b = tangle(1), tangle(2)
    a["first.weight"][0, 0], b["first.weight"][0, 0] = -0.0, 1.0
    a["first.weight"][1, 1], b["first.weight"][1, 1] = 1.0, -0.0
    a["first.weight"][2, 2], b["first.weight"][2, 2] = 3e38, -3e38  # whose difference is infinite
    move = mover(Tangle(0), a, b)
    for alpha, end in ((0.0, a), (1.0, b), (0.0, a)):
        found = dict(move(alpha).named_parameters())
        for name in ("first.weight", "first.bias"):
            assert found[name].detach().numpy().tobytes() == end[name].numpy().tobytes()


def test_buffers_and_integers_come_from_the_earlier_seed():
    a, b = tangle(1), tangle(2)
    model = mover(Tangle(0), a, b)(0.75)
    assert model.count.item() == 1
    assert model.norm.num_batches_tracked == 1
    assert torch.equal(model.norm.running_mean, a["norm.running_mean"])


def test_tied_weights_move_once_and_stay_tied():
    live = LiveModel(Tangle(0))
    assert len(live.moving) == 4  # one weight, one bias, the norm's two
    model = live.move(Line(A, B).at(0.5), {A: tangle(1), B: tangle(2)})
    assert model.second.weight is model.first.weight


def test_tied_embeddings_of_a_real_architecture_move_once():
    from transformers import BartConfig, BartForSequenceClassification

    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 50, "encoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}

    def bart(seed):
        torch.manual_seed(seed)
        return BartForSequenceClassification(BartConfig(**size, **heads)).eval()

    a, b = ({n: t.clone() for n, t in weight_files.distinct(bart(seed)).items()} for seed in (1, 2))
    live = LiveModel(bart(0))
    assert len(live.moving) == len(list(live.model.parameters()))
    moved = live.move(Line(A, B).at(0.5), {A: a, B: b})
    embeddings = {t.data_ptr(): t for t in moved.state_dict().values() if t.shape == (50, 16)}
    (embedding,) = embeddings.values()
    (name,) = (name for name, tensor in a.items() if tensor.shape == (50, 16))
    assert torch.allclose(embedding, (a[name] + b[name]) / 2, atol=1e-7)


# ------------------------------------------------------------------------------------- checkpoints on disk


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    return tiny.Cell(tmp_path_factory.mktemp("engine") / "cell", seeds=(1, 2, 3))


def bits(model):
    return {name: tensor.cpu().numpy().tobytes() for name, tensor in weight_files.distinct(model).items()}


def opened(cell):
    return LiveModel(classifiers.open_classifier(cell.ends[0].folder, attention="eager"))


def files(cell):
    return [end.folder / hf_folders.WEIGHTS for end in cell.ends]


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.7, 2**-16, 1 - 2**-16])
def test_a_mapped_file_gives_the_bits_of_copied_tensors(cell, alpha):
    """Mapped tensors stand at any address; the sums are element by element, so that does not matter."""
    a, b = (weight_files.load(path) for path in files(cell)[:2])
    held = dict(zip((A, B), map(mapped, files(cell)), strict=False))
    live, expected = opened(cell), {name: torch.lerp(a[name], b[name], alpha).numpy().tobytes() for name in a}
    assert bits(live.move(Line(A, B).at(alpha), held)) == expected


def test_an_anchor_has_its_own_bits_wherever_the_model_was_before(cell):
    weights = dict(zip((A, B, C), map(mapped, files(cell)), strict=True))
    live = opened(cell)
    for place, end in (
        (at(B), 1),
        (Line(A, C).at(0.3), None),
        (mean([A, B, C]), None),
        (at(A), 0),
        (at(C), 2),
    ):
        found = bits(live.move(place, weights))
        if end is not None:
            own = weight_files.load(files(cell)[end])
            assert found == {name: tensor.numpy().tobytes() for name, tensor in own.items()}


@pytest.mark.parametrize("family", families.SIZES)
def test_layers_over_all_groups_at_once_are_the_line(tmp_path, family):
    folder = families.fetched(tmp_path, family)
    ends = [tiny.checkpoint(tmp_path / f"seed{seed}", folder, seed, 0.1) for seed in (1, 2)]
    weights = dict(zip((A, B), (mapped(end / hf_folders.WEIGHTS) for end in ends), strict=True))
    live = LiveModel(classifiers.open_classifier(ends[0], attention="eager"))
    groups = tuple(in_order(live.moving))
    line, whole = Line(A, B).at(0.3), Layers(A, B, groups).at(0.3)
    assert line != whole  # as data; what the model makes of it is the same
    assert bits(live.move(line, weights)) == bits(live.move(whole, weights))
    for i, group in enumerate(groups):
        found, own, other = (
            bits(live.move(Layers(A, B, (group,)).at(1.0), weights)),
            *({name: tensor.numpy().tobytes() for name, tensor in weights[x].items()} for x in (A, B)),
        )
        moved = {name for name in live.moving if found[name] != own[name]}
        assert moved
        assert moved <= {name for name in live.moving if groups[i] in in_order([name])}
        assert all(found[name] in (own[name], other[name]) for name in live.moving)


def test_anchors_on_the_device_in_the_host_and_mapped_give_the_same_bits(cell, monkeypatch):
    """The CPU's memory takes the place of the GPU's and of the pinned."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    copied = {"device": lambda tensor: tensor.to("cpu", copy=True), "host": torch.Tensor.pin_memory}
    for place in (Line(A, B).at(0.3), mean([A, B, C], [1, 2, 1]), at(C)):
        held = dict(zip((A, B, C), map(mapped, files(cell)), strict=True))
        copies, pinned = (
            {anchor: {n: copy(t) for n, t in own.items()} for anchor, own in held.items()}
            for copy in copied.values()
        )
        found = [bits(opened(cell).move(place, weights)) for weights in (held, copies, pinned)]
        assert found[0] == found[1] == found[2]


def test_a_cpu_maps_whatever_the_setting_says(cell, monkeypatch):
    for name in ("to", "pin_memory"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, **__: pytest.fail("tensors were copied"))
    for keep in ("device", "host"):
        assert anchors.hold(files(cell)[0], replace(tiny.cpu(), anchors=keep)).keys()


# ------------------------------------------------------------------------------------------------ the engine


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("by_transformers", [True, False])
def test_a_model_opens_straight_in_the_type_that_it_is_measured_in(cell, monkeypatch, kind, by_transformers):
    asked, load = [], fitting.load
    monkeypatch.setattr(fitting, "load", lambda *a, **k: asked.append(k["dtype"]) or load(*a, **k))
    if by_transformers:
        monkeypatch.setattr(bert, "known", lambda settings: False)
    end, wanted = cell.ends[0], getattr(torch, kind)
    model = Classification(0, tiny.cpu(weights=kind)).open(end.folder)
    assert asked == [wanted] * by_transformers
    assert {parameter.dtype for parameter in model.parameters()} == {wanted}
    live = LiveModel(model)
    weights = {x.anchor: mapped(x.folder / hf_folders.WEIGHTS) for x in cell.ends}
    live.move(Line(cell.ends[0].anchor, cell.ends[1].anchor).at(0.3), weights)
    a, b = (weights[x.anchor] for x in cell.ends[:2])
    for name, tensor in live.moving.items():
        assert torch.equal(tensor, torch.lerp(a[name], b[name], 0.3).to(wanted))


def test_a_model_that_is_there_already_is_not_moved(cell, monkeypatch):
    end, combined = cell.ends[0], []
    engine = Engine(end, cell.sets, tiny.BUDGET, Classification(0, tiny.cpu()))
    from isthmus.measuring import live as module

    combine = module.combine
    monkeypatch.setattr(module, "combine", lambda *a: combined.append(1) or combine(*a))
    first = engine.measure("test", at(end.anchor), {})  # it opens there, and needs no other weights
    engine.measure("train", at(end.anchor), {})
    assert combined == []
    weights = {x.anchor: mapped(x.folder / hf_folders.WEIGHTS) for x in cell.ends}
    point = Line(cell.ends[0].anchor, cell.ends[1].anchor).at(0.5)
    engine.measure("test", point, weights)
    moved = len(combined)
    engine.measure("train", point, weights)
    assert len(combined) == moved == len(engine.live.moving)
    again = engine.measure("test", at(end.anchor), weights)
    assert np.array_equal(first["losses"], again["losses"])
    assert engine.measured == 5


def test_a_move_that_failed_half_way_leaves_no_claim_to_a_place(cell):
    weights = dict(zip((A, B), map(mapped, files(cell)), strict=False))
    live = opened(cell)
    live.move(at(A), weights)
    broken = {name: t for name, t in weights[B].items() if name != list(live.moving)[-1]}
    with pytest.raises(KeyError):
        live.move(at(B), {B: broken})
    own = weight_files.load(files(cell)[0])
    assert bits(live.move(at(A), weights)) == {name: tensor.numpy().tobytes() for name, tensor in own.items()}
