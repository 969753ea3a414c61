"""The verdicts: each is given where the data say so, and nothing is claimed without skill or seeds."""

import itertools

import numpy as np
import pandas as pd
import pytest
from isthmus.experiment import layout, parameters
from isthmus.experiment.cells import cells
from isthmus.experiment.config import load
from isthmus.statistics import findings, tidy
from isthmus.statistics.findings import CONTRADICTED, OPEN, SUPPORTED, UNJUDGED, UNTESTED
from scipy import stats

STEPS = [0, 100, 200, 400]


def world(curves, seeds=(1, 2, 3, 4), noise=0.01, unskilled=(), spread=0.0, losses=None, pairs=None):
    """Frames of cells whose CG goes as `curves` says: {(model, dataset): a value a step}.

    `unskilled` are (model, step, seed) of runs below the majority class; `losses` are of (model, step).
    """
    rng = np.random.default_rng(0)
    pairs = pairs or list(itertools.combinations(seeds, 2))
    common = rng.normal(0, 0.2, 500)  # what all share: it must cancel in differences
    evaluations, means = [], {}
    fixed = {"set": "test", "quantity": "loss", "metric": "CG", "k": None}
    for (model, dataset), curve in curves.items():
        rows = []
        for step, value in zip(STEPS, curve, strict=True):
            values = [value + spread * rng.normal() for _ in pairs]
            samples = np.mean(values) + common + rng.normal(0, noise, 500)
            kept = {"samples": samples, "values": values}
            kept |= {"pair_a": [a for a, _ in pairs], "pair_b": [b for _, b in pairs]}
            row = {"from_step": pd.NA, "step": step, "value": np.mean(values), **kept}
            rows += [row | fixed, row | fixed | {"set": "train", "values": [9.0] * len(pairs)}]
            for seed in seeds:
                accuracy = 0.51 if (model, step, seed) in unskilled else 0.8
                scores = {"accuracy": accuracy, "accuracy_low": accuracy - 0.03, "majority": 0.5}
                scores["perplexity"] = np.nan
                place = {"model": model, "dataset": dataset, "step": step, "seed": seed, "set": "test"}
                evaluations.append({**place, **scores, "loss": (losses or {}).get((model, step), 0.4)})
        means[model, dataset] = pd.DataFrame(rows)
    return findings.Gaps(pd.DataFrame(evaluations), means)


def found(gaps, ladders=(), start=100):
    cells = dict.fromkeys(gaps.means, (STEPS, start))
    return findings.table(gaps, cells, list(ladders)).set_index(["hypothesis", "dataset", "subject"])


def of_all(rows, hypothesis):
    return rows[rows.index.get_level_values("subject").isna()].loc[hypothesis].iloc[0]


@pytest.mark.parametrize(
    ("curve", "verdict", "since"),
    [
        ([0, 0.30, 0.20, 0.10], SUPPORTED, 100),
        ([0, 0.10, 0.30, 0.10], OPEN, None),
        ([0, 0.30, 0.05, 0.10], SUPPORTED, None),  # at step 200 the gap is smaller than at the end
        ([0, 0.05, 0.20, 0.20], CONTRADICTED, None),
        ([0, 0.20, 0.20, 0.20], OPEN, None),
        ([0, 0.0, 0.0, 0.0], OPEN, None),
    ],
)
@pytest.mark.parametrize("seeds", [(1, 2, 3), tuple(range(8))])
def test_fine_tuning_is_given_each_verdict(curve, verdict, since, seeds):
    row = found(world({("m", "d"): curve}, seeds, spread=1e-4)).loc[("finetuning", "d", "m")]
    assert row["verdict"] == verdict
    assert row["since"] == since if since else pd.isna(row["since"])
    assert row["estimate"] == pytest.approx(curve[3] - curve[1], abs=1e-3)
    assert row["low"] <= row["estimate"] <= row["high"]
    assert (row["from"], row["to"]) == (100, 400)
    assert row["over"] == "seeds and units"


