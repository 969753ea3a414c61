"""Alignment: planted shuffles are found and undone exactly, for each architecture, whatever the method.

That a shuffle is one of the function's symmetries is seen by Transformers' own logits, not by our table.
"""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus import hashing, stored
from isthmus.data import blocks, tokens
from isthmus.errors import AlignmentFailed, ConfigError
from isthmus.measuring import aligning, learning, permuting
from isthmus.measuring.aligning import align, align_pair
from isthmus.measuring.ends import End
from isthmus.measuring.permuting import HeadOrders, Reordered, match_heads
from isthmus.measuring.reading import Reader, units_of
from isthmus.models import architectures, classifiers, hf_folders, language_models, tokenizing, weight_files
from isthmus.models.first_token import compute_all
from isthmus.models.units import ATTENTION, TABLE, Heads
from isthmus.space.anchors import mapped
from isthmus.tasks.asked import asked

from tests.unit import families, tiny

LIKENESS = ("activations", "weights")  # what orders are found by at once
CLASSIFIERS = ("bert", "roberta", "electra", "distilbert", "gpt2", "gpt_neox", "llama")
LANGUAGE = [(family, "causal_lm") for family in families.DECODERS]
LANGUAGE += [(family, "masked_lm") for family in ("bert", "roberta", "electra", "distilbert")]
CASES = [(family, "classification") for family in CLASSIFIERS] + LANGUAGE


def checkpoint(folder, model, task, seed):
    """A checkpoint whose every weight moved, biases and scales too: zeros and ones would hide mistakes."""
    if task == "classification":
        classifiers.initialize(model, tiny.LABELS, 0, seed, folder)
    else:
        language_models.write_checkpoint(model, "model", task, folder)
    path = folder / hf_folders.WEIGHTS
    state = weight_files.load(path)
    generator = torch.Generator().manual_seed(seed)
    for tensor in state.values():
        tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
    save(state, folder)
    return folder


def save(state, folder):
    path = folder / hf_folders.WEIGHTS
    weight_files.save(state, path)
    record = {"sha256": hashing.of_file(path), **architectures.described(folder)}
    hf_folders.write_record(folder / architectures.RECORD, record)


def examples_of(model, task):
    names = tokenizing.open_tokenizer(model)
    names.mask_token = names.mask_token or names.unk_token  # RoBERTa's here has none
    if task == "classification":
        template = tokenizing.pair_template(model)
        return tokens.tokenize(names, tiny.rows(60), [0, 1, 2], 64, template)
    cut = blocks.Blocks(
        task, 24, "joined", False, **({"masked": 0.3, "seed": 0} if task == "masked_lm" else {})
    )
    return cut.of(names, tiny.rows(80, pairs=False)._replace(labels=None), "texts")


