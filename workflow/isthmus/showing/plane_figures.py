"""The loss on planes through three checkpoints, as contours."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from isthmus import stored
from isthmus.experiment import layout
from isthmus.showing import drawing, lettering, naming
from isthmus.space.geometries import CURVES

LEVELS = 14  # of the contours, at most


def planes(experiment, files, dataset: str):
    """A panel a model and plane, on one scale: contours, the three checkpoints, their mean, the lines.

    Args:
        files: those of `planes/`.
    """
    found = {
        (model, name): read(files, model, dataset, name)
        for model, other in experiment.cell_list()
        if other == dataset
        for name in experiment.cell_planes(model, dataset)
    }
    found = {key: frame for key, frame in found.items() if len(frame)}
    figure, axes = drawing.panels(max(len(found), 1), 2, height=drawing.PANEL + 0.5, grid=False)
    if not found:
        axes[0].set_title("no plane has been measured")
        return figure
    every = pd.concat(found.values())["loss"]
    levels = MaxNLocator(LEVELS).tick_values(every.min(), every.max() + 1e-9)
    for axis, ((model, name), frame) in zip(axes, found.items(), strict=True):
        shown = draw(axis, frame, levels, bend_of(name))
        drawing.title(axis, model, corners_in_words(name), scale=True)
    figure.colorbar(shown, ax=list(axes), label=naming.loss(experiment, dataset), shrink=0.8)
    bends = {bool(bend_of(name)) for _, name in found}
    said = ["dashed: where the loss is that of one of the three checkpoints (runs by their seeds)"]
    said += ["star: their mean"] * (False in bends) + ["orange: the curve"] * (True in bends)
    drawing.finish(figure, "; ".join([dataset, *said]))
    return figure


def corners_in_words(name: str) -> str:
    """The three checkpoints of a plane by its name: each with its step, where these differ."""
    corners = [corner.rsplit(".", 1) for corner in name.split("-")]
    if bend := bend_of(name):
        (a, step), (b, _), _ = corners
        return f"a: {a}, b: {b}, c: {bend} bend, step {int(step):,}"
    steps = {step for _, step in corners}
    if len(steps) == 1:
        runs = ", ".join(f"{place}: {run}" for place, (run, _) in zip("abc", corners, strict=True))
        return f"{runs}, step {int(steps.pop()):,}"
    return ", ".join(f"{p}: {run} at {int(step):,}" for p, (run, step) in zip("abc", corners, strict=True))


def bend_of(name: str) -> str:
    """The curve whose bend is the third of a plane's checkpoints; empty where that is a run's."""
    third = name.split("-")[2].rsplit(".", 1)[0]
    return "" if third.isdigit() else third


def curve_on(kind: str, frame: pd.DataFrame) -> np.ndarray:
    """Where a curve runs on the plane through its ends and its bend, shape (points, 2)."""
    places = frame[frame["place"].isin(list("abc"))].set_index("place").loc[["a", "c", "b"], ["x", "y"]]
    return np.array([CURVES[kind](t, 1) for t in np.linspace(0, 1, 61)]) @ places.to_numpy()


def read(files, model: str, dataset: str, name: str) -> pd.DataFrame:
    """All points of a plane."""
    wanted = {"model": model, "dataset": dataset, "plane": name}
    mine = [path for path in files if layout.parsed(layout.PLANE, path).items() >= wanted.items()]
    return pd.concat([stored.read_frame(path) for path in mine]) if mine else pd.DataFrame()


def draw(axis, frame, levels, bend: str = ""):
    """One panel; returns what the colours are read off.

    Args:
        bend: the curve whose bend is the third checkpoint, which is drawn.
    """
    grid = frame[frame["place"] == "grid"].pivot(index="y", columns="x", values="loss")
    shown = axis.contourf(grid.columns, grid.index, grid.to_numpy(), levels, cmap="cividis")
    corners = frame[frame["place"].isin(list("abc"))].set_index("place").loc[list("abc")]
    # Where the loss is that of one of the three.
    marked = sorted(set(corners["loss"]))
    axis.contour(grid.columns, grid.index, grid, marked, colors="white", linestyles="--", linewidths=0.8)
    around = corners.iloc[:2] if bend else pd.concat([corners, corners.iloc[:1]])
    axis.plot(around["x"], around["y"], color="white", linewidth=0.8)
    if bend:
        axis.plot(*curve_on(bend, frame).T, color="#D55E00", linewidth=1.6)
    axis.plot(corners["x"], corners["y"], "o", color="white", markeredgecolor="black")
    for name, corner in corners.iterrows():
        axis.annotate(
            name, (corner["x"], corner["y"]), textcoords="offset points", xytext=(5, 5), bbox=lettering.BOX
        )
    if not bend:
        mean = frame[frame["place"] == "mean"]
        axis.plot(mean["x"], mean["y"], "*", color="#EE6677", markeredgecolor="black", markersize=8)
    axis.set(xlabel="distance from a towards b (L2)", ylabel="distance across (L2)", aspect="equal")
    return shown
