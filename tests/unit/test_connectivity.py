"""From curves to tidy frames: values are the metrics' own, deltas are paired, what is empty stays empty."""

import numpy as np
import pandas as pd
import pytest
from isthmus import metrics
from isthmus.bootstrap import percentile_interval
from isthmus.measuring import interpolation
from isthmus.space import sampling
from isthmus.statistics import connectivity, pair_means
from isthmus.tasks.scores import classification_scores

from tests.unit import tiny

ALPHAS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
METRICS = ["BH", "CG", "BH_nested", "CG_nested", "ICG_nested"]
# What other software reads, in this order.
NAMES = ["experiment", "model", "pretraining_steps", "dataset"]
INTERVALS = ["value", "low", "high", "seeds", "low_seeds", "high_seeds", "low_both", "high_both"]
COLUMNS = ["step", "seed_a", "seed_b", "set", "quantity", "metric", "k"]
COLUMNS += ["value", "low", "high", "error", "alpha", "chord_low", "chord_high", "alphas"]
CROSS_FITTED = ["cross_fitted", "cross_fitted_low", "cross_fitted_high"]
COLUMNS += [*CROSS_FITTED, "path", "step_a", "step_b", "relative_length", "space"]


def write_row(folder, step, b, others, replicates=50, sets=("train", "test")):
    """The two files of a made-up row, as a job would write them."""
    generator = np.random.default_rng([step, b])
    points = []
    for a in others:
        for name in sets:
            bump = np.exp(-(((ALPHAS - generator.uniform(0.3, 0.7)) / 0.2) ** 2))
            noise = generator.normal(0, 0.02, (replicates, 1)) * bump
            for quantity, size in (("loss", 1.0), ("error", 0.2)):
                level = generator.uniform(0, 0.1, len(ALPHAS))
                curve = size * (level + step / 500 * bump)
                points.append((a, name, quantity, curve, (curve + size * noise).astype(np.float32)))
    rows = []
    for (a, name, _, loss, losses), (*_, error, errors) in zip(points[::2], points[1::2], strict=True):
        rows += [
            {
                "model": "m",
                "dataset": "d",
                "step": step,
                "seed_a": a,
                "seed_b": b,
                "set": name,
                "alpha": alpha,
                "loss": np.array(loss[i]),
                "error": np.array(error[i]),
                "loss_replicates": losses[:, i],
                "error_replicates": errors[:, i],
                "n": 100,
            }
            for i, alpha in enumerate(ALPHAS)
        ]
    path = folder / f"step{step}" / f"seed{b}.parquet"
    interpolation.write_rows(rows, path)
    pairs = [
        {
            "model": "m",
            "dataset": "d",
            "step": step,
            "seed_a": a,
            "seed_b": b,
            "distance": 1.5,
            "cosine": np.nan,
        }
        for a in others
    ]
    interpolation.write_rows(pairs, path.with_suffix(".pairs.parquet"))
    return path


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """A cell of three seeds at steps 0, 100 and 400: its files, metrics and deltas from step 100."""
    folder = tmp_path_factory.mktemp("m") / "d"
    files = [
        write_row(folder, step, b, others) for step in (0, 100, 400) for b, others in ((2, [1]), (3, [1, 2]))
    ]
    reduced = connectivity.cell(files, k=4, delta_from=100)
    return files, reduced.metrics, reduced.deltas, reduced.means


def curve_of(files, quantity, **keys):
    frame = pd.concat([pd.read_parquet(path) for path in files])
    for key, value in keys.items():
        frame = frame[frame[key] == value]
    replicates = np.stack(frame[f"{quantity}_replicates"].to_list()).T.astype(float)
    return frame[quantity].to_numpy(), replicates


def only(frame, **keys):
    for key, value in keys.items():
        frame = frame[frame[key] == value]
    (row,) = frame.to_dict("records")
    return row


