import json
import math
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus import stored
from isthmus.caches.identity import CAUSAL_LM, CLASSIFICATION, FACTORS, MASKED_LM, MERGED
from isthmus.data import tokens
from isthmus.errors import ConfigError, Damaged, Interrupted, MismatchedEnds
from isthmus.experiment import adapter_folders
from isthmus.measuring import rises
from isthmus.measuring.distances import distances
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.engine import Engine
from isthmus.measuring.reading import Reader
from isthmus.measuring.rows import Row
from isthmus.models import adapters, architectures, classifiers, hf_folders, weight_files
from isthmus.space.geometries import Line
from isthmus.tasks.asked import asked
from isthmus.tasks.classification import Classification
from isthmus.training.schedule import batch_at, run_seeds
from safetensors.torch import load_file, save_file

from tests.unit import families, lora, runs, tiny

ALPHAS = (0.0, 0.3, 1.0)


class Cell:
    """Two adapters by plain PEFT on one base, the checkpoints made of them, and examples."""

    def __init__(self, folder, family, **changes):
        self.folder, self.base = folder, lora.base(folder, family)
        self.own = [lora.by_peft(folder / f"own{s}", self.base, s, **changes) for s in (1, 2)]
        self.checkpoints = [
            lora.adopted(folder / f"checkpoint{s}", own, self.base, s) for s, own in enumerate(self.own, 1)
        ]
        names = families.tokenizer(family)
        template = "{a}\n{b}" if family in families.DECODERS else None
        self.examples = tokens.tokenize(names, tiny.rows(12), [0, 1, 2], 64, template)
        if not names.model_input_names.count("token_type_ids") or family in families.DECODERS:
            self.examples = tokens.replace(self.examples, types=np.empty(0, np.uint8))

    def ends(self, space=MERGED):
        return [End.read(s, folder, space) for s, folder in enumerate(self.checkpoints, 1)]

    def losses(self, space, alphas=ALPHAS):
        """The mean loss at some alphas, by the engine."""
        a, b = self.ends(space)
        sets, numerics = {"test": self.examples}, tiny.cpu()
        engine, reader = Engine(b, sets, tiny.BUDGET, asked(sets, b.folder, numerics)), Reader(numerics)
        line, weights = Line(a.anchor, b.anchor), {end.anchor: reader.weights(end) for end in (a, b)}
        found = [engine.measure("test", line.at(alpha), weights) for alpha in alphas]
        return [float(own["losses"].mean()) for own in found]


@pytest.fixture(scope="module", params=["bert", "roberta", "gpt2"])
def cell(request, tmp_path_factory):
    changes = {"use_rslora": True} if request.param == "roberta" else {}
    if request.param == "bert":
        changes = {"rank_pattern": {"value": 5}, "alpha_pattern": {"value": 2}}
    return Cell(tmp_path_factory.mktemp(request.param), request.param, **changes)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return Cell(tmp_path_factory.mktemp("plain"), "bert")


# ------------------------------------------------------------------------------------- against plain PEFT


def test_merged_weights_are_those_that_peft_merges(cell):
    for own, checkpoint in zip(cell.own, cell.checkpoints, strict=True):
        expected = lora.merged(own, cell.base).state_dict()
        found = Reader(None).weights(End.read(1, checkpoint))
        assert {
            name
            for name in found
            if not torch.equal(found[name], load_file(cell.base / "model.safetensors")[name])
        }
        for name in found:
            torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-6)


def test_the_loss_on_the_merged_line_is_that_of_plain_peft_and_transformers(cell):
    models = [lora.merged(own, cell.base) for own in cell.own]
    expected = [lora.mean_loss(lora.between(models, alpha), cell.examples) for alpha in ALPHAS]
    assert cell.losses(MERGED) == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 1e-3


