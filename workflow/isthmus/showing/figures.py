"""The static figures: tidy files in, PNG and SVG out, the same bytes for the same numbers."""

import math
from pathlib import Path

from isthmus import stored
from isthmus.experiment import layout, outputs

WIDTH = 5.4  # inches: text stays legible when a figure is set at a column's width
PANEL = 2.2  # inches, a panel's height
FEW = 3  # pairs or fewer: each has its chord and gap drawn
MANY = 30  # pairs or more: their thin lines are pixels in the SVG too, which stays small
# Paul Tol's "bright" and "muted" schemes: told apart under the common colour vision deficiencies.
MODEL_COLOURS = ("#4477AA", "#EE6677", "#228833", "#AA3377", "#CCBB44", "#66CCEE", "#555555")
DATASET_COLOURS = ("#332288", "#CC6677", "#117733", "#AA4499", "#999933", "#44AA99", "#882255")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = ("-", "--", "-.", ":")
RC = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}
STEP = "fine-tuning step (updates)"
GAP = "convexity gap CG,\ntest loss (nats)"


def captions(experiment) -> dict[str, str]:
    """What each figure shows, by its name; also its text alternative."""
    return {figure.name: _caption(experiment, *figure) for figure in outputs.figures(experiment)}


def _caption(experiment, kind: str, dataset: str | None, model: str | None) -> str:
    if kind == "training":
        model, seed = outputs.training_run(experiment)
        return (
            f"Training of {model}, seed {seed}, a line a data set: fine-tuning loss (thin: each "
            "update; thick: smoothed), and loss, F1 (of class 1 with two classes, else the mean over "
            "classes) and accuracy on the test part."
        )
    if kind == "cg-over-finetuning":
        return (
            "Convexity gap (test loss) against fine-tuning step, a line a model: mean over "
            "pairs of seeds. Dark band: 95 % interval (over seeds from five seeds on, else over evaluation "
            "examples); light band: range over pairs. Hollow marker: step 0, the baseline."
        )
    if kind == "cg-over-pretraining":
        return (
            "Convexity gap (test loss) against the amount of pre-training, a line a fine-tuning step: mean "
            "over pairs of seeds. Bars: 95 % interval (over seeds from five seeds on, else over evaluation "
            "examples)."
        )
    if kind == "cg-over-fork":
        return (
            "Convexity gap (test loss) at the last step against the step up to which all seeds are trained "
            "as one: mean over pairs of seeds. Bars: 95 % interval (over seeds from five seeds on, else over "
            "evaluation examples)."
        )
    if kind == "pairs":
        return (
            f"Convexity gap (test loss) between any two seeds at the last step on {dataset}, a panel a "
            "model. Where basins could be looked for, seeds stand in their order, with a line between two."
        )
    if kind == "generalisation":
        return (
            f"Accuracy at the last step on {dataset} and its further sets against a run's mean convexity "
            "gap (test loss) to the other runs; a marker a basin. Above each panel: Spearman's rank "
            "correlation, with its p-value under permutations."
        )
    many = len(experiment.cell_pairs(model, dataset)) > FEW
    lines = (
        "Thin: a pair of seeds; thick: the mean over pairs; black: the pair of median gap. " if many else ""
    )
    return (
        f"Test loss along the paths between seeds of {model} on {dataset}, a panel a step. {lines}"
        "Dashed: the chord of the convexity gap; vertical: the gap, where it is largest."
    )


