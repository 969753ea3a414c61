"""Losses of next and of masked tokens by block, against plain Transformers on single blocks."""

import numpy as np
import pytest
import torch
from isthmus.caches import identity
from isthmus.data import blocks
from isthmus.tasks.language_modelling import NONE, LanguageModelling, Masks, next_tokens
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tests.unit import families, tiny

TEXTS = [f"the {a} of {b} is {a}{b}" for a in ("cat", "house", "tree") for b in ("red", "blue", "a")]


def task_of(model, ask, name):
    return LanguageModelling(identity.Task(name), model.config.pad_token_id or 0, tiny.cpu(), ask, None)


def causal(folder, family):
    model = AutoModelForCausalLM.from_pretrained(families.pretrained(folder / "model", family)).eval()
    prompts, answers = [text[:5] for text in TEXTS], [text[5:] for text in TEXTS]
    tokenizer, rows = families.tokenizer(family), np.arange(len(TEXTS))
    examples = blocks.answers(tokenizer, prompts, answers, rows, 30, "x")
    return model, examples, task_of(model, next_tokens, "causal_lm")


def test_causal_losses_are_those_of_single_blocks(tmp_path):
    for family in families.DECODERS:
        model, examples, task = causal(tmp_path / family, family)
        record = task.record(task.place(examples, 64).measure(model), examples)
        for i in range(len(examples)):
            ids = torch.as_tensor(
                examples.ids[examples.offsets[i] : examples.offsets[i + 1]].astype(np.int64)
            )
            with torch.no_grad():
                scores = model(input_ids=ids[None]).logits[0, :-1]
            first = max(int(examples.labels[i]) - 1, 0)
            each = cross_entropy(scores, ids[1:], reduction="none")[first:]
            assert record.losses[i] == pytest.approx(float(each.sum()), abs=1e-4)
            assert record.counts[i] == len(each) == len(ids) - 1 - first
            assert record.errors[i] == int((scores.argmax(-1) != ids[1:])[first:].sum())
        assert record.loss == pytest.approx(record.losses.sum() / record.counts.sum())


def test_training_s_shares_add_up_to_the_mean_over_tokens(tmp_path):
    model, examples, task = causal(tmp_path, "gpt2")
    index = np.array([4, 0, 7, 2])
    parts = task.micro_batches(examples, index, 40, 0)
    assert len(parts) > 1
    with torch.no_grad():
        total = sum(float(task.loss(model, part)) for part in parts)
    record = task.record(task.place(examples, 64).measure(model), examples)
    assert total == pytest.approx(record.losses[index].sum() / record.counts[index].sum(), abs=1e-5)


@pytest.mark.parametrize("family", [name for name in families.SIZES if name not in families.DECODERS])
def test_masked_losses_are_those_of_single_blocks(tmp_path, family):
    model = AutoModelForMaskedLM.from_pretrained(families.pretrained(tmp_path / "model", family)).eval()
    tokenizer = families.tokenizer(family)
    examples = blocks.apart(tokenizer, TEXTS, np.arange(len(TEXTS)), 30, "x")
    mask = tokenizer.mask_token_id or 3  # the byte tokenizer of these tests has none
    masks = Masks(0.3, 1, mask, frozenset(tokenizer.all_special_ids), len(tokenizer))
    task = task_of(model, masks.asked, "masked_lm")
    records = [task.record(task.place(examples, budget).measure(model), examples) for budget in (32, 10**6)]
    np.testing.assert_array_equal(records[0].counts, records[1].counts)  # however they are batched
    np.testing.assert_allclose(records[0].losses, records[1].losses, atol=1e-4)
    share = records[0].counts.sum() / examples.lengths.sum()
    assert 0.15 < share < 0.45
    for i in range(len(examples)):
        inputs, targets = masks.asked(examples, np.array([i]), 0)
        with torch.no_grad():
            scores = model(input_ids=torch.as_tensor(inputs["input_ids"])).logits[0]
        where = targets[0] != NONE
        original = examples.ids[examples.offsets[i] : examples.offsets[i + 1]]
        np.testing.assert_array_equal(targets[0][where], original[where])
        np.testing.assert_array_equal(inputs["input_ids"][0][~where], original[~where])
        each = cross_entropy(scores[where], torch.as_tensor(targets[0][where]), reduction="none")
        assert records[0].losses[i] == pytest.approx(float(each.sum()), abs=1e-4)
        assert where.sum() == records[0].counts[i] >= 1
