"""Running text as blocks: nothing lost but the rest, nothing invented, prompts not counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.data import blocks
from isthmus.errors import ConfigError

from tests.unit import families

TOKENIZER = families.tokenizer("gpt2")
TEXTS = st.lists(st.text(alphabet="abc def", min_size=1, max_size=12), min_size=1, max_size=6)


def ids_of(text):
    return [*TOKENIZER(text, add_special_tokens=False)["input_ids"], TOKENIZER.eos_token_id]


@settings(max_examples=50, deadline=None)
@given(texts=TEXTS, size=st.integers(1, 9))
def test_joined_blocks_are_the_text_in_order(texts, size):
    rows = 10 * np.arange(len(texts))
    stream = [(token, row) for text, row in zip(texts, rows, strict=True) for token in ids_of(text)]
    if len(stream) < size:
        with pytest.raises(ConfigError, match=rf"block_size: found {size}; allowed: {len(stream)} at most"):
            blocks.joined(TOKENIZER, texts, rows, size, "datasets.x")
        return
    found = blocks.joined(TOKENIZER, texts, rows, size, "datasets.x")
    whole = stream[: len(stream) // size * size]
    assert found.ids.tolist() == [token for token, _ in whole]
    assert found.lengths.tolist() == [size] * (len(stream) // size)
    assert found.rows.tolist() == [row for _, row in whole[::size]]
    assert not found.labels.any()


@settings(max_examples=50, deadline=None)
@given(texts=TEXTS, size=st.integers(1, 9))
def test_documents_apart_are_each_cut_off(texts, size):
    found = blocks.apart(TOKENIZER, texts, np.arange(len(texts)), size, "datasets.x")
    each = [ids_of(text) for text in texts]
    parts = np.split(found.ids, found.offsets[1:-1])
    assert [part.tolist() for part in parts] == [ids[:size] for ids in each]
    assert found.truncated == sum(len(ids) > size for ids in each)


def test_answers_know_where_they_begin():
    prompts, texts = ["ab", "a"], ["cd ef", "b"]
    found = blocks.answers(TOKENIZER, prompts, texts, np.array([3, 5]), 6, "datasets.x")
    starts = [TOKENIZER(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    assert found.labels.tolist() == [len(start) for start in starts]
    for start, text, part in zip(starts, texts, np.split(found.ids, found.offsets[1:-1]), strict=True):
        assert part.tolist() == [*start, *ids_of(text)][:6]
    assert found.rows.tolist() == [3, 5]
    with pytest.raises(ConfigError, match=r"block_size: found 2, which the prompt of row 3 fills"):
        blocks.answers(TOKENIZER, prompts, texts, np.array([3, 5]), len(starts[0]), "datasets.x")


def test_a_tokenizer_without_an_end_of_text_is_refused():
    class Endless:
        eos_token_id = sep_token_id = None

    with pytest.raises(ConfigError, match="without an end of text"):
        blocks.end_of_text(Endless(), "datasets.x")
