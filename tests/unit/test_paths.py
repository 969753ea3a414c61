"""The line between two checkpoints: its points, what is measured on it; no death changes the file."""

import itertools
import shutil
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from isthmus import metrics, stored
from isthmus.errors import Damaged, MismatchedEnds
from isthmus.measuring import paths
from isthmus.measuring.evaluation import Examples
from isthmus.measuring.paths import Line, Row, check_same_space, distances, replay
from isthmus.models import classifiers, hf_folders, weight_files
from isthmus.space import sampling
from torch import nn

from tests.unit import tiny

UNIFORM = {"grid": "uniform", "points": 5}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cell of two BERTs, measured once; tests that write to its journal name one of their own."""
    cell = tiny.Cell(tmp_path_factory.mktemp("shared") / "cell")
    return cell, cell.interpolate()


# -------------------------------------------------------------------------------------------------- the line


class Tangle(nn.Module):
    """Tied weights, a float buffer, an integer buffer, an integer parameter."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)
        self.norm.running_mean += seed
        self.norm.num_batches_tracked += seed
        self.count = nn.Parameter(torch.tensor([seed]), requires_grad=False)


def tangle(seed):
    return {name: tensor.clone() for name, tensor in weight_files.distinct(Tangle(seed)).items()}


@given(st.floats(0, 1))
def test_weights_are_on_the_line(alpha):
    a, b = tangle(1), tangle(2)
    model = Line(Tangle(0), a, b).move(alpha)
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point():
            expected = (1 - alpha) * a[name].double() + alpha * b[name].double()
            assert torch.allclose(tensor.double(), expected, atol=3e-7)


def test_ends_have_their_own_bits():
    a, b = tangle(1), tangle(2)
    a["first.weight"][0, 0], b["first.weight"][0, 0] = -0.0, 1.0
    a["first.weight"][1, 1], b["first.weight"][1, 1] = 1.0, -0.0
    a["first.weight"][2, 2], b["first.weight"][2, 2] = 3e38, -3e38  # whose difference is infinite
    line = Line(Tangle(0), a, b)
    for alpha, end in ((0.0, a), (1.0, b), (0.0, a)):
        found = dict(line.move(alpha).named_parameters())
        for name in ("first.weight", "first.bias"):
            assert found[name].detach().numpy().tobytes() == end[name].numpy().tobytes()


def test_buffers_and_integers_come_from_the_earlier_seed():
    a, b = tangle(1), tangle(2)
    model = Line(Tangle(0), a, b).move(0.75)
    assert model.count.item() == 1
    assert model.norm.num_batches_tracked == 1
    assert torch.equal(model.norm.running_mean, a["norm.running_mean"])


def test_tied_weights_move_once_and_stay_tied():
    line = Line(Tangle(0), tangle(1), tangle(2))
    assert len(line.moving) == 4  # one weight, one bias, the norm's two
    model = line.move(0.5)
    assert model.second.weight is model.first.weight


def test_tied_embeddings_of_a_real_architecture_move_once():
    from transformers import BartConfig, BartForSequenceClassification

    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 50, "encoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}

    def bart(seed):
        torch.manual_seed(seed)
        return BartForSequenceClassification(BartConfig(**size, **heads)).eval()

    a, b = ({n: t.clone() for n, t in weight_files.distinct(bart(seed)).items()} for seed in (1, 2))
    line = Line(bart(0), a, b)
    assert len(line.moving) == len(list(line.model.parameters()))
    embeddings = {t.data_ptr(): t for t in line.move(0.5).state_dict().values() if t.shape == (50, 16)}
    (embedding,) = embeddings.values()
    (name,) = (name for name, tensor in a.items() if tensor.shape == (50, 16))
    assert torch.allclose(embedding, (a[name] + b[name]) / 2, atol=1e-7)


def test_the_first_three_differences_are_named():
    a = {name: torch.zeros(2, 3) for name in "abcdef"}
    b = {name: tensor.clone() for name, tensor in a.items()}
    check_same_space(a, b, ("one", "two"))
    del b["b"]
    b["c"] = torch.zeros(3, 2)
    b["d"] = torch.zeros(2, 3, dtype=torch.float16)
    b["z"] = torch.zeros(1)
    with pytest.raises(MismatchedEnds) as caught:
        check_same_space(a, b, ("one", "two"))
    message = str(caught.value)
    assert message.startswith(
        "no line joins one and two: 4 tensors differ, first b: ((2, 3), 'torch.float32') and absent;"
    )
    assert "c: ((2, 3), 'torch.float32') and ((3, 2), 'torch.float32')" in message
    assert "d: ((2, 3), 'torch.float32') and ((2, 3), 'torch.float16')" in message
    assert "z:" not in message


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


