"""The look of all figures: colours, panels, axes, legends."""

import math

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator

WIDTH = 5.4  # inches: text stays legible when a figure is set at a column's width
PANEL = 2.2  # inches, a panel's height
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


def panels(count, columns=2, height=PANEL, sharey=False, grid=True):
    """A figure of `count` panels in rows; a single one is not stretched to full width."""
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


def look(colours, index):
    """Colour, marker and, once colours are used up, line style: the same for an index in every figure."""
    style = STYLES[index // len(colours) % len(STYLES)]
    return {
        "color": colours[index % len(colours)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": style,
    }


def interval(stats):
    """The interval to draw: over seeds and evaluation units where it is known, else over units, or seeds."""
    return tuple(
        stats[f"both_{end}"].fillna(stats[end]).fillna(stats[f"seeds_{end}"]) for end in ("low", "high")
    )


def from_zero(axis):
    """Start at 0, which the gap cannot go below, with room to see a line that runs along it."""
    top = max(axis.get_ylim()[1], 1e-3)
    axis.set_ylim(-0.03 * top, top)


def steps(axis, ticks=None):
    """Ticks at whole steps, 20k for 20,000; at the given ones where these are few."""
    few = ticks is not None and len(ticks) <= 5
    axis.xaxis.set_major_locator(FixedLocator(ticks) if few else MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def legend(figure, *axes, title=None):
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


def last_step(experiment, model, dataset):
    return experiment.cell_steps(model, dataset)[-1]
