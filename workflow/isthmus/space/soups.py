"""Which models are averaged: all of some seeds, or those that help (Wortsman et al., ICML 2022)."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import numpy as np

MOST_SUBSETS = 20  # of one size, of which a mean is taken

Members = tuple[int, ...]


def sizes(count: int) -> list[int]:
    """The sizes of soups of `count` models: 2, 3, 4, 6, 8, 12, 16, 24, ... and all of them."""
    doubling = [size << shift for shift in range(count.bit_length()) for size in (2, 3)]
    return sorted({size for size in doubling if size < count} | {count})


def subsets(seeds: Sequence[int], size: int, seed: int) -> list[Members]:
    """Subsets of one size, each in the order of `seeds`: all where these are few, else some at random.

    Args:
        seeds: the models.
        size: of each subset, 1 to their number.
        seed: of the random ones; the same subsets wherever it, `seeds` and `size` agree.
    """
    if comb(len(seeds), size) <= MOST_SUBSETS:
        return list(combinations(seeds, size))
    # Raw bits, not numpy's choice: that may change with its version.
    bits, found = np.random.Philox(key=np.array([seed, size], dtype=np.uint64)), dict[Members, None]()
    while len(found) < MOST_SUBSETS:
        chosen = np.sort(np.argsort(bits.random_raw(len(seeds)), kind="stable")[:size])
        found[tuple(seeds[place] for place in chosen)] = None
    return list(found)


def best(candidates: Sequence[int], score: Callable[[Members], float]) -> Members:
    """The best model alone; of two equally good ones the earlier. Arguments are those of `greedy`."""
    return (max(candidates, key=lambda candidate: score((candidate,))),)


def greedy(candidates: Sequence[int], score: Callable[[Members], float]) -> Members:
    """The greedy soup: candidates from the best to the worst, kept where the soup is then strictly better.

    Args:
        candidates: the models; of two equally good ones the earlier comes first.
        score: of a soup, the higher the better.

    Returns:
        Its members, in the order of `candidates`.
    """
    alone = {candidate: score((candidate,)) for candidate in candidates}
    ranked = sorted(candidates, key=lambda candidate: -alone[candidate])
    soup, best = (ranked[0],), alone[ranked[0]]
    for candidate in ranked[1:]:
        larger = tuple(one for one in candidates if one in (*soup, candidate))
        if (found := score(larger)) > best:
            soup, best = larger, found
    return soup
