"""How often intervals over seeds hold the truth, by method, number of seeds and how the gaps come about.

    python tests/benchmarks/seeds_study.py [--trials 4000] [--population FILE.csv ...]

Planted: the gap of seeds i and j is `a_i + a_j + e_ij`, with all, half or a quarter of its variance in `a`,
normal or exponential; or the squared distance of points that are normal in 2 or 10 dimensions. The truth is
the mean over all seeds that there could be. Measured: a `metrics.csv` of an experiment with many seeds; CG
(test loss) of each cell at its last step is a population, subsets of seeds are drawn from it, and the truth
is its mean. (Subsets of a finite population vary less than draws from an endless one: of N seeds, n, by the
factor (N - n) / (N - 1), so these shares are a little too high.)

Methods: the node bootstrap (seeds drawn again, percentiles), the delete-one-seed jackknife with Student's t
on the gaps and on the logarithm of their mean (where that is positive), and the bootstrap-t (seeds drawn
again, each time studentised by the jackknife). The goal is 95 %.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from isthmus.statistics import seeds, tidy
from scipy import stats

COUNTS = (3, 4, 5, 6, 8, 12, 24)
REPLICATES = 200
Draw = Callable[[np.random.Generator, int, int], np.ndarray]


# ---------------------------------------------------------------------------------- where gaps come from


def sums(share: float, skewed: bool, generator: np.random.Generator, trials: int, count: int) -> np.ndarray:
    """Gaps `1 + a_i + a_j + e_ij` of unit variance, `share` of it in `a`; truth 1. Shape (trials, pairs)."""
    a, b = np.array(list(combinations(range(count), 2))).T
    shape = (trials, count)
    own = generator.exponential(size=shape) - 1 if skewed else generator.normal(size=shape)
    own *= np.sqrt(share / 2)
    return 1 + own[:, a] + own[:, b] + generator.normal(size=(trials, len(a))) * np.sqrt(1 - share)


def distances(dimensions: int, generator: np.random.Generator, trials: int, count: int) -> np.ndarray:
    """Squared distances of normal points over their mean 2 * dimensions; truth 1. Shape (trials, pairs)."""
    a, b = np.array(list(combinations(range(count), 2))).T
    points = generator.normal(size=(trials, count, dimensions))
    return ((points[:, a] - points[:, b]) ** 2).sum(axis=-1) / (2 * dimensions)


def subsets(gaps: np.ndarray, generator: np.random.Generator, trials: int, count: int) -> np.ndarray:
    """Gaps of seeds drawn from a measured population, over its mean; truth 1. Shape (trials, pairs)."""
    a, b = np.array(list(combinations(range(count), 2))).T
    chosen = np.argsort(generator.random((trials, len(gaps))), axis=1)[:, :count]
    mean = gaps[~np.eye(len(gaps), dtype=bool)].mean()
    return gaps[chosen[:, a], chosen[:, b]] / mean


def populations(path: Path) -> dict[str, np.ndarray]:
    """CG of each pair of seeds at the last step of each cell of an experiment, shape (seeds, seeds)."""
    frame = tidy.convexity_gaps(tidy.read(path))
    found = {}
    for (model, dataset), cell in frame.groupby(["model", "dataset"], sort=False):
        last = cell[cell["step"] == cell["step"].max()]
        names = seeds.seeds_of(list(zip(last["seed_a"], last["seed_b"], strict=True)))
        gaps = np.zeros((len(names), len(names)))
        for row in last.itertuples():
            i, j = names.index(row.seed_a), names.index(row.seed_b)
            gaps[i, j] = gaps[j, i] = row.value
        found[f"measured, {model} on {dataset}, {len(names)} seeds"] = gaps
    return found


# ------------------------------------------------------------------------------------------ the methods


def node_bootstrap(generator, values: np.ndarray, count: int):
    """Percentiles of the means of seeds drawn again; a seed with itself is no pair."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=5 * REPLICATES)
    weights = np.stack([drawn[:, a] * drawn[:, b] for a, b in combinations(range(count), 2)], axis=1)
    weights = weights[weights.sum(axis=1) > 0]
    means = values @ (weights / weights.sum(axis=1, keepdims=True)).T
    return np.quantile(means, [0.025, 0.975], axis=1)