def test_rises_of_examples_are_on_the_merged_line(bert, tmp_path):
    row, out, labels = tmp_path / "row.parquet", tmp_path / "out.parquet", {"model": "m", "dataset": "d"}
    points = {"seed_a": 1, "seed_b": 2, "set": "test", "alpha": ALPHAS, "loss": bert.losses(MERGED)}
    stored.write_frame(row, pd.DataFrame(points))
    ((*_, gap),) = rises.gaps([row])
    lines = rises.Lines(bert.ends(), bert.examples, tiny.BUDGET, tiny.cpu(), tmp_path / "journal")
    rises.write(lines=lines, rows=[row], floor=-1.0, labels=labels | {"step": 1}, out=out)
    found = pd.read_parquet(out)
    models = [lora.merged(own, bert.base) for own in bert.own]
    for name, alpha in (("loss", gap.alpha), ("loss_low", gap.chord_low), ("loss_high", gap.chord_high)):
        expected = lora.mean_loss(lora.between(models, alpha), bert.examples)
        assert found[name].mean() == pytest.approx(expected, abs=1e-5)
    assert found["rise"].mean() == pytest.approx(gap.value, abs=1e-6)


def test_the_loss_on_the_factor_line_is_that_of_plain_peft(cell, tmp_path):
    expected = [
        lora.mean_loss(lora.between_factors(cell.own, cell.base, tmp_path / "own", alpha), cell.examples)
        for alpha in ALPHAS
    ]
    assert cell.losses(FACTORS) == pytest.approx(expected, abs=1e-5)


def test_both_spaces_agree_at_the_ends_and_not_between(cell):
    merged, factors = cell.losses(MERGED), cell.losses(FACTORS)
    assert [merged[0], merged[2]] == pytest.approx([factors[0], factors[2]], abs=1e-5)
    assert abs(merged[1] - factors[1]) > 1e-4


def test_a_checkpoint_opens_with_pefts_own_classes_and_says_the_same(bert):
    from peft import AutoPeftModelForSequenceClassification, PeftModel

    checkpoint = bert.checkpoints[0]
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        expected = lora.merged(bert.own[0], bert.base)(ids).logits
        auto = AutoPeftModelForSequenceClassification.from_pretrained(checkpoint, num_labels=3).eval()
        plain = PeftModel.from_pretrained(lora.plain_model(bert.base, CLASSIFICATION.name), checkpoint).eval()
        for model in (auto, plain):
            torch.testing.assert_close(model(ids).logits, expected, atol=1e-5, rtol=0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**30), alpha=st.floats(0.1, 0.9))
def test_a_gauge_moves_the_factor_path_and_not_the_merged_one(bert, seed, alpha):
    """`B G` and `G^-1 A` are the same model, and another place among the factors."""
    folder = bert.folder / f"gauge{seed}"
    generator = torch.Generator().manual_seed(seed)
    state = load_file(bert.own[0] / adapter_folders.WEIGHTS)
    for name in [name for name in state if ".lora_A." in name]:
        other = name.replace(".lora_A.", ".lora_B.")
        gauge = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0] * 1.5
        state[name] = (torch.linalg.inv(gauge) @ state[name].double()).float()
        state[other] = (state[other].double() @ gauge).float()
    shutil.copytree(bert.own[0], folder / "own")
    save_file(state, folder / "own" / adapter_folders.WEIGHTS)
    ends = {}
    for space in (MERGED, FACTORS):
        pair = [bert.checkpoints[0], folder / "checkpoint"]
        if not pair[1].exists():
            lora.adopted(pair[1], folder / "own", bert.base)
        ends[space] = [Reader(None).weights(End.read(0, end, space)) for end in pair]
    merged, factors = (
        max(float((torch.lerp(a[n], b[n], alpha) - a[n]).abs().max()) for n in a) for a, b in ends.values()
    )
    assert merged < 1e-5
    # What the factors between the two merge to is another model than either.
    a, b = ends[FACTORS]
    name = next(name for name in a if ".lora_A." in name)
    other = name.replace(".lora_A.", ".lora_B.")
    middle = torch.lerp(a[other], b[other], alpha) @ torch.lerp(a[name], b[name], alpha)
    assert float((middle - a[other] @ a[name]).abs().max()) > 1e-3
    assert factors > 1e-3
    shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------- distances