def test_a_row_for_each_path_set_quantity_and_metric(cell):
    _, frame, deltas, means = cell
    assert len(frame) == 3 * 3 * 2 * 2 * 5
    assert frame.columns.tolist() == COLUMNS[:-1]  # `collect` puts the names before them
    assert not frame.duplicated(connectivity.KEYS).any()
    assert len(deltas) == 3 * 2 * 2 * 5
    assert not deltas.duplicated(connectivity.DELTA_KEYS).any()
    assert len(means) == (3 + 1) * 2 * 2 * 5  # three steps and a change
    assert not means.duplicated(pair_means.MEAN_KEYS).any()
    assert (means["pairs"] == 3).all()


@pytest.mark.parametrize("quantity", ["loss", "error"])
@pytest.mark.parametrize(
    "keys",
    [
        {"step": 100, "seed_a": 1, "seed_b": 3, "set": "train"},
        {"step": 400, "seed_a": 1, "seed_b": 2, "set": "test"},
    ],
)
def test_values_and_intervals_are_the_metrics_own(cell, quantity, keys):
    files, frame, *_ = cell
    curve, replicates = curve_of(files, quantity, **keys)
    part = frame[frame["quantity"] == quantity]
    for name, gap in (("BH", metrics.barrier_height), ("CG", metrics.convexity_gap)):
        found, row = gap(ALPHAS, curve), only(part, metric=name, **keys)
        assert [row[c] for c in ("value", "alpha", "chord_low", "chord_high")] == [
            found.value,
            found.alpha,
            found.chord_low,
            found.chord_high,
        ]
        low, high = np.quantile([gap(ALPHAS, one).value for one in replicates], [0.025, 0.975])
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-12)
        assert row["alphas"] == len(ALPHAS)
        assert pd.isna(row["k"])
    nested = metrics.nested(ALPHAS, curve, 4)
    samples = metrics.nested_many(ALPHAS, replicates, 4)
    values = (nested.barrier_height, nested.convexity_gap, nested.improved_convexity_gap)
    for i, (name, value) in enumerate(zip(connectivity.NESTED, values, strict=True)):
        row = only(part, metric=name, **keys)
        assert (row["value"], row["k"]) == (value, 4)
        assert (row["low"], row["high"]) == pytest.approx(percentile_interval(samples[:, i]), abs=1e-12)
        assert all(pd.isna(row[c]) for c in ("alpha", "chord_low", "chord_high", "error"))


def test_only_gaps_in_loss_have_an_estimated_error(cell):
    files, frame, *_ = cell
    with_error = frame[frame["error"].notna()]
    assert set(zip(with_error["quantity"], with_error["metric"], strict=True)) == {
        ("loss", "BH"),
        ("loss", "CG"),
    }
    assert len(with_error) == 3 * 3 * 2 * 2
    keys = {"step": 400, "seed_a": 2, "seed_b": 3, "set": "test"}
    errors = sampling.gap_errors(ALPHAS, curve_of(files, "loss", **keys)[0])
    part = frame[frame["quantity"] == "loss"]
    assert only(part, metric="BH", **keys)["error"] == errors.barrier_height
    assert only(part, metric="CG", **keys)["error"] == errors.convexity_gap


def test_deltas_are_signed_and_paired_replicate_by_replicate(cell):
    files, frame, deltas, _ = cell
    assert (deltas["from_step"] == 100).all()
    assert (deltas["to_step"] == 400).all()
    keys = {"seed_a": 1, "seed_b": 3, "set": "test", "quantity": "loss", "metric": "CG"}
    row = only(deltas, **keys)
    before, after = (only(frame, step=step, **keys)["value"] for step in (100, 400))
    assert row["value"] == after - before
    samples = [
        metrics.convexity_gaps(ALPHAS, curve_of(files, "loss", step=step, seed_a=1, seed_b=3, set="test")[1])
        for step in (100, 400)
    ]
    assert (row["low"], row["high"]) == pytest.approx(percentile_interval(samples[1] - samples[0]), abs=1e-12)
    to_itself = only(connectivity.cell(files[:4], 4, 100).deltas, **keys)  # step 100 is the last of these
    assert (to_itself["value"], to_itself["low"], to_itself["high"]) == (0, 0, 0)


