"""The static figures: tidy files in, PNG and SVG out, the same bytes for the same numbers."""

from dataclasses import dataclass
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
    lettering,
    map_figures,
    naming,
    path_figures,
    plane_figures,
    soup_figures,
)
from isthmus.showing.drawing import DATASET_COLOURS, MARKERS, MODEL_COLOURS, STEP
from isthmus.showing.formatting import number
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import over_pairs

PIXELS = 150  # dots an inch of what is pixels in an SVG: very many lines


@dataclass(frozen=True)
class Measured:
    """What figures are drawn from.

    Attributes:
        frames: those of `tidy.load`, and `basins` and `generalisation`.
        gaps: CG of the test loss, from `metrics.csv`.
        curves: the measured points by (model, data set), from `path_figures.read_curves`.
        histories: the `history.parquet` files of the runs of `outputs.training_runs(experiment)`.
        planes, maps: the files of `planes/` and `map/`.
        detours: those of other paths than lines.
    """

    frames: dict[str, pd.DataFrame]
    gaps: pd.DataFrame
    curves: dict[tuple[str, str], pd.DataFrame]
    histories: list[Path]
    planes: list[Path]
    maps: list[Path]
    detours: list[Path]


def write(
    experiment, results: Path, folder: Path, histories: list[Path], rows: list[Path],
    planes: list[Path] = (), maps: list[Path] = (), detours: list[Path] = (),
) -> None:  # fmt: skip
    """Draw every figure of the experiment, as PNG and SVG, into `folder`.

    Args:
        results: the folder of the CSV files, those of the findings among them.
        rows: the files of `paths/`.
        histories, planes, maps, detours: as in `Measured`.
    """
    measured = read(results, histories, rows, planes, maps, detours)
    folder.mkdir(parents=True, exist_ok=True)
    for wanted in outputs.figures(experiment):
        with matplotlib.rc_context(drawing.RC | {"svg.hashsalt": wanted.name}):
            figure = draw(experiment, measured, wanted)
            figure.savefig(folder / f"{wanted.name}.png", dpi=experiment.figures.dpi)
            figure.set_layout_engine("none")  # everything has its place: to find it again takes as long
            figure.savefig(folder / f"{wanted.name}.svg", dpi=PIXELS, metadata={"Date": None})


def read(results: Path, histories, rows, planes=(), maps=(), detours=()) -> Measured:
    """What figures are drawn from; arguments as of `write`."""
    frames = tidy.load(results)
    frames |= {name: tidy.read(results / f"{name}.csv") for name in ("basins", "generalisation")}
    gaps, curves = tidy.convexity_gaps(frames["metrics"]), path_figures.read_curves(rows)
    return Measured(frames, gaps, curves, histories, planes, maps, detours)


def draw(experiment, measured: Measured, wanted: outputs.Figure):
    """One figure, to be drawn and saved within `drawing.RC`."""
    kind, dataset, model = wanted
    frames, gaps = measured.frames, measured.gaps
    groups, scores = frames["basins"], frames["evaluations"]
    match kind:
        case "training":
            return training(experiment, scores, measured.histories)
        case "cg-over-finetuning":
            return over_finetuning(experiment, gaps)
        case "cg-over-pretraining":
            return over_pretraining(experiment, gaps)
        case "cg-over-fork":
            return fork_figures.over_fork(experiment, gaps)
        case "cg-over-perturbation":
            return fork_figures.over_perturbation(experiment, gaps, frames["pairs"])
        case "pairs":
            return heatmaps.pair_heatmaps(experiment, gaps, groups, dataset)
        case "generalisation":
            return over_gap(experiment, groups, frames["generalisation"], scores, dataset)
        case "averages":
            return soup_figures.soups(experiment, frames["averages"], dataset)
        case "map":
            return map_figures.maps(experiment, measured.maps, gaps, dataset)
        case "planes":
            return plane_figures.planes(experiment, measured.planes, dataset)
        case "along":
            return along_figures.lines_along(experiment, frames["along"], dataset)
        case "barriers":
            curves, detours = measured.curves, measured.detours
            return barrier_figures.barriers(experiment, frames["barriers"], curves, detours, dataset)
        case "adapters":
            return adapter_figures.adapters(experiment, frames, dataset)
        case "layers":
            return layer_figures.layers(experiment, frames["layers"], gaps, dataset)
    return path_figures.path_curves(experiment, gaps, measured.curves.get((model, dataset)), model, dataset)


