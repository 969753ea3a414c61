"""Where a barrier sits: the convexity gap of lines in some of the tensors, from the input to the output."""

import numpy as np

from isthmus.experiment import outputs
from isthmus.showing import drawing, naming
from isthmus.statistics import tidy

ORDERS = {"alone": "this group alone", "shallow": "all groups up to it", "deep": "all groups from it on"}
LOOKS = {
    "alone": {"color": "#4477AA"},
    "shallow": {"color": "#EE6677", "marker": "o", "linestyle": "-"},
    "deep": {"color": "#228833", "marker": "s", "linestyle": "--"},
}
SHORT = {"embeddings": "emb.", "attention": "att.", "feed-forward": "ff"}
SHIFTS = {"alone": 0.0, "shallow": -0.15, "deep": 0.15}  # of dots, so that those of one order stand together
SPREADS = {"each pair and end": {"marker": ".", "markersize": 3}, "least to largest": {}}
MANY = 12  # groups from which on a panel is wider
FEW = 6  # values under which each is a dot, and no whisker stands for them


def layers(experiment, frame, gaps, dataset: str):
    """A panel a model: CG of the test loss by group of tensors, mean over pairs and both ends.

    Args:
        frame: that of `layers.csv`.
        gaps: CG of the test loss of the whole lines, from `metrics.csv`.
    """
    models = outputs.models_on(experiment, dataset)
    frame = frame[(frame["dataset"] == dataset) & (frame["metric"] == "CG") & (frame["quantity"] == "loss")]
    wide = drawing.WIDTH * (1.5 if frame["group"].nunique() > MANY else 1)
    figure, axes = drawing.panels(len(models), 1, width=wide)
    spreads = set()
    for axis, model in zip(axes, models, strict=True):
        mine = frame[frame["model"] == model]
        mine = mine[mine["step"] == mine["step"].max()]
        spreads |= draw(axis, mine)
        pairs = mine[["step", "seed_a", "seed_b"]].drop_duplicates()
        whole = tidy.of_cell(gaps, model, dataset).merge(pairs)["value"].mean()
        axis.axhline(whole, color=drawing.GREY, linestyle="-.", linewidth=0.9, label="the whole line, mean")
        named = naming.pairs(experiment, [(model, dataset)], mine)
        steps = [f"step {step:,}" for step in mine["step"].unique()]
        drawing.title(axis, model, ", ".join([*steps, named]))
        axis.set(xlabel="group of tensors, from input to output", ylabel=naming.gap(experiment, dataset))
    entries = [drawing.bar(label, **look) for label, look in SPREADS.items() if label in spreads]
    drawing.finish(figure, f"{dataset}: means over pairs and both ends", entries)
    return figure


def draw(axis, rows) -> set[str]:
    """One panel: a bar a group that moves alone, a line for those that move together; dots or whiskers.

    Returns:
        Which of `SPREADS` were drawn.
    """
    groups = list(dict.fromkeys(rows[rows["order"] == "alone"]["group"]))
    places = {group: place for place, group in enumerate(groups)}
    drawn = set()
    for order, label in ORDERS.items():
        own = rows[rows["order"] == order]
        if not len(own):
            continue
        values = own.groupby("group", sort=False)["value"]
        middle, low, high = values.mean(), values.min(), values.max()
        at = np.array([places[group] for group in middle.index])
        if order == "alone":
            axis.bar(at, middle, width=0.6, label=label, **LOOKS[order])
        else:
            axis.plot(at, middle, label=label, **LOOKS[order])
        colour = "black" if order == "alone" else LOOKS[order]["color"]
        if values.size().max() < FEW:
            beside = own["group"].map(places) + SHIFTS[order]
            axis.plot(beside, own["value"], ".", markersize=3, color=colour, zorder=3)
            drawn.add("each pair and end")
        else:
            bars = [middle - low, high - middle]
            axis.errorbar(at, middle, yerr=bars, fmt="none", color=colour, capsize=2, elinewidth=0.8)
            drawn.add("least to largest")
    size = 7 if len(groups) <= 24 else 6
    upright = {} if len(groups) <= 6 else {"rotation": 90}
    axis.set_xticks(range(len(groups)), [short(group) for group in groups], fontsize=size, **upright)
    return drawn


def short(group: str) -> str:
    """A group's name as a label: `3 att.` for `block 3 attention`."""
    return " ".join(SHORT.get(word, word) for word in group.removeprefix("block ").split())