def write(experiment, results: Path, folder: Path, histories: list[Path], rows: list[Path]) -> None:
    """Draw every figure of the experiment, as PNG and SVG, into `folder`.

    Args:
        results: the folder of the CSV files, those of the findings among them.
        histories: the `history.parquet` files of the runs of `outputs.training_runs(experiment)`.
        rows: the files of `paths/`.
    """
    import matplotlib

    from isthmus.showing import tables

    frames = tables.load(results)
    groups, tests = (tables.read(results / f"{name}.csv") for name in ("basins", "generalisation"))
    metrics, evaluations = frames["metrics"], frames["evaluations"]
    gaps = metrics[(metrics["metric"] == "CG") & (metrics["set"] == "test") & (metrics["quantity"] == "loss")]
    folder.mkdir(parents=True, exist_ok=True)
    curves = _curve_frames(rows)
    matplotlib.use("Agg")
    for drawn in outputs.figures(experiment):
        kind, dataset, model = drawn
        with matplotlib.rc_context(RC | {"svg.hashsalt": drawn.name}):
            if kind == "training":
                figure = training(experiment, evaluations, histories)
            elif kind == "cg-over-finetuning":
                figure = over_finetuning(experiment, gaps)
            elif kind == "cg-over-pretraining":
                figure = over_pretraining(experiment, gaps)
            elif kind == "cg-over-fork":
                figure = over_fork(experiment, gaps)
            elif kind == "pairs":
                figure = pair_heatmaps(experiment, gaps, groups, dataset)
            elif kind == "generalisation":
                figure = over_gap(experiment, groups, tests, evaluations, dataset)
            else:
                figure = path_curves(experiment, gaps, curves.get((model, dataset)), model, dataset)
            figure.savefig(folder / f"{drawn.name}.png", dpi=experiment.figures.dpi)
            figure.savefig(folder / f"{drawn.name}.svg", dpi=experiment.figures.dpi, metadata={"Date": None})


# --------------------------------------------------------------------------------------------- the figures


def training(experiment, evaluations, histories: list[Path]):
    """The source's Figure 1: fine-tuning loss, validation loss, F1 and accuracy of one seed's runs."""
    model, seed = outputs.training_run(experiment)
    figure, axes = _panels(4)
    losses = _histories(histories)
    titles = ("fine-tuning loss (nats)", "validation loss (nats)", "F1, test part", "accuracy, test part")
    run = evaluations[
        (evaluations["model"] == model) & (evaluations["seed"] == seed) & (evaluations["set"] == "test")
    ]
    for axis, title, column in zip(axes, titles, (None, "loss", "f1", "accuracy"), strict=True):
        axis.set_ylabel(title)
        axis.set_xlabel(STEP)
        for index, dataset in enumerate(_datasets(experiment)):
            look = _look(DATASET_COLOURS, index)
            if column is None and (history := losses.get((model, dataset))) is not None:
                axis.plot(
                    history.index, history, color=look["color"], alpha=0.2, linewidth=0.5, rasterized=True
                )
                axis.plot(history.index, _smooth(history), color=look["color"], linestyle=look["linestyle"])
            elif column and len(mine := run[run["dataset"] == dataset].sort_values("step")):
                axis.plot(mine["step"], mine[column], **look, label=dataset)
        _steps(axis)
    _legend(figure, *axes)
    return figure


def over_finetuning(experiment, gaps):
    """CG against fine-tuning step: a panel a data set, a line a model."""
    from isthmus.showing.tables import over_pairs

    stats = over_pairs(gaps, ["dataset", "model", "step"])
    datasets = _datasets(experiment)
    figure, axes = _panels(len(datasets))
    for axis, dataset in zip(axes, datasets, strict=True):
        for index, model in enumerate(experiment.models):
            line = stats[(stats["dataset"] == dataset) & (stats["model"] == model)].sort_values("step")
            if not len(line):
                continue
            look = _look(MODEL_COLOURS, index)
            low, high = _interval(line)
            axis.fill_between(
                line["step"], line["min"], line["max"], color=look["color"], alpha=0.12, linewidth=0
            )
            axis.fill_between(line["step"], low, high, color=look["color"], alpha=0.3, linewidth=0)
            axis.plot(line["step"], line["mean"], **look, label=model)
            first = line[line["step"] == 0]
            axis.plot(first["step"], first["mean"], **look | {"markerfacecolor": "white", "zorder": 3})
        axis.set(title=dataset, xlabel=STEP, ylabel=GAP)
        _from_zero(axis)
        _steps(axis)
    _legend(figure, *axes)
    return figure


