"""What averaging gains: planted curves and soups, against the definitions."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from isthmus.statistics import averages

SEEDS = [1, 2, 3, 4]
REPLICATES = 50


class Bowl:
    """A quadratic loss of weights in the plane, and four models."""

    def __init__(self, seed=0):
        draw = np.random.default_rng(seed)
        self.models = {one: draw.normal(size=2) for one in SEEDS}
        half = draw.normal(size=(2, 2))
        self.curvature, self.slope = half @ half.T, draw.normal(size=2)

    def loss(self, weights):
        return float(weights @ self.curvature @ weights + self.slope @ weights + 10)

    def mean(self, members):
        return np.mean([self.models[seed] for seed in members], axis=0)


def replicates(value):
    """Of each value its own noise, the same wherever it is asked for."""
    noise = np.random.default_rng(int(1e6 * value)).normal(size=REPLICATES)
    return (value + 0.1 * noise).astype(np.float32)


def points(bowl, alphas=(0.0, 0.25, 0.5, 1.0)):
    """The rows of all pairs, as a measuring job writes them."""
    rows = []
    for a, b in combinations(SEEDS, 2):
        for alpha in alphas:
            loss = bowl.loss((1 - alpha) * bowl.models[a] + alpha * bowl.models[b])
            own = {"loss": loss, "error": loss / 20}
            own |= {f"{name}_replicates": replicates(value) for name, value in own.items()}
            rows.append({"step": 5, "seed_a": a, "seed_b": b, "set": "test", "alpha": alpha, **own})
    return pd.DataFrame(rows)


def soups(bowl, shift=0.0):
    """The averages of a step, as a measuring job writes them."""
    rows = []
    for size in (1, 2, 3, 4):
        for members in combinations(SEEDS, size):
            loss = bowl.loss(bowl.mean(members)) + (shift if size == 4 else 0)
            own = {"loss": loss, "error": loss / 20}
            own |= {f"{name}_replicates": replicates(value) for name, value in own.items()}
            kind = "member" if size == 1 else "uniform"
            names = "+".join(map(str, members))
            rows.append({"step": 5, "set": "test", "kind": kind, "size": size, "seeds": names, **own})
    greedy = rows[-1] | {"kind": "greedy", "seeds": "1+2|1+2+3", "size": 4}
    best = rows[1] | {"kind": "best", "seeds": "2", "size": 4}
    return pd.DataFrame([*rows, greedy, best])


def frame(bowl, *extra):
    found = averages.Averages()
    found.add_pairs(points(bowl))
    for one in extra:
        found.add_soups(one)
    return found.frame()


def test_gains_are_signed_and_over_the_mean_and_the_best():
    bowl = Bowl()
    found = frame(bowl)
    pair = found[(found["seeds"] == "1+3") & (found["quantity"] == "loss")].iloc[0]
    ends = [bowl.loss(bowl.models[seed]) for seed in (1, 3)]
    middle = bowl.loss(bowl.mean((1, 3)))
    assert pair["value"] == pytest.approx(middle)
    assert pair["gain"] == pytest.approx(sum(ends) / 2 - middle)
    assert pair["gain_over_best"] == pytest.approx(min(ends) - middle)
    assert (pair["kind"], pair["size"], pair["set"], pair["step"]) == ("pair", 2, "test", 5)
    noise = {seed: replicates(bowl.loss(bowl.models[seed])) for seed in (1, 3)}
    samples = (noise[1] + noise[3]) / 2 - replicates(middle)
    assert (pair["low"], pair["high"]) == pytest.approx(np.quantile(samples, [0.025, 0.975]), abs=1e-6)
    best = noise[1 if ends[0] < ends[1] else 3] - replicates(middle)
    assert (pair["low_best"], pair["high_best"]) == pytest.approx(np.quantile(best, [0.025, 0.975]), abs=1e-6)


def test_equal_models_gain_nothing():
    bowl = Bowl()
    bowl.models = dict.fromkeys(SEEDS, bowl.models[1])
    found = frame(bowl, soups(bowl))
    np.testing.assert_allclose(found[["gain", "gain_over_best"]].to_numpy(), 0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_prediction_is_exact_for_a_bowl(seed):
    found = frame(Bowl(seed), soups(Bowl(seed)))
    soup = found[(found["kind"] == "uniform") & (found["quantity"] == "loss")]
    np.testing.assert_allclose(soup["predicted"], soup["value"], rtol=0, atol=1e-6)


def test_and_its_residual_says_how_far_it_is_from_one():
    found = frame(Bowl(), soups(Bowl(), shift=0.3))
    whole = found[(found["kind"] == "uniform") & (found["size"] == 4) & (found["quantity"] == "loss")]
    assert whole["residual"].item() == pytest.approx(0.3, abs=1e-6)
    assert (whole["value"] - whole["predicted"]).item() == pytest.approx(0.3, abs=1e-6)


def test_without_a_pair_there_is_no_prediction():
    bowl, known = Bowl(), averages.Averages()
    rows = points(bowl)
    known.add_pairs(rows[(rows["seed_a"] != 1) | (rows["seed_b"] != 2)])
    made = soups(bowl)
    known.add_soups(made[made["seeds"] != "1+2"])
    found = known.frame().set_index(["kind", "quantity", "seeds"])["predicted"]
    assert np.isnan(found["uniform", "loss", "1+2+3"])
    assert np.isfinite(found["uniform", "loss", "1+3+4"])


def test_pairs_that_no_path_joins_are_known_from_their_soups():
    bowl, known = Bowl(), averages.Averages()
    rows = points(bowl)
    known.add_pairs(rows[rows["seed_a"] == SEEDS[0]])  # each with the first
    known.add_soups(soups(bowl))
    found = known.frame()
    soup = found[(found["kind"] == "uniform") & (found["quantity"] == "loss")]
    np.testing.assert_allclose(soup["predicted"], soup["value"], rtol=0, atol=1e-6)


def test_means_over_averages_have_intervals_over_seeds_where_each_can_be_left_out():
    bowl = Bowl()
    found = frame(bowl, soups(bowl))
    loss = found[found["quantity"] == "loss"]
    means = loss[loss["seeds"].isna()].set_index(["kind", "size"])
    assert set(means.index) == {("pair", 2), ("uniform", 2), ("uniform", 3)}
    for at in means.index:
        own = loss[(loss["kind"] == at[0]) & (loss["size"] == at[1]) & loss["seeds"].notna()]
        for column in ("value", "gain", "mean_of_members", "best_member", "gain_over_best"):
            assert means.loc[at, column] == pytest.approx(own[column].mean())
    # The gain of the pairs without each seed, by hand.
    pairs = loss[(loss["kind"] == "pair") & loss["seeds"].notna()]
    left = [pairs[~pairs["seeds"].str.contains(str(seed))]["gain"].mean() for seed in SEEDS]
    variance = 3 / 4 * sum((one - np.mean(left)) ** 2 for one in left)
    noise = {one: replicates(bowl.loss(bowl.mean(one))) for n in (1, 2) for one in combinations(SEEDS, n)}
    gains = [(noise[a,] + noise[b,]) / 2 - noise[a, b] for a, b in combinations(SEEDS, 2)]
    variance += np.var(np.mean(gains, axis=0), ddof=1)
    for kind in ("pair", "uniform"):
        width = means.loc[kind, 2]["high_both"] - means.loc[kind, 2]["low_both"]
        assert width == pytest.approx(2 * 3.182 * np.sqrt(variance), rel=0.03)
    assert loss[loss["size"] == 4]["low_both"].isna().all()


def test_of_two_all_measured_pairs_count_and_not_only_those_that_were_drawn():
    bowl = Bowl()
    rows = soups(bowl)
    drawn = frame(bowl, rows[(rows["kind"] != "uniform") | rows["seeds"].isin(["1+2", "3+4"])])
    two = drawn[(drawn["kind"] == "uniform") & (drawn["quantity"] == "loss")]
    assert set(two["seeds"].dropna()) == {"+".join(map(str, pair)) for pair in combinations(SEEDS, 2)}
    assert two[two["seeds"].isna()]["low_both"].notna().all()


def test_a_greedy_soup_is_compared_with_all_candidates():
    bowl = Bowl()
    found = frame(bowl, soups(bowl))
    greedy = found[(found["kind"] == "greedy") & (found["quantity"] == "loss")].iloc[0]
    alone = [bowl.loss(bowl.models[seed]) for seed in SEEDS]
    assert greedy["seeds"] == "1+2|1+2+3"
    assert greedy["mean_of_members"] == pytest.approx(np.mean(alone))
    assert greedy["best_member"] == pytest.approx(alone[1])  # that which was chosen as the soup was
    assert greedy["gain_over_best"] == pytest.approx(alone[1] - greedy["value"])
    assert np.isnan(greedy["predicted"])
