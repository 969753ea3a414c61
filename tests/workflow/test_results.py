"""What a run leaves: files and columns, and numbers that agree with plain calculation."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from isthmus.showing.comparison import compare

from tests.end_to_end import check_results
from tests.workflow.lab import NANO, Lab, changed

STEPS, SEEDS = [0, 60, 120], [1, 2]
PATH = ["model", "dataset", "step", "seed_a", "seed_b"]
METRICS = [
    "set",
    "quantity",
    "metric",
    "k",
    "value",
    "low",
    "high",
    "error",
    "alpha",
    "chord_low",
    "chord_high",
    "alphas",
]
METRIC_KEYS = ["seed_a", "seed_b", "set", "quantity", "metric", "k"]


@pytest.fixture(scope="module")
def metrics(nano):
    return pd.read_csv(nano.results / "metrics.csv")


@pytest.fixture(scope="module")
def points(nano):
    files = [nano.results / f"paths/tiny/toy/step{step}/seed2.parquet" for step in STEPS]
    return pd.concat([pd.read_parquet(path) for path in files])


def curves(points):
    """Each path, set and quantity: its keys, alphas and values."""
    for keys, part in points.groupby([*PATH, "set"]):
        for quantity in ("loss", "error"):
            yield (
                dict(zip([*PATH, "set"], keys, strict=True)),
                quantity,
                part["alpha"].to_numpy(),
                part[quantity].to_numpy(),
            )


def one(frame, **keys):
    """The row of a frame with these values."""
    for key, value in keys.items():
        frame = frame[frame[key] == value]
    assert len(frame) == 1
    return frame.iloc[0]


# ------------------------------------------------------------------------------------------------- files


def test_the_tidy_tables_have_their_columns(nano, metrics):
    deltas, pairs, evaluations = (
        pd.read_csv(nano.results / f"{n}.csv") for n in ("deltas", "pairs", "evaluations")
    )
    assert set(metrics) >= {"experiment", "pretraining_steps", *PATH, *METRICS}
    keys = {"experiment", "model", "pretraining_steps", "dataset", *METRIC_KEYS}
    assert set(deltas) >= keys | {"from_step", "to_step", "value", "low", "high"}
    distances = {"distance", "distance_a", "distance_b", "cosine", "disagreement_train", "disagreement_test"}
    assert set(pairs) >= {*PATH, *distances}
    assert set(evaluations) >= {
        "model",
        "dataset",
        "seed",
        "step",
        "set",
        "loss",
        "accuracy",
        "f1",
        "mcc",
        "n",
        "majority",
    }
    # a path has two sets, two quantities and five metrics; a checkpoint has two sets
    assert (len(metrics), len(deltas), len(pairs), len(evaluations)) == (3 * 20, 20, 3, 2 * 3 * 2)
    for frame in (metrics, deltas, pairs, evaluations):
        assert set(frame["experiment"]) == {"nano"}
        assert set(frame["pretraining_steps"]) == {10}


def test_what_is_empty_is_empty(metrics):
    nested = metrics["metric"].str.endswith("_nested")
    assert set(metrics["metric"]) == {"BH", "CG", "BH_nested", "CG_nested", "ICG_nested"}
    assert set(metrics.loc[nested, "k"]) == {NANO["paths"]["intervals"]}
    assert metrics.loc[~nested, "k"].isna().all()
    assert metrics.loc[nested, ["error", "alpha", "chord_low", "chord_high"]].isna().all(axis=None)
    exact = metrics.loc[~nested, ["alpha", "chord_low", "chord_high"]]
    assert exact.notna().all(axis=None)
    loss = metrics["quantity"] == "loss"
    assert metrics.loc[~nested & loss, "error"].notna().all()
    assert metrics.loc[~loss, "error"].isna().all()  # a step function has no estimate


@pytest.mark.parametrize("step", STEPS)
def test_paths_have_their_columns_and_types(nano, step):
    table = pq.read_table(nano.results / f"paths/tiny/toy/step{step}/seed2.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert {name: types[name] for name in ("alpha", "loss", "error")} == dict.fromkeys(
        ("alpha", "loss", "error"), "double"
    )
    assert {types[name] for name in ("step", "seed_a", "seed_b", "n")} == {"int64"}
    assert {types[name] for name in ("model", "dataset", "set")} == {"string"}
    frame = table.to_pandas()
    assert frame[PATH].drop_duplicates().values.tolist() == [["tiny", "toy", step, 1, 2]]
    for name, part in frame.groupby("set"):
        assert part["alpha"].is_monotonic_increasing
        assert part["alpha"].is_unique
        assert {0, 0.25, 0.5, 0.75, 1} <= set(part["alpha"]), name
        assert len(part) <= NANO["paths"]["max_alphas"]
    assert set(frame["set"]) == {"train", "test"}
    for quantity in ("loss", "error"):
        replicates = np.stack(frame[f"{quantity}_replicates"].to_list())
        assert replicates.shape == (len(frame), NANO["evaluation"]["replicates"])
        assert replicates.std(axis=1)[frame[quantity] > 0].min() > 0


def test_tables_figures_and_report_are_there(nano):
    for name in (
        "report.html",
        "summary.txt",
        "provenance.json",
        "tables/toy.csv",
        "tables/toy.md",
        "tables/toy.tex",
    ):
        assert (nano.results / name).stat().st_size > 0
    images = sorted(path.name for path in (nano.results / "figures").iterdir())
    assert {path.removesuffix(".png") for path in images if path.endswith(".png")} == {
        path.removesuffix(".svg") for path in images if path.endswith(".svg")
    }
    assert {"training.png", "cg-over-finetuning.png", "pairs-toy.png", "curves-toy-tiny.png"} <= set(images)


def test_training_history_covers_each_step_once(nano):
    for seed in SEEDS:
        folder = nano.results / f"checkpoints/tiny/toy/seed{seed}"
        history = pd.concat([pd.read_parquet(folder / f"step{step}/history.parquet") for step in STEPS[1:]])
        assert history["step"].tolist() == list(range(1, 121))
        # linear up over 10 updates (the first has the rate of the second), linear down to 0 at 150
        t = np.arange(120)
        closed = 1e-2 * np.minimum(np.maximum(t, 1) / 10, (150 - t) / 140)
        assert np.allclose(history["learning_rate"], closed)
        assert np.isfinite(history["loss"]).all()


def test_checkpoints_name_what_they_are(nano):
    for seed in SEEDS:
        for step in STEPS:
            folder = nano.results / f"checkpoints/tiny/toy/seed{seed}/step{step}"
            record = json.loads((folder / "checkpoint.json").read_text())
            assert [record[key] for key in ("model", "dataset", "seed", "step")] == [
                "tiny",
                "toy",
                seed,
                step,
            ]
            assert not list(folder.glob("*.bin"))


# ----------------------------------------------------------------------------------------------- numbers


def brute_force(alphas, values):
    """The convexity gap by its definition: every chord, every point under it."""
    return max(
        values[k] - (values[i] + (values[j] - values[i]) * (alphas[k] - alphas[i]) / (alphas[j] - alphas[i]))
        for i, j in combinations(range(len(alphas)), 2)
        for k in range(i, j + 1)
    )


def test_convexity_gaps_agree_with_brute_force(metrics, points):
    found = []
    for keys, quantity, alphas, values in curves(points):
        row = one(metrics, **keys, quantity=quantity, metric="CG")
        gap = brute_force(alphas, values)
        assert row["value"] == pytest.approx(max(gap, 0), abs=1e-9)
        assert row["alphas"] == len(alphas)
        curve = dict(zip(alphas, values, strict=True))
        ends = [row["chord_low"], row["chord_high"]]
        chord = np.interp(row["alpha"], ends, [curve[end] for end in ends])
        assert curve[row["alpha"]] - chord == pytest.approx(row["value"], abs=1e-9)
        found.append(row["value"])
    assert len(found) == 12
    assert max(found) > 0.01  # a run without any gap would show nothing


def test_where_there_is_no_gap_no_example_rises(nano, metrics):
    """So it is here: both runs are too sure of themselves, and models between them are better."""
    assert one(metrics, step=120, set="test", quantity="loss", metric="CG")["value"] == 0
    assert pq.read_table(nano.results / "examples/tiny/toy.parquet").num_rows == 0
    log = (nano.results / "logs/examples/tiny-toy.log").read_text()
    assert (
        log
        == "seeds 1 and 2: no gap, so nothing rises\n0 measurements made, the others were in the journal\n"
    )
    shares = pd.read_csv(nano.results / "concentration.csv")
    assert list(shares)[1:] == [
        "model", "pretraining_steps", "dataset", "step", "seed_a", "seed_b", "share_of_units", "units",
        "share_of_gap", "space",
    ]  # fmt: skip
    assert len(shares) == 0
    assert 'id="examples"' not in (nano.results / "report.html").read_text()


def test_barrier_heights_and_nested_values_agree_with_their_definitions(metrics, points):
    k = NANO["paths"]["intervals"]
    for keys, quantity, alphas, values in curves(points):
        rows = {
            name: one(metrics, **keys, quantity=quantity, metric=name)["value"]
            for name in set(metrics["metric"])
        }
        chord = values[0] + (values[-1] - values[0]) * alphas
        assert rows["BH"] == pytest.approx((values - chord).max(), abs=1e-9)
        grid = np.linspace(0, 1, k + 1)
        start = np.interp(grid, alphas, values)
        assert rows["BH_nested"] == pytest.approx(
            (start - (start[0] + (start[-1] - start[0]) * grid)).max(), abs=1e-9
        )
        segments = [np.linspace(grid[i], grid[j], k + 1) for i, j in combinations(range(k + 1), 2)]
        barriers = []
        for segment in segments:
            inner = np.interp(segment, alphas, values)
            barriers.append((inner - np.linspace(inner[0], inner[-1], k + 1)).max())
        assert rows["CG_nested"] == pytest.approx(max(barriers), abs=1e-9)
        assert rows["BH_nested"] <= rows["CG_nested"] <= rows["ICG_nested"] <= rows["CG"] + 1e-9


def test_a_linear_head_has_no_barrier_in_loss_at_step_0(metrics):
    start = metrics[(metrics["step"] == 0) & (metrics["quantity"] == "loss")]
    assert len(start) == 10
    assert start["value"].abs().max() <= 1e-6


def test_deltas_are_differences(nano, metrics):
    deltas = pd.read_csv(nano.results / "deltas.csv")
    assert set(deltas["from_step"]) == {60}
    assert set(deltas["to_step"]) == {120}
    first, last = (metrics[metrics["step"] == step].set_index(METRIC_KEYS)["value"] for step in (60, 120))
    expected = (last - first).reindex(pd.MultiIndex.from_frame(deltas[METRIC_KEYS]))
    assert np.allclose(deltas["value"], expected, rtol=0, atol=1e-12)
    assert expected.notna().all()
    assert deltas["value"].min() < 0 < deltas["value"].max()  # signed


def test_losses_agree_with_plain_transformers(nano, points):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(nano.results / "models/tiny")
    evaluations = pd.read_csv(nano.results / "evaluations.csv")
    for seed in SEEDS:
        for step in STEPS:
            folder = nano.results / f"checkpoints/tiny/toy/seed{seed}/step{step}"
            model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
            measured = pd.read_parquet(nano.results / f"evaluations/tiny/toy/seed{seed}/step{step}.parquet")
            for name in ("train", "test"):
                rows = pd.read_parquet(nano.results / f"data/toy/{name}.parquet").set_index("id")
                part = measured[measured["set"] == name]
                rows = rows.loc[part["id"]]
                inputs = tokenizer(
                    rows["text_a"].tolist(), rows["text_b"].tolist(), padding=True, return_tensors="pt"
                )
                labels = torch.tensor(rows["label"].to_numpy())
                with torch.no_grad():
                    logits = model(**inputs).logits
                losses = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none").numpy()
                assert np.allclose(part["loss"], losses, rtol=0, atol=1e-5)
                row = one(evaluations, seed=seed, step=step, set=name)
                right = (logits.argmax(-1) == labels).double().mean().item()
                assert row["accuracy"] == pytest.approx(right)
                assert row["majority"] == pytest.approx(rows["label"].value_counts(normalize=True).max())
                end = one(points, step=step, set=name, alpha=float(seed == 2))
                assert (end["n"], row["n"]) == (len(rows), len(rows))
                assert end["loss"] == pytest.approx(losses.mean(), abs=1e-5)
                assert end["error"] == pytest.approx(1 - right)


def test_a_path_s_inside_agrees_with_plain_interpolation(nano, points):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(nano.results / "models/tiny")
    a, b = (
        AutoModelForSequenceClassification.from_pretrained(
            nano.results / f"checkpoints/tiny/toy/seed{seed}/step120"
        ).eval()
        for seed in SEEDS
    )
    rows = pd.read_parquet(nano.results / "data/toy/test.parquet")
    inputs = tokenizer(rows["text_a"].tolist(), rows["text_b"].tolist(), padding=True, return_tensors="pt")
    start, end = a.state_dict(), b.state_dict()
    mixed = {
        name: 0.75 * value + 0.25 * end[name] if value.is_floating_point() else value
        for name, value in start.items()
    }
    a.load_state_dict(mixed)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(
            a(**inputs).logits.double(), torch.tensor(rows["label"].to_numpy())
        )
    assert one(points, step=120, set="test", alpha=0.25)["loss"] == pytest.approx(loss.item(), abs=1e-5)


def test_an_independent_check_of_all_numbers_agrees(nano, capsys):
    """What `.ci/run` asks of real text: BH, CG, means and their intervals, losses by plain Transformers."""
    agrees = check_results.check(nano.results, max_length=128)
    assert agrees, capsys.readouterr().out


def test_an_experiment_beside_itself_differs_in_nothing(nano, tmp_path):
    html, table = compare((nano.results, nano.results), tmp_path / "same")
    frame = pd.read_csv(table)
    assert set(frame["metric"]) == {"BH", "CG", "BH_nested", "CG_nested", "ICG_nested", "runs"}
    assert (frame["value"] == 0).all()
    assert (frame[["low", "high"]] == 0).all(axis=None)
    assert (frame["paired"] == "examples and seeds").all()
    means, runs = pd.read_csv(nano.results / "means.csv"), frame[frame["metric"] == "runs"]
    assert frame[frame["metric"] != "runs"]["value_a"].tolist() == pytest.approx(means["value"].tolist())
    scores = pd.read_csv(nano.results / "evaluations.csv")
    for quantity in ("loss", "accuracy"):
        expected = scores.groupby(["set", "step"])[quantity].mean()
        found = runs[runs["quantity"] == quantity].set_index(["set", "step"])["value_a"]
        assert found.loc[expected.index].tolist() == pytest.approx(expected.tolist())
    text = html.read_text(encoding="utf-8")
    assert "No setting differs" in text
    assert "Nothing: both have the same models, data sets and steps" in text


def test_seeds_share_the_body_at_step_0_and_nothing_else_after(nano):
    from safetensors.numpy import load_file

    for step in (0, 120):
        folder = nano.results / "checkpoints/tiny/toy"
        a, b = (load_file(folder / f"seed{seed}/step{step}/model.safetensors") for seed in SEEDS)
        differing = {name for name in a if not np.array_equal(a[name], b[name])}
        if step == 0:
            # biases of a head start at 0
            assert differing == {"classifier.weight"}
        else:
            assert {"classifier.weight", "classifier.bias"} < differing


# ----------------------------------------------------------------------------------- one cell by its name


@pytest.mark.long
def test_a_cell_is_a_target_and_all_trains_nothing_again(nano_copy, nano):
    cell = nano_copy.results / "connectivity/tiny/toy.parquet"
    cell.unlink()
    for part in ("deltas", "means"):
        (nano_copy.results / f"connectivity/tiny/toy.{part}.parquet").unlink()
    (nano_copy.results / "metrics.csv").unlink()
    done = nano_copy.run(None, "connectivity/tiny/toy.parquet")
    assert "1 of 1 steps" in done
    assert cell.read_bytes() == (nano.results / "connectivity/tiny/toy.parquet").read_bytes()
    assert not (nano_copy.results / "metrics.csv").exists()
    assert set(nano_copy.dry_run()) == {"collect", "findings", "tables", "figures", "report"}


def test_a_cell_of_an_empty_folder_needs_its_own_jobs_only(repository, tmp_path):
    two = changed(NANO, {"models.raw": {"pretraining": "small", "pretraining_steps": 0}})
    plan = Lab(repository, tmp_path, two).dry_run(None, "results/nano/connectivity/raw/toy.parquet")
    assert {rule: len(jobs) for rule, jobs in plan.items()} == {
        "pretrain": 1,
        "subset": 1,
        "tokenize": 1,
        "initialize": 2,
        "finetune": 4,
        "interpolate": 3,
        "average": 1,
        "connectivity": 1,
    }
    assert not any("tiny" in job for jobs in plan.values() for job in jobs)