def test_the_interval_and_the_p_value_are_over_seeds_and_units():
    gaps = world({("m", "d"): [0, 0.3, 0.2, 0.1]}, spread=0.05, noise=0.02)
    row = found(gaps).loc[("finetuning", "d", "m")]
    frames = gaps.means["m", "d"].query("set == 'test'").set_index("step")
    moved = np.subtract(*(np.array(frames.loc[step, "values"]) for step in (400, 100)))
    pairs = list(zip(frames.loc[100, "pair_a"], frames.loc[100, "pair_b"], strict=True))
    left = [np.mean([v for pair, v in zip(pairs, moved, strict=True) if s not in pair]) for s in (1, 2, 3, 4)]
    over_seeds = 3 / 4 * ((left - np.mean(left)) ** 2).sum()
    over_units = np.var(frames.loc[400, "samples"] - frames.loc[100, "samples"], ddof=1)
    error = (over_seeds + over_units) ** 0.5
    t = stats.t.ppf(0.975, 3)
    assert row["estimate"] == pytest.approx(moved.mean())
    assert row[["low", "high"]].tolist() == pytest.approx(
        [moved.mean() - t * error, moved.mean() + t * error]
    )
    assert row["p"] == row["p_holm"] == pytest.approx(2 * stats.t.sf(abs(moved.mean()) / error, 3))


def test_two_seeds_and_stars_are_not_tested_over_seeds():
    for gaps, reason in (
        (world({("m", "d"): [0, 0.3, 0.2, 0.1]}, seeds=(1, 2)), "fewer than three seeds"),
        (world({("m", "d"): [0, 0.3, 0.2, 0.1]}, pairs=[(1, 2), (1, 3), (1, 4)]), "all pairs share seed 1"),
    ):
        row = found(gaps).loc[("finetuning", "d", "m")]
        assert (row["verdict"], row["over"]) == (UNTESTED, "units")
        assert reason in row["note"]
        assert row["low"] < row["estimate"] < row["high"] < 0  # that these runs' gap fell is clear
        assert pd.isna(row["p"])


def test_what_all_steps_share_cancels():
    row = found(world({("m", "d"): [0, 0.3, 0.2, 0.1]}, noise=1e-4)).loc[("finetuning", "d", "m")]
    assert row["high"] - row["low"] < 0.002  # and not 0.8, the width of what is shared


@pytest.mark.parametrize(
    ("least", "most", "verdict"),
    [(0.3, 0.1, SUPPORTED), (0.1, 0.3, CONTRADICTED), (0.2, 0.2, OPEN)],
)
def test_pre_training_is_given_each_verdict(least, most, verdict):
    gaps = world({("r0", "d"): [0, 0.1, 0.1, least], ("r9", "d"): [0, 0.1, 0.1, most]})
    row = found(gaps, [("ladder", "d", {"r9": 900, "r0": 0})]).loc[("pretraining", "d", "ladder")]
    assert row["verdict"] == verdict
    assert row["estimate"] == pytest.approx(most - least)
    assert (row["from"], row["to"]) == (0, 900)
    assert "r0 at step 400: accuracy 0.800, loss 0.400; r9 at step 400: accuracy 0.800" in row["note"]


def test_rungs_are_compared_at_equal_loss_too():
    """One rung is taken where it was as good as the other is at its end."""
    losses = {("r0", 100): 0.95, ("r0", 200): 0.9, ("r0", 400): 0.7}
    losses |= {("r9", 100): 0.9, ("r9", 200): 0.69, ("r9", 400): 0.4}
    gaps = world({("r0", "d"): [0, 0.5, 0.4, 0.3], ("r9", "d"): [0, 0.5, 0.35, 0.1]}, losses=losses)
    rows = found(gaps, [("ladder", "d", {"r9": 900, "r0": 0})])
    row = rows.loc[("pretraining at equal loss", "d", "ladder")]
    assert row["estimate"] == pytest.approx(0.35 - 0.3)
    assert "r0 at step 400: accuracy 0.800, loss 0.700; r9 at step 200: accuracy 0.800" in row["note"]
    assert rows.loc[("pretraining", "d", "ladder"), "estimate"] == pytest.approx(0.1 - 0.3)


