"""Each architecture from texts to a convexity gap; what it needs on the way: padding, pooling, templates."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import stored
from isthmus.data import tokens
from isthmus.errors import ConfigError
from isthmus.experiment.config import Training
from isthmus.measuring import evaluation
from isthmus.measuring.ends import End
from isthmus.measuring.interpolation import interpolate
from isthmus.measuring.rows import Row
from isthmus.models import classifiers, hf_folders, origins, tokenizing, weight_files
from isthmus.statistics import connectivity
from isthmus.tasks.classification import Placed
from isthmus.training.finetuning import finetune
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe, run_seeds

from tests.unit import families, tiny

RECIPE = Recipe(
    **Training(steps=4, warmup_steps=1, learning_rate=3e-3, batch_size=8, token_budget=200).recipe()
)


@pytest.fixture(scope="module", params=families.SIZES)
def run(request, tmp_path_factory):
    """A family's name and folder, with two short runs of it."""
    folder = tmp_path_factory.mktemp(request.param)
    model = families.fetched(folder, request.param)
    write_tokens(model, folder / "train.safetensors", seed=1)
    for seed in (1, 2):
        start = folder / f"seed{seed}" / "step0"
        head = run_seeds(seed, ["head"])["head"]
        sha256 = classifiers.initialize(model, tiny.LABELS, 0, head, start)
        record = {"model": request.param, "dataset": "toy", "seed": seed, "step": 0, "sha256": sha256}
        stored.write_json(start / "checkpoint.json", record)
        finetune(
            start=start,
            examples=folder / "train.safetensors",
            recipe=RECIPE,
            seed=seed,
            previous=0,
            step=4,
            numerics=tiny.cpu(),
            cache=Cache(folder / f"state{seed}", frozenset(), 10.0),
            out=folder / f"seed{seed}" / "step4",
        )
    return request.param, folder


def read(model, n=24, seed=2, max_length=48):
    """Examples as the workflow reads them for a model."""
    template = tokenizing.pair_template(model)
    return tokens.tokenize(
        tokenizing.open_tokenizer(model), tiny.rows(n, seed=seed), [0, 1, 2], max_length, template
    )


def write_tokens(model, path, seed):
    tokens.write(read(model, seed=seed), path)


def test_from_texts_to_a_convexity_gap(run):
    family, folder = run
    first, second = (End.read(seed, folder / f"seed{seed}" / "step4") for seed in (1, 2))
    row = Row(
        second,
        End.read(2, folder / "seed2" / "step0"),
        {"test": read(folder / "model")},
        200,
        tiny.cpu(),
        tiny.RESAMPLING,
        folder / "journal",
    )
    files = [folder / f"row{kind}.parquet" for kind in ("", ".pairs", ".gaps")]
    labels = {"model": family, "dataset": "toy", "step": 4}
    interpolate(
        row=row,
        others=[first],
        sampler=tiny.SAMPLER,
        labels=labels,
        out=files[0],
        pairs=files[1],
        gaps=files[2],
    )
    metrics = connectivity.cell([files[0]], 4, 4).metrics
    gap = metrics[(metrics["metric"] == "CG") & (metrics["quantity"] == "loss")].iloc[0]
    assert 0 <= gap["value"] < 1
    assert gap["low"] <= gap["high"]
    # Both runs have moved, and apart.
    distances = pd.read_parquet(files[1]).iloc[0]
    assert min(distances[["distance", "distance_a", "distance_b"]]) > 0.01


def test_a_padded_batch_gives_what_its_examples_give_alone(run):
    _, folder = run
    checkpoint = folder / "seed1" / "step4"
    examples, pad = read(folder / "model"), hf_folders.pad_token(checkpoint)
    model = classifiers.open_classifier(checkpoint, attention="eager")
    alone, together = (Placed(examples, budget, pad, tiny.cpu()) for budget in (1, 4000))
    assert len(alone.batches) == len(examples)
    assert not any("attention_mask" in batch for batch in alone.batches)
    assert "attention_mask" in together.batches[0]
    losses = [placed.measure(model)["losses"] for placed in (alone, together)]
    assert np.ptp(losses[0]) > 0.01  # the examples do differ
    np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-5)