def test_a_mean_over_pairs_has_the_interval_of_the_mean(cell):
    files, frame, deltas, means = cell
    keys = {"set": "test", "quantity": "loss", "metric": "CG"}
    pairs = [(1, 2), (1, 3), (2, 3)]

    def samples(step):
        curves = [curve_of(files, "loss", step=step, seed_a=a, seed_b=b, set="test")[1] for a, b in pairs]
        return np.mean([metrics.convexity_gaps(ALPHAS, curve) for curve in curves], axis=0)

    for row, expected, values in (
        (only(means[means["from_step"].isna()], step=400, **keys), samples(400), frame[frame["step"] == 400]),
        (only(means, from_step=100, **keys), samples(400) - samples(100), deltas),
    ):
        mine = values[(values[list(keys)] == list(keys.values())).all(axis=1)]
        assert row["value"] == pytest.approx(mine["value"].mean(), abs=1e-15)
        assert (row["low"], row["high"]) == pytest.approx(percentile_interval(expected), abs=1e-6)
        assert row["samples"] == pytest.approx(expected, abs=1e-6)
        assert row["high"] - row["low"] < (mine["high"] - mine["low"]).mean()  # pairs' own noise averages out
        # Without a seed one pair is left; 4.302653 is Student's t of two degrees of freedom at 97.5 %.
        by_pair = mine.set_index(["seed_a", "seed_b"])["value"][pairs].to_numpy()
        over_seeds = 2 / 3 * ((by_pair - by_pair.mean()) ** 2).sum()
        over_both = over_seeds + np.var(expected, ddof=1)
        assert row["seeds"] == 3
        for over, variance in (("seeds", over_seeds), ("both", over_both)):
            half = 4.302653 * variance**0.5
            ends = row["value"] - half, row["value"] + half
            assert (row[f"low_{over}"], row[f"high_{over}"]) == pytest.approx(ends, abs=1e-6)


def test_cross_fitted_gaps_stand_with_their_path_and_in_the_mean(cell, tmp_path):
    files, generator = cell[0][2:4], np.random.default_rng(0)  # step 100
    pairs, samples = [(1, 2), (1, 3), (2, 3)], generator.normal(0.05, 0.02, (3, 50)).astype(np.float32)
    keys = {"step": 100, "set": "test", "quantity": "loss", "metric": "CG"}
    rows = [
        {**keys, "seed_a": a, "seed_b": b, "value": 0.01 * i, "replicates": samples[i]}
        for i, (a, b) in enumerate(pairs)
    ]
    gaps = [tmp_path / f"seed{b}.gaps.parquet" for b in (2, 3)]
    for path, b in zip(gaps, (2, 3), strict=True):
        pd.DataFrame([row for row in rows if row["seed_b"] == b]).to_parquet(path)
    reduced = connectivity.cell(files, 4, 100, gaps)
    for i, (a, b) in enumerate(pairs):
        row = only(reduced.metrics, seed_a=a, seed_b=b, **keys)
        assert row["cross_fitted"] == 0.01 * i
        ends = np.quantile(samples[i].astype(float), [0.025, 0.975])
        assert [row["cross_fitted_low"], row["cross_fitted_high"]] == pytest.approx(ends)
    mean = only(reduced.means[reduced.means["from_step"].isna()], **keys)
    assert mean["cross_fitted"] == pytest.approx(0.01)
    ends = np.quantile(samples.astype(float).mean(axis=0), [0.025, 0.975])
    assert [mean["cross_fitted_low"], mean["cross_fitted_high"]] == pytest.approx(ends)
    others = reduced.metrics[reduced.metrics["set"] == "train"]
    assert others[CROSS_FITTED].isna().all(axis=None)
    one_missing = connectivity.cell(
        files, 4, 100, gaps[:1]
    )  # a mean over some of the pairs is not that of all
    row = only(one_missing.means[one_missing.means["from_step"].isna()], **keys)
    assert np.isnan([row[name] for name in CROSS_FITTED]).all()


