"""The verdicts: each of the three is given where the data say so, and nothing is claimed without skill."""

import itertools

import numpy as np
import pandas as pd
import pytest
from isthmus.experiment import layout, parameters
from isthmus.experiment.cells import cells
from isthmus.experiment.config import load
from isthmus.statistics import findings, tidy
from isthmus.statistics.findings import CONTRADICTED, SUPPORTED, UNDECIDED

STEPS = [0, 100, 200, 400]


def world(curves, seeds=(1, 2, 3), noise=0.01, skilled=(), unskilled=(), spread=0.0):
    """Frames of cells whose CG goes as `curves` says: {(model, dataset): a value a step}."""
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(seeds, 2))
    common = rng.normal(0, 0.2, 500)  # what all share: it must cancel in differences
    metrics, evaluations, means = [], [], {}
    fixed = {"set": "test", "quantity": "loss", "metric": "CG"}
    for (model, dataset), curve in curves.items():
        rows = []
        for step, value in zip(STEPS, curve, strict=True):
            keys = {"model": model, "dataset": dataset, "step": step}
            own = [value + spread * rng.normal() for _ in pairs]
            metrics += [
                {**keys, **fixed, "seed_a": a, "seed_b": b, "value": one}
                for (a, b), one in zip(pairs, own, strict=True)
            ]
            samples = np.mean(own) + common + rng.normal(0, noise, 500)
            row = {"from_step": pd.NA, "step": step, "value": np.mean(own), "samples": samples}
            rows += [row | fixed, row | fixed | {"set": "train", "value": 9.0}]
            accuracy = 0.5 if model in unskilled else 0.8
            evaluations.append({**keys, "set": "test", "accuracy": accuracy, "majority": 0.5})
        means[model, dataset] = pd.DataFrame(rows)
    return findings.Gaps(pd.DataFrame(metrics), pd.DataFrame(evaluations), means)


def found(gaps, ladders=(), start=100):
    cells = dict.fromkeys(gaps.means, (STEPS, start))
    return findings.table(gaps, cells, list(ladders)).set_index(["hypothesis", "dataset", "subject"])