def test_both_kernels_agree(run):
    _, folder = run
    checkpoint = folder / "seed1" / "step4"
    placed = Placed(read(folder / "model"), 200, hf_folders.pad_token(checkpoint), tiny.cpu())
    opened = [classifiers.open_classifier(checkpoint, attention=kernel) for kernel in ("eager", "sdpa")]
    np.testing.assert_allclose(*(placed.measure(model)["losses"] for model in opened), rtol=1e-4, atol=1e-5)


def test_others_read_the_checkpoint_alike(run):
    from transformers import AutoModelForSequenceClassification

    _, folder = run
    checkpoint = folder / "seed2" / "step4"
    theirs = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    placed = Placed(read(folder / "model"), 200, hf_folders.pad_token(checkpoint), tiny.cpu())
    ours = classifiers.open_classifier(checkpoint, attention="eager")
    losses = [placed.measure(model)["losses"] for model in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-5)


def test_the_body_is_the_pretrained_one_in_float32(tmp_path):
    for family in families.SIZES:
        model = families.fetched(tmp_path / family, family, dtype=torch.bfloat16)
        classifiers.initialize(model, tiny.LABELS, 0, 1, tmp_path / family / "start")
        before = weight_files.load(model / hf_folders.WEIGHTS)
        after = weight_files.load(tmp_path / family / "start" / hf_folders.WEIGHTS)
        assert {tensor.dtype for tensor in after.values()} == {torch.float32}
        shared = before.keys() & after.keys()
        assert any("embed" in name or "wte" in name for name in shared)
        assert all(torch.equal(before[name].float(), after[name]) for name in shared)
        absent = sum("classifier" in name or "score" in name or "pooler" in name for name in after)
        assert len(shared) == len(after) - absent


@pytest.mark.parametrize("family", families.DECODERS)
def test_a_decoder_without_padding_gets_the_end_of_text(tmp_path, family):
    source = families.pretrained(tmp_path / "source", family)
    assert json.loads((source / "config.json").read_text()).get("pad_token_id") is None
    model = families.fetched(tmp_path, family)
    end = tokenizing.open_tokenizer(model).eos_token_id
    assert hf_folders.pad_token(model) == end
    assert json.loads((model / "model.json").read_text())["pad_token"] == end


def test_a_tokenizer_s_own_padding_goes_before_the_end_of_text(tmp_path):
    source = families.pretrained(tmp_path / "source", "gpt2")
    names = families.tokenizer("gpt2")
    names.pad_token = "<s>"
    names.save_pretrained(source)
    origins.fetch(families.Model(folder=source), tmp_path / "model")
    assert hf_folders.pad_token(tmp_path / "model") == 1


def test_a_model_without_any_padding_is_named(tmp_path):
    from transformers import PreTrainedTokenizerFast

    source = families.pretrained(tmp_path / "source", "gpt2")
    inner = families.tokenizer("gpt2").backend_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=inner).save_pretrained(source)
    with pytest.raises(ConfigError, match=r"source has no padding token; allowed: one in its config\.json"):
        origins.fetch(families.Model(folder=source), tmp_path / "model")


def test_an_encoder_s_configuration_is_left_alone(tmp_path):
    model = families.fetched(tmp_path, "roberta")
    assert (model / "config.json").read_bytes() == (tmp_path / "source" / "config.json").read_bytes()


