"""Examples and learning rate of an update are functions of seed and step."""

from dataclasses import asdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.caches import identity
from isthmus.caches.identity import CLASSIFICATION, Anchor, Fork
from isthmus.experiment.config import Training
from isthmus.machine.numerics import Numerics
from isthmus.training.schedule import Recipe, batch_at, learning_rate


def test_the_schedule_is_a_warm_up_and_a_decay_to_zero():
    shape = {"peak": 2.0, "warmup_steps": 10, "steps": 110}
    rates = [learning_rate(t, power=1.0, **shape) for t in range(111)]
    assert rates[0] == rates[1] == 0.2  # as fairseq: the first update has the rate of the second
    assert rates[5] == 1.0
    assert rates[10] == 2.0
    assert rates[60] == 1.0
    assert rates[110] == 0.0
    assert learning_rate(60, power=2.0, **shape) == 0.5
    assert learning_rate(0, peak=2.0, warmup_steps=0, steps=4, power=1.0) == 2.0


@settings(deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 2**63 - 1))
def test_each_epoch_visits_each_example_once(n, batch, seed):
    stream = np.concatenate([batch_at(t, batch, n, seed) for t in range(-(-3 * n // batch))])
    for epoch in range(3):
        assert sorted(stream[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_batches_do_not_depend_on_which_were_asked_for_before():
    forward = [batch_at(t, 8, 50, 7).tolist() for t in range(30)]
    assert [batch_at(t, 8, 50, 7).tolist() for t in reversed(range(30))] == forward[::-1]
    assert [batch_at(t, 8, 50, 8).tolist() for t in range(30)] != forward


def test_each_epoch_and_each_seed_has_an_order_of_its_own():
    orders = [tuple(batch_at(t, 50, 50, seed)) for seed in (0, 1, 2, 7) for t in range(4)]
    assert len(set(orders)) == len(orders)


def test_a_recipe_has_the_rates_of_its_settings():
    recipe = Recipe(
        **Training(steps=110, warmup_steps=10, learning_rate=2.0, power=2.0, weight_decay=0).recipe()
    )
    assert [recipe.rate_at(t) for t in (5, 10, 60, 110)] == [1.0, 2.0, 0.5, 0.0]


def test_the_key_of_a_run_has_not_moved():
    """Pinned: states that were saved under it must be found."""
    how = Numerics("cpu", "float32", "eager", 1, True)
    counted = identity.counted_recipe(
        asdict(Recipe(**Training(steps=100, warmup_steps=4, fork_at=7).recipe()))
    )
    seeds = {"order": 1, "dropout": 2}
    run = identity.Run(
        Anchor("a" * 64, "e" * 64), CLASSIFICATION, "d" * 64, counted, seeds, how, Fork(7, "f" * 64)
    )
    assert identity.key(run) == "6dcf12026a51bc53dafee48c1a5cb0269a9b718f0fa5b28c76f7254c356c8ac4"
    pretraining = identity.Run(
        Anchor("a" * 64, "e" * 64),
        identity.Task("masked_lm", 0.15),
        "d" * 64,
        counted,
        {**seeds, "mask": 3},
        how,
    )
    assert identity.key(pretraining) == "3e94d7169bb38ad7869358c08906739c01efef8bf9311be62c6d977de8c457f0"
