"""Adapters beside whole fine-tunings: gaps in both spaces, what averaging brings, how far runs move."""

from isthmus.experiment import outputs
from isthmus.showing import drawing
from isthmus.showing.drawing import MODEL_COLOURS
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import over_pairs

FRAMES = ("metrics", "factors", "averages", "pairs", "evaluations")
TITLES = ("CG, test loss (nats)", "gain of averaging all (nats)", "L2 distance of bodies")


def adapters(experiment, frames: dict, dataset: str):
    """Three panels of all models on a data set at their last steps, by model; the accuracy stands below.

    Args:
        frames: `FRAMES` of those of `tidy.load`.
    """
    figure, axes = drawing.panels(3, columns=3, height=2.9)
    models = outputs.models_on(experiment, dataset)
    names = []
    for place, model in enumerate(models):
        last = drawing.last_step(experiment, model, dataset)
        own = {name: tidy.of_cell(frames[name], model, dataset) for name in FRAMES}
        own = {name: frame[frame["step"] == last] for name, frame in own.items()}
        colour = drawing.look(MODEL_COLOURS, list(experiment.models).index(model))["color"]
        _gaps(axes[0], place, own, colour)
        _gain(axes[1], place, own["averages"], colour)
        for column, marker, label in (
            ("distance", "o", "of two ends"),
            ("distance_a", "s", "from the start"),
        ):
            axes[2].plot(place, own["pairs"][column].mean(), marker, color=colour, label=label)
        scores = own["evaluations"]
        names.append(f"{model}\n{scores.loc[scores['set'] == 'test', 'accuracy'].mean():.3f}")
    for axis, title in zip(axes, TITLES, strict=True):
        axis.set_xticks(range(len(models)), names, rotation=45 if len(models) > 3 else 0)
        axis.margins(x=0.15)
        axis.set_title(title)
        axis.axhline(0, color="#777777", linewidth=0.8)
    drawing.legend(figure, axes[0], axes[2], title="below: model, mean test accuracy; 95 % intervals")
    return figure


def _gaps(axis, place: int, own: dict, colour: str) -> None:
    """The mean gap over pairs in each space that is measured."""
    for name, shift, face in (("metrics", -0.1, colour), ("factors", 0.1, "none")):
        stats = over_pairs(tidy.convexity_gaps(own[name]), ["step"])
        if not len(stats):
            continue
        low, high = (ends.iloc[0] for ends in drawing.interval(stats))
        value = stats["mean"].iloc[0]
        axis.errorbar(place + shift, value, [[value - low], [high - value]], color=colour, capsize=2)
        label = "line of weights (of adapters: merged)" if name == "metrics" else "line of factors"
        axis.plot(place + shift, value, "o", color=colour, markerfacecolor=face, label=label)


def _gain(axis, place: int, averages, colour: str) -> None:
    """What the uniform soup of all runs gains over them."""
    wanted = (averages["kind"] == "uniform") & (averages["set"] == "test") & (averages["quantity"] == "loss")
    if not wanted.any():
        return
    row = averages[wanted].sort_values("size").iloc[-1]
    bars = [[row["gain"] - row["low"]], [row["high"] - row["gain"]]]
    axis.errorbar(place, row["gain"], bars, fmt="o", color=colour, capsize=2)
