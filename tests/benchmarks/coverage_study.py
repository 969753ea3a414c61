"""How often the bootstrap's 95 % intervals for BH and CG hold the true value.

    python tests/benchmarks/coverage_study.py [--losses path.npz ...] [--sets 2000] [--sizes 500 2000]

prints a Markdown table. A stored path holds `alphas` (n_alphas) and each example's loss, `losses` (n_alphas,
n_examples). All its examples are the population, whose gaps are the truth; every test set is drawn from them
with replacement, and no model is evaluated. Without stored paths it takes synthetic ones: the straight line
from a network with one hidden layer to the same network with some hidden units in another order, on 40,000
examples whose labels are drawn from its own predictions. Both ends have the same loss, and only the order of
the units puts a barrier between them.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

from isthmus import metrics
from isthmus.bootstrap import Bootstrap, percentile_interval
from isthmus.space.sampling import uniform

GAPS = {"BH": metrics.barrier_heights, "CG": metrics.convexity_gaps}


@dataclass(frozen=True)
class Coverage:
    """The outcome for one gap: `values`, `low` and `high` have one number a drawn set."""

    truth: float
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def share(self) -> float:
        return float(np.mean((self.low <= self.truth) & (self.truth <= self.high)))

    @property
    def share_error(self) -> float:
        """The standard error of `share` from the finite number of sets."""
        return float(np.sqrt(self.share * (1 - self.share) / len(self.values)))

    @property
    def width(self) -> float:
        return float(np.mean(self.high - self.low))

    @property
    def bias(self) -> float:
        return float(np.mean(self.values) - self.truth)


def synthetic(units: int, n: int = 40_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The alphas and the examples' losses (alphas, n) of a path on which `units` of 8 units change place."""
    rng = np.random.default_rng([seed, units])
    inputs, hidden, output = rng.normal(size=(n, 10)), rng.normal(size=(10, 8)), rng.normal(0, 2, 8)
    order = np.arange(8)
    order[:units] = np.roll(order[:units], 1)
    labels = np.where(rng.random(n) < 1 / (1 + np.exp(-np.tanh(inputs @ hidden) @ output)), 1, -1)
    alphas = np.array(uniform(21))
    losses = []
    for alpha in alphas:
        features = np.tanh(inputs @ between(hidden, hidden[:, order], alpha))
        losses.append(np.logaddexp(0, -labels * (features @ between(output, output[order], alpha))))
    return alphas, np.array(losses)


def between(start, end, alpha):
    return (1 - alpha) * start + alpha * end


def coverage(
    alphas, losses, size: int, sets: int, replicates: int = 1000, seed: int = 0
) -> dict[str, Coverage]:
    """Draw `sets` test sets of `size` examples; the values and the intervals of each gap on each of them."""
    rng = np.random.default_rng([seed, size])
    weights = Bootstrap(size, replicates, seed)
    drawn = {name: np.empty((sets, 3)) for name in GAPS}
    for i in range(sets):
        chosen = losses[:, rng.integers(losses.shape[1], size=size)]
        means = weights.replicate_means(chosen)
        for name, gap in GAPS.items():
            drawn[name][i] = gap(alphas, chosen.mean(axis=1)), *percentile_interval(gap(alphas, means.T))
    population = losses.mean(axis=1)
    return {name: Coverage(float(GAPS[name](alphas, population)), *rows.T) for name, rows in drawn.items()}


def row(found: Coverage) -> str:
    share, error = (f"{100 * number:.1f} %" for number in (found.share, found.share_error))
    bias = f"{100 * found.bias / found.width:.1f} %" if found.width else "-"
    return f"{found.truth:.4f} | {share} | {error} | {found.width:.4f} | {bias}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--losses", type=Path, nargs="*", default=[], help="stored paths")
    parser.add_argument("--sets", type=int, default=2000, help="test sets drawn from each path")
    parser.add_argument("--sizes", type=int, nargs="*", default=[500, 2000], help="examples a set")
    parser.add_argument("--replicates", type=int, default=1000)
    arguments = parser.parse_args()
    paths = {f"synthetic, {units} units": synthetic(units) for units in (2, 4, 8)}
    if arguments.losses:
        stored = {path.stem: np.load(path) for path in arguments.losses}
        paths = {name: (arrays["alphas"], arrays["losses"]) for name, arrays in stored.items()}
    titles = ["path", "examples a set", "gap", "true value", "covered", "Monte-Carlo error", "mean width"]
    print("| " + " | ".join([*titles, "bias / width"]) + " |\n" + "| --- " * 8 + "|")
    for name, (alphas, losses) in paths.items():
        for size in arguments.sizes:
            for gap, found in coverage(alphas, losses, size, arguments.sets, arguments.replicates).items():
                print(f"| {name} | {size} | {gap} | {row(found)} |", flush=True)


if __name__ == "__main__":
    main()
