"""The static figures: tidy files in, PNG and SVG out, the same bytes for the same numbers."""

from pathlib import Path

import matplotlib
import pandas as pd
import seaborn

from isthmus import stored
from isthmus.experiment import layout, outputs
from isthmus.showing import (
    adapter_figures,
    along_figures,
    barrier_figures,
    drawing,
    fork_figures,
    heatmaps,
    layer_figures,
    map_figures,
    path_figures,
    plane_figures,
    soup_figures,
)
from isthmus.showing.drawing import DATASET_COLOURS, GAP, MARKERS, MODEL_COLOURS, STEP
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import over_pairs


def write(
    experiment, results: Path, folder: Path, histories: list[Path], rows: list[Path],
    planes: list[Path] = (), maps: list[Path] = (), detours: list[Path] = (),
) -> None:  # fmt: skip
    """Draw every figure of the experiment, as PNG and SVG, into `folder`.

    Args:
        results: the folder of the CSV files, those of the findings among them.
        histories: the `history.parquet` files of the runs of `outputs.training_runs(experiment)`.
        rows: the files of `paths/`.
        planes, maps: those of `planes/` and `map/`.
        detours: those of other paths than lines.
    """
    frames = tidy.load(results)
    groups, tests = (tidy.read(results / f"{name}.csv") for name in ("basins", "generalisation"))
    metrics, evaluations = frames["metrics"], frames["evaluations"]
    gaps = tidy.convexity_gaps(metrics)
    folder.mkdir(parents=True, exist_ok=True)
    curves = path_figures.read_curves(rows)
    matplotlib.use("Agg")
    for drawn in outputs.figures(experiment):
        kind, dataset, model = drawn
        with matplotlib.rc_context(drawing.RC | {"svg.hashsalt": drawn.name}):
            if kind == "training":
                figure = training(experiment, evaluations, histories)
            elif kind == "cg-over-finetuning":
                figure = over_finetuning(experiment, gaps)
            elif kind == "cg-over-pretraining":
                figure = over_pretraining(experiment, gaps)
            elif kind == "cg-over-fork":
                figure = fork_figures.over_fork(experiment, gaps)
            elif kind == "cg-over-perturbation":
                figure = fork_figures.over_perturbation(experiment, gaps, frames["pairs"])
            elif kind == "pairs":
                figure = heatmaps.pair_heatmaps(experiment, gaps, groups, dataset)
            elif kind == "generalisation":
                figure = over_gap(experiment, groups, tests, evaluations, dataset)
            elif kind == "averages":
                figure = soup_figures.soups(experiment, frames["averages"], dataset)
            elif kind == "map":
                figure = map_figures.maps(experiment, maps, gaps, dataset)
            elif kind == "planes":
                figure = plane_figures.planes(experiment, planes, dataset)
            elif kind == "along":
                figure = along_figures.lines_along(experiment, frames["along"], dataset)
            elif kind == "barriers":
                figure = barrier_figures.barriers(experiment, frames["barriers"], curves, detours, dataset)
            elif kind == "adapters":
                figure = adapter_figures.adapters(experiment, frames, dataset)
            elif kind == "layers":
                figure = layer_figures.layers(experiment, frames["layers"], gaps, dataset)
            else:
                figure = path_figures.path_curves(
                    experiment, gaps, curves.get((model, dataset)), model, dataset
                )
            figure.savefig(folder / f"{drawn.name}.png", dpi=experiment.figures.dpi)
            figure.savefig(folder / f"{drawn.name}.svg", dpi=experiment.figures.dpi, metadata={"Date": None})


NAMES = {"f1": "F1", "perplexity": "perplexity"}


def training(experiment, evaluations, histories: list[Path]):
    """The source's Figure 1: fine-tuning loss, validation loss, F1 (or perplexity), accuracy of one seed."""
    model, seed = outputs.training_run(experiment)
    figure, axes = drawing.panels(4)
    losses = read_histories(histories)
    language = all(experiment.datasets[name].language for name in outputs.datasets(experiment))
    third = "perplexity" if language else "f1"
    titles = ("fine-tuning loss (nats)", "validation loss (nats)", f"{NAMES[third]}, test part")
    titles += (f"{'token ' * language}accuracy, test part",)
    run = evaluations[
        (evaluations["model"] == model) & (evaluations["seed"] == seed) & (evaluations["set"] == "test")
    ]
    for axis, title, column in zip(axes, titles, (None, "loss", third, "accuracy"), strict=True):
        axis.set_ylabel(title)
        axis.set_xlabel(STEP)
        for index, dataset in enumerate(outputs.datasets(experiment)):
            look = drawing.look(DATASET_COLOURS, index)
            if column is None and (history := losses.get((model, dataset))) is not None:
                axis.plot(
                    history.index, history, color=look["color"], alpha=0.2, linewidth=0.5, rasterized=True
                )
                axis.plot(history.index, _smooth(history), color=look["color"], linestyle=look["linestyle"])
            elif column and len(mine := run[run["dataset"] == dataset].sort_values("step")):
                axis.plot(mine["step"], mine[column], **look, label=dataset)
        drawing.steps(axis)
    drawing.legend(figure, *axes)
    return figure


