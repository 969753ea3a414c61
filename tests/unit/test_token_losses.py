"""Losses of tokens in parts are those of Transformers' own forward, in every architecture."""

import pytest
import torch
from isthmus.models import token_losses
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.unit import families


@pytest.fixture(params=families.SIZES)
def model(request, tmp_path):
    kind = AutoModelForCausalLM if request.param in families.DECODERS else AutoModelForMaskedLM
    return kind.from_pretrained(families.pretrained(tmp_path / "model", request.param)).eval()


@pytest.fixture
def batch(model):
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, model.config.vocab_size, (3, 11), generator=draw)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    where = (torch.rand(ids.shape, generator=draw) < 0.5) & mask.bool()
    targets = torch.randint(5, model.config.vocab_size, (int(where.sum()),), generator=draw)
    return {"input_ids": ids, "attention_mask": mask}, where, targets


@pytest.mark.parametrize("at_once", [None, 3])
def test_they_are_those_of_the_whole_model(model, batch, monkeypatch, at_once):
    inputs, where, targets = batch
    if at_once:
        monkeypatch.setattr(token_losses, "LOGITS", at_once * model.config.vocab_size)
    plain = model(**inputs).logits[where]
    expected = cross_entropy(plain, targets, reduction="none")
    with torch.no_grad():
        found = token_losses.states(model, inputs, where)
        torch.testing.assert_close(token_losses.logits(model, found), plain, atol=1e-5, rtol=1e-5)
        losses, predictions = token_losses.each(model, found, targets)
    torch.testing.assert_close(losses.float(), expected, atol=1e-5, rtol=1e-5)
    assert predictions.tolist() == plain.argmax(-1).tolist()
    assert torch.equal(model(**inputs).logits[where], plain)  # the body answers for itself again


@pytest.mark.parametrize("at_once", [None, 3])
def test_so_are_their_gradients(model, batch, monkeypatch, at_once):
    inputs, where, targets = batch
    if at_once:
        monkeypatch.setattr(token_losses, "LOGITS", at_once * model.config.vocab_size)
    cross_entropy(model(**inputs).logits[where], targets, reduction="sum").backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    loss = token_losses.summed(model, token_losses.states(model, inputs, where), targets)
    loss.backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(model.get_parameter(name).grad, gradient, atol=1e-5, rtol=1e-4)


def test_no_part_holds_more_logits_than_it_may():
    for places, vocabulary in ((1, 10), (1000, 50_257), (5, 10**9), (0, 10)):
        cuts = token_losses.parts(places, vocabulary)
        assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(places))
        assert all(
            cut.stop - cut.start == 1 or (cut.stop - cut.start) * vocabulary <= token_losses.LOGITS
            for cut in cuts
        )
