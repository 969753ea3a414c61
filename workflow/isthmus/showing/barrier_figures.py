"""What becomes of a barrier off the straight line: the loss along lines and along other paths."""

import pandas as pd

from isthmus import stored
from isthmus.experiment import layout, outputs
from isthmus.showing import drawing
from isthmus.showing.formatting import number

COLOURS = ("#D55E00", "#009E73")  # of other paths; the line has its model's
COLUMNS = ["seed_a", "seed_b", "alpha", "loss"]


def barriers(experiment, frame, lines: dict, detours: list, dataset: str):
    """A panel a model at its last step: the test loss along the line and the other paths of each pair.

    Args:
        frame: that of `barriers.csv`.
        lines: the measured points by (model, data set), from `path_figures.read_curves`.
        detours: the files of other paths.
    """
    models = outputs.models_on(experiment, dataset)
    figure, axes = drawing.panels(len(models), sharey=True)
    for axis, model in zip(axes, models, strict=True):
        last = drawing.last_step(experiment, model, dataset)
        paths = _paths(detours, model, dataset, last)
        points = lines.get((model, dataset), pd.DataFrame(columns=[*COLUMNS, "step"]))
        joined = pd.concat(paths.values())[["seed_a", "seed_b"]].drop_duplicates() if paths else None
        shown = points[points["step"] == last]
        if joined is not None:
            shown = shown.merge(joined, on=["seed_a", "seed_b"])
        index = list(experiment.models).index(model)
        _draw(axis, shown, drawing.look(drawing.MODEL_COLOURS, index)["color"], "line")
        for place, (name, own) in enumerate(paths.items()):
            _draw(axis, own, COLOURS[place % len(COLOURS)], name, "--")
        axis.set_title("\n".join([model, *_in_words(frame, model, dataset, last)]))
        axis.set_xlabel("alpha of the line, t of a curve")
    axes[0].set_ylabel("test loss (nats)")
    drawing.legend(figure, *axes)
    return figure


def _draw(axis, points, colour: str, name: str, style: str = "-") -> None:
    """All pairs of one kind of path."""
    for place, (_, path) in enumerate(points.groupby(["seed_a", "seed_b"])):
        path = path.sort_values("alpha")
        axis.plot(path["alpha"], path["loss"], style, color=colour, label=None if place else name)


def _paths(files, model: str, dataset: str, step: int) -> dict[str, pd.DataFrame]:
    """The points on the test set of other paths between a cell's runs, by name."""
    wanted = {"model": model, "dataset": dataset, "step": step}
    found: dict[str, list] = {}
    for file in files:
        own = layout.parsed(layout.DETOUR, file)
        if own.items() >= wanted.items():
            points = stored.read_frame(file, columns=COLUMNS, filters=[("set", "==", "test")])
            found.setdefault(own["curve"], []).append(points)
    return {name: pd.concat(parts) for name, parts in found.items()}


def _in_words(frame, model: str, dataset: str, step: int) -> list[str]:
    """CG on the line and on each other path, means over the same pairs."""
    mine = frame[(frame["model"] == model) & (frame["dataset"] == dataset) & (frame["step"] == step)]
    mine = mine[(mine["metric"] == "CG") & (mine["set"] == "test") & (mine["quantity"] == "loss")]
    said = []
    for name, rows in mine.groupby("path", sort=False):
        value = rows.set_index("of")["value"]
        said.append(f"CG {number(value['line'], 3)}, on {name} {number(value['path'], 3)}")
    return said