def over_finetuning(experiment, gaps):
    """CG against fine-tuning step: a panel a data set, a line a model."""
    stats = over_pairs(gaps, ["dataset", "model", "step"])
    datasets = outputs.datasets(experiment)
    figure, axes = drawing.panels(len(datasets))
    for axis, dataset in zip(axes, datasets, strict=True):
        for index, model in enumerate(experiment.models):
            line = stats[(stats["dataset"] == dataset) & (stats["model"] == model)].sort_values("step")
            if not len(line):
                continue
            look = drawing.look(MODEL_COLOURS, index)
            low, high = drawing.interval(line)
            axis.fill_between(
                line["step"], line["min"], line["max"], color=look["color"], alpha=0.12, linewidth=0
            )
            axis.fill_between(line["step"], low, high, color=look["color"], alpha=0.3, linewidth=0)
            axis.plot(line["step"], line["mean"], **look, label=model)
            first = line[line["step"] == 0]
            axis.plot(first["step"], first["mean"], **look | {"markerfacecolor": "white", "zorder": 3})
        axis.set(title=dataset, xlabel=STEP, ylabel=GAP)
        drawing.from_zero(axis)
        drawing.steps(axis)
    drawing.legend(figure, *axes)
    return figure


def over_pretraining(experiment, gaps):
    """CG against the amount of pre-training: a panel a data set and ladder, a line a fine-tuning step."""
    stats = over_pairs(gaps, ["dataset", "model", "step"])
    panels = outputs.ladder_panels(experiment)
    figure, axes = drawing.panels(len(panels), height=drawing.PANEL + 0.4)  # room for a legend of many steps
    steps = sorted({s for cell in experiment.cell_list() for s in experiment.cell_steps(*cell)})
    colours = seaborn.color_palette("viridis", len(steps) + 1)  # its last colour is too pale on white
    for axis, (dataset, ladder, models) in zip(axes, panels, strict=True):
        for index, step in enumerate(steps):
            line = stats[(stats["dataset"] == dataset) & (stats["step"] == step)].set_index("model")
            line = line.loc[[model for model in models if model in line.index]]
            if not len(line):
                continue
            amounts = [experiment.models[model].pretraining_steps for model in line.index]
            low, high = drawing.interval(line)
            bars = [(line["mean"] - low).clip(lower=0), (high - line["mean"]).clip(lower=0)]
            look = {"color": colours[index], "marker": MARKERS[index % len(MARKERS)], "capsize": 2}
            axis.errorbar(amounts, line["mean"], yerr=bars, **look, elinewidth=0.8, label=f"{step:,}")
        axis.set(title=f"{dataset}, {ladder}", xlabel="pre-training steps (updates)", ylabel=GAP)
        drawing.from_zero(axis)
        drawing.steps(axis, sorted(experiment.models[model].pretraining_steps for model in models))
    drawing.legend(figure, *axes, title=STEP)
    return figure


def over_gap(experiment, groups, tests, evaluations, dataset: str):
    """Accuracy of each run at the last step against its mean CG to the others: a panel a model and set.

    Args:
        groups, tests: the frames of `basins.csv` and `generalisation.csv`.
    """
    sets = ["test", *experiment.datasets[dataset].sets]
    panels = [(model, name) for model in outputs.models_with_many_runs(experiment, dataset) for name in sets]
    figure, axes = drawing.panels(len(panels), 3 if len(sets) > 2 else 2)
    for axis, (model, name) in zip(axes, panels, strict=True):
        runs, scores = (tidy.of_cell(frame, model, dataset) for frame in (groups, evaluations))
        last = drawing.last_step(experiment, model, dataset)
        scores = scores[(scores["step"] == last) & (scores["set"] == name)]
        both = runs.merge(scores[["seed", "accuracy"]], on="seed")
        for basin, part in both.groupby(both["basin"].fillna(0).astype(int)):
            look = {**drawing.look(MODEL_COLOURS, list(experiment.models).index(model)), "linestyle": "none"}
            look["marker"] = MARKERS[max(basin - 1, 0) % len(MARKERS)]
            several = basin > 0 and both["basin"].nunique() > 1
            label = f"{model}, basin {basin}" if several else model
            axis.plot(part["mean_gap"], part["accuracy"], **look, label=label)
        axis.set(title=f"{name}{_correlation(tests, model, dataset, name)}")
        axis.set(xlabel="mean CG to the other seeds,\ntest loss (nats)", ylabel="accuracy")
        axis.locator_params(axis="x", nbins=5)  # gaps lie close together, so their labels are long
    drawing.legend(figure, *axes)
    return figure


def _correlation(tests, model, dataset, name):
    """The test of accuracy against mean gap, for a panel's title."""
    found = tidy.of_cell(tests, model, dataset)
    found = found[(found["set"] == name) & (found["against"] == "mean gap")]
    if not len(found) or found["effect"].isna().any():
        return ""
    return f"\nrank correlation {found['effect'].iloc[0]:.2f} (p {found['p'].iloc[0]:.2g})"


def _smooth(losses):
    """A centred running mean over a fiftieth of the run."""
    return losses.rolling(max(5, len(losses) // 50), center=True, min_periods=1).mean()


def read_histories(paths):
    """The loss by step of each run, {(model, data set): series}, its segments in order."""
    runs: dict[tuple[str, str], list] = {}
    for path in paths:
        run = layout.parsed(layout.HISTORY, path)
        runs.setdefault((run["model"], run["dataset"]), []).append(
            stored.read_frame(path, columns=["step", "loss"])
        )
    return {run: pd.concat(parts).set_index("step")["loss"].sort_index() for run, parts in runs.items()}
