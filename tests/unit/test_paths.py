"""The line between two checkpoints: its points, what is measured on it; no death changes the file."""

import itertools
import shutil
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from isthmus import cross_fitting, metrics, stored
from isthmus.errors import Damaged, MismatchedEnds
from isthmus.measuring import paths
from isthmus.measuring.distances import distances
from isthmus.measuring.ends import End
from isthmus.measuring.live import LiveModel
from isthmus.measuring.reading import Reader
from isthmus.measuring.rows import Resampling
from isthmus.models import classifiers, hf_folders, weight_files
from isthmus.space import anchors
from isthmus.space.geometries import Line
from isthmus.space.sampling import Uniform
from isthmus.tasks.classification import Classification, Placed

from tests.unit import tiny

UNIFORM = Uniform(5)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cell of two BERTs, measured once; tests that write to its journal name one of their own."""
    cell = tiny.Cell(tmp_path_factory.mktemp("shared") / "cell")
    return cell, cell.interpolate()


def test_a_job_stops_at_ends_of_different_spaces(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    state = weight_files.load(cell.ends[0].folder / hf_folders.WEIGHTS)
    state["classifier.weight"] = state["classifier.weight"][:2]
    path = cell.ends[0].folder / hf_folders.WEIGHTS
    weight_files.save(state, path)
    stored.write_json(path.parent / "checkpoint.json", {"sha256": tiny.hashing.of_file(path)})
    with pytest.raises(MismatchedEnds, match=r"1 tensors differ, first classifier\.weight: \(\(2, 32\)"):
        tiny.Cell(tmp_path / "cell").interpolate()


def test_a_job_stops_at_a_start_of_another_architecture(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    path = cell.start.folder / "config.json"
    path.write_text(path.read_text().replace('"num_attention_heads": 2', '"num_attention_heads": 4'))
    with pytest.raises(MismatchedEnds, match=r"num_attention_heads: found 4 and 2"):
        tiny.Cell(tmp_path / "cell").interpolate()


# -------------------------------------------------------------------------------------------------- distances


def _bodies(*folders):
    states = [weight_files.load(folder / hf_folders.WEIGHTS) for folder in folders]
    names = [name for name in states[0] if name.startswith("bert.")]
    return [np.concatenate([state[name].double().ravel() for name in names]) for state in states]


def test_each_end_s_distance_is_that_from_its_own_start(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    common = cell.interpolate("common", UNIFORM, journal="one").pairs.iloc[0]
    other = tiny.checkpoint(tmp_path / "other", cell.folder / "model", seed=7, moved=0.5)  # another body
    own = End.read(1, other)
    found = cell.interpolate("own", UNIFORM, journal="one", starts=[own]).pairs.iloc[0]
    a, b, start_a, start_b = _bodies(*(end.folder for end in (*cell.ends, own, cell.start)))
    assert found["distance"] == pytest.approx(np.linalg.norm(a - b), rel=1e-6)
    assert found["distance_a"] == pytest.approx(np.linalg.norm(a - start_a), rel=1e-6)
    assert found["distance_b"] == pytest.approx(np.linalg.norm(b - start_b), rel=1e-6)
    assert np.isnan(found["cosine"])
    assert found["distance_a"] != common["distance_a"]
    # A start with another head has the same body.
    shutil.copytree(cell.start.folder, tmp_path / "head")
    state = weight_files.load(tmp_path / "head" / hf_folders.WEIGHTS)
    state["classifier.weight"] += 1
    weight_files.save(state, tmp_path / "head" / hf_folders.WEIGHTS)
    sha256 = tiny.hashing.of_file(tmp_path / "head" / hf_folders.WEIGHTS)
    head = End(1, tmp_path / "head", replace(cell.start.anchor, weights=sha256))
    same = cell.interpolate("head", UNIFORM, journal="one", starts=[head])
    assert same.pairs.iloc[0].to_dict() == common.to_dict()
    assert same.count == 0


def test_pairs_say_how_far_the_bodies_are_and_where_predictions_differ(shared):
    cell, measured = shared
    (pair,) = measured.pairs.to_dict("records")
    a, b = (weight_files.load(end.folder / hf_folders.WEIGHTS) for end in cell.ends)
    start = weight_files.load(cell.start.folder / hf_folders.WEIGHTS)
    body = [name for name in start if name.startswith("bert.")]
    assert "classifier.weight" not in body
    u, v = (np.concatenate([(s[n] - start[n]).double().ravel() for n in body]) for s in (a, b))
    assert pair["distance"] == pytest.approx(np.linalg.norm(u - v), rel=1e-6)
    assert pair["distance_a"] == pytest.approx(np.linalg.norm(u), rel=1e-6)
    assert pair["distance_b"] == pytest.approx(np.linalg.norm(v), rel=1e-6)
    assert pair["cosine"] == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-6)
    for name, examples in cell.sets.items():
        predictions = []
        for end in cell.ends:
            model = classifiers.open_classifier(end.folder, attention="eager")
            predictions.append(Placed(examples, tiny.BUDGET, 0, tiny.cpu()).measure(model)["predictions"])
        assert pair[f"disagreement_{name}"] == np.mean(predictions[0] != predictions[1])
    assert list(pair)[:5] == ["model", "dataset", "step", "seed_a", "seed_b"]


# ------------------------------------------------------------------------------------------------- the curves


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_losses_are_those_of_rebuilt_state_dicts(tmp_path, family):
    from transformers import AutoModelForSequenceClassification

    cell = tiny.Cell(tmp_path / "cell", family=family)
    measured = cell.interpolate(sampler=UNIFORM)
    points, gaps = measured.points, measured.gaps.set_index(["set", "quantity", "metric"])
    a, b = (weight_files.load(end.folder / hf_folders.WEIGHTS) for end in cell.ends)
    pad = hf_folders.pad_token(cell.start.folder)
    for name, examples in cell.sets.items():
        part = points[points["set"] == name]
        assert part["alpha"].tolist() == [0, 0.25, 0.5, 0.75, 1]
        units = []
        for alpha, loss, error in part[["alpha", "loss", "error"]].itertuples(index=False):
            model = AutoModelForSequenceClassification.from_pretrained(cell.start.folder).eval()
            model.load_state_dict({key: (1 - alpha) * a[key] + alpha * b[key] for key in a})
            expected = Placed(examples, tiny.BUDGET, pad, tiny.cpu()).measure(model)
            units.append(expected["losses"])
            assert loss == pytest.approx(expected["losses"].mean(), abs=1e-6)
            assert error == np.mean(expected["predictions"] != examples.labels)
        row = gaps.loc[name, "loss", "BH"]
        assert row["value"] == pytest.approx(cross_fitted_barrier(np.array(units)), abs=1e-5)
        assert len(row["replicates"]) == tiny.RESAMPLING.replicates


def cross_fitted_barrier(units):
    """The rise at one half's highest point, measured on the other half; mean over halvings and ways."""
    alphas, found = np.linspace(0, 1, 5), []
    for second in cross_fitting.halves(units.shape[1], tiny.RESAMPLING.seed):
        for chooser, judge in ((second, ~second), (~second, second)):
            rises = []
            for half in (chooser, judge):
                curve = units[:, half].mean(axis=1)
                rises.append(curve - np.interp(alphas, [0, 1], curve[[0, -1]]))
            found.append(rises[1][rises[0].argmax()])
    return np.mean(found)


