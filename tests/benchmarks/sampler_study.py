"""How many evaluations the adaptive alphas take for a gap right to a tolerance, against uniform grids.

    python tests/benchmarks/sampler_study.py [--count 60] [--seed 2] [--curves measured.npz ...]

prints Markdown tables. The truth of a generated curve is its gap at 1,001 equally spaced alphas. `--curves`
adds measured ones as one more family: arrays `alphas` (n) and `losses` (n, curves), straight between the
points.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

from isthmus import metrics
from isthmus.space import sampling

Curve = Callable[[np.ndarray], np.ndarray]
START, TOLERANCE, MAX_ALPHAS = 10, 1e-3, 41
SLACK = 1e-5  # a stated error is called too small beyond this: what the reference itself leaves open
GRIDS = (11, 21, 51, 101, 201)
WIDTHS = (0.04, 0.03, 0.02, 0.015, 0.01, 0.005)
REFERENCE = sampling.uniform(1001)


def straight(rng) -> Curve:
    start, slope = rng.normal(0, 0.5, 2)
    return lambda alpha: 1 + start + slope * alpha


def smooth(rng) -> Curve:
    """A straight line with four sine waves of up to two periods."""
    line, order = straight(rng), np.arange(1, 5)
    size = np.exp(rng.normal(-1.5, 1)) * rng.normal(size=4) / order**1.5
    phase = rng.uniform(0, 2 * np.pi, 4)
    return lambda alpha: line(alpha) + np.sin(np.pi * np.multiply.outer(alpha, order) + phase) @ size


def gaussian(rng, width, height) -> Curve:
    """A bump of standard deviation `width` at a random place."""
    centre = rng.uniform(0.05, 0.95)
    return lambda alpha: height * np.exp(-(((alpha - centre) / width) ** 2) / 2)


def bumps(rng) -> Curve:
    """Two to four bumps of standard deviation 0.06 to 0.2 on a straight line."""
    count, line = rng.integers(2, 5), straight(rng)
    parts = [gaussian(rng, rng.uniform(0.06, 0.2), log_uniform(rng, 0.05, 1)) for _ in range(count)]
    return lambda alpha: line(alpha) + sum(part(alpha) for part in parts)


def ridge(rng) -> Curve:
    """Flat, with one bump of standard deviation 0.05 to 0.12."""
    part = gaussian(rng, rng.uniform(0.05, 0.12), log_uniform(rng, 0.02, 2))
    return lambda alpha: 0.5 + part(alpha)


def narrow(rng, width) -> Curve:
    """Flat, with one bump of a given standard deviation below what the start grid resolves."""
    part = gaussian(rng, width, log_uniform(rng, 0.02, 2))
    return lambda alpha: 0.5 + part(alpha)


def kinks(rng) -> Curve:
    """Straight pieces, one to four kinks at least 0.1 apart, on thousandths as the reference is."""
    count = rng.integers(1, 5)
    inner = np.sort(rng.uniform(0.05, 1.05 - 0.1 * count, count)) + 0.1 * np.arange(count)
    knots, values = np.r_[0, inner.round(3), 1], rng.normal(1, 0.4, count + 2)
    return lambda alpha: np.interp(alpha, knots, values)


def monotone(rng) -> Curve:
    """A sigmoid step, a power or a decay, rising or falling."""
    height = np.exp(rng.normal(-0.5, 0.7)) * rng.choice([-1, 1])
    kind, centre, width = rng.integers(3), rng.uniform(0, 1), rng.uniform(0.04, 0.3)
    power, rate = rng.uniform(1, 6), rng.uniform(1, 8)
    return [
        lambda alpha: height / (1 + np.exp((centre - alpha) / width)),
        lambda alpha: height * np.asarray(alpha) ** power,
        lambda alpha: height * np.exp(-rate * np.asarray(alpha)),
    ][kind]


def noisy(rng) -> Curve:
    """A curve of another family with noise of size 1e-6, a fixed function of alpha."""
    curve, phase = rng.choice([smooth, bumps, ridge])(rng), rng.uniform(0, 1000)
    return lambda alpha: curve(alpha) + 1e-6 * np.sin(1e7 * np.asarray(alpha) + phase)


def linear_heads(rng) -> Curve:
    """The cross-entropy of 200 examples between two linear classifiers: convex."""
    inputs = rng.normal(size=(200, 8))
    labels = np.sign(inputs @ rng.normal(size=8))
    ends = rng.normal(size=(2, 8)) * rng.uniform(0.1, 2)
    margins = -labels * (inputs @ ends.T).T
    return lambda alpha: np.logaddexp(0, margins[0] + np.multiply.outer(alpha, margins[1] - margins[0])).mean(
        -1
    )


def networks(rng) -> Curve:
    """The cross-entropy of 200 examples between two random networks with one hidden layer."""
    inputs = rng.normal(size=(200, 5))
    labels = np.sign(inputs @ rng.normal(size=5) + 0.5 * rng.normal(size=200))
    size = rng.uniform(0.5, 2)
    hidden, output = rng.normal(size=(2, 5, 8)) * size, rng.normal(size=(2, 8)) * size

    def curve(alpha):
        weight = np.stack([1 - np.asarray(alpha), np.asarray(alpha)], axis=-1)
        features = np.tanh(inputs @ np.tensordot(weight, hidden, 1))
        logits = np.einsum("...nh,...h->...n", features, weight @ output)
        return np.logaddexp(0, -labels * logits).mean(-1)

    return curve


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


FAMILIES = (straight, linear_heads, smooth, bumps, ridge, kinks, monotone, noisy, networks)


def generated(count: int, seed: int, families=FAMILIES) -> dict[str, list[Curve]]:
    """`count` curves of each family; a family's curves do not depend on the others."""
    return {
        family.__name__: [
            family(np.random.default_rng([seed, i, *family.__name__.encode()])) for i in range(count)
        ]
        for family in families
    }