def over_pretraining(experiment, gaps):
    """CG against the amount of pre-training: a panel a data set and ladder, a line a fine-tuning step."""
    import seaborn

    from isthmus.showing.tables import over_pairs

    stats = over_pairs(gaps, ["dataset", "model", "step"])
    panels = outputs.ladder_panels(experiment)
    figure, axes = _panels(len(panels), height=PANEL + 0.4)  # room for a legend of many steps
    steps = sorted({s for cell in experiment.cell_list() for s in experiment.cell_steps(*cell)})
    colours = seaborn.color_palette("viridis", len(steps) + 1)  # its last colour is too pale on white
    for axis, (dataset, ladder, models) in zip(axes, panels, strict=True):
        for index, step in enumerate(steps):
            line = stats[(stats["dataset"] == dataset) & (stats["step"] == step)].set_index("model")
            line = line.loc[[model for model in models if model in line.index]]
            if not len(line):
                continue
            amounts = [experiment.models[model].pretraining_steps for model in line.index]
            low, high = _interval(line)
            bars = [(line["mean"] - low).clip(lower=0), (high - line["mean"]).clip(lower=0)]
            look = {"color": colours[index], "marker": MARKERS[index % len(MARKERS)], "capsize": 2}
            axis.errorbar(amounts, line["mean"], yerr=bars, **look, elinewidth=0.8, label=f"{step:,}")
        axis.set(title=f"{dataset}, {ladder}", xlabel="pre-training steps (updates)", ylabel=GAP)
        _from_zero(axis)
        _steps(axis, sorted(experiment.models[model].pretraining_steps for model in models))
    _legend(figure, *axes, title=STEP)
    return figure


def over_fork(experiment, gaps):
    """CG at the last step against the fork: a panel a data set and origin."""
    from isthmus.showing.tables import over_pairs

    stats = over_pairs(gaps, ["dataset", "model", "step"])
    panels = outputs.fork_panels(experiment)
    figure, axes = _panels(len(panels))
    for axis, (dataset, models) in zip(axes, panels, strict=True):
        ends = {model: _last_step(experiment, model, dataset) for model in models}
        mine = stats[(stats["dataset"] == dataset) & (stats["step"] == stats["model"].map(ends))]
        line = mine.set_index("model").reindex([model for model in models if model in set(mine["model"])])
        forks = [experiment.cell_training(model, dataset).fork_at for model in line.index]
        low, high = _interval(line)
        bars = [(line["mean"] - low).clip(lower=0), (high - line["mean"]).clip(lower=0)]
        axis.errorbar(forks, line["mean"], yerr=bars, **_look(MODEL_COLOURS, 0), capsize=2, elinewidth=0.8)
        axis.set(title=dataset, xlabel="seeds part at step (updates)", ylabel=GAP)
        _from_zero(axis)
        _steps(axis)
    return figure


def over_gap(experiment, groups, tests, evaluations, dataset: str):
    """Accuracy of each run at the last step against its mean CG to the others: a panel a model and set.

    Args:
        groups, tests: the frames of `basins.csv` and `generalisation.csv`.
    """
    sets = ["test", *experiment.datasets[dataset].sets]
    panels = [(model, name) for model in outputs.models_with_many_runs(experiment, dataset) for name in sets]
    figure, axes = _panels(len(panels), 3 if len(sets) > 2 else 2)
    for axis, (model, name) in zip(axes, panels, strict=True):
        runs = groups[(groups["model"] == model) & (groups["dataset"] == dataset)]
        scores = evaluations[
            (evaluations["model"] == model)
            & (evaluations["dataset"] == dataset)
            & (evaluations["step"] == _last_step(experiment, model, dataset))
            & (evaluations["set"] == name)
        ]
        both = runs.merge(scores[["seed", "accuracy"]], on="seed")
        for basin, part in both.groupby(both["basin"].fillna(0).astype(int)):
            look = {**_look(MODEL_COLOURS, list(experiment.models).index(model)), "linestyle": "none"}
            look["marker"] = MARKERS[max(basin - 1, 0) % len(MARKERS)]
            several = basin > 0 and both["basin"].nunique() > 1
            label = f"{model}, basin {basin}" if several else model
            axis.plot(part["mean_gap"], part["accuracy"], **look, label=label)
        axis.set(title=f"{name}{_correlation(tests, model, dataset, name)}")
        axis.set(xlabel="mean CG to the other seeds,\ntest loss (nats)", ylabel="accuracy")
        axis.locator_params(axis="x", nbins=5)  # gaps lie close together, so their labels are long
    _legend(figure, *axes)
    return figure