def test_rows_have_the_columns_that_others_lean_on(shared):
    points = shared[1].points
    keys = ["model", "dataset", "step", "seed_a", "seed_b", "set", "alpha"]
    assert points.columns.tolist() == [*keys, "loss", "error", "loss_replicates", "error_replicates", "n"]
    assert points[["alpha", "loss", "error"]].dtypes.eq(np.float64).all()
    assert points[["step", "seed_a", "seed_b", "n"]].dtypes.eq(np.int64).all()
    alike = points[["model", "dataset", "step", "seed_a", "seed_b", "n"]].drop_duplicates()
    assert alike.to_numpy().tolist() == [["tiny", "toy", 100, 1, 2, 40]]
    for _, part in points.groupby("set"):
        assert part["alpha"].is_monotonic_increasing
        assert part["alpha"].iloc[[0, -1]].tolist() == [0, 1]
    replicates = np.stack(points["loss_replicates"])
    assert replicates.shape == (len(points), tiny.RESAMPLING.replicates)
    assert replicates.dtype == np.float32
    assert np.abs(replicates.mean(1) - points["loss"]).max() < 0.3


def test_ends_are_those_of_an_evaluation(shared, tmp_path):
    from isthmus.measuring import evaluation

    cell, measured = shared
    for end, alpha in zip(cell.ends, (0.0, 1.0), strict=True):
        evaluation.evaluate(
            checkpoint=end.folder,
            sets=cell.sets,
            budget=tiny.BUDGET,
            numerics=tiny.cpu(),
            journal=tmp_path / f"journal{alpha}",  # a fresh one: both measure for themselves
            out=tmp_path / "out.parquet",
        )
        rows = tiny.pd.read_parquet(tmp_path / "out.parquet")
        for name in cell.sets:
            losses = rows.loc[rows["set"] == name, "loss"].to_numpy()
            points = measured.points.query("set == @name and alpha == @alpha")
            assert points["loss"].tolist() == [losses.mean()]