def test_differences_between_models_are_paired(cell, tmp_path):
    means = cell[3]
    noise = means["samples"].map(lambda one: one + 0.25)  # all replicates move alike: no uncertainty is left
    values = means["values"].map(lambda one: np.asarray(one) + 0.25)  # and so do all pairs
    paths = [tmp_path / model / "d.means.parquet" for model in ("a", "b", "c")]
    shifted = means.assign(value=means["value"] + 0.25, samples=noise, values=values)
    for path, frame in zip(paths, (means, shifted, means.iloc[:7]), strict=True):
        path.parent.mkdir()
        frame.to_parquet(path)
    found = pair_means.differences(paths)
    assert found.columns.tolist() == ["model_a", "model_b", *pair_means.MEAN_KEYS, *INTERVALS]
    assert found.groupby(["model_a", "model_b"]).size().to_dict() == {
        ("a", "b"): len(means),
        ("a", "c"): 7,
        ("b", "c"): 7,
    }
    ab = found[(found["model_a"] == "a") & (found["model_b"] == "b")]
    for column in ("value", "low", "high", "low_seeds", "high_seeds", "low_both", "high_both"):
        assert ab[column].to_numpy() == pytest.approx(0.25, abs=1e-6)
    assert pair_means.differences(paths[:1]).columns.tolist() == found.columns.tolist()


def test_order_of_the_points_in_a_file_does_not_matter(cell, tmp_path):
    files, frame, *_ = cell
    shuffled = pd.read_parquet(files[0]).sample(frac=1, random_state=0)
    shuffled.to_parquet(tmp_path / "seed2.parquet", index=False)
    found = connectivity.cell([tmp_path / "seed2.parquet"], 4, 0).metrics
    assert sorted(found["value"]) == sorted(frame.query("step == 0 and seed_b == 2")["value"])


def test_one_pair_at_one_step(tmp_path):
    reduced = connectivity.cell([write_row(tmp_path / "m" / "d", 100, 2, [1])], 4, 100)
    assert len(reduced.metrics) == 2 * 2 * 5
    assert (reduced.deltas["value"] == 0).all()


def test_without_replicates_intervals_are_empty(tmp_path):
    folder = tmp_path / "m" / "d"
    files = [write_row(folder, step, 2, [1], replicates=0) for step in (100, 400)]
    reduced = connectivity.cell(files, 4, 100)
    for found in (reduced.metrics, reduced.deltas, reduced.means):
        assert found["value"].notna().all()
        assert found[["low", "high"]].isna().all(axis=None)