def named(family, name):
    family.__name__ = name
    return family


@dataclass(frozen=True)
class Sampled:
    """One curve sampled adaptively: its last gaps, and at each stage the errors: stated and true."""

    alphas: list[float]
    losses: list[float]
    stated: np.ndarray  # (stages, 2): CG, BH
    true: np.ndarray  # (stages, 2): how much the truth is above the measured gap


def sample(curve: Curve, tolerance=TOLERANCE, max_alphas=MAX_ALPHAS) -> Sampled:
    """Sample a curve from the start grid to the end, with the errors at each stage."""
    fine = np.asarray(curve(np.array(REFERENCE)))
    truth = np.array(
        [metrics.convexity_gap(REFERENCE, fine).value, metrics.barrier_height(REFERENCE, fine).value]
    )
    alphas = sampling.start_grid(START)
    losses = [float(loss) for loss in curve(np.array(alphas))]
    stated, true = [], []
    while True:
        errors = sampling.gap_errors(alphas, losses)
        measured = [metrics.convexity_gap(alphas, losses).value, metrics.barrier_height(alphas, losses).value]
        stated.append([errors.convexity_gap, errors.barrier_height])
        true.append(truth - measured)
        alpha = sampling.next_alpha(alphas, losses, tolerance=tolerance, max_alphas=max_alphas)
        if alpha is None:
            return Sampled(alphas, losses, np.array(stated), np.array(true))
        place = int(np.searchsorted(alphas, alpha))
        alphas.insert(place, alpha)
        losses.insert(place, float(curve(np.array([alpha]))[0]))


def grid_errors(curve: Curve) -> np.ndarray:
    """The error of CG on each uniform grid."""
    fine = np.asarray(curve(np.array(REFERENCE)))
    truth = metrics.convexity_gap(REFERENCE, fine).value
    grids = [sampling.uniform(points) for points in GRIDS]
    return np.array([abs(truth - metrics.convexity_gap(grid, curve(np.array(grid))).value) for grid in grids])


def enough(errors: np.ndarray) -> float:
    """The smallest of the uniform grids from which on all are right, or infinity."""
    right = errors <= TOLERANCE
    return next((points for i, points in enumerate(GRIDS) if right[i:].all()), np.inf)


@dataclass(frozen=True)
class Studied:
    """What the tables need of one curve."""

    adaptive: Sampled
    grids: np.ndarray

    @property
    def evaluations(self) -> int:
        return len(self.adaptive.alphas)

    @property
    def errors(self) -> np.ndarray:
        return np.abs(self.adaptive.true[-1])


