"""What becomes of a barrier off the straight line: the loss along lines and along other paths."""

import pandas as pd

from isthmus import stored
from isthmus.experiment import layout, outputs
from isthmus.showing import drawing, naming, path_figures
from isthmus.showing.drawing import STYLES
from isthmus.showing.formatting import number
from isthmus.statistics import tidy
from isthmus.statistics.barriers import BODIES, DIFFERENT, SAME, UNKNOWN

COLOURS = ("#444444", "#D55E00", "#009E73", "#CC79A7")  # of the line, and of other paths
PAIR = ["seed_a", "seed_b"]


def barriers(experiment, frame, lines: dict, detours: list, dataset: str):
    """The test loss along the lines and other paths of a data set's pairs, at the last step.

    A panel a model, or two where some pairs began from one body and some from two. A line is drawn where its
    pair has another path.

    Args:
        frame: that of `barriers.csv`.
        lines: the measured points by (model, data set), from `path_figures.read_curves`.
        detours: the files of other paths.
    """
    panels = [
        (model, bodies)
        for model in outputs.models_on(experiment, dataset)
        for bodies in _bodies(tidy.of_cell(frame, model, dataset))
    ]
    figure, axes = drawing.panels(len(panels), sharey=True)
    many = False
    for axis, (model, bodies) in zip(axes, panels, strict=True):
        last, own = drawing.last_step(experiment, model, dataset), experiment.cell_bodies(model, dataset)
        paths = _paths(detours, model, dataset, last)
        line = _beside(lines.get((model, dataset)), paths, last)
        shown = {name: _between(points, own, bodies) for name, points in {"line": line, **paths}.items()}
        pairs = pd.concat(shown.values())[PAIR].drop_duplicates().sort_values(PAIR)
        names = {
            (a, b): naming.pair(experiment, model, dataset, a, b) for a, b in pairs.itertuples(index=False)
        }
        many = many or len(names) > naming.NAMED
        for place, (name, points) in enumerate(shown.items()):
            look = {"color": COLOURS[place % len(COLOURS)], "linestyle": STYLES[place % len(STYLES)]}
            _draw(axis, points, names, look, name)
        several = DIFFERENT in _bodies(tidy.of_cell(frame, model, dataset))
        wanted = tidy.of_cell(frame, model, dataset)
        wanted = wanted[(wanted["step"] == last) & (wanted["bodies"] == bodies)]
        said = [model, BODIES[bodies] if several else "", f"step {last:,}, {_counted(names)}"]
        drawing.title(axis, *said, *_in_words(wanted))
        axis.set_xlabel("alpha of lines, t of curves")
    axes[0].set_ylabel(naming.loss(experiment, dataset))
    entries = [drawing.line("bold: mean over pairs; thin: each pair", linewidth=2.2)] if many else []
    drawing.finish(figure, dataset, entries)
    return figure


def _counted(names: dict) -> str:
    """How many pairs there are, or which."""
    return f"{len(names)} pairs" if len(names) != 1 else f"pair {next(iter(names.values()))}"


def _bodies(frame) -> list[str]:
    """Whether pairs of one body, of two, or both have other paths."""
    return [bodies for bodies in BODIES if (frame["bodies"] == bodies).any()] or [UNKNOWN]


def _beside(points, paths: dict[str, pd.DataFrame], step: int) -> pd.DataFrame:
    """The lines of a step between pairs that have another path."""
    if points is None or not paths:
        return pd.DataFrame(columns=[*PAIR, "alpha", "loss"])
    pairs = pd.concat(paths.values())[PAIR].drop_duplicates()
    return points[points["step"] == step].merge(pairs, on=PAIR)


def _between(points, bodies: dict[int, str], wanted: str) -> pd.DataFrame:
    """The points of pairs of one body, or of two."""
    if wanted == UNKNOWN:
        return points
    same = points["seed_a"].map(bodies) == points["seed_b"].map(bodies)
    return points[same if wanted == SAME else ~same]


def _draw(axis, points, names: dict, look: dict, name: str) -> None:
    """All pairs of one kind of path: a marker a pair where these are few, else thin lines and their mean."""
    paths = {pair: path.sort_values("alpha") for pair, path in points.groupby(PAIR)}
    few = len(names) <= naming.NAMED
    for pair, path in paths.items():
        place = list(names).index(pair)
        own = drawing.spread_markers(place, len(names)) if few else {"linewidth": 0.4, "alpha": 0.4}
        axis.plot(path["alpha"], path["loss"], **look | own)
    if few and len(names) > 1:
        for place, pair in enumerate(names):
            entry = {"color": drawing.GREY, "marker": drawing.MARKERS[place], "linestyle": "none"}
            axis.plot([], [], **entry, label=f"pair {names[pair]}")
    elif paths and not few:
        axis.plot(*path_figures.mean_line(paths.values()), **look, linewidth=2.2)
    axis.plot([], [], **look, label=name)


def _paths(files, model: str, dataset: str, step: int) -> dict[str, pd.DataFrame]:
    """The points on the test set of other paths between a cell's runs, by name."""
    wanted = {"model": model, "dataset": dataset, "step": step}
    found: dict[str, list] = {}
    for file in files:
        own = layout.parsed(layout.DETOUR, file)
        if own.items() >= wanted.items():
            points = stored.read_frame(file, [*PAIR, "alpha", "loss"], [("set", "==", "test")])
            found.setdefault(own["curve"], []).append(points)
    return {name: pd.concat(parts) for name, parts in found.items()}


def _in_words(frame) -> list[str]:
    """CG on the line and on each other path, means over the same pairs."""
    mine = frame[(frame["metric"] == "CG") & (frame["set"] == "test") & (frame["quantity"] == "loss")]
    said = []
    for name, rows in mine.groupby("path", sort=False):
        value = rows.set_index("of")["value"]
        said.append(f"CG {number(value['line'], 3)}, {name} {number(value['path'], 3)}")
    return said
