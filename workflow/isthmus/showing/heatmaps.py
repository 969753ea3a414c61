"""Figures of pairs: the gap between any two seeds, in the order of their basins."""

import numpy as np
import seaborn

from isthmus.showing import colours, drawing, naming
from isthmus.statistics import tidy

INK = {"black": (0, 0, 0), "white": (255, 255, 255)}


def pair_heatmaps(experiment, gaps, groups, dataset: str):
    """CG between the seeds at the last step: a panel a model, in the order of basins where these are known.

    Args:
        groups: the frame of `basins.csv`.
    """
    models = [model for model, name in experiment.cell_list() if name == dataset]
    orders = {model: in_basin_order(experiment, groups, model, dataset) for model in models}
    matrices = {model: gap_matrix(experiment, gaps, model, dataset, list(orders[model])) for model in models}
    names = {model: experiment.cell_runs(model, dataset) for model in models}
    runs = {model: [names[model][run] for run in orders[model]] for model in models}
    most = max(map(len, runs.values()))
    height = drawing.PANEL + (0 if most <= 8 else 0.02 * most + 0.3)
    figure, axes = drawing.panels(len(models), 3 if most <= 4 else 2, height, grid=False)
    highest = max((np.nanmax(m) for m in matrices.values() if not np.isnan(m).all()), default=0.0)
    for axis, (model, matrix) in zip(axes, matrices.items(), strict=True):
        _heatmap(axis, matrix, runs[model], highest or 1)
        basins = list(orders[model].values())
        for place in [i for i in range(1, len(basins)) if basins[i] != basins[i - 1]]:
            axis.axvline(place, color="black", linewidth=1.2)
            axis.axhline(place - 1, color="black", linewidth=1.2)
        count = len(set(basins) - {None})
        suffix = f", {count} basin{'s' if count > 1 else ''}" if count else ""
        step = drawing.last_step(experiment, model, dataset)
        drawing.title(axis, model, f"step {step:,}{suffix}", scale=True)
    label = f"CG, {naming.loss(experiment, dataset)}"
    figure.colorbar(axes[0].collections[0], ax=axes, label=label, fraction=0.05, aspect=25)
    drawing.finish(figure, f"{dataset}: CG of each pair of runs")
    for _ in range(3):  # square cells and labels depend on each other's place: a single pass cuts labels off
        figure.draw_without_rendering()
    return figure


def _heatmap(axis, matrix, seeds, highest):
    """Each pair once: rows from the second seed, columns to the last but one, so that none is empty."""
    size, line = (7, 0.5) if len(seeds) <= 12 else (5.5, 0.2)
    scale = {"cmap": "cividis", "vmin": 0, "vmax": highest, "cbar": False, "square": True, "linewidths": line}
    ticks = {"xticklabels": seeds[:-1], "yticklabels": seeds[1:]}
    words = {"annot": len(seeds) <= 6, "fmt": ".3f", "annot_kws": {"size": 7 if len(seeds) <= 4 else 6}}
    seaborn.heatmap(matrix[1:, :-1], ax=axis, **scale, **ticks, **words)
    _readable(axis)
    axis.set(xlabel="seed", ylabel="seed")
    upright = len(seeds) > 4 and max(map(len, seeds)) > 2
    axis.tick_params(axis="x", rotation=90 if upright else 0, labelsize=size, length=0)
    axis.tick_params(axis="y", rotation=0, labelsize=size, length=0)


def _readable(axis):
    """Numbers on a heatmap in black or white, whichever contrasts more with their cell."""
    cells = axis.collections[0]
    for text in axis.texts:
        column, row = (int(place) for place in text.get_position())
        channels = cells.cmap(cells.norm(cells.get_array()[row, column]))[:3]
        ground = [round(255 * c) for c in channels]
        text.set_color(max("black", "white", key=lambda own: colours.contrast(INK[own], ground)))


def in_basin_order(experiment, groups, model, dataset):
    """The runs of a cell with their basins, in the order of the tree; in the config's where none was made."""
    mine = tidy.of_cell(groups, model, dataset)
    if mine["basin"].isna().any() or mine.empty:
        return dict.fromkeys(experiment.cell_runs(model, dataset))
    mine = mine.sort_values("order")
    return dict(zip(mine["seed"].tolist(), mine["basin"].astype(int).tolist(), strict=True))


def gap_matrix(experiment, gaps, model, dataset, runs):
    """CG in the later run's row and the earlier one's column, NaN where there is no pair."""
    position = {run: index for index, run in enumerate(runs)}
    matrix = np.full((len(position), len(position)), np.nan)
    last = drawing.last_step(experiment, model, dataset)
    cell = tidy.of_cell(gaps, model, dataset)
    for row in cell[cell["step"] == last].itertuples():
        a, b = sorted((position[row.seed_a], position[row.seed_b]))
        matrix[b, a] = row.value
    return matrix