def pair_heatmaps(experiment, gaps, groups, dataset: str):
    """CG between the seeds at the last step: a panel a model, in the order of basins where these are known.

    Args:
        groups: the frame of `basins.csv`.
    """
    import numpy as np

    models = [model for model, name in experiment.cell_list() if name == dataset]
    orders = {model: _in_basins(experiment, groups, model, dataset) for model in models}
    matrices = {model: _matrix(experiment, gaps, model, dataset, list(orders[model])) for model in models}
    names = {model: experiment.cell_runs(model, dataset) for model in models}
    runs = {model: [names[model][run] for run in orders[model]] for model in models}
    most = max(map(len, runs.values()))
    few = most <= 8
    height = PANEL + (0 if few else 0.02 * most + 0.3)
    figure, axes = _panels(len(models), 3 if few else 2, height, grid=False)
    highest = max((np.nanmax(m) for m in matrices.values() if not np.isnan(m).all()), default=0.0)
    for axis, (model, matrix) in zip(axes, matrices.items(), strict=True):
        _heatmap(axis, matrix, runs[model], highest or 1)
        basins = list(orders[model].values())
        for place in [i for i in range(1, len(basins)) if basins[i] != basins[i - 1]]:
            axis.axvline(place, color="black", linewidth=1.2)
            axis.axhline(place - 1, color="black", linewidth=1.2)
        count = len(set(basins) - {None})
        said = f", {count} basin{'s' if count > 1 else ''}" if count else ""
        axis.set_title(f"{model}\nstep {_last_step(experiment, model, dataset):,}{said}")
    figure.colorbar(axes[0].collections[0], ax=axes, label="CG, test loss (nats)", fraction=0.05, aspect=25)
    for _ in range(3):  # square cells and labels depend on each other's place: a single pass cuts labels off
        figure.draw_without_rendering()
    return figure


def path_curves(experiment, gaps, points, model: str, dataset: str):
    """f(alpha) of each path of a cell: a panel a step, with chord and gap of the convexity gap."""
    steps = experiment.cell_steps(model, dataset)
    columns = 2 if len(steps) in (2, 4) else 3
    figure, axes = _panels(len(steps), columns, sharey=True)
    if points is not None:  # one scale for all steps, since autoscaling passes over line collections
        low, high = points["loss"].min(), points["loss"].max()
        margin = 0.05 * (high - low) or 0.1
        axes[0].set_ylim(low - margin, high + margin)
    colour = _look(MODEL_COLOURS, list(experiment.models).index(model))["color"]
    mine = gaps[(gaps["model"] == model) & (gaps["dataset"] == dataset)]
    for index, (axis, step) in enumerate(zip(axes, steps, strict=True)):
        found = mine[mine["step"] == step]
        here = None if points is None else points[points["step"] == step]
        if here is not None and len(here):
            _curves(axis, here, found, colour)
        axis.set_title(f"step {step:,}{_gap_in_words(found)}")
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_xlabel("alpha")
        if index % columns == 0:
            axis.set_ylabel("test loss (nats)")
    return figure


def single_path(points, gaps):
    """f(alpha) of one path, with chord and gap of the convexity gap.

    Args:
        points: a row a point: `seed_a, seed_b, alpha, loss`.
        gaps: its row of metric CG, with the columns of `metrics.csv`.
    """
    import matplotlib

    with matplotlib.rc_context(RC):
        figure, (axis,) = _panels(1)
        _curves(axis, points, gaps, MODEL_COLOURS[0])
        axis.autoscale_view()
        axis.set(title=_gap_in_words(gaps).strip(), xlabel="alpha", ylabel="loss (nats)")
    return figure


# ------------------------------------------------------------------------------------------------- parts