def test_distances_are_those_of_the_flat_vectors():
    generator = torch.Generator().manual_seed(0)
    shapes = {"body.a": (4, 5), "body.b": (7,)}
    start, a, b = ({n: torch.randn(s, generator=generator) for n, s in shapes.items()} for _ in range(3))
    for state in (start, a, b):
        state["body.ids"] = torch.arange(3)
    found = distances(a, b, ((name, tensor, tensor) for name, tensor in start.items()))
    flat = [np.concatenate([s[n].double().numpy().ravel() for n in shapes]) for s in (start, a, b)]
    u, v = flat[1] - flat[0], flat[2] - flat[0]
    norms = np.linalg.norm(u), np.linalg.norm(v)
    expected = np.linalg.norm(u - v), *norms, u @ v / (norms[0] * norms[1])
    assert [float(x) for x in found.values()] == pytest.approx(expected, rel=1e-12)
    assert list(found) == ["distance", "distance_a", "distance_b", "cosine"]


def test_cosine_of_an_update_of_nothing_is_empty():
    start = {"a": torch.zeros(3)}
    found = distances(start, {"a": torch.ones(3)}, [("a", start["a"], start["a"])])
    assert np.isnan(found["cosine"])
    assert found["distance"] == found["distance_b"] == pytest.approx(3**0.5)


def _bodies(*folders):
    states = [weight_files.load(folder / hf_folders.WEIGHTS) for folder in folders]
    names = [name for name in states[0] if name.startswith("bert.")]
    return [np.concatenate([state[name].double().ravel() for name in names]) for state in states]


def test_each_end_s_distance_is_that_from_its_own_start(tmp_path):
    cell = tiny.Cell(tmp_path / "cell")
    common = cell.interpolate("common", UNIFORM, journal="one").pairs.iloc[0]
    other = tiny.checkpoint(tmp_path / "other", cell.folder / "model", seed=7, moved=0.5)  # another body
    own = paths.End.read(1, other)
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
    head = paths.End(1, tmp_path / "head", replace(cell.start.anchor, weights=sha256))
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
            predictions.append(Examples(examples, tiny.BUDGET, 0, tiny.cpu()).measure(model)["predictions"])
        assert pair[f"disagreement_{name}"] == np.mean(predictions[0] != predictions[1])
    assert list(pair)[:5] == ["model", "dataset", "step", "seed_a", "seed_b"]


# ------------------------------------------------------------------------------------------------- the curves


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_losses_are_those_of_rebuilt_state_dicts(tmp_path, family):
    from transformers import AutoModelForSequenceClassification

    cell = tiny.Cell(tmp_path / "cell", family=family)
    points = cell.interpolate(sampler=UNIFORM).points
    a, b = (weight_files.load(end.folder / hf_folders.WEIGHTS) for end in cell.ends)
    pad = hf_folders.pad_token(cell.start.folder)
    for name, examples in cell.sets.items():
        part = points[points["set"] == name]
        assert part["alpha"].tolist() == [0, 0.25, 0.5, 0.75, 1]
        for alpha, loss, error in part[["alpha", "loss", "error"]].itertuples(index=False):
            model = AutoModelForSequenceClassification.from_pretrained(cell.start.folder).eval()
            model.load_state_dict({key: (1 - alpha) * a[key] + alpha * b[key] for key in a})
            expected = Examples(examples, tiny.BUDGET, pad, tiny.cpu()).measure(model)
            assert loss == pytest.approx(expected["losses"].mean(), abs=1e-6)
            assert error == np.mean(expected["predictions"] != examples.labels)


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
    assert replicates.shape == (len(points), tiny.BOOTSTRAP["replicates"])
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
    found = cell.interpolate(journal="bare", out="bare", bootstrap={"replicates": 0, "seed": 0})
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


# ------------------------------------------------------------------------------------------------ the sampler


def curve(alpha):
    return float(np.exp(-(((alpha - 0.4) / 0.1) ** 2)))


def test_uniform_grid_asks_for_its_points():
    asked = []
    assert replay(lambda x: asked.append(x) or curve(x), UNIFORM) == asked == [0, 0.25, 0.5, 0.75, 1]


def test_adaptive_grid_asks_as_the_sampler_says_and_never_twice():
    asked = []
    found = replay(lambda x: asked.append(x) or curve(x), tiny.SAMPLER | {"max_alphas": 20})
    assert asked[:5] == sampling.start_grid(4)
    assert found == sorted(set(asked))
    assert len(found) == len(asked)
    assert 5 < len(found) <= 20
    limits = {"tolerance": 1e-3, "max_alphas": 20}
    assert sampling.next_alpha(found, [curve(x) for x in found], **limits) is None
    for n in range(5, len(asked)):
        points = sorted(asked[:n])
        assert sampling.next_alpha(points, [curve(x) for x in points], **limits) == asked[n]


