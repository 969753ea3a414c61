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
MARKERS = (*drawing.MARKERS, "<", ">", "*", "h", "p")  # of pairs, which have one in all panels
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
    panels = _panels(experiment, frame, lines, detours, dataset)
    named = [list(_names(experiment, cell[0], dataset, paths).values()) for cell, paths in panels.items()]
    every = list(dict.fromkeys(name for names in named for name in names))
    few = max(map(len, named)) <= naming.NAMED and len(every) <= len(MARKERS)
    figure, axes = drawing.panels(len(panels), sharey=True)
    for axis, ((model, bodies), paths) in zip(axes, panels.items(), strict=True):
        names = _names(experiment, model, dataset, paths)
        for place, (name, points) in enumerate(paths.items()):
            look = {"color": COLOURS[place % len(COLOURS)], "linestyle": STYLES[place % len(STYLES)]}
            _draw(
                axis, points, look, {pair: every.index(own) for pair, own in names.items()} if few else None
            )
            axis.plot([], [], **look, label=name)
        wanted = tidy.of_cell(frame, model, dataset)
        several = DIFFERENT in _bodies(wanted)
        last = drawing.last_step(experiment, model, dataset)
        wanted = wanted[(wanted["step"] == last) & (wanted["bodies"] == bodies)]
        count = f"{len(names)} pairs" if len(names) != 1 else f"pair {next(iter(names.values()))}"
        said = [model, BODIES[bodies] if several else "", f"step {last:,}, {count}"]
        drawing.title(axis, *said, *_in_words(wanted))
        axis.set_xlabel("alpha of lines, t of curves")
    axes[0].set_ylabel(naming.loss(experiment, dataset))
    drawing.finish(figure, dataset, _entries(every, few))
    return figure


def _panels(experiment, frame, lines: dict, detours: list, dataset: str) -> dict:
    """The points of lines and other paths by name, of each model and kind of pairs."""
    panels = {}
    for model in outputs.models_on(experiment, dataset):
        last, own = drawing.last_step(experiment, model, dataset), experiment.cell_bodies(model, dataset)
        paths = _paths(detours, model, dataset, last)
        paths = {"line": _beside(lines.get((model, dataset)), paths, last), **paths}
        for bodies in _bodies(tidy.of_cell(frame, model, dataset)):
            panels[model, bodies] = {name: _between(points, own, bodies) for name, points in paths.items()}
    return panels


def _names(experiment, model: str, dataset: str, paths: dict) -> dict[tuple[int, int], str]:
    """The pairs of a panel with their names, in order."""
    pairs = pd.concat(paths.values())[PAIR].drop_duplicates().sort_values(PAIR)
    return {(a, b): naming.pair(experiment, model, dataset, a, b) for a, b in pairs.itertuples(index=False)}


def _entries(names: list[str], few: bool) -> list:
    """What the legend says of pairs: the marker of each, or what the two kinds of lines are."""
    if not few:
        return [drawing.line("bold: mean over pairs; thin: each pair", linewidth=2.2)]
    marked = names if len(names) > 1 else []
    return [
        drawing.line(f"pair {name}", marker=MARKERS[place], linestyle="none")
        for place, name in enumerate(marked)
    ]


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


def _draw(axis, points, look: dict, marks: dict | None) -> None:
    """All pairs of one kind of path: with a marker a pair where these are few, else thin and with their mean.

    Args:
        marks: the place of each pair's marker; None where there are many pairs.
    """
    paths = {pair: path.sort_values("alpha") for pair, path in points.groupby(PAIR)}
    for place, (pair, path) in enumerate(paths.items()):
        own = {"linewidth": 0.4, "alpha": 0.4}
        if marks is not None:
            own = drawing.spread_markers(place, len(paths), MARKERS[marks[pair]])
        axis.plot(path["alpha"], path["loss"], **look | own)
    if paths and marks is None:
        axis.plot(*path_figures.mean_line(paths.values()), **look, linewidth=2.2)


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