def training(experiment, evaluations, histories: list[Path]):
    """The source's Figure 1: fine-tuning loss; loss, F1 (or perplexity) and accuracy on the test part."""
    model, seed = outputs.training_run(experiment)
    names = outputs.datasets(experiment)
    losses = read_histories(histories)
    figure, axes = drawing.panels(4)
    language = all(experiment.datasets[name].language for name in names)
    third = ("perplexity", "perplexity") if language else ("F1", "f1")
    axes[0].set_ylabel(naming.loss(experiment, *names, part="fine-tuning"))
    axes[1].set_ylabel(naming.loss(experiment, *names))
    axes[2].set_ylabel(f"{third[0]}, test set")
    axes[3].set_ylabel(f"{'token ' * language}accuracy, test set")
    run = evaluations[
        (evaluations["model"] == model) & (evaluations["seed"] == seed) & (evaluations["set"] == "test")
    ]
    for index, dataset in enumerate(names):
        look = drawing.look(DATASET_COLOURS, index)
        if (history := losses.get((model, dataset))) is not None:
            _history(axes[0], history, look)
        if len(mine := run[run["dataset"] == dataset].sort_values("step")):
            for axis, column in zip(axes[1:], ("loss", third[1], "accuracy"), strict=True):
                axis.plot(mine["step"], mine[column], **look, label=dataset)
            _baselines(axes, mine, look["color"], experiment.datasets[dataset].language)
    for axis in axes:
        axis.set_xlabel(STEP)
        drawing.steps(axis)
    drawing.finish(figure, f"One run a data set: {model}, seed {seed}", _training_entries(experiment, names))
    return figure


def _history(axis, losses, look) -> None:
    """The loss at each update, and its running mean."""
    look = {name: look[name] for name in ("color", "linestyle")}
    axis.plot(losses.index, losses, color=look["color"], alpha=0.2, linewidth=0.5, rasterized=True)
    axis.plot(losses.index, _smooth(losses), **look)


def _baselines(axes, run, colour: str, language: bool) -> None:
    """What a run's accuracy has to beat, with its interval; where a language model began."""
    _, loss, third, accuracy = axes
    level = {"color": colour, "linestyle": ":", "linewidth": 0.9}
    accuracy.fill_between(
        run["step"], run["accuracy_low"], run["accuracy_high"], color=colour, alpha=0.15, linewidth=0
    )
    accuracy.axhline(run["majority"].iloc[-1], **level)
    if language:
        for axis, column in ((loss, "loss"), (third, "perplexity")):
            for start in run.loc[run["step"] == 0, column]:
                axis.axhline(start, **level)


def _training_entries(experiment, names):
    """What the legend says of the lines and bands that all data sets have."""
    language = any(experiment.datasets[name].language for name in names)
    bars = " or ".join(dict.fromkeys(naming.baseline(experiment, name) for name in names))
    dotted = f"accuracy: {bars}" + "; loss, perplexity: step 0" * language
    return [
        drawing.line(dotted, linestyle=":", linewidth=0.9),
        drawing.band("accuracy: 95 % interval over evaluation units", alpha=0.15),
        drawing.line("fine-tuning loss: each update, and running mean", alpha=0.4, linewidth=0.5),
    ]


def over_finetuning(experiment, gaps):
    """CG against fine-tuning step: a panel a data set, a line a model."""
    stats = over_pairs(gaps, ["dataset", "model", "step"])
    datasets = outputs.datasets(experiment)
    figure, axes = drawing.panels(len(datasets))
    for axis, dataset in zip(axes, datasets, strict=True):
        for index, model in enumerate(experiment.models):
            line = tidy.of_cell(stats, model, dataset).sort_values("step")
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
        cells = [(model, dataset) for model in outputs.models_on(experiment, dataset)]
        drawing.title(axis, dataset, naming.pairs(experiment, cells, gaps))
        axis.set(xlabel=STEP, ylabel=naming.gap(experiment, dataset))
        drawing.from_zero(axis)
        drawing.steps(axis)
    drawing.finish(figure, entries=_bands(stats))
    return figure


def _bands(stats):
    """What the legend says of bands of means over pairs, and of step 0."""
    entries = []
    if said := naming.means(stats):
        entries.append(drawing.band(said, alpha=0.42))
    if (stats["pairs"] > 1).any():
        entries.append(drawing.band("least to largest of the pairs", alpha=0.15))
    if (stats["step"] == 0).any():
        hollow = {"linestyle": "none", "marker": "o", "markerfacecolor": "white"}
        entries.append(drawing.line("hollow: step 0, the baseline", **hollow))
    return entries