# --------------------------------------------------------------------------------- what is measured, and when


def test_what_the_journal_knows_needs_no_weights(shared, monkeypatch):
    cell, measured = shared
    monkeypatch.setattr(classifiers, "open_classifier", lambda *_, **__: pytest.fail("a model was opened"))
    monkeypatch.setattr(weight_files, "load", lambda *_: pytest.fail("weights were read"))
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
    original, made = Examples.measure, itertools.count()

    def measure(self, model):
        if next(made) == survived:
            raise KeyboardInterrupt
        return original(self, model)

    monkeypatch.setattr(Examples, "measure", measure)
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
        journal="changed", out="changed", sampler=tiny.SAMPLER | {"max_alphas": points - 2}
    )
    assert len(tight.points) == 2 * (points - 2)
    uniform = cell.interpolate(journal="changed", out="changed", sampler={"grid": "uniform", "points": 9})
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
        {"bootstrap": {"replicates": 21, "seed": 0}},
        {"bootstrap": {"replicates": 20, "seed": 1}},
        {"budget": 100},
        {"sets": {"train": tiny.examples(40, seed=5), "test": tiny.examples(40, seed=6)}},
    ],
    ids=["replicates", "seed", "budget", "sets"],
)
def test_nothing_known_under_other_conditions_is_used(shared, change):
    cell, _ = shared
    name = "-".join(change)
    fresh = cell.interpolate(journal=f"{name}-fresh", out="fresh-conditions", sampler=UNIFORM, **change)
    cell.interpolate(journal=name, out="conditions", sampler=UNIFORM)
    found = cell.interpolate(journal=name, out="conditions", sampler=UNIFORM, **change)
    assert found.bytes == fresh.bytes
    # Another bootstrap needs no new measurement of the ends: their examples' losses are known.
    assert found.count == (2 * 3 if "bootstrap" in change else 2 * 5)


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

    load, measure, distance = Row.load, Examples.measure, paths.distances

    def watched_load(self, end):
        weights = Watched(load(self, end))
        read.append(end.seed)
        alive.add(weights)
        return weights

    def count():
        most.append(len(alive) + 1)  # and the live model

    monkeypatch.setattr(Row, "load", watched_load)
    monkeypatch.setattr(Examples, "measure", lambda self, model: count() or measure(self, model))
    monkeypatch.setattr(paths, "distances", lambda *a: count() or distance(*a))
    return cell, read, most


def test_a_row_reads_each_end_once_and_one_ahead(watched):
    cell, read, most = watched
    found = cell.interpolate(sampler=UNIFORM)
    assert sorted(read) == [1, 2, 3, 4, 5]
    assert [seed for seed in read if seed != 5] == [1, 2, 3, 4]
    assert max(most) == 4
    assert found.pairs[["seed_a", "seed_b"]].to_numpy().tolist() == [[1, 5], [2, 5], [3, 5], [4, 5]]
    assert found.points["seed_a"].drop_duplicates().tolist() == [1, 2, 3, 4]


def test_the_next_end_is_read_while_this_one_is_measured(watched, monkeypatch):
    cell, _, _ = watched
    started = threading.Event()
    load, measure = Row.load, Examples.measure

    def announced(self, end):
        if end.seed == 2:
            started.set()
        return load(self, end)

    def waiting(self, model):
        assert started.wait(
            10
        )  # the first measurement of the first path lasts until the second end is being read
        return measure(self, model)

    monkeypatch.setattr(Row, "load", announced)
    monkeypatch.setattr(Examples, "measure", waiting)
    cell.interpolate(sampler=UNIFORM)


def test_an_end_read_ahead_and_not_needed_is_let_go(watched, monkeypatch):
    cell, read, most = watched
    cell.interpolate(sampler=UNIFORM, others=[cell.ends[1]])
    read.clear()
    most.clear()
    whole = cell.interpolate(sampler=UNIFORM, out="whole")
    assert sorted(read) == [1, 2, 3, 4, 5]
    assert max(most) == 4
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
    placed, line = Examples(two, 4000, 0, tiny.cpu()), Line(model, *ends)
    (inputs,) = placed.batches
    order = np.argsort(two.lengths, kind="stable")
    for alpha, loss, error in zip(far["alpha"], far["loss"], far["error"], strict=True):
        with torch.inference_mode():
            of_classes = softmax(line.move(alpha)(**inputs).logits.double(), dim=-1).numpy()
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
