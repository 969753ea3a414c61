"""Masks are those of BERT's pre-training, a function of seed and step; the loss is that of masked tokens."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from isthmus.tasks import masked_lm
from isthmus.tasks.masked_lm import IGNORED, SPECIAL, MaskedLM
from isthmus.training.pretraining import toy_tokenizer
from torch.nn.functional import cross_entropy

WORDS = len(masked_lm.vocabulary())


@pytest.fixture(scope="module")
def examples():
    """Sentence pairs as tokens."""
    return masked_lm.corpus(80, 0, toy_tokenizer(), 64)


def test_the_vocabulary_is_that_of_the_tokenizer():
    tokenizer = toy_tokenizer()
    assert tokenizer.convert_tokens_to_ids(masked_lm.vocabulary()) == list(range(WORDS))
    assert tokenizer.mask_token_id == SPECIAL.index("[MASK]")
    assert tokenizer.pad_token_id == SPECIAL.index("[PAD]")


def test_of_the_chosen_tokens_most_are_masked_some_random_and_some_stay():
    ids = np.random.default_rng(0).integers(0, WORDS, (400, 250))
    seen, targets = MaskedLM(0.15, 3, "cpu").masks(ids, step=7, number=0)
    words, chosen = ids >= len(SPECIAL), targets != IGNORED
    assert not chosen[~words].any()
    assert (targets[chosen] == ids[chosen]).all()
    assert (seen[~chosen] == ids[~chosen]).all()
    assert chosen[words].mean() == pytest.approx(0.15, abs=0.005)
    masked = seen[chosen] == SPECIAL.index("[MASK]")
    same = seen[chosen] == ids[chosen]
    assert masked.mean() == pytest.approx(0.8, abs=0.015)
    assert same.mean() == pytest.approx(0.1, abs=0.015)
    assert seen[chosen][~masked].min() >= len(SPECIAL)


def test_masks_are_a_function_of_seed_step_and_micro_batch():
    ids = np.full((4, 30), len(SPECIAL))
    drawn = {
        key: MaskedLM(0.5, key[0], "cpu").masks(ids, *key[1:])[1].tobytes()
        for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    }
    assert len(set(drawn.values())) == 4
    assert MaskedLM(0.5, 0, "cpu").masks(ids, 0, 0)[1].tobytes() == drawn[0, 0, 0]


def test_losses_of_micro_batches_add_up_to_the_mean_over_masked_tokens(examples):
    task, index = MaskedLM(0.3, 0, "cpu"), np.arange(10, 26)
    parts = task.micro_batches(examples, index, budget=80, step=5)
    assert len(parts) > 1
    assert sum(part.tokens for part in parts) == examples.lengths[index].sum()
    table = torch.randn(WORDS, WORDS, generator=torch.Generator().manual_seed(0))

    def model(input_ids, **_):
        return SimpleNamespace(logits=table[input_ids])

    loss = sum(task.loss(model, part) for part in parts)
    each = [
        cross_entropy(table[seen], target)
        for part in parts
        for seen, target in zip(part.inputs["input_ids"].flatten(), part.targets.flatten(), strict=True)
        if target != IGNORED
    ]
    torch.testing.assert_close(loss, torch.stack(each).mean())


def test_a_batch_without_a_masked_token_has_no_loss(examples):
    (part,) = MaskedLM(0.0, 0, "cpu").micro_batches(examples, np.arange(4), budget=4096, step=0)
    model = lambda input_ids, **_: SimpleNamespace(logits=torch.zeros(*input_ids.shape, WORDS))  # noqa: E731
    assert MaskedLM(0.0, 0, "cpu").loss(model, part) == 0
