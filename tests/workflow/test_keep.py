"""`keep: last`: weights that nothing needs any more go, and what a change costs then."""

import pytest

LAST = {"keep": "last"}


@pytest.fixture
def bounded(nano_copy):
    """The small experiment as `keep: last` leaves it: with the weights of steps 0 and 120."""
    for weights in nano_copy.results.glob("checkpoints/tiny/toy/seed*/step60/model.safetensors"):
        weights.unlink()
    return nano_copy


def seeds_of(jobs):
    return {part for job in jobs for part in job.split() if part.startswith("seed=")}


@pytest.mark.long
def test_nothing_changed(bounded):
    assert bounded.dry_run(LAST) == {}


def test_a_later_checkpoint_costs_no_more_than_with_all_weights(bounded):
    later = {"training.checkpoints": [60, 120, 150]}
    planned = bounded.dry_run(LAST | later)
    assert planned["finetune"] == {f"dataset=toy model=tiny seed={seed} step=150" for seed in (1, 2)}
    assert len(planned["interpolate"]) == 1


def test_one_more_seed_makes_the_others_anew(bounded):
    """Its rows need weights that went: they are trained again, or published from kept states."""
    planned = bounded.dry_run(LAST | {"seeds": [1, 2, 3]})
    assert seeds_of(planned["finetune"]) == {"seed=1", "seed=2", "seed=3"}


@pytest.mark.long
def test_without_the_setting_no_weights_go(nano):
    assert nano.dry_run({"keep": "all"}) == {}
    assert len(list(nano.results.glob("checkpoints/tiny/toy/seed*/step60/model.safetensors"))) == 2