def test_a_job_of_the_engine_can_be_reduced(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    cell.interpolate(out="step100/seed2")
    frame = connectivity.cell([cell.folder / "step100" / "seed2.parquet"], 4, 100).metrics
    loss = frame.query("quantity == 'loss' and metric in ['BH', 'CG']")
    assert (loss["low"] <= loss["high"]).all()
    assert loss["error"].notna().all()
    gaps = frame.pivot_table(index=["set", "quantity"], columns="metric", values="value")
    assert (gaps["BH"] <= gaps["CG"]).all()


# ------------------------------------------------------------------------------------------------- collecting


def test_each_part_of_a_set_is_a_set_of_its_own(tmp_path):
    rows = {"set": ["test"] * 4 + ["far"] * 4, "id": [0, 1, 2, 3, 5, 6, 7, 8], "loss": np.arange(8.0)}
    rows |= {"prediction": [0, 1, 1, 0] * 2, "label": [0, 1, 0, 0] * 2, "classes": 2}
    pd.DataFrame(rows).to_parquet(tmp_path / "step1.parquet")
    parts = pd.DataFrame({"set": "far", "id": [8, 7, 6, 5], "part": ["b", "a", "b", "a"]})
    found = {row["set"]: row for row in connectivity.evaluation_rows(tmp_path / "step1.parquet", parts)}
    assert list(found) == ["test", "far", "far/a", "far/b"]
    plain = {row["set"]: row for row in connectivity.evaluation_rows(tmp_path / "step1.parquet")}
    assert all(found[name] == plain[name] for name in plain)
    assert (found["far/a"]["n"], found["far/a"]["loss"], found["far/a"]["accuracy"]) == (2, 5.0, 0.5)
    assert (found["far/b"]["n"], found["far/b"]["loss"], found["far/b"]["accuracy"]) == (2, 6.0, 1.0)


@pytest.fixture(scope="module")
def collected(cell, tmp_path_factory):
    """The four CSV files of an experiment of that cell and another one, as text frames."""
    files, *frames = cell
    root = tmp_path_factory.mktemp("collected")
    inputs = {"metrics": [], "deltas": [], "means": [], "pairs": [], "evaluations": []}
    for model in ("tiny-0", "other.v2"):
        folder = root / "connectivity" / model
        folder.mkdir(parents=True)
        endings = {"metrics": "", "deltas": ".deltas", "means": ".means"}
        for (name, ending), frame in zip(endings.items(), frames, strict=True):
            inputs[name].append(str(folder / f"d-1.x{ending}.parquet"))
            frame.to_parquet(inputs[name][-1], index=False)
        for path in files:
            pairs = pd.read_parquet(path.with_suffix(".pairs.parquet")).assign(model=model, dataset="d-1.x")
            into = root / "paths" / model / path.parent.name
            into.mkdir(parents=True, exist_ok=True)
            pairs.to_parquet(into / path.name, index=False)
            inputs["pairs"].append(str(into / path.name))
        into = root / "evaluations" / model / "d-1.x" / "seed42"
        into.mkdir(parents=True)
        rows = {"set": ["train"] * 4 + ["test"] * 4, "id": range(8), "loss": np.arange(8) / 3}
        rows |= {"prediction": [0, 1, 1, 0] * 2, "label": [0, 1, 0, 0] * 2, "classes": 2}
        pd.DataFrame(rows).to_parquet(into / "step400.parquet", index=False)
        inputs["evaluations"].append(str(into / "step400.parquet"))
    outputs = {name: str(root / f"{name}.csv") for name in (*inputs, "differences")}
    connectivity.collect("trial", {"tiny-0": 0, "other.v2": None}, inputs, outputs)
    return {name: pd.read_csv(path, dtype=str, keep_default_na=False) for name, path in outputs.items()}


def test_metrics_have_the_columns_that_users_lean_on(collected, cell):
    found = collected["metrics"]
    assert found.columns.tolist() == NAMES + COLUMNS
    assert len(found) == 2 * len(cell[1])
    assert found["experiment"].unique().tolist() == ["trial"]
    assert found["dataset"].unique().tolist() == ["d-1.x"]


def test_every_digit_is_written_and_what_is_empty_stays_empty(collected, cell):
    found, frame = collected["metrics"], cell[1]
    half = found[found["model"] == "tiny-0"]
    assert half["value"].astype(float).tolist() == frame["value"].tolist()
    assert (half["pretraining_steps"] == "0").all()
    assert (found.loc[found["model"] == "other.v2", "pretraining_steps"] == "").all()
    exact = half["metric"].isin(["BH", "CG"]).to_numpy()
    assert (half.loc[exact, "k"] == "").all()
    assert (half.loc[~exact, "k"] == "4").all()
    for column in ("error", "alpha", "chord_low", "chord_high"):
        assert (half.loc[~exact, column] == "").all()
    assert (half.loc[exact & (half["quantity"] == "error").to_numpy(), "error"] == "").all()
    assert (collected["pairs"]["cosine"] == "").all()


def test_deltas_have_the_same_keys_and_both_steps(collected):
    found = collected["deltas"]
    keys = ["experiment", "model", "pretraining_steps", "dataset", "from_step", "to_step"]
    assert found.columns.tolist() == [*keys, *connectivity.DELTA_KEYS, "value", "low", "high", "space"]
    assert set(zip(found["from_step"], found["to_step"], strict=True)) == {("100", "400")}


def test_means_and_differences_have_a_row_a_metric_and_no_replicates(collected, cell):
    keys = [*NAMES, "from_step", "step", "set", "quantity", "metric", "k", "pairs", *INTERVALS, *CROSS_FITTED]
    keys.append("space")
    assert collected["means"].columns.tolist() == keys
    assert len(collected["means"]) == 2 * len(cell[3])
    found = collected["differences"]
    assert found.columns.tolist()[:6] == ["experiment", "dataset", "model_a", "model_b", "from_step", "step"]
    assert len(found) == len(cell[3])
    assert set(zip(found["model_a"], found["model_b"], strict=True)) == {("tiny-0", "other.v2")}
    assert (found["value"].astype(float) == 0).all()


def test_pairs_have_a_row_a_path_and_step(collected):
    found = collected["pairs"]
    keys = ["experiment", "model", "pretraining_steps", "dataset", "step", "seed_a", "seed_b"]
    assert found.columns.tolist()[: len(keys)] == keys
    assert len(found) == 2 * 9
    assert not found.duplicated(keys).any()


def test_evaluations_have_a_row_a_checkpoint_and_set(collected):
    found = collected["evaluations"]
    keys = ["experiment", "model", "pretraining_steps", "dataset", "seed", "step", "set"]
    scores = ["loss", "accuracy", "f1", "mcc", "n", "majority", "accuracy_low", "accuracy_high"]
    scores += ["perplexity", "tokens", "space"]
    assert found.columns.tolist() == [*keys, *scores]
    row = found.iloc[1]
    assert row[["model", "dataset", "seed", "step", "set"]].tolist() == [
        "tiny-0",
        "d-1.x",
        "42",
        "400",
        "test",
    ]
    assert float(row["loss"]) == np.mean(np.arange(4, 8) / 3)
    expected = classification_scores(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), 2)
    for name, value in expected.items():
        assert float(row[name]) == value
    # Wilson's interval of three in four, by its formula.
    p, n, z = 0.75, 4, 1.959964
    middle, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    ends = [(middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
    assert [float(row[f"accuracy_{end}"]) for end in ("low", "high")] == pytest.approx(ends, abs=1e-6)


def test_the_order_of_the_files_does_not_matter(cell):
    """A change is from the earlier step to the last one, whichever file is named first."""
    files, _, deltas, _ = cell
    turned = connectivity.cell(files[::-1], k=4, delta_from=100).deltas
    keys = ["from_step", "to_step", *connectivity.DELTA_KEYS]
    one, other = (frame.sort_values(keys).reset_index(drop=True) for frame in (deltas, turned))
    pd.testing.assert_frame_equal(one, other)


def test_a_breakdown_is_of_the_data_set_that_its_folder_names(tmp_path):
    for name in ("one", "two"):
        file = tmp_path / "far" / "away" / "data" / name / "breakdown" / "_main.parquet"
        file.parent.mkdir(parents=True)
        pd.DataFrame({"set": ["test"], "id": [1], "part": [name]}).to_parquet(file)
    found = connectivity._breakdowns(sorted(tmp_path.rglob("*.parquet")))
    assert {name: frame["part"].tolist() for name, frame in found.items()} == {"one": ["one"], "two": ["two"]}
