"""Where a barrier sits: the convexity gap of lines in some of the tensors, from the input to the output."""

import numpy as np

from isthmus.experiment import outputs
from isthmus.showing import drawing
from isthmus.showing.drawing import GAP
from isthmus.statistics import tidy

ORDERS = {"alone": "this group alone", "shallow": "all groups up to it", "deep": "all groups from it on"}
SHORT = {"embeddings": "emb.", "attention": "att.", "feed-forward": "ff"}


def layers(experiment, frame, gaps, dataset: str):
    """A panel a model: CG of the test loss by group of tensors, mean over pairs and both ends.

    Args:
        frame: that of `layers.csv`.
        gaps: CG of the test loss of the whole lines, from `metrics.csv`.
    """
    models = outputs.models_on(experiment, dataset)
    figure, axes = drawing.panels(len(models), 1, height=drawing.PANEL)
    for axis, model in zip(axes, models, strict=True):
        mine = tidy.of_cell(frame, model, dataset)
        mine = mine[(mine["step"] == mine["step"].max()) & (mine["metric"] == "CG")]
        draw(axis, mine[mine["quantity"] == "loss"])
        pairs = mine[["step", "seed_a", "seed_b"]].drop_duplicates()
        whole = tidy.of_cell(gaps, model, dataset).merge(pairs)["value"].mean()
        axis.axhline(whole, color="#555555", linestyle="--", linewidth=0.9, label="the whole line")
        many = f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''}"
        axis.set(title=f"{model}, {many}", ylabel=GAP)
    drawing.legend(figure, *axes, title="mean, and whiskers from the least to the largest")
    return figure


def draw(axis, rows) -> None:
    """One panel: a bar a group that moves alone, a line for those that move together; whiskers: the range."""
    groups = list(dict.fromkeys(rows[rows["order"] == "alone"]["group"]))
    places = {group: place for place, group in enumerate(groups)}
    for order, label in ORDERS.items():
        own = rows[rows["order"] == order].groupby("group", sort=False)["value"]
        if not own.ngroups:
            continue
        middle, low, high = own.mean(), own.min(), own.max()
        at = np.array([places[group] for group in middle.index])
        whiskers = [middle - low, high - middle]
        if order == "alone":
            axis.bar(at, middle, yerr=whiskers, color="#4477AA", width=0.6, label=label, error_kw={"lw": 0.8})
        else:
            look = {"color": {"shallow": "#EE6677", "deep": "#228833"}[order], "marker": "o", "capsize": 2}
            axis.errorbar(at, middle, yerr=whiskers, label=label, elinewidth=0.8, **look)
    axis.set_xticks(range(len(groups)), [short(group) for group in groups], rotation=45, ha="right")


def short(group: str) -> str:
    """A group's name as a label: `3 att.` for `block 3 attention`."""
    return " ".join(SHORT.get(word, word) for word in group.removeprefix("block ").split())