def _curves(axis, points, gaps, colour):
    """All paths of one step, the mean over them, and the convexity gap of a few or of the median pair."""
    import numpy as np
    from matplotlib.collections import LineCollection

    paths = {pair: path.sort_values("alpha") for pair, path in points.groupby(["seed_a", "seed_b"])}
    few = len(paths) <= FEW
    lines = [path[["alpha", "loss"]].to_numpy() for path in paths.values()]
    thin = {"linewidths": 1.1 if few else 0.4, "alpha": 1 if few else max(0.1, min(0.6, 12 / len(lines)))}
    axis.add_collection(LineCollection(lines, colors=colour, rasterized=len(lines) >= MANY, **thin))
    if not few:
        alphas = np.unique(np.concatenate([line[:, 0] for line in lines]))
        mean = np.mean([np.interp(alphas, line[:, 0], line[:, 1]) for line in lines], axis=0)
        axis.plot(alphas, mean, color=colour, linewidth=2.2)
    ranked = gaps.sort_values(["value", "seed_a", "seed_b"])
    for gap in (ranked if few else ranked.iloc[[len(ranked) // 2]] if len(ranked) else ranked).itertuples():
        if (path := paths.get((gap.seed_a, gap.seed_b))) is not None:
            _gap(axis, path, gap, full=not few)


def _gap(axis, path, gap, full):
    """The chord and the gap at its maximiser, over the path itself where it is the one of many."""
    import numpy as np

    from isthmus.showing.tables import FLOOR

    if full:
        axis.plot(path["alpha"], path["loss"], color="black", linewidth=0.9)
    if not gap.value > FLOOR:
        return
    ends = np.interp([gap.chord_low, gap.alpha, gap.chord_high], path["alpha"], path["loss"])
    chord = np.interp(gap.alpha, [gap.chord_low, gap.chord_high], ends[[0, 2]])
    axis.plot([gap.chord_low, gap.chord_high], ends[[0, 2]], color="black", linestyle="--", linewidth=0.8)
    axis.plot([gap.alpha] * 2, [chord, ends[1]], color="black", linewidth=1.4, marker="_", markersize=4)


def _gap_in_words(gaps):
    from isthmus.showing.tables import number

    if not len(gaps):
        return ""
    mean = "mean " if len(gaps) > 1 else ""
    return f"\n{mean}CG {number(gaps['value'].mean(), 3)}"


def _heatmap(axis, matrix, seeds, highest):
    """Each pair once: rows from the second seed, columns to the last but one, so that none is empty."""
    import seaborn

    size, line = (7, 0.5) if len(seeds) <= 12 else (5.5, 0.2)
    scale = {"cmap": "cividis", "vmin": 0, "vmax": highest, "cbar": False, "square": True, "linewidths": line}
    ticks = {"xticklabels": seeds[:-1], "yticklabels": seeds[1:]}
    words = {"annot": len(seeds) <= 6, "fmt": ".3f", "annot_kws": {"size": 7}}
    seaborn.heatmap(matrix[1:, :-1], ax=axis, **scale, **ticks, **words)
    _readable(axis)
    axis.set(xlabel="seed", ylabel="seed")
    axis.tick_params(axis="x", rotation=90 if len(seeds) > 4 else 0, labelsize=size, length=0)
    axis.tick_params(axis="y", rotation=0, labelsize=size, length=0)


def _readable(axis):
    """Numbers on a heatmap in black or white, whichever contrasts more with their cell."""
    cells = axis.collections[0]
    for text in axis.texts:
        column, row = (int(place) for place in text.get_position())
        channels = cells.cmap(cells.norm(cells.get_array()[row, column]))[:3]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        text.set_color("black" if luminance > 0.179 else "white")  # where both contrast alike


def _in_basins(experiment, groups, model, dataset):
    """The runs of a cell with their basins, in the order of the tree; in the config's where none was made."""
    mine = groups[(groups["model"] == model) & (groups["dataset"] == dataset)]
    if mine["basin"].isna().any() or mine.empty:
        return dict.fromkeys(experiment.cell_runs(model, dataset))
    mine = mine.sort_values("order")
    return dict(zip(mine["seed"].tolist(), mine["basin"].astype(int).tolist(), strict=True))


def _correlation(tests, model, dataset, name):
    """The test of accuracy against mean gap, for a panel's title."""
    cell = (tests["model"] == model) & (tests["dataset"] == dataset) & (tests["set"] == name)
    found = tests[cell & (tests["against"] == "mean gap")]
    if not len(found) or found["effect"].isna().any():
        return ""
    return f"\nrank correlation {found['effect'].iloc[0]:.2f} (p {found['p'].iloc[0]:.2g})"


def _matrix(experiment, gaps, model, dataset, runs):
    """CG in the later run's row and the earlier one's column, NaN where there is no pair."""
    import numpy as np

    position = {run: index for index, run in enumerate(runs)}
    matrix = np.full((len(position), len(position)), np.nan)
    last = _last_step(experiment, model, dataset)
    cell = gaps[(gaps["model"] == model) & (gaps["dataset"] == dataset) & (gaps["step"] == last)]
    for row in cell.itertuples():
        a, b = sorted((position[row.seed_a], position[row.seed_b]))
        matrix[b, a] = row.value
    return matrix


def _last_step(experiment, model, dataset):
    return experiment.cell_steps(model, dataset)[-1]


def _datasets(experiment):
    return list(dict.fromkeys(dataset for _, dataset in experiment.cell_list()))


def _panels(count, columns=2, height=PANEL, sharey=False, grid=True):
    """A figure of `count` panels in rows; a single one is not stretched to full width."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    lines = math.ceil(count / columns)
    width = WIDTH if columns > 1 else 0.66 * WIDTH
    figure = Figure(
        figsize=(width, 0.5 + lines * height * (1 if columns < 3 else 0.85)), layout="constrained"
    )
    axes = figure.subplots(lines, columns, squeeze=False, sharey=sharey).ravel()
    for axis in axes[count:]:
        axis.remove()
    for axis in axes:
        axis.grid(grid)
    return figure, axes[:count]


def _look(colours, index):
    """Colour, marker and, once colours are used up, line style: the same for an index in every figure."""
    style = STYLES[index // len(colours) % len(STYLES)]
    return {
        "color": colours[index % len(colours)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": style,
    }


def _interval(stats):
    """The interval to draw: over seeds where there are enough of them, else over evaluation examples."""
    return tuple(stats[f"seeds_{end}"].fillna(stats[end]) for end in ("low", "high"))


def _from_zero(axis):
    """Start at 0, which the gap cannot go below, with room to see a line that runs along it."""
    top = max(axis.get_ylim()[1], 1e-3)
    axis.set_ylim(-0.03 * top, top)


def _steps(axis, ticks=None):
    """Ticks at whole steps, 20k for 20,000; at the given ones where these are few."""
    from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator

    few = ticks is not None and len(ticks) <= 5
    axis.xaxis.set_major_locator(FixedLocator(ticks) if few else MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _legend(figure, *axes, title=None):
    """One legend above all panels, in as many columns as its names leave room for."""
    entries = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if entries:
        longest = max(map(len, entries))
        columns = max(1, min(len(entries), int(figure.get_figwidth() * 14 // (longest + 6))))
        figure.legend(
            list(entries.values()), list(entries), loc="outside upper center", ncols=columns, title=title
        )


def _smooth(losses):
    """A centred running mean over a fiftieth of the run."""
    return losses.rolling(max(5, len(losses) // 50), center=True, min_periods=1).mean()


def _histories(paths):
    """The loss by step of each run, {(model, data set): series}, its segments in order."""
    import pandas as pd

    runs: dict[tuple[str, str], list] = {}
    for path in paths:
        run = layout.parsed(layout.HISTORY, path)
        runs.setdefault((run["model"], run["dataset"]), []).append(
            stored.read_frame(path, columns=["step", "loss"])
        )
    return {run: pd.concat(parts).set_index("step")["loss"].sort_index() for run, parts in runs.items()}


def _curve_frames(rows):
    """The measured points on the test set by cell, {(model, data set): frame}."""
    import pandas as pd

    columns = ["model", "dataset", "step", "seed_a", "seed_b", "alpha", "loss"]
    wanted = [("set", "==", "test")]
    frames = [stored.read_frame(path, columns=columns, filters=wanted) for path in rows]
    return dict(list(pd.concat(frames).groupby(["model", "dataset"]))) if frames else {}