@pytest.mark.parametrize("kind", ["t5", "vit", "unheard-of"])
def test_an_architecture_that_is_not_supported_is_named(tmp_path, kind):
    source = families.pretrained(tmp_path / "source", "bert")
    (source / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(
        ConfigError, match=rf"architecture '{kind}', which is not supported; allowed: .*llama"
    ):
        origins.fetch(families.Model(folder=source), tmp_path / "model")


def decoded(tokenizer, examples, i=0):
    return tokenizer.decode(examples.ids[examples.offsets[i] : examples.offsets[i + 1]].tolist())


@pytest.mark.parametrize(("family", "begin"), [("gpt2", ""), ("gpt_neox", ""), ("llama", "<s>")])
def test_a_decoder_reads_a_pair_as_two_lines(tmp_path, family, begin):
    model = families.fetched(tmp_path, family)
    rows, tokenizer = tiny.rows(3), tokenizing.open_tokenizer(model)
    made = read(model, n=3, seed=0)
    assert decoded(tokenizer, made) == f"{begin}{rows.text_a[0]}\n{rows.text_b[0]}"
    assert not len(made.types)
    single = tokens.tokenize(
        tokenizer, tiny.rows(3, pairs=False), [0, 1, 2], 48, tokenizing.pair_template(model)
    )
    assert decoded(tokenizer, single) == f"{begin}{rows.text_a[0]}"


def test_a_template_of_one_s_own_keeps_its_words_where_texts_are_cut():
    tokenizer, rows = families.tokenizer("llama"), tiny.rows(3)
    rows = replace_texts(rows, " ".join(rows.text_a) * 3, rows.text_b[0])
    made = tokens.tokenize(tokenizer, rows, [0, 1, 2], 40, "Claim: {a} So: {b} True?")
    text = decoded(tokenizer, made)
    assert made.truncated == 1
    assert made.lengths.tolist() == [40]
    assert text.startswith(f"<s>Claim: {rows.text_a[0][:20]}")
    assert text.endswith(f" So: {rows.text_b[0]} True?")  # the longer text was shortened, not this one


def replace_texts(rows, a, b):
    return rows._replace(ids=rows.ids[:1], labels=rows.labels[:1], text_a=[a], text_b=[b])


def test_segments_are_dropped_where_a_model_has_none(tmp_path):
    model = families.fetched(tmp_path, "distilbert")
    assert "token_type_ids" in families.tokenizer("distilbert").model_input_names
    assert not len(read(model).types)
    bert = read(families.fetched(tmp_path / "bert", "bert"))
    assert set(bert.types.tolist()) == {0, 1}
    assert replace(bert, types=read(model).types).ids.tolist() == read(model).ids.tolist()


@pytest.mark.parametrize("family", families.DECODERS)
def test_the_last_token_is_what_a_decoder_reads(tmp_path, family):
    """Another last token changes the logits; padding after it does not."""
    folder = families.fetched(tmp_path, family)
    classifiers.initialize(folder, tiny.LABELS, 0, 1, tmp_path / "start")
    model = classifiers.open_classifier(tmp_path / "start", attention="eager")
    pad = hf_folders.pad_token(tmp_path / "start")
    ids = torch.tensor([[5, 6, 7, 8]])
    longer = torch.cat([ids, torch.full((1, 3), pad)], dim=1)
    with torch.inference_mode():
        plain = model(input_ids=ids).logits
        padded = model(input_ids=longer, attention_mask=(longer != pad).long()).logits
        other = model(input_ids=torch.tensor([[5, 6, 7, 9]])).logits
    torch.testing.assert_close(padded, plain, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(other, plain, atol=1e-3)


def test_evaluation_of_a_checkpoint_of_each_architecture(run):
    _, folder = run
    checkpoint = folder / "seed1" / "step4"
    evaluation.evaluate(
        checkpoint=checkpoint,
        sets={"test": read(folder / "model")},
        budget=200,
        numerics=tiny.cpu(),
        journal=folder / "evaluated",
        out=folder / "evaluation.parquet",
    )
    rows = connectivity.evaluation_rows(folder / "evaluation.parquet")
    assert [row["n"] for row in rows] == [24]
    assert 0 < rows[0]["loss"] < 5
