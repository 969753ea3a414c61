"""Lines along one run: is its trajectory one valley, and does averaging its checkpoints help?"""

from isthmus.experiment import outputs
from isthmus.showing import drawing, naming
from isthmus.showing.drawing import MODEL_COLOURS, STEP
from isthmus.statistics import tidy

SHOWN = {"CG": "convexity gap", "gain": "gain of the middle"}


def lines_along(experiment, along, dataset: str):
    """CG and gain of the line from each checkpoint of a run to its last: a panel a model.

    Means over runs, and bands from the least to the largest.

    Args:
        along: the frame of `metrics.csv`, its lines along one run.
    """
    models = outputs.models_on(experiment, dataset)
    figure, axes = drawing.panels(len(models))
    for axis, model in zip(axes, models, strict=True):
        mine = tidy.of_cell(along, model, dataset)
        for index, (metric, name) in enumerate(SHOWN.items()):
            runs = mine[(mine["set"] == "test") & (mine["quantity"] == "loss") & (mine["metric"] == metric)]
            stats = runs.groupby("step_a")["value"].agg(["mean", "min", "max"])
            look = drawing.look(MODEL_COLOURS, index)
            axis.plot(stats.index, stats["mean"], **look, label=f"{name}, mean over runs")
            axis.fill_between(stats.index, stats["min"], stats["max"], color=look["color"], alpha=0.2)
        axis.axhline(0, color="#777777", linewidth=0.8)
        drawing.title(axis, model, naming.runs(experiment, model, dataset))
        axis.set(xlabel=f"{STEP}\nof the line's start", ylabel=naming.loss(experiment, dataset))
        drawing.steps(axis)
    drawing.finish(figure, dataset, [drawing.band("least to largest of the runs", alpha=0.25)])
    return figure
