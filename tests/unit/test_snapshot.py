"""What is put into a state's file is what comes out of it: weights, moments, step, history."""

import copy

import numpy as np
import pytest
import torch
from isthmus.caches import states
from isthmus.training import snapshot
from isthmus.training.optimizer import AdamW

from tests.unit.runs import recipe

PAST = {"loss": np.array([1.5, 0.5]), "tokens": np.array([7, 9]), "seconds": np.array([0.1, 0.2])}


class Model(torch.nn.Module):
    """A layer whose weight stands in two places, and one that takes no part in the loss."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.idle = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.second(self.first(x).tanh()).square().sum()


@pytest.fixture
def trained():
    """A model and an optimizer after three updates."""
    torch.manual_seed(0)
    model = Model()
    optimizer = AdamW(model, recipe())
    advance(model, optimizer, 3)
    return model, optimizer


def advance(model, optimizer, updates):
    for number in range(updates):
        model(torch.full((1, 3), number + 1.0)).backward()
        optimizer.step(0.01)
        optimizer.zero_grad()


def saved(folder, model, optimizer):
    tensors = snapshot.capture(model, optimizer, PAST)
    return states.save(folder, "a" * 64, 3, tensors, states.Platforms(("cpu",), ("2.9",)))


def test_a_restored_run_goes_on_as_the_one_that_was_captured(trained, tmp_path):
    model, optimizer = trained
    path = saved(tmp_path, model, optimizer)
    torch.manual_seed(1)
    other = Model()
    restored = AdamW(other, recipe())
    past = snapshot.restore(other, restored, path, 3)
    assert {name: column.tolist() for name, column in past.items()} == {
        name: column.tolist() for name, column in PAST.items()
    }
    assert other.idle not in restored.state
    for one in (trained, (other, restored)):
        advance(*one, 4)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_values_are_put_into_the_model_s_own_memory(trained, tmp_path):
    model, optimizer = trained
    path = saved(tmp_path, model, optimizer)
    other = Model()
    places = [parameter.data_ptr() for parameter in other.parameters()]
    snapshot.restore(other, AdamW(other, recipe()), path, 3)
    assert [parameter.data_ptr() for parameter in other.parameters()] == places


def test_what_is_published_are_weights_and_history(trained, tmp_path):
    model, optimizer = trained
    before = copy.deepcopy(model.state_dict())
    weights, past = snapshot.read(saved(tmp_path, model, optimizer))
    assert set(weights) == {"first.weight", "first.bias", "second.bias", "idle"}  # the tied weight once
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights.items())
    assert past["tokens"].tolist() == [7, 9]