def test_heads_on_one_body_have_no_barrier_in_loss(tmp_path):
    points = tiny.Cell(tmp_path / "cell", moved=0.0).interpolate().points
    for _, part in points.groupby("set"):
        assert part["loss"].max() - part["loss"].min() > 1e-4
        for gap in (metrics.barrier_height, metrics.convexity_gap):
            assert gap(part["alpha"], part["loss"]).value <= 1e-6


def test_no_replicates_leave_empty_lists(tmp_path, shared):
    cell, measured = shared
    found = cell.interpolate(journal="bare", out="bare", resampling=Resampling(0, 0))
    assert {len(x) for x in found.points["loss_replicates"]} == {0}
    assert found.points["loss"].tolist() == measured.points["loss"].tolist()


@pytest.mark.parametrize("precision", ["bfloat16", "tf32"])
def test_other_precisions_measure_whole_paths_in_them(shared, precision):
    cell, _ = shared
    numerics = tiny.cpu(precision=precision)
    found = cell.interpolate(journal=precision, out=precision, sampler=UNIFORM, numerics=numerics).points
    tiny.cpu()
    exact = cell.interpolate(journal="exact", out="exact", sampler=UNIFORM).points
    apart = (found["loss"] - exact["loss"]).abs()
    assert apart.max() < 0.1
    if precision == "bfloat16":
        assert (apart[found["alpha"].isin([0, 1])] > 0).all()
        assert (apart > 0).all()


# --------------------------------------------------------------------------------- what is measured, and when


def test_what_the_journal_knows_needs_no_weights(shared, monkeypatch):
    cell, measured = shared
    monkeypatch.setattr(Classification, "open", lambda *_, **__: pytest.fail("a model was opened"))
    monkeypatch.setattr(anchors, "mapped", lambda *_: pytest.fail("weights were read"))
    monkeypatch.setattr(hf_folders, "check_weights", lambda *_: pytest.fail("weights were read"))
    again = cell.interpolate(out="again")
    assert again.count == 0
    assert again.bytes == measured.bytes


def test_a_deleted_journal_costs_time_and_nothing_else(shared):
    cell, measured = shared
    again = cell.interpolate(journal="fresh", out="fresh")
    assert again.count == measured.count > 10
    assert again.bytes == measured.bytes


