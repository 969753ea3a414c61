"""Figures of seeds that are one run up to a step: when they part, or how hard they are pushed apart."""

import pandas as pd
from matplotlib.ticker import FuncFormatter

from isthmus.experiment import outputs
from isthmus.showing import drawing, naming
from isthmus.showing.drawing import MODEL_COLOURS
from isthmus.statistics.pair_statistics import over_pairs


def over_fork(experiment, gaps):
    """CG at the last step against the fork: a panel a data set and origin."""
    panels = outputs.fork_panels(experiment)
    figure, axes = drawing.panels(len(panels))
    every = []
    for axis, (dataset, models) in zip(axes, panels, strict=True):
        line = _gaps(experiment, gaps, dataset, models)
        every.append(line)
        forks = [experiment.cell_training(model, dataset).fork_at for model in line.index]
        _draw(axis, forks, line, drawing.look(MODEL_COLOURS, 0))
        _title(axis, experiment, gaps, dataset, models)
        axis.set(xlabel="seeds part at step (updates)", ylabel=naming.gap(experiment, dataset))
        drawing.from_zero(axis)
        drawing.steps(axis, forks)
    drawing.finish(figure, entries=_bars(every))
    return figure


def over_perturbation(experiment, gaps, pairs):
    """CG and the distance between the ends at the last step against the size of the step that set them apart.

    Two panels a data set and origin; a line for each step at which the push came.

    Args:
        pairs: the frame of `pairs.csv`.
    """
    panels = outputs.perturbation_panels(experiment)
    figure, axes = drawing.panels(2 * len(panels))
    every = []
    for index, (dataset, models) in enumerate(panels):
        pushes = {model: experiment.cell_training(model, dataset).perturb for model in models}
        both = axes[2 * index : 2 * index + 2]
        for number, at in enumerate(sorted({push.at for push in pushes.values()})):
            mine = [model for model in models if pushes[model].at == at]
            look = drawing.look(MODEL_COLOURS, number) | {"label": f"pushed at step {at:,}"}
            lines = (_gaps(experiment, gaps, dataset, mine), _distances(experiment, pairs, dataset, mine))
            every.append(lines[0])
            for axis, line in zip(both, lines, strict=True):
                _draw(axis, [pushes[model].scale for model in line.index], line, look)
        for axis, label in zip(
            both, (naming.gap(experiment, dataset), "L2 distance between ends"), strict=True
        ):
            _title(axis, experiment, gaps, dataset, models)
            axis.set(xlabel="norm of the push /\nnorm of the weights", ylabel=label)
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(FuncFormatter(lambda scale, _: f"{scale:g}"))
            drawing.from_zero(axis)
    drawing.finish(figure, entries=[*_bars(every), drawing.bar("distance: least to largest of the pairs")])
    return figure


def _title(axis, experiment, gaps, dataset: str, models: list[str]) -> None:
    """The data set, the first and the last of the models, and their pairs."""
    cells = [(model, dataset) for model in models]
    drawing.title(axis, dataset, f"{models[0]} … {models[-1]}", naming.pairs(experiment, cells, gaps))


def _bars(lines: list) -> list:
    """What the legend says of the bars of gaps."""
    said = naming.means(pd.concat(lines))
    return [drawing.bar(f"CG: {said}")] if said else []


def _gaps(experiment, gaps, dataset, models):
    """The mean gap at each model's last step with its interval, in the models' order."""
    stats = over_pairs(_last(experiment, gaps, dataset, models), ["model"]).set_index("model")
    low, high = drawing.interval(stats)
    return stats.assign(from_=low, to=high).reindex([model for model in models if model in stats.index])


def _distances(experiment, pairs, dataset, models):
    """The mean distance between ends at each model's last step with its range over pairs."""
    grouped = _last(experiment, pairs, dataset, models).groupby("model")["distance"]
    stats = grouped.agg(mean="mean", from_="min", to="max")
    return stats.reindex([model for model in models if model in stats.index])


def _last(experiment, frame, dataset, models):
    """The rows of each model's last step."""
    ends = {model: drawing.last_step(experiment, model, dataset) for model in models}
    return frame[(frame["dataset"] == dataset) & (frame["step"] == frame["model"].map(ends))]


def _draw(axis, places, line, look):
    """A line of means with bars from `from_` to `to`."""
    bars = [(line["mean"] - line["from_"]).clip(lower=0), (line["to"] - line["mean"]).clip(lower=0)]
    axis.errorbar(places, line["mean"], yerr=bars, **look, capsize=2, elinewidth=0.8)