def logits(folder, task, inputs):
    """By plain Transformers, in float64 (but for what Llama's code computes in float32)."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification

    kinds = {"causal_lm": AutoModelForCausalLM, "masked_lm": AutoModelForMaskedLM}
    kind = kinds.get(task, AutoModelForSequenceClassification)
    with torch.inference_mode():
        return kind.from_pretrained(folder).double().eval()(**inputs).logits


def shuffled(folder, out, seed):
    """A copy with all units in random places; the orders, and those that undo them."""
    end = End.read(0, folder)
    units = units_of(end, mapped(folder / hf_folders.WEIGHTS))
    random, heads = np.random.default_rng(seed), units.heads
    orders = {}
    for name, size in units.sizes.items():
        if name.split(" ")[0] not in ATTENTION:
            orders[name] = random.permutation(size)
    for layer in units.layers:
        many = lambda size: np.stack([random.permutation(size) for _ in range(heads.groups)])  # noqa: E731
        inner = many(heads.width - heads.rotary) + heads.rotary  # what has a frequency stays
        inner = np.hstack([np.tile(np.arange(heads.rotary), (heads.groups, 1)), inner])
        groups = random.permutation(heads.groups)
        orders |= HeadOrders(groups, many(heads.repeats), inner, many(heads.width)).orders(layer)
    out.mkdir()
    hf_folders.write_settings(out, hf_folders.settings(folder))
    save(
        {k: w.clone() for k, w in Reordered(mapped(folder / hf_folders.WEIGHTS), units, orders).items()}, out
    )
    return orders, {name: np.argsort(order) for name, order in orders.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """For each case two checkpoints of one body, both also with their units shuffled, and examples."""
    folder, found = tmp_path_factory.mktemp("aligned"), {}

    def make(family, task):
        if (family, task) not in found:
            where = folder / f"{family}-{task}"
            tiny.cpu()
            model = families.fetched(where, family)
            a, b = (checkpoint(where / name, model, task, seed) for seed, name in enumerate("ab"))
            undo = [shuffled(own, where / f"{own.name}-shuffled", 7)[1] for own in (a, b)]
            found[family, task] = where, undo, examples_of(model, task)
        return found[family, task]

    return make


def ends(where, *names):
    return [End.read(seed, where / name) for seed, name in enumerate(names)]


@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_shuffle_of_all_units_is_the_same_function(made, family, task):
    where, undo, _ = made(family, task)
    inputs = {"input_ids": torch.randint(5, 60, (3, 11), generator=torch.Generator().manual_seed(0))}
    before, after = (logits(where / name, task, inputs) for name in ("a", "a-shuffled"))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4 if family == "llama" else 1e-9)
    moved = {name for name, order in undo[0].items() if (order != np.arange(len(order))).any()}
    assert {name.split(" ")[0] for name in moved} >= {"residual", "inner", "value", "context"}
    weights = [mapped(where / name / hf_folders.WEIGHTS) for name in ("a", "a-shuffled")]
    still = [name for name in weights[0] if torch.equal(weights[0][name], weights[1][name])]
    assert all(re.search(r"bias$", name) for name in still), still  # of outputs alone


@pytest.mark.parametrize("method", LIKENESS)
@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_planted_shuffle_is_found_exactly(made, family, task, method):
    where, (undo, _), examples = made(family, task)
    found = align(*ends(where, "a", "a-shuffled"), examples, 60, method, 3, tiny.cpu(), 256)
    assert found.orders.keys() == undo.keys()
    for name, order in undo.items():
        np.testing.assert_array_equal(found.orders[name], order, name)
    assert found.difference < 1e-9


@pytest.mark.parametrize("method", LIKENESS)
def test_the_gap_to_a_shuffled_copy_is_nothing_and_to_a_shuffled_sibling_that_of_the_sibling(
    made, tmp_path, method
):
    from isthmus.measuring.detours import Detour
    from isthmus.metrics import convexity_gap
    from isthmus.space.sampling import Uniform

    where, _, examples = made("bert", "classification")

    def gap(other, aligned):
        a, b = ends(where, "a", other)
        if aligned:
            tokens.write(examples, tmp_path / "train.safetensors")
            orders = tmp_path / f"{other}.safetensors"
            align_pair(
                ends=[a, b], examples=tmp_path / "train.safetensors", count=60, method=method, seed=0,
                numerics=tiny.cpu(), budget=256, out=orders, record=tmp_path / f"{other}.json",
            )  # fmt: skip
            b = b.aligned(orders)
        detour = Detour(
            "polychain",
            [a, b],
            {"test": examples},
            256,
            tiny.cpu(),
            tiny.RESAMPLING,
            tmp_path / f"{other}{aligned}",
        )
        curve = detour.curve(Uniform(9))
        return convexity_gap(list(curve), [at["test"].loss for at in curve.values()]).value

    assert gap("a-shuffled", aligned=False) > 0.01
    assert gap("a-shuffled", aligned=True) < 1e-5
    plain = gap("b", aligned=True)
    assert gap("b-shuffled", aligned=True) == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_the_weights_find_the_stream_in_whatever_order_groups_are_visited(made, seed):
    """ELECTRA's has no table of words on it, only a projection of what has."""
    where, (undo, _), examples = made("electra", "classification")
    found = align(*ends(where, "a", "a-shuffled"), examples, 60, "weights", seed, tiny.cpu(), 256)
    np.testing.assert_array_equal(found.orders["residual"], undo["residual"])


@pytest.mark.parametrize("method", LIKENESS)
def test_heads_on_shared_keys_and_an_output_of_its_own(tmp_path, method, monkeypatch):
    """Four heads on two keys and values; and a decoder whose output is not tied to its words."""
    sizes = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False}
    monkeypatch.setitem(families.SIZES, "llama", families.SIZES["llama"] | sizes)
    model = families.fetched(tmp_path, "llama")
    a = checkpoint(tmp_path / "a", model, "causal_lm", 0)
    _, undo = shuffled(a, tmp_path / "a-shuffled", 7)
    found = align(
        *ends(tmp_path, "a", "a-shuffled"), examples_of(model, "causal_lm"), 60, method, 0, tiny.cpu(), 256
    )
    for name, order in undo.items():
        np.testing.assert_array_equal(found.orders[name], order, name)