@pytest.mark.parametrize("survived", [0, 1, 4, 7, 11, 15])
def test_a_job_that_died_goes_on_with_what_remains(shared, monkeypatch, survived):
    cell, measured = shared
    original, made = Placed.measure, itertools.count()

    def measure(self, model, outputs=False):
        if next(made) == survived:
            raise KeyboardInterrupt
        return original(self, model, outputs)

    monkeypatch.setattr(Placed, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        cell.interpolate(journal=f"died{survived}", out="died")
    monkeypatch.undo()
    again = cell.interpolate(journal=f"died{survived}", out=f"died{survived}")
    assert again.count == measured.count - survived
    assert again.bytes == measured.bytes


def test_changed_and_restored_settings_end_in_the_same_bytes(shared):
    cell, measured = shared
    points = len(measured.points) // 2
    tight = cell.interpolate(
        journal="changed", out="changed", sampler=replace(tiny.SAMPLER, max_alphas=points - 2)
    )
    assert len(tight.points) == 2 * (points - 2)
    uniform = cell.interpolate(journal="changed", out="changed", sampler=Uniform(9))
    assert uniform.count == 2 * 4  # of its 9 points the start grid has 5
    restored = cell.interpolate(journal="changed", out="changed")
    assert restored.count <= 2 * 2
    assert restored.bytes == measured.bytes


def test_a_further_set_costs_that_set_only(shared):
    cell, measured = shared
    cell.interpolate(journal="further", out="further")
    more = {**cell.sets, "more": tiny.examples(10, seed=3)}
    found = cell.interpolate(journal="further", out="further", sets=more)
    assert found.count == len(measured.points) // 2
    old = found.points.query("set != 'more'").reset_index(drop=True)
    assert old["loss"].tolist() == measured.points["loss"].tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 100},
        {"sets": {"train": tiny.examples(40, seed=5), "test": tiny.examples(40, seed=6)}},
    ],
    ids=["budget", "sets"],
)
def test_nothing_known_under_other_conditions_is_used(shared, change):
    cell, _ = shared
    name = "-".join(change)
    fresh = cell.interpolate(journal=f"{name}-fresh", out="fresh-conditions", sampler=UNIFORM, **change)
    cell.interpolate(journal=name, out="conditions", sampler=UNIFORM)
    found = cell.interpolate(journal=name, out="conditions", sampler=UNIFORM, **change)
    assert found.bytes == fresh.bytes
    assert found.count == 2 * 5


@pytest.mark.parametrize("resampling", [Resampling(21, 0), Resampling(20, 1)], ids=["replicates", "seed"])
def test_another_bootstrap_measures_nothing_again(shared, resampling):
    cell, _ = shared
    fresh = cell.interpolate(journal="redrawn-fresh", out="redrawn-fresh", resampling=resampling)
    cell.interpolate(journal="redrawn", out="redrawn")
    found = cell.interpolate(journal="redrawn", out="redrawn", resampling=resampling)
    assert found.count == 0
    assert found.bytes == fresh.bytes


def test_distances_are_known_under_their_own_conditions_only(shared, monkeypatch):
    cell, _ = shared
    cell.interpolate(journal="distances", out="distances", sampler=UNIFORM)
    made = []
    monkeypatch.setattr(paths, "distances", lambda *a: made.append(a) or distances(*a))
    cell.interpolate(journal="distances", out="distances", sampler=UNIFORM)
    assert made == []
    cell.interpolate(journal="distances", out="distances", sampler=UNIFORM, numerics=tiny.cpu(threads=2))
    tiny.cpu()
    assert len(made) == 1  # the order in which threads add up changes bits