@pytest.mark.parametrize(
    "other",
    [
        {("r9", 400): 0.7},  # as good at the end
        {("r9", 200): 0.65},  # nearer, and not as good
        {("r9", 100): 0.8, ("r9", 200): 0.41, ("r9", 400): 0.40},
    ],
)
def test_where_no_step_has_the_same_loss_none_is_taken(other):
    losses = {("r0", 100): 0.95, ("r0", 200): 0.9, ("r0", 400): 0.7}
    losses |= {("r9", 100): 0.9, ("r9", 200): 0.6, ("r9", 400): 0.4} | other
    curves = {(model, "d"): [0, 0.3, 0.2, 0.1] for model in ("r0", "r9")}
    rows = found(world(curves, losses=losses), [("ladder", "d", {"r9": 900, "r0": 0})])
    assert "pretraining at equal loss" not in rows.index.get_level_values("hypothesis")


def test_the_worse_rung_may_have_been_as_good_earlier():
    losses = {("r0", 100): 0.9, ("r0", 200): 0.5, ("r0", 400): 0.7}
    losses |= {("r9", 100): 0.8, ("r9", 200): 0.69, ("r9", 400): 0.5}
    gaps = world({("r0", "d"): [0, 0.5, 0.4, 0.3], ("r9", "d"): [0, 0.5, 0.35, 0.1]}, losses=losses)
    row = found(gaps, [("ladder", "d", {"r9": 900, "r0": 0})]).loc[
        ("pretraining at equal loss", "d", "ladder")
    ]
    assert row["estimate"] == pytest.approx(0.1 - 0.4)


def test_since_is_adjusted_for_there_being_several_cells():
    one = {("m", "d"): [0, 0.3, 0.2, 0.1]}
    many = one | {(f"n{i}", "d"): [0, 0.2, 0.2, 0.2] for i in range(40)}
    since = {}
    for name, curves in {"one": one, "many": many}.items():
        rows = found(world(curves, (1, 2, 3), spread=1e-2))
        since[name] = rows.loc[("finetuning", "d", "m")]
    assert since["one"]["since"] == 100
    assert since["many"]["verdict"] == OPEN  # of 41 claims, this one is no more clear
    assert pd.isna(since["many"]["since"])


def test_without_skill_at_either_end_nothing_is_judged():
    curves = {("good", "d"): [0, 0.1, 0.2, 0.3], ("bad", "d"): [0, 0.3, 0.2, 0.1]}
    for step in (100, 400):
        gaps = world(curves, unskilled=[("bad", step, 2)])
        rows = found(gaps, [("l", "d", {"good": 9, "bad": 0})])
        bad = rows.loc[("finetuning", "d", "bad")]
        assert bad["verdict"] == UNJUDGED
        said = f"bad at step {step}: not clearly above the majority class (0.500): 2 (0.510)"
        assert said in bad["note"]
        assert pd.isna([bad["since"], bad["p_holm"]]).all()
        assert rows.loc[("pretraining", "d", "l"), "verdict"] == (UNJUDGED if step == 400 else CONTRADICTED)
        assert rows.loc["finetuning"].index.get_level_values("subject").tolist() == ["good", "bad"]


def test_the_row_over_all_is_the_mean_of_those_that_can_be_judged():
    """Of a single one there is none: it would say the same again."""
    curves = {("good", "d"): [0, 0.1, 0.2, 0.3], ("bad", "d"): [0, 0.3, 0.2, 0.1]}
    curves[("better", "d")] = [0, 0.1, 0.2, 0.4]
    rows = found(world(curves, unskilled=[("bad", 400, 2)]))
    whole = of_all(rows, "finetuning")
    assert (whole["verdict"], whole["note"]) == (CONTRADICTED, "mean of 2 of 3, one test")
    assert whole["estimate"] == pytest.approx((0.2 + 0.3) / 2)


