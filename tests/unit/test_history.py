"""The history of updates: all of them, in order, and none whose loss is not a number."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from isthmus.errors import TrainingFailed
from isthmus.training import history
from isthmus.training.history import FLUSH, History


@pytest.fixture
def clock(monkeypatch):
    """Seconds that stand still until they are set."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(history, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


OBJECTIVE = SimpleNamespace(
    recipe=SimpleNamespace(rate_at=lambda t: t / 1000), rows=lambda t: [100 + t, 200 + t]
)


def add(updates, losses, first=0):
    for number, loss in enumerate(losses):
        updates.add(first + number + 1, torch.tensor(float(loss)), 10 + number)


def test_what_was_added_follows_what_was_there(clock):
    past = {"loss": np.array([9.0]), "tokens": np.array([3]), "seconds": np.array([0.5])}
    updates = History(past, OBJECTIVE)
    add(updates, [1.0, 2.0, 4.0, 8.0])
    clock.seconds = 2.0
    found = updates.flush()
    assert found["loss"].tolist() == [9.0, 1.0, 2.0, 4.0, 8.0]
    assert found["tokens"].tolist() == [3, 10, 11, 12, 13]
    assert found["seconds"].tolist() == [0.5, 0.5, 0.5, 0.5, 0.5]  # two seconds for four updates
    assert {name: column.dtype for name, column in found.items()} == history.COLUMNS
    assert updates.flush() is found


def test_time_before_the_clock_is_started_again_belongs_to_no_update(clock):
    updates = History(history.empty(), OBJECTIVE)
    add(updates, [1.0])
    updates.flush()
    clock.seconds = 60.0  # a save
    updates.start_clock()
    add(updates, [1.0, 1.0])
    clock.seconds = 61.0
    assert updates.flush()["seconds"].tolist() == [0.0, 0.5, 0.5]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_first_loss_that_is_not_finite_is_named_with_its_update(clock, bad):
    past = {"loss": np.ones(7), "tokens": np.ones(7, np.int64), "seconds": np.ones(7)}
    updates = History(past, OBJECTIVE)
    add(updates, [1.0, 2.0, bad, float("nan")], first=7)
    with pytest.raises(TrainingFailed, match=rf"from step 9 to 10 is {bad}, .* was 0.009, .* \[109, 209\]"):
        updates.flush()


def test_losses_are_looked_at_every_so_many_updates(clock):
    updates = History(history.empty(), OBJECTIVE)
    add(updates, np.ones(FLUSH - 1))
    assert len(updates.past["loss"]) == 0
    add(updates, [1.0])
    assert len(updates.past["loss"]) == FLUSH