def test_distances_and_cosines_are_of_the_merged_weights(bert):
    a, b = (Reader(None).weights(end) for end in bert.ends())
    start = load_file(bert.base / "model.safetensors")
    body = [name for name in start if name.startswith("bert.")]
    found = distances(a, b, ((name, start[name], start[name]) for name in body))
    whole = [lora.merged(own, bert.base).state_dict() for own in bert.own]
    flat = [np.concatenate([state[n].double().flatten().numpy() for n in body]) for state in (*whole, start)]
    u, v = flat[0] - flat[2], flat[1] - flat[2]
    assert float(found["distance"]) == pytest.approx(np.linalg.norm(u - v), rel=1e-5)
    assert float(found["distance_a"]) == pytest.approx(np.linalg.norm(u), rel=1e-5)
    assert float(found["cosine"]) == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-5)


def test_reading_an_adapter_makes_no_module(bert, monkeypatch):
    """Another thread reads ahead, and libraries that make modules patch PyTorch for all threads meanwhile."""
    monkeypatch.setattr(adapters, "skeleton", lambda *_: pytest.fail("a module was made"))
    for space in (MERGED, FACTORS):
        assert len(Reader(None).weights(bert.ends(space)[0])) > 8


def test_merged_weights_are_made_a_tensor_at_a_time_and_not_kept(bert):
    weights, base = Reader(None).weights(bert.ends()[0]), load_file(bert.base / "model.safetensors")
    others = [name for name in weights if not torch.equal(weights[name], base[name])]
    adapted = [name for name in others if "query" in name or "value" in name]
    assert len(adapted) == 2 * 2
    assert len(others) == len(adapted) + 4  # the head and the pooler are the adapter's own
    held = [(weights[name], weights[name]) for name in adapted]
    assert all(first.data_ptr() != second.data_ptr() for first, second in held)


# ------------------------------------------------------------------------------------------- beginning


def begun(folder, base, seed=7, head=None, **changes):
    chosen = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "targets": None, "rslora": False, "train_head": True}
    drawn = hf_folders.read_record(base)["drawn"] if head is None else head
    return adapters.initialize(
        base, "models.m.adapter", chosen | changes, CLASSIFICATION.name, base, drawn, seed, folder
    )


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_an_adapter_begins_as_its_base_with_A_drawn_as_peft_draws_it(tmp_path, family):
    base = lora.base(tmp_path, family)
    begun(tmp_path / "start", base)
    state = load_file(tmp_path / "start" / adapter_folders.WEIGHTS)
    drawn = [tensor for name, tensor in state.items() if ".lora_A." in name]
    assert all(not tensor.any() for name, tensor in state.items() if ".lora_B." in name)
    for tensor in drawn:  # uniform within 1 / sqrt(width)
        bound = 1 / math.sqrt(tensor.shape[1])
        assert float(tensor.abs().max()) <= bound
        assert float(tensor.std()) == pytest.approx(bound / math.sqrt(3), rel=0.25)
    model, plain = lora.merged(tmp_path / "start", base), lora.plain_model(base, CLASSIFICATION.name)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    again, other = (begun(tmp_path / f"start{s}", base, s) for s in (7, 8))
    assert again == hf_folders.hashing.of_file(tmp_path / "start" / adapter_folders.WEIGHTS)
    assert other != again