def comparison_row(curves: list[Studied]) -> list[str]:
    """The adaptive alphas beside the uniform grids, for one family."""
    right = np.mean([curve.errors <= TOLERANCE for curve in curves], axis=0)
    uniform = np.mean([curve.grids <= TOLERANCE for curve in curves], axis=0)
    counts = np.array([curve.evaluations for curve in curves])
    more = np.mean([curve.evaluations - enough(curve.grids) > 2 for curve in curves])
    as_good = next((points for points, share in zip(GRIDS, uniform, strict=True) if share >= right[0]), None)
    ratio = (
        f"{as_good / np.median(counts):.1f} ({as_good})"
        if as_good
        else f"over {GRIDS[-1] / np.median(counts):.0f}"
    )
    worst = max(curve.errors[0] for curve in curves)
    return [
        *(percent(share) for share in (right[0], *uniform, right[1])),
        *(f"{np.median(counts):.0f}", f"{counts.max()}", ratio, percent(more), f"{worst:.4f}"),
    ]


def calibration_row(curves: list[Studied]) -> list[str]:
    """How often the true error is above the stated one, for one family."""
    pairs = [curve.adaptive for curve in curves]
    last = np.mean([pair.true[-1] > pair.stated[-1] + SLACK for pair in pairs], axis=0)
    every = np.concatenate([pair.true > pair.stated + SLACK for pair in pairs]).mean(axis=0)
    excess = max(float(pair.true[-1, 0] - pair.stated[-1, 0]) for pair in pairs)
    visible = [pair.stated[-1, 0] / pair.true[-1, 0] for pair in pairs if pair.true[-1, 0] > SLACK]
    ratio = f"{np.median(visible):.1f}" if visible else "-"
    return [*(percent(share) for share in (*last, *every)), f"{max(excess, 0):.4f}", ratio]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def table(titles: list[str], rows: dict[str, list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *([label, *cells] for label, cells in rows.items())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def report(curves: dict[str, list[Curve]], together: bool) -> str:
    """Both tables: one row a family, and one for all of them `together`."""
    studied = {
        f"{family} ({len(members)})": [Studied(sample(curve), grid_errors(curve)) for curve in members]
        for family, members in curves.items()
    }
    if together:
        everything = [curve for members in studied.values() for curve in members]
        studied[f"all ({len(everything)})"] = everything
    comparison = {label: comparison_row(members) for label, members in studied.items()}
    calibration = {label: calibration_row(members) for label, members in studied.items()}
    return f"{table(COMPARISON, comparison)}\n\n{table(CALIBRATION, calibration)}"


COMPARISON = [
    "curves",
    "adaptive: CG right",
    *(f"{points} points" for points in GRIDS),
    "adaptive: BH right",
    "evaluations, median",
    "max",
    "as good uniform grid / median",
    "over enough + 2",
    "largest CG error",
]
CALIBRATION = [
    "stated error too small",
    "CG, at the end",
    "BH, at the end",
    "CG, at any stage",
    "BH, at any stage",
    "CG too small by at most",
    "stated / true CG error, median",
]


def measured(path: Path) -> list[Curve]:
    """Curves that were measured, straight between their points."""
    with np.load(path) as stored:
        alphas, losses = stored["alphas"], stored["losses"]
    return [partial(np.interp, xp=alphas, fp=column) for column in losses.T]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=60, help="curves of each family")
    parser.add_argument(
        "--seed", type=int, default=2, help="the constants of the sampler were fitted on seed 1"
    )
    parser.add_argument("--curves", type=Path, nargs="*", default=[], help="measured curves")
    arguments = parser.parse_args()
    curves = generated(arguments.count, arguments.seed)
    curves |= {path.stem: measured(path) for path in arguments.curves}
    ridges = [named(partial(narrow, width=width), f"narrow {width}") for width in WIDTHS]
    print(f"{report(curves, together=True)}\n\nNarrower ridges, not fitted on:\n")
    print(report(generated(arguments.count, arguments.seed, ridges), together=False))


if __name__ == "__main__":
    main()