def test_a_damaged_end_is_named(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    for end in cell.ends:
        path = end.folder / hf_folders.WEIGHTS
        whole = path.read_bytes()
        path.write_bytes(whole[:-5])
        with pytest.raises(Damaged, match=rf"seed{end.seed}/model.safetensors is damaged"):
            cell.interpolate()
        path.write_bytes(whole)


# -------------------------------------------------------------------------------------------------- the row


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A row of five seeds, the order in which weights are read, and how many sets live at each point."""
    cell = tiny.Cell(tmp_path / "cell", seeds=(1, 2, 3, 4, 5))
    read, alive, most = [], weakref.WeakSet(), []

    class Watched(dict):
        __hash__ = object.__hash__

    load, measure, distance = Reader.weights, Placed.measure, paths.distances

    def watched_load(self, end):
        weights = Watched(load(self, end))
        read.append(end.seed)
        alive.add(weights)
        return weights

    def count():
        most.append(len(alive) + 1)  # and the live model

    monkeypatch.setattr(Reader, "weights", watched_load)
    monkeypatch.setattr(Placed, "measure", lambda self, *a, **k: count() or measure(self, *a, **k))
    monkeypatch.setattr(paths, "distances", lambda *a: count() or distance(*a))
    return cell, read, most


def test_a_row_reads_each_end_once_and_one_ahead(watched):
    cell, read, most = watched
    found = cell.interpolate(sampler=UNIFORM)
    assert sorted(read) == [1, 2, 3, 4, 5, 5]  # the last one's start, too
    assert [seed for seed in read if seed != 5] == [1, 2, 3, 4]
    assert max(most) == 5  # the start among them, mapped
    assert found.pairs[["seed_a", "seed_b"]].to_numpy().tolist() == [[1, 5], [2, 5], [3, 5], [4, 5]]
    assert found.points["seed_a"].drop_duplicates().tolist() == [1, 2, 3, 4]


def test_the_next_end_is_read_while_this_one_is_measured(watched, monkeypatch):
    cell, _, _ = watched
    started = threading.Event()
    load, measure = Reader.weights, Placed.measure

    def announced(self, end):
        if end.seed == 2:
            started.set()
        return load(self, end)

    def waiting(self, *arguments, **named):
        assert started.wait(
            10
        )  # the first measurement of the first path lasts until the second end is being read
        return measure(self, *arguments, **named)

    monkeypatch.setattr(Reader, "weights", announced)
    monkeypatch.setattr(Placed, "measure", waiting)
    cell.interpolate(sampler=UNIFORM)


@pytest.mark.long
def test_an_end_read_ahead_and_not_needed_is_let_go(watched, monkeypatch):
    cell, read, most = watched
    cell.interpolate(sampler=UNIFORM, others=[cell.ends[1]])
    read.clear()
    most.clear()
    whole = cell.interpolate(sampler=UNIFORM, out="whole")
    assert sorted(read) == [1, 2, 3, 4, 5, 5]  # each end once, and the last one's start
    assert max(most) == 5  # the start among them, mapped
    fresh = cell.interpolate(sampler=UNIFORM, out="fresh", journal="fresh")
    assert whole.bytes == fresh.bytes
    assert whole.count < fresh.count


def test_rows_of_one_step_share_the_ends(tmp_path):
    cell = tiny.Cell(tmp_path / "cell", seeds=(1, 2, 3))
    first = cell.interpolate(sampler=UNIFORM, out="seed2", end=cell.ends[1], others=cell.ends[:1])
    second = cell.interpolate(sampler=UNIFORM, out="seed3")
    assert first.count == 2 * 5
    assert second.count == 2 * (2 * 3 + 1)  # of the two paths' ends only seed 3's own is new


# -------------------------------------------------------------------------------------- another label space


def test_gaps_of_a_three_class_model_on_a_two_class_set(shared, tmp_path):
    """Probabilities are added before the loss, at each alpha, and the gaps are those of that loss."""
    from isthmus.statistics import connectivity
    from torch.nn.functional import softmax

    cell, _ = shared
    groups = np.array([0, 1, 1])
    two = tiny.examples(30, seed=3, groups=tuple(groups))
    sets = {"test": cell.sets["test"], "far": two}
    found = cell.interpolate("two_classes", UNIFORM, sets=sets, journal="two_classes").points
    far = found[found["set"] == "far"].sort_values("alpha")
    ends = [weight_files.load(end.folder / hf_folders.WEIGHTS) for end in cell.ends]
    model = classifiers.open_classifier(cell.ends[0].folder, attention="eager")
    placed, live, line = Placed(two, 4000, 0, tiny.cpu()), LiveModel(model), Line("a", "b")
    weights = dict(zip("ab", ends, strict=True))
    (inputs,) = placed.batches
    order = np.argsort(two.lengths, kind="stable")
    for alpha, loss, error in zip(far["alpha"], far["loss"], far["error"], strict=True):
        with torch.inference_mode():
            of_classes = softmax(live.move(line.at(alpha), weights)(**inputs).logits.double(), dim=-1).numpy()
        both = np.stack([of_classes[:, groups == label].sum(1) for label in (0, 1)], axis=1)
        labels = two.labels[order]
        assert loss == pytest.approx(-np.log(both[np.arange(30), labels]).mean(), rel=1e-5)
        assert error == pytest.approx((both.argmax(1) != labels).mean())
    rows = connectivity.cell([cell.folder / "two_classes.parquet"], 4, 100).metrics
    rows = rows[(rows["set"] == "far") & (rows["quantity"] == "loss")].set_index("metric")
    curve = far["alpha"].tolist(), far["loss"].tolist()
    assert rows.loc["BH", "value"] == metrics.barrier_height(*curve).value
    assert rows.loc["CG", "value"] == metrics.convexity_gap(*curve).value


def test_an_unknown_start_leaves_its_distances_empty(shared):
    cell, known = shared
    found = cell.interpolate("no_start", UNIFORM, start=None, journal="no_start").pairs.iloc[0]
    assert found[["distance_a", "distance_b", "cosine"]].isna().all()
    assert found["distance"] == pytest.approx(known.pairs.iloc[0]["distance"], rel=1e-9)
