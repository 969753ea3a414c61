"""Figures of paths: the loss along them, and where the convexity gap lies."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from isthmus import stored
from isthmus.showing import drawing, naming
from isthmus.showing.formatting import interval, number
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import over_pairs
from isthmus.statistics.thresholds import FLOOR

CHORDS = 3  # pairs up to which each has its chord and gap drawn; of more the pair in the middle has
PALE = "#999999"  # of the lines of many pairs
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
    pairs = experiment.cell_pairs(model, dataset)
    names = {pair: f"pair {naming.pair(experiment, model, dataset, *pair)}" for pair in pairs}
    for index, (axis, step) in enumerate(zip(axes, steps, strict=True)):
        found = mine[mine["step"] == step]
        here = None if points is None else points[points["step"] == step]
        marked = None
        if here is not None and len(here):
            marked = _curves(axis, here, found, colour, names)
        drawing.title(
            axis, f"step {step:,}", *_gap_in_words(found), f"gap of {names[marked]}" if marked else ""
        )
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_xlabel("alpha")
        if index % columns == 0:
            axis.set_ylabel(naming.loss(experiment, dataset))
    over = naming.over(over_pairs(mine, ["step"]))
    count = naming.pairs(experiment, [(model, dataset)], mine)
    heading = f"{model} on {dataset}, {count}" + (f"; in brackets: {over}" if over else "")
    drawing.finish(figure, heading, _entries(len(names)))
    return figure


def _entries(pairs: int) -> list:
    """What the legend says of chords and, where there are many pairs, of these."""
    black = {"color": "black", "linewidth": 0.8}
    entries = [
        drawing.line("chord", **black, linestyle="--"),
        drawing.bar("convexity gap CG", color="black", markeredgewidth=1.4),
    ]
    if pairs <= naming.NAMED:
        return entries
    return [
        drawing.line(f"{pairs} pairs", color=PALE, linewidth=0.8),
        drawing.line("their mean", linewidth=2.2),
        drawing.line("the pair in the middle by CG", **black),
        *entries,
    ]


def single_path(points, gaps, others=None):
    """f(alpha) of one path, with chord and gap of the convexity gap.

    Args:
        points: a row a point: `seed_a, seed_b, alpha, loss`.
        gaps: its row of metric CG, with the columns of `metrics.csv`.
        others: points `alpha, loss` of other paths between the same ends, by name.
    """
    with matplotlib.rc_context(drawing.RC):
        figure, (axis,) = drawing.panels(1)
        (pair,) = points[["seed_a", "seed_b"]].drop_duplicates().itertuples(index=False, name=None)
        _curves(axis, points, gaps, drawing.MODEL_COLOURS[0], {pair: "line"})
        for name, other in (others or {}).items():
            axis.plot(other["alpha"], other["loss"], "--", color="#D55E00", label=name)
        axis.set(title="\n".join(_gap_in_words(gaps)), xlabel="alpha", ylabel="loss (nats)")
        drawing.finish(figure, entries=_entries(1))
    return figure


def _curves(axis, points, gaps, colour, names: dict):
    """All paths of one step, the mean over many of them, and the gap of a few or of the pair in the middle.

    Args:
        names: of pairs, by pair.

    Returns:
        The pair whose gap alone is drawn; None where each is.
    """
    paths = {pair: path.sort_values("alpha") for pair, path in points.groupby(["seed_a", "seed_b"])}
    few = len(names) <= naming.NAMED
    for place, pair in enumerate(names if few else ()):
        if pair in paths:
            look = drawing.look(drawing.MODEL_COLOURS, place) if len(names) > 1 else {"color": colour}
            look |= {"linestyle": "-"} | drawing.spread_markers(place, len(names), look.get("marker"))
            axis.plot(paths[pair]["alpha"], paths[pair]["loss"], **look, label=names[pair])
    if not few:
        lines = [path[["alpha", "loss"]].to_numpy() for path in paths.values()]
        thin = {"linewidths": 0.4, "alpha": max(0.15, min(0.6, 24 / len(lines)))}
        axis.add_collection(LineCollection(lines, colors=PALE, rasterized=len(lines) >= MANY, **thin))
        axis.plot(*mean_line(paths.values()), color=colour, linewidth=2.2)
    ranked = gaps.sort_values(["value", "seed_a", "seed_b"])
    each = len(ranked) <= CHORDS
    for gap in (ranked if each else ranked.iloc[[len(ranked) // 2]]).itertuples():
        if (path := paths.get((gap.seed_a, gap.seed_b))) is not None:
            _gap(axis, path, gap, full=not few)
            if not each:
                return gap.seed_a, gap.seed_b
    return None


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


def mean_line(paths):
    """The alphas of some paths, and the mean of their losses there."""
    lines = [path[["alpha", "loss"]].to_numpy() for path in paths]
    alphas = np.unique(np.concatenate([line[:, 0] for line in lines]))
    return alphas, np.mean([np.interp(alphas, line[:, 0], line[:, 1]) for line in lines], axis=0)


def _gap_in_words(gaps) -> list[str]:
    """CG, or its mean over pairs and the interval of that, a line each."""
    if not len(gaps):
        return []
    mean = "mean " if len(gaps) > 1 else ""
    said = [f"{mean}CG {number(gaps['value'].mean(), 3)}"]
    if {*tidy.INTERVALS} <= {*gaps}:
        low, high = (ends.iloc[0] for ends in drawing.interval(over_pairs(gaps, ["metric"])))
        said.append(interval(low, high, 3))
    return said


def read_curves(rows):
    """The measured points on the test set by cell, {(model, data set): frame}."""
    columns = ["model", "dataset", "step", "seed_a", "seed_b", "alpha", "loss"]
    wanted = [("set", "==", "test")]
    frames = [stored.read_frame(path, columns=columns, filters=wanted) for path in rows]
    return dict(list(pd.concat(frames).groupby(["model", "dataset"]))) if frames else {}
