"""Connected or not: the words, and how often each is wrong where the truth is planted."""

from collections import Counter

import numpy as np
import pytest
from isthmus.statistics.verdicts import APART, CONNECTED, OPEN, UNTESTED, connection

from tests.benchmarks import verdict_study

SIZE = 0.02


@pytest.mark.parametrize(
    ("low", "high", "cross_fitted_low", "word"),
    [
        (0.03, 0.05, 0.025, APART),
        (0.03, 0.05, 0.01, OPEN),  # part of the gap may be what chance makes of a maximum
        (0.03, 0.05, np.nan, OPEN),
        (0.01, 0.05, 0.03, OPEN),
        (0.0, 0.019, -0.01, CONNECTED),
        (0.01, 0.019, 0.01, CONNECTED),  # a gap, and one that does not matter
        (0.0, 0.02, 0.01, OPEN),
        (np.nan, np.nan, 0.01, OPEN),
    ],
)
def test_the_words(low, high, cross_fitted_low, word):
    assert connection(low, high, cross_fitted_low, SIZE, "") == word
    assert connection(low, high, cross_fitted_low, SIZE, "fewer than three seeds") == UNTESTED


def said(gap: float, trials: int = 30) -> Counter:
    """How often each word is said of four seeds whose pairs have this mean gap, of 1,000 units."""
    return verdict_study.words(4, 1000, gap, trials)


def test_words_are_seldom_wrong():
    assert said(SIZE / 2)[APART] <= 2
    at_the_size = said(SIZE)
    assert max(at_the_size[APART], at_the_size[CONNECTED]) <= 3
    assert said(2 * SIZE)[CONNECTED] == 0


def test_words_are_said_where_the_gap_is_clear():
    assert said(3 * SIZE)[APART] >= 20
    assert verdict_study.words(4, 4000, 0.0, 10)[CONNECTED] >= 8
