"""Tokens: what the tokenizer said, kept flat; batches hold each example once and stay within the budget."""

from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows

from tests.unit import tiny

LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=60).map(np.array)


@given(LENGTHS, st.integers(1, 200))
def test_batches_hold_each_example_once_within_the_budget(lengths, budget):
    batches = tokens.batches(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


@given(LENGTHS, st.integers(1, 200))
def test_batches_are_as_few_as_sorted_lengths_allow(lengths, budget):
    batches = tokens.batches(lengths, budget)
    assert [x for batch in batches for x in lengths[batch]] == sorted(lengths)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > budget


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("pairs", [True, False], ids=["pairs", "singles"])
def test_inputs_are_those_of_the_tokenizer_itself(family, pairs):
    tokenizer, rows = tiny.tokenizer(family), tiny.rows(30, pairs)
    made = tokens.tokenize(tokenizer, rows, [0, 1, 2], 64)
    texts = (rows.text_a, rows.text_b) if pairs else (rows.text_a,)
    for batch in tokens.batches(made.lengths, 100):
        chosen = [[text[i] for i in batch] for text in texts]
        expected = tokenizer(*chosen, padding=True, return_tensors="np")
        found = tokens.collate(made, batch, tokenizer.pad_token_id)
        assert ("token_type_ids" in found) == (family == "bert")
        if "attention_mask" not in found:
            assert expected["attention_mask"].all()
            found["attention_mask"] = expected["attention_mask"]
        assert found.keys() == expected.keys()
        for name, array in found.items():
            assert array.tolist() == expected[name].tolist(), name


def test_mask_is_left_out_only_where_nothing_is_padded():
    made = tiny.examples(40)
    seen = set()
    for batch in tokens.batches(made.lengths, 60):
        padded = len(set(made.lengths[batch])) > 1
        assert ("attention_mask" in tokens.collate(made, batch, 0)) == padded
        seen.add(padded)
    assert seen == {True, False}


@pytest.mark.parametrize("max_length", [8, 16, 64])
def test_longer_examples_are_cut_as_the_tokenizer_cuts_and_counted(max_length):
    tokenizer, rows = tiny.tokenizer("bert"), tiny.rows(30)
    made = tokens.tokenize(tokenizer, rows, [0, 1, 2], max_length)
    cut = tokenizer(rows.text_a, rows.text_b, truncation=True, max_length=max_length)["input_ids"]
    assert np.split(made.ids, made.offsets[1:-1])[7].tolist() == cut[7]
    assert made.ids.tolist() == list(chain(*cut))
    whole = tokenizer(rows.text_a, rows.text_b)["input_ids"]
    assert made.truncated == sum(len(ids) > max_length for ids in whole)
    assert (made.truncated > 0) == (max_length < 20)


def test_lengths_that_a_tokenizer_file_asks_for_are_not_its_settings_here(tmp_path):
    rows, plain = tiny.rows(5), tiny.tokenizer("bert")
    expected = tokens.tokenize(plain, rows, [0, 1, 2], 64)
    padding = tiny.tokenizer("bert")
    padding.backend_tokenizer.enable_padding(length=60)
    padding.backend_tokenizer.enable_truncation(8)
    tiny.pretrained(tmp_path)
    padding.save_pretrained(tmp_path)
    from isthmus.models import tokenizing

    assert tokens.tokenize(tokenizing.open_tokenizer(tmp_path), rows, [0, 1, 2], 64).digest == expected.digest


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_round_trip_is_memory_mapped_and_equal_tokens_give_equal_bytes(tmp_path, family):
    made = tiny.examples(12, family)
    for name in ("one", "two"):
        tokens.write(made, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = tokens.read(tmp_path / "one")
    assert isinstance(found.ids, np.memmap)
    assert not found.ids.flags.writeable
    assert (found.digest, found.truncated, len(found)) == (made.digest, made.truncated, 12)
    for name in tokens.ARRAYS:
        before, after = getattr(made, name), getattr(found, name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)


def test_a_sample_is_fixed_without_repeats_and_in_order():
    made = tiny.examples(30)
    sample = tokens.sample(made, 10, seed=3)
    assert sample.digest == tokens.sample(made, 10, seed=3).digest
    assert sample.digest != tokens.sample(made, 10, seed=4).digest
    assert sample.rows.tolist() == sorted(set(sample.rows.tolist()))
    assert tokens.sample(made, 30, seed=3) is made


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_selected_examples_are_themselves(family):
    made = tiny.examples(10, family)
    index = np.array([7, 0, 7])
    chosen = made.select(index)
    assert chosen.rows.tolist() == made.rows[index].tolist()
    assert chosen.labels.tolist() == made.labels[index].tolist()
    for position, i in enumerate(index):
        expected = tokens.collate(made, np.array([i]), 0)
        found = tokens.collate(chosen, np.array([position]), 0)
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["ids", "labels", "groups", "offsets", "types"])
def test_digest_speaks_of_all_that_is_evaluated(name):
    made = tiny.examples(5)
    array = np.array(getattr(made, name))
    array[1] += 1
    assert replace(made, **{name: array}).digest != made.digest


def test_digest_passes_over_the_examples_names():
    made = tiny.examples(5)
    assert replace(made, rows=made.rows + 1, truncated=9).digest == made.digest


def test_a_full_batch_is_no_fuller_than_its_budget_and_no_emptier():
    assert [batch.tolist() for batch in tokens.batches(np.array([5, 5, 5]), 10)] == [[0, 1], [2]]


def test_examples_of_one_length_keep_their_order():
    lengths = np.tile([7, 3], 500)
    expected = [*range(1, 1000, 2), *range(0, 1000, 2)]
    assert np.concatenate(tokens.batches(lengths, 70)).tolist() == expected


@given(
    lengths=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4),
    limit=st.integers(3, 20),
)
def test_a_template_is_filled_and_its_longer_text_is_cut_first(lengths, limit):
    """Word by word, by hand: two special tokens and the word between are there besides."""
    tokenizer, words = tiny.tokenizer("roberta"), sorted(toy.vocabulary())
    firsts = [[words[(7 * i + j) % len(words)] for j in range(a)] for i, (a, _) in enumerate(lengths)]
    seconds = [[words[(11 * i + 3 * j) % len(words)] for j in range(b)] for i, (_, b) in enumerate(lengths)]
    n = len(lengths)
    rows = Rows(
        np.arange(n), [" ".join(a) for a in firsts], [" ".join(b) for b in seconds], np.zeros(n, np.int64)
    )
    made = tokens.tokenize(tokenizer, rows, [0], limit, "{a} then {b}")
    too_long = sum(len(a) + len(b) + 3 > limit for a, b in zip(firsts, seconds, strict=True))
    for i, (a, b) in enumerate(zip(firsts, seconds, strict=True)):
        while len(a) + len(b) + 3 > limit:
            (a if len(a) >= len(b) else b).pop()
        expected = tokenizer(f"{' '.join(a)} then {' '.join(b)}")["input_ids"]
        assert made.ids[made.offsets[i] : made.offsets[i + 1]].tolist() == expected
    assert made.truncated == too_long
