"""Figures of paths: the loss along them, and where the convexity gap lies."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from isthmus import stored
from isthmus.showing import drawing
from isthmus.showing.formatting import number
from isthmus.statistics import tidy
from isthmus.statistics.thresholds import FLOOR

FEW = 3  # pairs or fewer: each has its chord and gap drawn
MANY = 30  # pairs or more: their thin lines are pixels in the SVG too, which stays small


def path_curves(experiment, gaps, points, model: str, dataset: str):
    """f(alpha) of each path of a cell: a panel a step, with chord and gap of the convexity gap."""
    steps = experiment.cell_steps(model, dataset)
    columns = 2 if len(steps) in (2, 4) else 3
    figure, axes = drawing.panels(len(steps), columns, sharey=True)
    if points is not None:  # one scale for all steps, since autoscaling passes over line collections
        low, high = points["loss"].min(), points["loss"].max()
        margin = 0.05 * (high - low) or 0.1
        axes[0].set_ylim(low - margin, high + margin)
    colour = drawing.look(drawing.MODEL_COLOURS, list(experiment.models).index(model))["color"]
    mine = tidy.of_cell(gaps, model, dataset)
    for index, (axis, step) in enumerate(zip(axes, steps, strict=True)):
        found = mine[mine["step"] == step]
        here = None if points is None else points[points["step"] == step]
        if here is not None and len(here):
            _curves(axis, here, found, colour)
        axis.set_title(f"step {step:,}{_gap_in_words(found)}")
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_xlabel("alpha")
        if index % columns == 0:
            axis.set_ylabel("test loss (nats)")
    return figure


def single_path(points, gaps, others=None):
    """f(alpha) of one path, with chord and gap of the convexity gap.

    Args:
        points: a row a point: `seed_a, seed_b, alpha, loss`.
        gaps: its row of metric CG, with the columns of `metrics.csv`.
        others: points `alpha, loss` of other paths between the same ends, by name.
    """
    with matplotlib.rc_context(drawing.RC):
        figure, (axis,) = drawing.panels(1)
        _curves(axis, points, gaps, drawing.MODEL_COLOURS[0])
        for name, other in (others or {}).items():
            axis.plot(other["alpha"], other["loss"], "--", color="#D55E00", label=name)
            axis.legend()
        axis.autoscale_view()
        axis.set(title=_gap_in_words(gaps).strip(), xlabel="alpha", ylabel="loss (nats)")
    return figure


def _curves(axis, points, gaps, colour):
    """All paths of one step, the mean over them, and the convexity gap of a few or of the median pair."""
    paths = {pair: path.sort_values("alpha") for pair, path in points.groupby(["seed_a", "seed_b"])}
    few = len(paths) <= FEW
    lines = [path[["alpha", "loss"]].to_numpy() for path in paths.values()]
    thin = {"linewidths": 1.1 if few else 0.4, "alpha": 1 if few else max(0.1, min(0.6, 12 / len(lines)))}
    axis.add_collection(LineCollection(lines, colors=colour, rasterized=len(lines) >= MANY, **thin))
    if not few:
        alphas = np.unique(np.concatenate([line[:, 0] for line in lines]))
        mean = np.mean([np.interp(alphas, line[:, 0], line[:, 1]) for line in lines], axis=0)
        axis.plot(alphas, mean, color=colour, linewidth=2.2)
    ranked = gaps.sort_values(["value", "seed_a", "seed_b"])
    for gap in (ranked if few else ranked.iloc[[len(ranked) // 2]] if len(ranked) else ranked).itertuples():
        if (path := paths.get((gap.seed_a, gap.seed_b))) is not None:
            _gap(axis, path, gap, full=not few)


def _gap(axis, path, gap, full):
    """The chord and the gap at its maximiser, over the path itself where it is the one of many."""
    if full:
        axis.plot(path["alpha"], path["loss"], color="black", linewidth=0.9)
    if not gap.value > FLOOR:
        return
    ends = np.interp([gap.chord_low, gap.alpha, gap.chord_high], path["alpha"], path["loss"])
    chord = np.interp(gap.alpha, [gap.chord_low, gap.chord_high], ends[[0, 2]])
    axis.plot([gap.chord_low, gap.chord_high], ends[[0, 2]], color="black", linestyle="--", linewidth=0.8)
    axis.plot([gap.alpha] * 2, [chord, ends[1]], color="black", linewidth=1.4, marker="_", markersize=4)


def _gap_in_words(gaps):
    if not len(gaps):
        return ""
    mean = "mean " if len(gaps) > 1 else ""
    return f"\n{mean}CG {number(gaps['value'].mean(), 3)}"


def read_curves(rows):
    """The measured points on the test set by cell, {(model, data set): frame}."""
    columns = ["model", "dataset", "step", "seed_a", "seed_b", "alpha", "loss"]
    wanted = [("set", "==", "test")]
    frames = [stored.read_frame(path, columns=columns, filters=wanted) for path in rows]
    return dict(list(pd.concat(frames).groupby(["model", "dataset"]))) if frames else {}