def test_what_pre_training_has_not_made_is_trained_whole_unless_it_is_to_stay(tmp_path):
    base = lora.base(tmp_path, "bert")
    begun(tmp_path / "with", base, targets="all-linear")
    begun(tmp_path / "without", base, targets="all-linear", train_head=False)
    names = [
        {n for n in load_file(tmp_path / w / adapter_folders.WEIGHTS) if ".lora_" not in n}
        for w in ("with", "without")
    ]
    head = [f"classifier.{part}" for part in ("weight", "bias")]
    pooler = [f"bert.pooler.dense.{part}" for part in ("weight", "bias")]
    assert names[0] == {f"base_model.model.{name}" for name in head + pooler}
    assert names[1] == set()
    adapted = {n.rpartition(".lora_")[0] for n in load_file(tmp_path / "without" / adapter_folders.WEIGHTS)}
    assert len(adapted) == 2 * 6
    assert not any("pooler" in name or "classifier" in name for name in adapted)


def test_dropout_is_part_of_what_a_training_begins_with_and_not_of_the_function(tmp_path):
    base = lora.base(tmp_path, "bert")
    hashes = [begun(tmp_path / f"d{d}", base, dropout=d) for d in (0.0, 0.1)]
    assert hashes[0] != hashes[1]
    keys = [adapters.described(tmp_path / f"d{d}", base)["adapter"] for d in (0.0, 0.1)]
    assert keys[0] == keys[1]
    begun(tmp_path / "alpha", base, alpha=9.0)
    assert adapters.described(tmp_path / "alpha", base)["adapter"] != keys[0]


