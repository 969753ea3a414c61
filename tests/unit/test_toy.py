"""The toy language: labels that are true, streams that repeat, sets that mislead where they should."""

import re
from collections import Counter
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.data import toy

TASKS = sorted(toy.TASKS)
SETS = [(task, shifted) for task in TASKS for shifted in (False, True)]
ALIKE = ("entailment", "paraphrase")


def scenes(text: str) -> np.ndarray:
    """The text read back, without the grammar's help: which of all scenes (slot x slot x ...) it allows."""
    words, axes = set(text.split()), []
    for meanings in toy.SLOTS.values():
        leaves = sorted(frozenset().union(*meanings.values()))
        said = [word for word in meanings if word in words]
        assert len(said) <= 1
        axes.append(np.array([all(leaf in meanings[word] for word in said) for leaf in leaves]))
    allowed = reduce(np.logical_and.outer, axes)
    return ~allowed if "no" in words else allowed


def overlap(first: str, second: str) -> float:
    """The share of common words, articles and the like left aside."""
    content = {word for meanings in toy.SLOTS.values() for word in meanings}
    a, b = content & set(first.split()), content & set(second.split())
    return len(a & b) / len(a | b)


@pytest.mark.parametrize(("task", "shifted"), SETS)
def test_labels_hold_in_every_scene(task, shifted):
    for first, second, label in toy.examples(task, 150, 5, shifted):
        a, b = scenes(first), scenes(second)
        if task == "paraphrase":
            assert (label == "paraphrase") == bool((a == b).all())
        else:
            truth = (
                "contradiction" if not (a & b).any() else "entailment" if not (a & ~b).any() else "neutral"
            )
            assert label == truth, (first, second)


@pytest.mark.parametrize(
    ("first", "second", "label"),
    [
        ("a big dog pushed a toy in the park", "an animal moved a plaything outdoors", "entailment"),
        ("a dog pushed a ball", "a big hound shoved a ball", "neutral"),
        ("a dog pushed a ball outside", "a dog pushed a ball in the kitchen", "contradiction"),
        ("a dog pushed a ball", "no creature moved a ball", "contradiction"),
        ("no animal moved a ball", "no sad dog pushed a ball", "entailment"),
        ("no sad dog pushed a ball", "no animal moved a ball", "neutral"),
        ("a sad dog pushed a ball", "no happy dog pushed a ball", "entailment"),
    ],
)
def test_entailment_of_hand_written_pairs(first, second, label):
    def said(text):
        words = text.split()
        claims = {slot: word for slot, known in toy.SLOTS.items() for word in words if word in known}
        return toy.Sentence(claims, "no" in words)

    assert toy.entailment(said(first), said(second)) == label


def test_every_word_belongs_to_one_slot():
    words = [word for meanings in toy.SLOTS.values() for word in meanings]
    assert len(words) == len(set(words))


def test_vocabulary_is_sorted_lower_case_and_of_the_promised_size():
    words = toy.vocabulary()
    assert list(words) == sorted(set(words))
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert 80 <= len(words) <= 120


def test_sentences_are_words_of_the_vocabulary_and_use_it_all():
    texts = [
        text for task, shifted in SETS for row in toy.examples(task, 300, 1, shifted) for text in row[:2]
    ]
    texts += [text for pair in toy.corpus(500, 1) for text in pair]
    assert {word for text in texts for word in text.split(" ")} == set(toy.vocabulary())


@pytest.mark.parametrize(("task", "shifted"), SETS)
def test_classes_are_equally_many(task, shifted):
    labels = toy.TASKS[task]
    counts = Counter(label for *_, label in toy.examples(task, 40 * len(labels), 2, shifted))
    assert counts == dict.fromkeys(labels, 40)


@pytest.mark.parametrize("task", TASKS)
def test_overlap_misleads_in_the_shifted_set_only(task):
    def overlaps(shifted):
        rows = toy.examples(task, 300, 3, shifted)
        alike = [overlap(a, b) for a, b, label in rows if label in ALIKE]
        unlike = [overlap(a, b) for a, b, label in rows if label not in ALIKE]
        return alike, unlike

    alike, unlike = overlaps(shifted=False)
    assert np.mean(alike) > np.mean(unlike)
    alike, unlike = overlaps(shifted=True)
    assert max(alike) < min(unlike)


@given(st.sampled_from(SETS), st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 12))
def test_a_longer_stream_begins_with_the_shorter(kind, seed, few, more):
    task, shifted = kind
    longer = toy.examples(task, few + more, seed, shifted)
    assert len(longer) == few + more
    assert longer[:few] == toy.examples(task, few, seed, shifted)
    assert toy.corpus(few + more, seed)[:few] == toy.corpus(few, seed)


def test_streams_differ_by_task_seed_and_shift():
    streams = [toy.examples(task, 20, seed, shifted) for task, shifted in SETS for seed in (1, 2)]
    firsts = {tuple(row[0] for row in rows) for rows in streams}
    assert len(firsts) == len(streams)
    assert toy.corpus(20, 1) != toy.corpus(20, 2)


def test_the_stream_is_pinned():
    """The language of seed 1 never changes silently: results that stand in a journal rest on it."""
    assert toy.examples("entailment", 1, 1) == [
        ("a big girl watched a bag in the garden", "no big sad girl watched a bag in the garden", "neutral")
    ]


def test_errors():
    with pytest.raises(ValueError, match="entailment, paraphrase"):
        toy.examples("sentiment", 1, 1)
    with pytest.raises(ValueError, match="rows must be 0 or more"):
        toy.examples("entailment", -1, 1)