def jackknife(generator, values: np.ndarray, count: int):
    """Student's t with the delete-one-seed variance."""
    spread = np.sqrt(seeds.variance(list(combinations(range(count), 2)), values))
    half = stats.t.ppf(0.975, count - 1) * spread
    return values.mean(axis=1) - half, values.mean(axis=1) + half


def log_jackknife(generator, values: np.ndarray, count: int):
    """The same for the logarithm of the mean (delta method); nothing where a mean is not positive."""
    mean = np.where(values.mean(axis=1) > 0, values.mean(axis=1), np.nan)
    spread = np.sqrt(seeds.variance(list(combinations(range(count), 2)), values)) / mean
    half = stats.t.ppf(0.975, count - 1) * spread
    with np.errstate(over="ignore"):  # an interval without end
        return mean * np.exp(-half), mean * np.exp(half)


def bootstrap_t(generator, values: np.ndarray, count: int):
    """Percentiles of (mean* - mean) / error* over seeds drawn again, each with its own jackknife error."""
    pairs = list(combinations(range(count), 2))
    mean, error = values.mean(axis=1), np.sqrt(seeds.variance(pairs, values))
    index = np.zeros((count, count), dtype=int)
    for k, (a, b) in enumerate(pairs):
        index[a, b] = index[b, a] = k
    studentised = []
    for _ in range(REPLICATES):
        drawn = generator.integers(count, size=count)
        if len(set(drawn)) < 3:
            continue
        a, b = np.array([(drawn[i], drawn[j]) for i, j in pairs]).T
        again = np.where(a == b, np.nan, values[:, index[a, b]])
        kept = [[i not in pair and drawn[pair[0]] != drawn[pair[1]] for pair in pairs] for i in range(count)]
        kept = np.array([row for row in kept if any(row)], dtype=float)
        left = np.nan_to_num(again) @ (kept / kept.sum(axis=1, keepdims=True)).T
        spread = (count - 1) / count * ((left - left.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        studentised.append((np.nanmean(again, axis=1) - mean) / np.sqrt(np.maximum(spread, 1e-300)))
    low, high = np.quantile(studentised, [0.025, 0.975], axis=0)
    return mean - high * error, mean - low * error


METHODS = {
    "node bootstrap": node_bootstrap,
    "jackknife t": jackknife,
    "jackknife t, log": log_jackknife,
    "bootstrap-t": bootstrap_t,
}
PLANTED: dict[str, Draw] = {
    **{
        f"{name} a, {share:.0%} of the variance": partial(sums, share, skewed)
        for name, skewed in (("normal", False), ("exponential", True))
        for share in (1.0, 0.5, 0.25)
    },
    **{f"squared distances, {d} dimensions": partial(distances, d) for d in (2, 10)},
}


def study(draws: dict[str, Draw], counts: tuple[int, ...], trials: int) -> Iterator[dict]:
    """Whose gaps, how many seeds, and each method's share of right intervals in per cent."""
    for name, draw in draws.items():
        for count in counts:
            generator = np.random.default_rng([count, trials])
            values = draw(generator, trials, count)
            for label, method in METHODS.items():
                low, high = method(generator, values, count)
                held = 100 * ((low <= 1) & (high >= 1)).mean()
                share = f"{held:.1f}" if np.isfinite(low).all() else "–"
                yield {"method": label, "gaps": name, "seeds": count, "share": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--population", nargs="*", type=Path, default=[], help="metrics.csv of experiments")
    arguments = parser.parse_args()
    draws, counts = PLANTED, COUNTS
    if arguments.population:
        measured = {n: gaps for path in arguments.population for n, gaps in populations(path).items()}
        draws = {name: partial(subsets, gaps) for name, gaps in measured.items()}
        counts = tuple(range(3, 9))
    found = pd.DataFrame(study(draws, counts, arguments.trials))
    for method, own in found.groupby("method", sort=False):
        table = own.pivot(index="gaps", columns="seeds", values="share").reindex([*draws])
        print(f"{method}, % of {arguments.trials:,} intervals by number of seeds:\n\n{table.to_markdown()}\n")


if __name__ == "__main__":
    main()