# ------------------------------------------------------------------------------------------- training


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The start of runs, with dropout in the adapter, and their examples."""
    folder = tmp_path_factory.mktemp("run")
    made = runs.make(folder)
    base = folder / "base"
    source = shutil.copytree(made.body, folder / "source")
    sha256, drawn = classifiers.write_base(source, ["no", "yes"], 0, False, base)
    record = {"drawn": drawn, "sha256": sha256, **architectures.described(base)}
    hf_folders.write_record(base / "checkpoint.json", record)
    out = folder / "adapter"
    sha256 = begun(out, base, dropout=0.2)
    record = {"model": "m", "dataset": "d", "seed": 1, "step": 0, "sha256": sha256}
    hf_folders.write_record(out / "checkpoint.json", record | adapters.described(out, base))
    return out, made.examples


def trained(folder, start, *stops, **changes):
    """The bytes of the last of some checkpoints of a run, each a segment."""
    one = runs.Run(folder, *start, **changes)
    for stop in stops:
        one.to(stop)
    return (folder / f"step{stops[-1]}" / adapter_folders.WEIGHTS).read_bytes()


def test_only_the_adapter_and_the_head_are_trained_kept_and_published(start, tmp_path):
    trained(tmp_path, start, runs.STEPS)
    published, begun_with = (
        load_file(folder / adapter_folders.WEIGHTS) for folder in (tmp_path / f"step{runs.STEPS}", start[0])
    )
    assert published.keys() == begun_with.keys()
    assert not any(torch.equal(published[name], begun_with[name]) for name in published)
    state = load_file(next((tmp_path / "state").glob("step*")))
    kinds = {name.partition("/")[0] for name in state}
    assert kinds == {"weights", "exp_avg", "exp_avg_sq", "history"}
    for kind in ("weights", "exp_avg", "exp_avg_sq"):
        assert sum(name.startswith(f"{kind}/") for name in state) == len(published)
    assert set(hf_folders.settings(tmp_path / f"step{runs.STEPS}")) == {"config.json", adapter_folders.CONFIG}
    assert End.read(1, tmp_path / f"step{runs.STEPS}").anchor.base == End.read(1, start[0]).anchor.base


def test_cuts_signals_and_lost_caches_give_the_same_bits_with_dropout_in_the_adapter(
    start, tmp_path, monkeypatch
):
    whole = trained(tmp_path / "whole", start, runs.STEPS)
    assert trained(tmp_path / "cut", start, 3, 4, 9, runs.STEPS) == whole
    one = runs.Run(tmp_path / "lost", *start)
    one.to(5)
    shutil.rmtree(one.cache)
    one.to(runs.STEPS)
    assert (one.folder / f"step{runs.STEPS}" / adapter_folders.WEIGHTS).read_bytes() == whole
    killed, interruptions, seen = runs.Run(tmp_path / "killed", *start), 0, iter(range(10_000))
    original = Classification.loss

    def loss(task, model, micro):
        if next(seen) in (7, 20):
            os.kill(os.getpid(), signal.SIGTERM)
        return original(task, model, micro)

    monkeypatch.setattr(Classification, "loss", loss)
    while True:
        try:
            killed.to(runs.STEPS)
            break
        except Interrupted:
            interruptions += 1
    assert interruptions == 2
    assert (killed.folder / f"step{runs.STEPS}" / adapter_folders.WEIGHTS).read_bytes() == whole


def test_an_update_is_that_of_plain_peft(start, tmp_path):
    """Without dropout: PEFT's own model, PyTorch's AdamW, the same batches."""
    from peft import PeftModel

    plainly = {"dropout": 0.0, "attention_dropout": 0.0}
    base = hf_folders.base_of(start[0])
    begun(tmp_path / "adapter", base, dropout=0.0)
    record = {"model": "m", "dataset": "d", "seed": 1, "step": 0}
    record["sha256"] = hf_folders.hashing.of_file(tmp_path / "adapter" / adapter_folders.WEIGHTS)
    hf_folders.write_record(
        tmp_path / "adapter" / "checkpoint.json", record | adapters.described(tmp_path / "adapter", base)
    )
    trained(tmp_path / "run", (tmp_path / "adapter", start[1]), 3, **plainly)
    model = PeftModel.from_pretrained(
        lora.plain_model(base, CLASSIFICATION.name), tmp_path / "adapter", is_trainable=True
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    recipe, examples = runs.recipe(**plainly), tokens.read(start[1])
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=0, betas=tuple(recipe.betas), eps=recipe.eps, weight_decay=recipe.weight_decay
    )
    for t in range(3):
        index = batch_at(t, recipe.batch_size, len(examples), run_seeds(42, recipe.vary)["order"])
        loss = 0.0
        for i in index:
            part = slice(examples.offsets[i], examples.offsets[i + 1])
            inputs = {"input_ids": examples.ids[part], "token_type_ids": examples.types[part]}
            logits = model(
                **{n: torch.from_numpy(a.astype(np.int64))[None] for n, a in inputs.items()}
            ).logits
            loss = loss + torch.nn.functional.cross_entropy(logits, torch.tensor([examples.labels[i]]))
        (loss / len(index)).backward()
        optimizer.param_groups[0]["lr"] = recipe.rate_at(t)
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path / "plain")
    expected = load_file(tmp_path / "plain" / adapter_folders.WEIGHTS)
    found = load_file(tmp_path / "run" / "step3" / adapter_folders.WEIGHTS)
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], atol=2e-5, rtol=1e-3)


# ------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"targets": ["q_proj"]},
            "models.m.adapter.targets: found 'q_proj', which matches no layer; allowed: "
            "all-linear, or some of dense, key, query, value",
        ),
        ({"targets": ["query", "LayerNorm"]}, "found 'LayerNorm', which matches no layer"),
        ({"targets": ["classifier"]}, "found 'classifier', which matches no layer"),
        (
            {"rank": 33},
            "models.m.adapter.rank: found 33; allowed: 1 to 32, the width of bert.encoder.layer.0",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused(tmp_path, changes, said):
    base = lora.base(tmp_path, "bert")
    with pytest.raises(ConfigError) as error:
        begun(tmp_path / "start", base, **changes)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"use_dora": True}, "use_dora: found True, which is not supported; allowed: plain LoRA, without it"),
        ({"bias": "lora_only"}, "bias: found 'lora_only', which is not supported"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights: found 'pissa', which changes the base, too"),
        ({"peft_type": "IA3"}, "found an adapter of the kind IA3; allowed: LORA"),
        ({"something_new": 3}, "something_new: found 3, which is not supported"),
        ({"target_modules": ["nothing"]}, "does not fit the base"),
        (
            {"target_modules": ["query"]},
            "left over base_model.model.bert.encoder.layer.0.attention.self.value",
        ),
        ({"r": 2}, "of another shape base_model"),
    ],
)
def test_own_adapters_of_other_kinds_or_another_base_are_refused(bert, tmp_path, changes, said):
    shutil.copytree(bert.own[0], tmp_path / "own")
    path = tmp_path / "own" / adapter_folders.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ConfigError) as error:
        lora.adopted(tmp_path / "out", tmp_path / "own", bert.base)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("family", "task", "changes", "said"),
    [
        ("gpt2", CAUSAL_LM, {"modules_to_save": ["lm_head"]}, "found lm_head.weight in the adapter"),
        ("gpt2", CAUSAL_LM, {"modules_to_save": ["wte"]}, "found transformer.wte.weight in the adapter"),
        ("llama", CAUSAL_LM, {"modules_to_save": ["embed_tokens"]}, "found model.embed_tokens.weight"),
        ("bert", MASKED_LM, {"modules_to_save": ["cls"]}, "found cls.predictions.bias, cls.pred"),
        ("gpt2", CAUSAL_LM, {"target_modules": ["c_attn", "wte"]}, "allowed: adapters that leave embeddings"),
    ],
)
def test_what_moves_a_tensor_that_the_base_ties_to_another_is_refused(tmp_path, family, task, changes, said):
    base = lora.base(tmp_path, family, task)
    lora.by_peft(tmp_path / "own", base, 1, task, **changes)
    with pytest.raises(ConfigError) as error:
        lora.adopted(tmp_path / "out", tmp_path / "own", base)
    assert said in str(error.value)


def test_a_language_model_keeps_its_head(tmp_path):
    base = lora.base(tmp_path, "bert", MASKED_LM)
    chosen = {
        "rank": 2,
        "alpha": 4.0,
        "dropout": 0.0,
        "targets": ["dense"],
        "rslora": False,
        "train_head": True,
    }
    adapters.initialize(base, "m", chosen, MASKED_LM, base, [], 0, tmp_path / "out")
    names = load_file(tmp_path / "out" / adapter_folders.WEIGHTS)
    assert len(names) == 2 * 3 * 2
    assert not any(".cls." in name for name in names)


@pytest.mark.parametrize(
    ("settings", "hub", "fine"),
    [
        ({"base_model_name_or_path": "bert-base-uncased"}, ("google-bert/bert-base-uncased", None), True),
        ({"base_model_name_or_path": "a/b"}, ("a/c", None), False),
        ({"base_model_name_or_path": "a/b", "revision": "step3000"}, ("a/b", None), False),
        ({"base_model_name_or_path": "a/b", "revision": "step3000"}, ("a/b", "step3000"), True),
        ({"base_model_name_or_path": "/home/somebody/model"}, ("a/b", None), True),
        ({"base_model_name_or_path": None}, ("a/b", None), True),
    ],
)
def test_an_adapter_is_of_the_base_and_revision_that_it_names(bert, settings, hub, fine):
    if fine:
        adapters.check_base("own", settings, bert.base, hub)
        return
    with pytest.raises(ConfigError, match="allowed: one of the base"):
        adapters.check_base("own", settings, bert.base, hub)


def test_numbers_and_names_of_layers_have_one_form_in_keys():
    one = {"r": 8, "lora_alpha": 16, "target_modules": ["query"], "modules_to_save": ["classifier", "score"]}
    other = one | {
        "lora_alpha": 16.0,
        "target_modules": ["value", "query"],
        "modules_to_save": ["classifier"],
    }
    assert adapter_folders.counted(one) == adapter_folders.counted(other) == {"r": 8, "lora_alpha": 16}
    assert adapter_folders.counted(one | {"rank_pattern": {"query": 4}}) != adapter_folders.counted(one)


def test_what_a_base_lacked_and_adapters_brought_is_no_part_of_how_far_they_moved(bert):
    row = Row(bert.ends()[1], End.read(2, bert.base), {"test": bert.examples}, tiny.BUDGET, tiny.cpu(),
              tiny.RESAMPLING, bert.folder / "journal")  # fmt: skip
    names = {name for name, _, _ in row.bodies_at_start(End.read(1, bert.base))}
    assert "bert.encoder.layer.0.attention.self.query.weight" in names
    assert not any("pooler" in name for name in names)


def test_an_adapter_without_a_head_on_a_base_without_one_is_refused(bert, tmp_path):
    lora.by_peft(tmp_path / "own", bert.base, 3, modules_to_save=None, task_type=None)
    with pytest.raises(ConfigError, match=r"neither the adapter nor its base has bert\.pooler\.dense\.bias"):
        lora.adopted(tmp_path / "out", tmp_path / "own", bert.base)


def test_a_named_base_of_pickles_is_not_opened(bert, tmp_path):
    shutil.copy(bert.base / "config.json", tmp_path / "config.json")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ConfigError, match=r"whose weights are pickled \(pytorch_model\.bin\)"):
        adapters.check_base("own", {"base_model_name_or_path": str(tmp_path)}, bert.base, None)


def test_an_adapter_that_names_another_base_by_content_is_refused(bert, tmp_path):
    lora.base(tmp_path, "bert")
    state = weight_files.load(tmp_path / "base" / "model.safetensors")
    next(iter(state.values())).add_(1e-3)
    weight_files.save(state, tmp_path / "base" / "model.safetensors")
    lora.by_peft(tmp_path / "own", tmp_path / "base", 3)
    with pytest.raises(
        ConfigError, match=r"found an adapter of .*, whose weights are others than those of the base"
    ):
        lora.adopted(tmp_path / "out", tmp_path / "own", bert.base)


def test_a_base_that_was_changed_is_noticed(tmp_path):
    cell = Cell(tmp_path, "bert")
    path = cell.base / "model.safetensors"
    state = weight_files.load(path)
    next(iter(state.values())).add_(1e-3)
    weight_files.save(state, path)
    for space in (MERGED, FACTORS):
        with pytest.raises(Damaged, match=r"model\.safetensors"):
            cell.losses(space)
    record = json.loads((cell.base / "checkpoint.json").read_text()) | {
        "sha256": hf_folders.hashing.of_file(path)
    }
    hf_folders.write_record(
        cell.base / "checkpoint.json", {k: v for k, v in record.items() if k != "sha256_of_rest"}
    )
    for space in (MERGED, FACTORS):
        with pytest.raises(Damaged, match="adapts another model than"):
            cell.losses(space)


def test_adapters_of_two_bases_and_factors_of_two_ranks_are_joined_by_no_line(bert, tmp_path):
    other = Cell(tmp_path, "bert", r=2)
    state = weight_files.load(other.base / "model.safetensors")
    merged, factors = ([bert.ends(space)[0], other.ends(space)[0]] for space in (MERGED, FACTORS))
    check_same_architecture(*merged)  # one base, two ranks: one space
    with pytest.raises(
        MismatchedEnds, match=r"no line joins the factors of .*: r: found 3 and 2; allowed: the same"
    ):
        check_same_architecture(*factors)
    next(iter(state.values())).add_(1e-3)
    weight_files.save(state, other.base / "model.safetensors")
    record = {
        "drawn": hf_folders.read_record(other.base)["drawn"],
        "architecture": merged[0].anchor.architecture,
    }
    sha256 = hf_folders.hashing.of_file(other.base / "model.safetensors")
    hf_folders.write_record(other.base / "checkpoint.json", record | {"sha256": sha256})
    lora.adopted(tmp_path / "again", lora.by_peft(tmp_path / "own3", other.base, 1), other.base)
    with pytest.raises(MismatchedEnds, match=r"they adapt .* and .*; allowed: one base"):
        check_same_architecture(merged[0], End.read(1, tmp_path / "again"))
