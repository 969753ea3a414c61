"""Which models are averaged."""

from itertools import combinations
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.space import soups


def test_sizes_are_those_of_a_curve():
    assert soups.sizes(2) == [2]
    assert soups.sizes(3) == [2, 3]
    assert soups.sizes(5) == [2, 3, 4, 5]
    assert soups.sizes(24) == [2, 3, 4, 6, 8, 12, 16, 24]


@settings(deadline=None)
@given(st.integers(2, 30), st.data())
def test_subsets_are_distinct_in_order_and_few(count, data):
    seeds = data.draw(st.permutations(range(100, 100 + count)))
    size = data.draw(st.integers(1, count))
    found = soups.subsets(seeds, size, 0)
    assert len({frozenset(members) for members in found}) == len(found)
    for members in found:
        assert len(set(members)) == size
        assert [seed for seed in seeds if seed in members] == list(members)
    assert found == soups.subsets(seeds, size, 0)
    if comb(count, size) > 20:
        assert len(found) == 20
    else:
        assert found == list(combinations(seeds, size))


def test_random_subsets_take_each_seed_about_as_often():
    counts = dict.fromkeys(range(24), 0)
    for seed in range(200):
        for members in soups.subsets(range(24), 6, seed):
            for member in members:
                counts[member] += 1
    assert max(counts.values()) - min(counts.values()) < 0.2 * 200 * 20 * 6 / 24


def test_the_greedy_soup_keeps_what_helps_and_nothing_else():
    values = {(1,): 0.7, (2,): 0.8, (3,): 0.6, (1, 2): 0.85, (1, 2, 3): 0.85, (2, 3): 0.9}
    asked = []

    def score(members):
        asked.append(members)
        return values[members]

    assert soups.greedy([1, 2, 3], score) == (1, 2)  # 3 makes it no better, and is not tried without 1
    assert asked == [(1,), (2,), (3,), (1, 2), (1, 2, 3)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_it_is_never_worse_than_the_best_alone(alone, random):
    known = {(i,): value for i, value in enumerate(alone)}

    def score(members):
        return known.setdefault(members, random.random())

    assert known[soups.greedy(range(len(alone)), score)] >= max(alone)


@pytest.mark.parametrize("candidates", [[1, 2], [2, 1]])
def test_of_equals_the_earlier_is_first(candidates):
    assert soups.greedy(candidates, lambda members: 0.5) == (candidates[0],)
    assert soups.best(candidates, lambda members: 0.5) == (candidates[0],)
    assert soups.best(candidates, lambda members: float(members == (candidates[-1],))) == (candidates[-1],)