def test_p_values_are_adjusted_within_a_hypothesis():
    """Of ten cells one moves by chance as much as is clear for one alone."""
    still = {(f"m{i}", "d"): [0, 0.2, 0.2, 0.2] for i in range(9)}
    gaps = world({("one", "d"): [0, 0.24, 0.2, 0.2], **still}, noise=0.005, spread=0.005)
    rows = found(gaps)
    one = rows.loc[("finetuning", "d", "one")]
    assert one["p"] < 0.05 < one["p_holm"]
    assert one["verdict"] == OPEN
    assert one["p_holm"] == pytest.approx(10 * one["p"])
    alone = found(world({("one", "d"): [0, 0.24, 0.2, 0.2]}, noise=0.005, spread=0.005))
    assert alone.loc[("finetuning", "d", "one"), "verdict"] == SUPPORTED


def test_models_with_other_seeds_are_compared_as_independent():
    curves = {("r0", "d"): [0, 0.1, 0.1, 0.3], ("r9", "d"): [0, 0.1, 0.1, 0.1]}
    gaps = world(curves, seeds=range(6), spread=0.01)
    ladder = [("l", "d", {"r9": 9, "r0": 0})]
    expected = found(gaps, ladder).loc[("pretraining", "d", "l")]
    frame = gaps.means["r9", "d"]
    frame["pair_a"], frame["pair_b"] = (
        [[s + 10 for s in one] for one in frame[p]] for p in ("pair_a", "pair_b")
    )
    other = found(gaps, ladder).loc[("pretraining", "d", "l")]
    assert other["estimate"] == expected["estimate"]
    assert other["over"] == "seeds and units"
    assert other["low"] != expected["low"]


def test_over_cells_the_mean_decides():
    rows = found(world({("m", "d"): [0, 0.3, 0.2, 0.1], ("m", "e"): [0, 0.1, 0.1, 0.15]}))
    whole = of_all(rows, "finetuning")
    assert whole["verdict"] == SUPPORTED
    assert whole["estimate"] == pytest.approx((-0.2 + 0.05) / 2)


def test_a_single_checkpoint_is_not_judged_and_without_replicates_seeds_are():
    gaps = world({("m", "d"): [0, 0.3, 0.2, 0.1]}, spread=0.01)
    row = found(gaps, start=400).loc[("finetuning", "d", "m")]
    assert (row["verdict"], row["note"]) == (UNJUDGED, "one checkpoint after step 0 only")
    both = found(world({("m", "d"): [0, 0.3, 0.2, 0.1], ("m", "e"): [0, 0.1, 0.1, 0.1]}), start=400)
    assert of_all(both, "finetuning")["note"] == "none of 2 can be judged"
    gaps.means["m", "d"]["samples"] = [np.empty(0)] * len(gaps.means["m", "d"])
    row = found(gaps).loc[("finetuning", "d", "m")]
    assert (row["verdict"], row["over"]) == (SUPPORTED, "seeds")
    assert row["estimate"] == pytest.approx(-0.2, abs=0.02)


def test_the_file(tmp_path):
    raw = {
        "experiment": "trial",
        "seeds": [1, 2, 3],
        "models": {f"r{n}": {"hub": "x/y", "pretraining_steps": n, "ladder": "l"} for n in (0, 9)},
        "datasets": {"d": {"source": {"kind": "toy", "task": "paraphrase", "rows": 100}}},
        "training": {"steps": 400, "checkpoints": [100, 200, 400], "warmup_steps": 1},
    }
    gaps = world({("r0", "d"): [0, 0.1, 0.2, 0.3], ("r9", "d"): [0, 0.2, 0.2, 0.1]}, seeds=(1, 2, 3))
    files = []
    for (model, dataset), frame in gaps.means.items():
        files.append(tmp_path / layout.filled(layout.MEANS, model=model, dataset=dataset))
        files[-1].parent.mkdir(parents=True)
        frame.astype({"from_step": "Int64"}).to_parquet(files[-1])
    chosen = load(raw)
    findings.write(
        **parameters.findings(chosen, cells(chosen)),
        evaluations=gaps.evaluations,
        means=files,
        detours=[],
        path=tmp_path / "findings.csv",
    )
    back = tidy.read(tmp_path / "findings.csv")
    assert back.columns.tolist() == ["experiment", *findings.COLUMNS]
    assert back["hypothesis"].tolist() == ["finetuning"] * 3 + ["pretraining"]
    assert back["verdict"].tolist() == [CONTRADICTED, SUPPORTED, CONTRADICTED, SUPPORTED]