@pytest.mark.parametrize(
    ("curve", "verdict", "since"),
    [
        ([0, 0.30, 0.20, 0.10], SUPPORTED, 100),
        ([0, 0.10, 0.30, 0.10], UNDECIDED, 200),
        ([0, 0.30, 0.05, 0.10], SUPPORTED, None),  # at step 200 the gap is smaller than at the end
        ([0, 0.05, 0.20, 0.20], CONTRADICTED, None),
        ([0, 0.20, 0.20, 0.20], UNDECIDED, None),
        ([0, 0.0, 0.0, 0.0], UNDECIDED, None),
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
    assert row["over"] == ("seeds" if len(seeds) >= 5 else "examples")


def test_what_all_steps_share_cancels():
    row = found(world({("m", "d"): [0, 0.3, 0.2, 0.1]}, noise=1e-4)).loc[("finetuning", "d", "m")]
    assert row["high"] - row["low"] < 0.002  # and not 0.8, the width of what is shared


@pytest.mark.parametrize(
    ("least", "most", "verdict"),
    [(0.3, 0.1, SUPPORTED), (0.1, 0.3, CONTRADICTED), (0.2, 0.2, UNDECIDED)],
)
def test_pre_training_is_given_each_verdict(least, most, verdict):
    gaps = world({("r0", "d"): [0, 0.1, 0.1, least], ("r9", "d"): [0, 0.1, 0.1, most]})
    rows = found(gaps, [("ladder", "d", {"r9": 900, "r0": 0})])
    row = rows.loc[("pretraining", "d", "ladder")]
    assert row["verdict"] == verdict
    assert row["estimate"] == pytest.approx(most - least)
    assert (row["from"], row["to"]) == (0, 900)


def test_without_skill_nothing_is_claimed():
    curves = {("good", "d"): [0, 0.1, 0.2, 0.3], ("bad", "d"): [0, 0.3, 0.2, 0.1]}
    rows = found(world(curves, unskilled=("bad",)), [("l", "d", {"good": 9, "bad": 0})])
    bad = rows.loc[("finetuning", "d", "bad")]
    assert pd.isna(bad["since"])
    assert (bad["verdict"], bad["note"]) == (UNDECIDED, "bad: not above the majority class")
    assert rows.loc[("pretraining", "d", "l"), "verdict"] == UNDECIDED
    whole = rows[rows.index.get_level_values("subject").isna()].loc["finetuning"].iloc[0]
    assert (whole["verdict"], whole["note"]) == (CONTRADICTED, "mean of 1 of 2")
    assert whole["estimate"] == pytest.approx(0.2)


def test_one_run_without_skill_is_enough_to_claim_nothing():
    gaps = world({("m", "d"): [0, 0.3, 0.2, 0.1]})
    again = gaps.evaluations.assign(accuracy=[0.8, 0.8, 0.8, 0.3])  # a second run, which failed
    gaps.evaluations = pd.concat([gaps.evaluations, again])
    assert gaps.evaluations["accuracy"].mean() > 0.5
    assert found(gaps).loc[("finetuning", "d", "m"), "verdict"] == UNDECIDED


def test_seeds_in_another_order_are_the_same_pairs():
    curves = {("r0", "d"): [0, 0.1, 0.1, 0.3], ("r9", "d"): [0, 0.1, 0.1, 0.1]}
    gaps = world(curves, seeds=range(6), spread=0.01)
    ladder = [("l", "d", {"r9": 9, "r0": 0})]
    expected = found(gaps, ladder).loc[("pretraining", "d", "l")]
    assert expected["over"] == "seeds"
    other = gaps.metrics["model"] == "r9"
    gaps.metrics.loc[other, ["seed_a", "seed_b"]] = gaps.metrics.loc[other, ["seed_b", "seed_a"]].to_numpy()
    same = found(gaps, ladder).loc[("pretraining", "d", "l")]
    assert same[["low", "high", "over"]].tolist() == expected[["low", "high", "over"]].tolist()
    # Where one side has other pairs, an interval over those of both would be that of another number.
    gaps.metrics = gaps.metrics[~other | (gaps.metrics["seed_b"] != 0)]
    assert found(gaps, ladder).loc[("pretraining", "d", "l"), "over"] == "examples"


def test_over_cells_the_mean_decides():
    rows = found(world({("m", "d"): [0, 0.3, 0.2, 0.1], ("m", "e"): [0, 0.1, 0.1, 0.15]}))
    whole = rows[rows.index.get_level_values("subject").isna()].iloc[0]
    assert whole["verdict"] == SUPPORTED
    assert whole["estimate"] == pytest.approx((-0.2 + 0.05) / 2)


def test_a_single_checkpoint_and_no_replicates_are_undecided():
    gaps = world({("m", "d"): [0, 0.3, 0.2, 0.1]})
    assert found(gaps, start=400).loc[("finetuning", "d", "m"), "note"] == "one checkpoint after step 0 only"
    both = found(world({("m", "d"): [0, 0.3, 0.2, 0.1], ("m", "e"): [0, 0.1, 0.1, 0.1]}), start=400)
    assert both[both.index.get_level_values("subject").isna()].iloc[0]["note"] == "none of 2 can be judged"
    gaps.means["m", "d"]["samples"] = [np.empty(0)] * len(gaps.means["m", "d"])
    row = found(gaps).loc[("finetuning", "d", "m")]
    assert row["verdict"] == UNDECIDED
    assert np.isnan(row["low"])
    assert row["estimate"] == pytest.approx(-0.2)


def test_the_file(tmp_path):
    raw = {
        "experiment": "trial",
        "seeds": [1, 2, 3],
        "models": {f"r{n}": {"hub": "x/y", "pretraining_steps": n, "ladder": "l"} for n in (0, 9)},
        "datasets": {"d": {"source": {"kind": "toy", "task": "paraphrase", "rows": 100}}},
        "training": {"steps": 400, "checkpoints": [100, 200, 400], "warmup_steps": 1},
    }
    gaps = world({("r0", "d"): [0, 0.1, 0.2, 0.3], ("r9", "d"): [0, 0.2, 0.2, 0.1]})
    files = []
    for (model, dataset), frame in gaps.means.items():
        files.append(tmp_path / layout.filled(layout.MEANS, model=model, dataset=dataset))
        files[-1].parent.mkdir(parents=True)
        frame.astype({"from_step": "Int64"}).to_parquet(files[-1])
    frames = {"metrics": gaps.metrics, "evaluations": gaps.evaluations}
    chosen = load(raw)
    findings.write(
        **parameters.findings(chosen, cells(chosen)),
        frames=frames,
        means=files,
        path=tmp_path / "findings.csv",
    )
    back = tidy.read(tmp_path / "findings.csv")
    assert back.columns.tolist() == ["experiment", *findings.COLUMNS]
    assert back["hypothesis"].tolist() == ["finetuning"] * 3 + ["pretraining"]
    assert back["verdict"].tolist() == [CONTRADICTED, SUPPORTED, CONTRADICTED, SUPPORTED]