def test_padding_is_not_counted(made):
    """One example a batch has none; correlations are the same with many, up to the rounding of sums."""
    where, _, examples = made("roberta", "classification")
    task = asked({"train": examples}, where / "a", tiny.cpu())
    units = units_of(End.read(0, where / "a"), mapped(where / "a" / hf_folders.WEIGHTS))
    found = []
    for budget in (1, 4096):
        models = [compute_all(task.open(where / name)) for name in "ab"]
        batches = [batch.inputs for batch in task.micro_batches(examples, np.arange(40), budget, 0)]
        assert len(batches) == (40 if budget == 1 else 1)
        sums = aligning.summed(units, *models, batches)
        found.append({place: own.correlation() for place, own in sums.items()})
    assert found[0].keys() == found[1].keys()
    for place, own in found[0].items():
        np.testing.assert_allclose(own, found[1][place], atol=1e-4, err_msg=str(place))


def test_two_runs_of_one_body_keep_its_residual_stream(made):
    """A control: noise of a tenth on each weight, another head. What is like what stays where it is."""
    where, _, examples = made("bert", "classification")
    found = align(*ends(where, "a", "b"), examples, 60, "weights", 0, tiny.cpu(), 256)
    assert found.moved["residual"] == 0
    whole = align(*ends(where, "a", "b-shuffled"), examples, 60, "weights", 0, tiny.cpu(), 256)
    assert whole.moved["residual"] > 0.8


# ----------------------------------------------------------------------------------------------- the matching


def brute_force(heads: Heads, similar) -> float:
    """The largest sum over all orders of heads and of units within them, one by one."""
    within, best = list(itertools.permutations(range(heads.width))), -np.inf
    fixed = tuple(range(heads.rotary))
    inner_choices = [order for order in within if order[: heads.rotary] == fixed]
    for groups in itertools.permutations(range(heads.groups)):
        total = 0.0
        for i, j in enumerate(groups):
            own = slice(i * heads.width, (i + 1) * heads.width)
            block = {name: m[own][:, j * heads.width : (j + 1) * heads.width] for name, m in similar.items()}
            at = range(heads.width)
            total += max(sum((block["query"] + block["key"])[k, p[k]] for k in at) for p in inner_choices)
            total += max(sum((block["value"] + block["context"])[k, p[k]] for k in at) for p in within)
        best = max(best, total)
    return best


def value_of(orders, similar) -> float:
    return sum(
        similar[n][np.arange(len(o)), o].sum() for n, o in ((k.split(" ")[0], v) for k, v in orders.items())
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))
def test_heads_are_matched_as_well_as_trying_all_does(seed, groups, width, rotary):
    heads, random = Heads(groups, 1, width, min(rotary, width)), np.random.default_rng(seed)
    similar = {name: random.normal(size=(groups * width,) * 2) for name in ATTENTION}
    orders = match_heads(heads, similar).orders(0)
    assert value_of(orders, similar) == pytest.approx(brute_force(heads, similar))


