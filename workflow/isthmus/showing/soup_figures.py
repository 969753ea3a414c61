"""What averaging brings: the loss of soups against how many models are in them."""

from isthmus.experiment import outputs
from isthmus.showing import drawing, naming
from isthmus.showing.drawing import MODEL_COLOURS
from isthmus.statistics import tidy
from isthmus.statistics.averages import by_size

# Intervals of the gain, by the columns of their ends: what they are over, and how they look.
BARS = {
    ("low_both", "high_both"): (
        "95 % interval over seeds and evaluation units",
        {"elinewidth": 6, "alpha": 0.25},
    ),
    ("low", "high"): ("95 % interval over evaluation units", {"elinewidth": 1, "capsize": 2}),
}


def soups(experiment, averages, dataset: str):
    """Loss against the size of uniform soups and ensembles: a panel a model and set.

    Args:
        averages: the frame of `averages.csv`.
    """
    cells = outputs.models_on(experiment, dataset)
    sets = ["test", *experiment.datasets[dataset].sets]
    panels = [(model, name) for model in cells for name in sets]
    figure, axes = drawing.panels(len(panels), 3 if len(sets) > 2 else 2)
    bars: dict[str, dict] = {}
    for axis, (model, name) in zip(axes, panels, strict=True):
        mine = tidy.of_cell(averages, model, dataset)
        step = experiment.cell_averaged(model, dataset)[-1]
        mine = mine[(mine["step"] == step) & (mine["set"] == name) & (mine["quantity"] == "loss")]
        bars |= draw(axis, mine, drawing.look(MODEL_COLOURS, list(experiment.models).index(model))["color"])
        drawing.title(axis, model, f"{name}, step {step:,}, {naming.runs(experiment, model, dataset)}")
        axis.set(xlabel="runs in the average", ylabel=naming.loss(experiment, dataset, part=name))
    entries = [
        drawing.bar(f"gain: {over}", markeredgewidth=look["elinewidth"], alpha=look.get("alpha"))
        for over, look in bars.items()
    ]
    drawing.finish(figure, dataset, entries)
    return figure


def draw(axis, averages, colour) -> dict[str, dict]:
    """One panel: soups with the intervals of their gain, ensembles, the models alone, the greedy soup.

    Returns:
        What the intervals that were drawn are over, with their look.
    """
    kinds = {kind: averages[averages["kind"] == kind] for kind in ("uniform", "ensemble", "greedy")}
    soups, ensembles, greedy = by_size(kinds["uniform"]), by_size(kinds["ensemble"]), kinds["greedy"]
    if not len(soups):
        return {}
    mean, drawn = soups["mean_of_members"], {}
    for ends, (over, look) in BARS.items():
        low, high = (soups[end] for end in ends)
        drawn |= {over: look} if low.notna().any() else {}
        bars = [high - soups["gain"], soups["gain"] - low]  # a larger gain is a lower loss
        axis.errorbar(soups["size"], soups["value"], yerr=bars, color=colour, fmt="none", **look)
    alone = mean.iloc[-1]
    for rows, column, style, name in (
        (soups, "value", "o-", "uniform soup"),
        (soups[soups["size"] > 2], "predicted", "x", "if quadratic"),
        (ensembles, "value", ".:", "ensemble"),
    ):
        start = ([1], [alone]) if "-" in style or ":" in style else ([], [])
        axis.plot([*start[0], *rows["size"]], [*start[1], *rows[column]], style, color=colour)
        axis.plot([], [], style, label=name, color=drawing.GREY)  # in the legend for all models
    for value, style, name in (
        (alone, "--", "runs alone, mean"),
        (soups["best_member"].iloc[-1], "-", "the best of them"),
        *((value, "-.", "greedy soup") for value in greedy["value"]),
    ):
        axis.axhline(value, color=drawing.GREY, linestyle=style, linewidth=0.9, label=name)
    drawing.counts(axis, [1, *soups["size"]])
    return drawn