def over_pretraining(experiment, gaps):
    """CG against the amount of pre-training: a panel a data set and ladder, a line a fine-tuning step."""
    stats = over_pairs(gaps, ["dataset", "model", "step"])
    panels = outputs.ladder_panels(experiment)
    figure, axes = drawing.panels(len(panels))
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
        cells = [(model, dataset) for model in models]
        drawing.title(axis, f"{dataset}, {ladder}", naming.pairs(experiment, cells, gaps))
        axis.set(xlabel="pre-training steps (updates)", ylabel=naming.gap(experiment, dataset))
        drawing.from_zero(axis)
        drawing.steps(axis, sorted(experiment.models[model].pretraining_steps for model in models))
    said = naming.means(stats)
    drawing.finish(figure, entries=[drawing.bar(said)] if said else [], title=STEP)
    return figure


def over_gap(experiment, groups, tests, evaluations, dataset: str):
    """Accuracy of each run at the last step against its mean CG to the others: a panel a model and set.

    Args:
        groups, tests: the frames of `basins.csv` and `generalisation.csv`.
    """
    sets = ["test", *experiment.datasets[dataset].sets]
    panels = [(model, name) for model in outputs.models_with_many_runs(experiment, dataset) for name in sets]
    figure, axes = drawing.panels(len(panels), 3 if len(sets) > 2 else 2, height=drawing.PANEL + 0.4)
    points, dotted = [], False
    for axis, (model, name) in zip(axes, panels, strict=True):
        runs, scores = (tidy.of_cell(frame, model, dataset) for frame in (groups, evaluations))
        last = drawing.last_step(experiment, model, dataset)
        scores = scores[(scores["step"] == last) & (scores["set"] == name)]
        both = runs.merge(scores[["seed", "accuracy", "majority"]], on="seed")
        _by_basin(axis, both, model, list(experiment.models).index(model))
        names = both["seed"].map(experiment.cell_runs(model, dataset))
        points.append((axis, list(zip(both["mean_gap"], both["accuracy"], names, strict=True))))
        low, high = axis.get_ylim()
        bars = [bar for bar in both["majority"].iloc[:1] if bar == bar]
        for bar in bars:
            if low <= bar <= high:  # else all runs would lie on one line
                axis.axhline(bar, color=drawing.GREY, linestyle=":", linewidth=0.9)
                dotted = True
        words = "".join(f", baseline {number(bar, 3)}" for bar in bars)
        drawing.title(axis, f"{name}, step {last:,}{words}", _correlation(tests, model, dataset, name))
        axis.set(xlabel=f"mean CG to the other runs,\n{naming.loss(experiment, dataset)}", ylabel="accuracy")
        axis.locator_params(axis="x", nbins=4)  # gaps lie close together, so their labels are long
    entries = [drawing.line("baseline", linestyle=":", linewidth=0.9)] if dotted else []
    baseline = naming.baseline(experiment, dataset)
    drawing.finish(figure, f"{dataset}: {lettering.by_seed(points)}; baseline: {baseline}", entries)
    figure.draw_without_rendering()
    for axis, named in points:
        lettering.beside(axis, named, 6 if len(named) <= 2 * naming.NAMED else 5)
    return figure


def _by_basin(axis, runs, model: str, index: int) -> None:
    """The runs of one model, a marker a basin."""
    several = runs["basin"].nunique() > 1
    for basin, part in runs.groupby(runs["basin"].fillna(0).astype(int)):
        look = {**drawing.look(MODEL_COLOURS, index), "linestyle": "none"}
        look["marker"] = MARKERS[max(basin - 1, 0) % len(MARKERS)]
        label = f"{model}, basin {basin}" if several and basin > 0 else model
        axis.plot(part["mean_gap"], part["accuracy"], **look, label=label)


def _correlation(tests, model, dataset, name):
    """The test of accuracy against mean gap, for a panel's title."""
    found = tidy.of_cell(tests, model, dataset)
    found = found[(found["set"] == name) & (found["against"] == "mean gap")]
    if not len(found) or found["effect"].isna().any():
        return ""
    return f"rank correlation {found['effect'].iloc[0]:.2f} (p {found['p'].iloc[0]:.2g})"


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
