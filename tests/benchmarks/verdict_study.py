"""How often each word on connectivity is wrong, where the truth is planted.

    python tests/benchmarks/verdict_study.py [--trials 400]

Two questions. *Is there a gap at all?* One path whose units' curves bend at random around a mean that is
straight, or has a hill: how often does the low end of each interval lie above 0, for the convexity gap
(percentiles) and for the cross-fitted gap, at one and at several halvings of the units? *Are seeds
connected?* The curves of all pairs of some seeds, whose hills differ from pair to pair: how often is each
word said, at a mean gap of 0, half, once and twice the size that matters (0.02 nats)?
"""

import argparse
from collections import Counter
from itertools import combinations

import numpy as np
from isthmus import cross_fitting, metrics
from isthmus.bootstrap import Bootstrap, percentile_interval
from isthmus.statistics.seeds import Mean, combined
from isthmus.statistics.verdicts import APART, CONNECTED, OPEN, connection

ALPHAS = np.linspace(0, 1, 11)
HILL = 4 * ALPHAS * (1 - ALPHAS)
SIZE = 0.02
REPLICATES = 400


def losses(generator: np.random.Generator, units: int, height: float, kind: str, bend: float) -> np.ndarray:
    """Losses of units at all alphas: curves that bend at random around a mean with a hill. Shape (alphas,
    units).

    Args:
        units: how many.
        height: of the mean's hill, its convexity gap.
        kind: how curves bend: along three `waves`, along one `arc`, or `skewed`, most a little and few a lot.
        bend: by how much, a standard deviation in nats.
    """
    waves = np.sin(np.pi * np.outer(np.arange(1, 4), ALPHAS))
    own = {
        "waves": lambda: generator.normal(size=(units, 3)) / np.sqrt(3) @ waves,
        "arc": lambda: np.outer(generator.normal(size=units), HILL),
        "skewed": lambda: np.outer(generator.exponential(size=units) - 1, HILL),
    }[kind]()
    level = generator.gamma(1.0, 0.5, (units, 1)) + 0.3 * generator.normal(size=(units, 1)) * ALPHAS
    return (level + bend * own + height * HILL).T


def gap_at_all(kind: str, units: int, height: float, trials: int) -> list[float]:
    """The shares of paths said to have a gap: by the maximum, and cross-fitted, halved once and more."""
    bootstrap, said = Bootstrap(units, REPLICATES, 0), []
    for trial in range(trials):
        values = losses(np.random.default_rng([trial, units]), units, height, kind, 0.5)
        curves = bootstrap.replicate_means(values).T.astype(np.float64)
        ends = [percentile_interval(metrics.convexity_gaps(ALPHAS, curves))[0] - 1e-6]
        for count in (1, cross_fitting.HALVINGS):
            halves = cross_fitting.halves(units, trial, count)
            own = cross_fitting.contributions(ALPHAS, values, halves, metrics.convexity_gap)
            ends.append(percentile_interval(bootstrap.replicate_means(own))[0])
        said.append([end > 0 for end in ends])
    return np.mean(said, axis=0).tolist()


def words(seeds: int, units: int, gap: float, trials: int, bend: float = 0.2) -> Counter:
    """How often each word is said of seeds whose mean gap is `gap`; each pair's is up to half off."""
    pairs = tuple(combinations(range(seeds), 2))
    bootstrap, halves = Bootstrap(units, REPLICATES, 0), cross_fitting.halves(units, 0)
    said = Counter()
    for trial in range(trials):
        generator = np.random.default_rng([trial, seeds, units])
        own = generator.uniform(-0.25, 0.25, seeds)
        values, samples, crossed = [], 0.0, 0.0
        for a, b in pairs:
            curves = losses(generator, units, gap * (1 + own[a] + own[b]), "waves", bend)
            replicates = bootstrap.replicate_means(curves).T.astype(np.float64)
            values.append(metrics.convexity_gap(ALPHAS, curves.mean(axis=1)).value)
            samples = samples + metrics.convexity_gaps(ALPHAS, replicates)
            rises = cross_fitting.contributions(ALPHAS, curves, halves, metrics.convexity_gap)
            crossed = crossed + bootstrap.replicate_means(rises).astype(np.float64)
        estimate = combined([Mean(pairs, np.array(values), samples / len(pairs))], [1.0])
        low = percentile_interval(crossed / len(pairs))[0]
        said[connection(*estimate.over_both, low, SIZE, estimate.untested)] += 1
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    several = f"cross-fitted, {cross_fitting.HALVINGS} halvings"
    print(f"| curves | units | true gap | maximum | cross-fitted, one halving | {several} |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in ("waves", "arc", "skewed"):
        for units in (200, 1000):
            for height in (0.0, 0.05, 0.1):
                shares = gap_at_all(kind, units, height, trials)
                shown = " | ".join(f"{100 * share:.1f} %" for share in shares)
                print(f"| {kind} | {units} | {height:g} | {shown} |", flush=True)
    print("\n| seeds | units | true gap | connected | not connected | cannot be told |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seeds in (3, 6):
        for units in (500, 2000):
            for factor in (0, 0.5, 1, 2):
                said = words(seeds, units, factor * SIZE, trials)
                shown = " | ".join(f"{100 * said[word] / trials:.1f} %" for word in (CONNECTED, APART, OPEN))
                print(f"| {seeds} | {units} | {factor * SIZE:g} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