def test_heads_that_share_a_key_move_together():
    random, heads = np.random.default_rng(0), Heads(2, 2, 3, 3)
    similar = {
        name: random.normal(size=(6, 6) if name in ("key", "value") else (12, 12)) for name in ATTENTION
    }
    orders = {name.split(" ")[0]: own for name, own in match_heads(heads, similar).orders(0).items()}
    group = orders["key"][::3] // 3
    np.testing.assert_array_equal(orders["key"] % 3, [0, 1, 2] * 2)
    np.testing.assert_array_equal(orders["query"] // 6, np.repeat(group, 6))
    np.testing.assert_array_equal(orders["context"] // 3, orders["query"] // 3)
    np.testing.assert_array_equal(orders["value"] % 3, (orders["context"] % 3).reshape(2, 2, 3)[:, 0].ravel())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_correlations_are_those_of_numpy(seed, parts):
    random = np.random.default_rng(seed)
    a, b = (random.normal(3, 2, size=(40, 4)).astype(np.float32) for _ in "ab")
    a[:, 1] = 2.5  # a unit that is always the same has no correlation
    sums = aligning.Sums()
    for part in zip(np.array_split(a, parts), np.array_split(b, parts), strict=True):
        sums.add(*map(torch.from_numpy, part))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.nan_to_num(np.corrcoef(a.T, b.T)[:4, 4:])
    np.testing.assert_allclose(sums.correlation(), expected, atol=1e-4)


# ------------------------------------------------------------------------------------------ checks, refusals


def test_a_table_that_is_wrong_is_noticed_and_its_group_is_named(made, monkeypatch):
    where, _, examples = made("bert", "classification")
    wrong = {k: v for k, v in TABLE["bert"].items() if "intermediate" not in k}
    monkeypatch.setitem(
        TABLE,
        "bert",
        wrong | {r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias)": (None, "residual")},
    )
    with pytest.raises(AlignmentFailed, match=r"its logits differ by .*It is in inner 0, inner 1"):
        align(*ends(where, "a", "a-shuffled"), examples, 60, "weights", 0, tiny.cpu(), 256)


def test_an_architecture_that_is_in_no_table_is_refused(tmp_path):
    model = families.fetched(tmp_path, "deberta-v2")
    a, b = (checkpoint(tmp_path / name, model, "classification", seed) for seed, name in enumerate("ab"))
    with pytest.raises(
        ConfigError, match=r"found the architecture deberta-v2, .*allowed for alignment: bert, "
    ):
        align(
            End.read(0, a),
            End.read(1, b),
            examples_of(model, "classification"),
            5,
            "weights",
            0,
            tiny.cpu(),
            256,
        )


def test_orders_are_kept_in_kilobytes_and_the_anchor_is_another(made, tmp_path):
    where, undo, examples = made("gpt2", "classification")
    a, b = ends(where, "a", "a-shuffled")
    tokens.write(examples, tmp_path / "train.safetensors")
    out = tmp_path / "orders.safetensors"
    align_pair(
        ends=[a, b], examples=tmp_path / "train.safetensors", count=30, method="activations", seed=0,
        numerics=tiny.cpu(), budget=256, out=out, record=tmp_path / "record.json",
    )  # fmt: skip
    assert out.stat().st_size < 5000
    assert {name: own.dtype for name, own in stored.read_arrays(out).items()} == dict.fromkeys(
        undo[0], np.int32
    )
    record = json.loads((tmp_path / "record.json").read_text())
    assert set(record["moved"]) == {
        "residual", "inner", "heads", "query and key in heads", "value and context in heads",
    }  # fmt: skip
    assert b.aligned(out).anchor not in (a.anchor, b.anchor)
    original, read = (Reader(None).weights(end) for end in (a, b.aligned(out)))
    for name, tensor in original.items():
        torch.testing.assert_close(read[name], tensor, rtol=0, atol=0)


def test_identity_orders_change_no_bit(made):
    where, _, _ = made("bert", "classification")
    (end,) = ends(where, "a")
    weights = Reader(None).weights(end)
    units = units_of(end, weights)
    same = {name: np.arange(size) for name, size in units.sizes.items()}
    assert permuting.Reordered(weights, units, same).orders == {}


# ------------------------------------------------------------------------------------------------- learned


@pytest.fixture
def middle(made):
    """Between a model and its own shuffled copy, on the labels that it gives itself; and the true orders."""
    where, (undo, _), examples = made("bert", "classification")
    a, b = (mapped(where / name / hf_folders.WEIGHTS) for name in ("a", "a-shuffled"))
    end = End.read(1, where / "a-shuffled")
    task = asked({"train": examples}, where / "a", tiny.cpu())
    predicted = task.place(examples, 256).measure(task.open(where / "a"))["predictions"]
    examples = replace(examples, labels=predicted.astype(examples.labels.dtype))
    return learning.Middle(task, end, a, b, units_of(end, b), examples, 256), undo


def test_learned_orders_make_the_middle_s_loss_small_and_are_the_same_again(middle):
    between, undo = middle
    nothing = {name: np.arange(len(order)) for name, order in undo.items()}
    found = learning.by_learning(between, nothing, 30, 0)
    start, end = (between.loss(orders) for orders in (nothing, found))
    assert end < 0.9 * start
    again = learning.by_learning(between, nothing, 30, 0)
    assert all((found[name] == again[name]).all() for name in found)
    # What it begins with is kept where nothing better is found.
    assert between.loss(learning.by_learning(between, undo, 1, 0)) <= between.loss(undo)


def test_their_gradients_are_those_of_plain_pytorch(middle):
    between, undo = middle
    reordered = Reordered(between.b, between.units, undo)
    model = between.task.open(between.end.opens)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.copy_((between.a[name] + reordered[name]) / 2)
    index = np.arange(7)
    (batch,) = between.task.micro_batches(between.examples, index, 10**6, 1)
    torch.nn.functional.cross_entropy(model(**batch.inputs).logits, batch.targets).backward()
    found = between.gradients(undo, index, 1)
    for name, tensor in model.named_parameters():
        torch.testing.assert_close(found[name], tensor.grad, rtol=1e-3, atol=1e-6)
