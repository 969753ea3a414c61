"""Adapters beside whole fine-tunings: gaps in both spaces, what averaging brings, how far runs move."""

import pandas as pd
from matplotlib.ticker import MaxNLocator

from isthmus.experiment import outputs
from isthmus.showing import drawing, lettering, naming
from isthmus.showing.drawing import MODEL_COLOURS
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import over_pairs

FRAMES = ("metrics", "factors", "averages", "pairs", "evaluations")
NAMES = 100  # points that the names of models take at most


def adapters(experiment, frames: dict, dataset: str):
    """Three panels of all models on a data set at their last steps, a line a model with its accuracy.

    Args:
        frames: `FRAMES` of those of `tidy.load`.
    """
    models = outputs.models_on(experiment, dataset)
    names, stats = [], []
    figure, axes = drawing.panels(3, columns=3, height=0.55 * len(models) + 0.8, sharey=True)
    for place, model in enumerate(models):
        last = drawing.last_step(experiment, model, dataset)
        own = {name: tidy.of_cell(frames[name], model, dataset) for name in FRAMES}
        own = {name: frame[frame["step"] == last] for name, frame in own.items()}
        look = drawing.look(MODEL_COLOURS, list(experiment.models).index(model)) | {"linestyle": "none"}
        stats += _gaps(axes[0], place, own, look)
        _gain(axes[1], place, own["averages"], look)
        for column, shift, face in (("distance", -0.1, look["color"]), ("distance_a", 0.1, "white")):
            axes[2].plot(own["pairs"][column].mean(), place + shift, **look, markerfacecolor=face)
        scores = own["evaluations"]
        accuracy = scores.loc[scores["set"] == "test", "accuracy"].mean()
        names.append(f"{lettering.wrapped(model, NAMES, 7)}\naccuracy {accuracy:.3f}")
    _label(axes, names, naming.loss(experiment, dataset))
    pairs = naming.pairs(experiment, [(model, dataset) for model in models], frames["metrics"])
    drawing.finish(figure, f"{dataset}: last steps, means over {pairs}; mean test accuracy", _entries(stats))
    return figure


def _label(axes, names: list[str], loss: str) -> None:
    """The names of models down the left side, and what the panels show."""
    titles = (f"CG,\n{loss}", f"gain of averaging all,\n{loss}", "L2 distance\nof bodies")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    for axis, title in zip(axes, titles, strict=True):
        axis.set_xlabel(title)
        axis.xaxis.set_major_locator(MaxNLocator(3))
        axis.margins(x=0.15)
        axis.axvline(0, color="#777777", linewidth=0.8)


def _entries(stats: list) -> list:
    """What the legend says of markers and bars."""
    said = naming.means(pd.concat(stats)) if stats else ""
    filled, hollow = {"linestyle": "none", "marker": "o"}, {"markerfacecolor": "white"}
    return [
        drawing.line("CG: line of weights (of adapters: merged); distance: of two ends", **filled),
        drawing.line("CG: line of factors; distance: from the start", **filled | hollow),
        *([drawing.bar(f"CG: {said}", marker="_")] if said else []),
        drawing.bar("gain: 95 % interval over evaluation units", marker="_"),
    ]


def _gaps(axis, place: int, own: dict, look: dict) -> list:
    """The mean gap over pairs in each space that is measured; returns their statistics."""
    found = []
    for name, shift, face in (("metrics", -0.1, look["color"]), ("factors", 0.1, "white")):
        stats = over_pairs(tidy.convexity_gaps(own[name]), ["step"])
        if not len(stats):
            continue
        low, high = (ends.iloc[0] for ends in drawing.interval(stats))
        value = stats["mean"].iloc[0]
        bars = {"xerr": [[value - low], [high - value]], "capsize": 2}
        axis.errorbar(value, place + shift, **bars, **look, markerfacecolor=face)
        found.append(stats)
    return found


def _gain(axis, place: int, averages, look: dict) -> None:
    """What the uniform soup of all runs gains over them."""
    wanted = (averages["kind"] == "uniform") & (averages["set"] == "test") & (averages["quantity"] == "loss")
    if not wanted.any():
        return
    row = averages[wanted].sort_values("size").iloc[-1]
    bars = [[row["gain"] - row["low"]], [row["high"] - row["gain"]]]
    axis.errorbar(row["gain"], place, xerr=bars, **look, capsize=2)
