"""The picture of the first screen: the loss along all paths of a data set, a row a model, a column a step.

Positions are those of an SVG; the template draws them. It stands in the page as it is, so that the answer is
there before any script has run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isthmus import metrics
from isthmus.showing.formatting import number
from isthmus.showing.views import ALPHA_UNIT, LOSS_UNIT
from isthmus.statistics.thresholds import FLOOR

STEPS = 4  # columns: the first, the last of each model, and some between
PAIRS = 30  # lines of single pairs at most; of more than these the range is drawn
WIDTH, HEIGHT = 156, 100  # a panel's, with what is left free around its curves
LABEL = 16  # of its height: room for the gap above the curves
LEFT, TOP, ROW = 44, 20, 16  # room for the scale, for the steps, and for a model's name above its row
GRID = np.linspace(0, 1, 41)


@dataclass(frozen=True)
class Panel:
    """One model at one step.

    Attributes:
        x, y: the upper left corner.
        lines: the `points` of a polyline a pair; none where `band` stands for them.
        band: those of the polygon of the range over pairs, or nothing.
        mean: those of the mean curve.
        gap: where the mean curve rises most above its envelope: x, and y of both.
        label: the mean of the pairs' convexity gaps.
    """

    x: float
    y: float
    lines: list[str]
    band: str
    mean: str
    gap: tuple[float, float, float] | None
    label: str


@dataclass(frozen=True)
class Multiples:
    """The panels of a data set and what stands around them; positions are in the units of its size."""

    dataset: str
    width: int
    height: int
    steps: list[tuple[int, float]]
    rows: list[tuple[str, float, list[Panel]]]
    ticks: list[tuple[str, float]]
    words: str
    panel_width: ClassVar[int] = WIDTH
    panel_height: ClassVar[int] = HEIGHT

    @property
    def banded(self) -> bool:
        """Whether ranges stand for lines in any of its panels."""
        return any(panel.band for *_, panels in self.rows for panel in panels)


def multiples(experiment, dataset: str, cells: Sequence[Mapping[str, Any]], curves) -> Multiples | None:
    """The picture of one data set; None where no path of it was measured on the test part.

    Args:
        cells: as of `views.overview`, all of the experiment.
        curves: as of `views.curves`.
    """
    mine = [(place, cell) for place, cell in enumerate(cells) if cell["dataset"] == dataset]
    found = {
        (cell["model"], step): lines
        for place, cell in mine
        for step, pairs in curves.get(place, {}).items()
        if (lines := [_on_grid(path) for path in pairs.values() if "test" in path["sets"]])
    }
    if not found:
        return None
    last = dict(sorted(found))
    steps = _some(sorted({step for _, step in found}), set(last.values()))
    models = [cell["model"] for _, cell in mine if any((cell["model"], step) in found for step in steps)]
    shown = np.concatenate([found[key] for key in found if key[1] in steps])
    scale = _scale(float(shown.min()), float(shown.max()))
    rows, said = [], []
    for line, model in enumerate(models):
        cell = next(cell for _, cell in mine if cell["model"] == model)
        top = TOP + line * (HEIGHT + ROW) + ROW
        panels = []
        for column, step in enumerate(steps):
            if (model, step) not in found:
                continue
            gap = _mean_gap(cell, step)
            left = LEFT + column * WIDTH
            panels.append(_panel(np.array(found[model, step]), left, top, scale, gap))
            said.append(f"{model} at step {step:,}: CG {number(gap, 3)}")
        rows.append((model, top, panels))
    return Multiples(
        dataset,
        LEFT + len(steps) * WIDTH,
        TOP + len(models) * (HEIGHT + ROW) + 4,
        [(step, LEFT + column * WIDTH) for column, step in enumerate(steps)],
        rows,
        [(number(value, 2), scale(value)) for value in scale.ends],
        f"Test loss along the paths between seeds on {dataset}. {'; '.join(said)} (means over pairs, nats).",
    )


class _scale:
    """Losses to heights within a panel."""

    def __init__(self, low: float, high: float):
        margin = 0.06 * (high - low) or 0.05
        self.low, self.high = low - margin, high + margin
        self.ends = (low, high) if high > low else (low,)

    def __call__(self, loss):
        return np.round(LABEL + (self.high - loss) / (self.high - self.low) * (HEIGHT - LABEL), 1)


def _some(steps: list[int], needed: set[int]) -> list[int]:
    """Some `STEPS` of them: the first, all that are needed, and of the others those that fill the gaps."""
    if len(steps) <= STEPS:
        return steps
    spread = [steps[round(place)] for place in np.linspace(0, len(steps) - 1, STEPS)]
    kept = {steps[0], *needed}
    kept |= set([step for step in spread if step not in kept][: max(0, STEPS - len(kept))])
    return sorted(kept)


def _on_grid(path: Mapping[str, Any]) -> np.ndarray:
    """The test loss of a path at equal distances."""
    alphas = np.array(path["alpha"]) * ALPHA_UNIT
    return np.interp(GRID, alphas, np.array(path["sets"]["test"]["loss"]) * LOSS_UNIT)


def _mean_gap(cell: Mapping[str, Any], step: int) -> float:
    """The mean over pairs of CG of the test loss at a step."""
    means = cell["stats"].get("test", {}).get("loss", {}).get("CG", {}).get("mean", [])
    value = means[cell["steps"].index(step)] if step in cell["steps"] and means else None
    return float("nan") if value is None else value


def _panel(curves: np.ndarray, left: float, top: float, scale, gap: float) -> Panel:
    """Curves on the grid, shape (pairs, positions), as a panel."""
    mean = curves.mean(0)
    inside = (np.round(left + 6 + GRID * (WIDTH - 18), 1)).tolist()

    def points(curve, over=inside):
        return " ".join(f"{x:g},{top + y:g}" for x, y in zip(over, scale(curve), strict=True))

    many = len(curves) > PAIRS
    low, high = curves.min(0), curves.max(0)
    band = f"{points(low)} {points(high[::-1], inside[::-1])}" if many else ""
    rise = metrics.convexity_gap(GRID, mean)
    chord = np.interp(rise.alpha, (ends := [rise.chord_low, rise.chord_high]), np.interp(ends, GRID, mean))
    place = float(np.interp(rise.alpha, GRID, inside))
    return Panel(
        left,
        top,
        [] if many else [points(curve[::2], inside[::2]) for curve in curves],
        band,
        points(mean),
        (place, *(float(top + scale(loss)) for loss in (chord + rise.value, chord)))
        if gap >= FLOOR
        else None,
        f"CG {number(gap, 3)}",
    )
