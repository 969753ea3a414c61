"""The look of all figures: colours, panels, axes, headings, legends."""

import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator

from isthmus.showing.lettering import FONTS, width, wrapped

WIDTH = 5.4  # inches: text stays legible when a figure is set at a column's width
PANEL = 2.2  # inches, a panel's height
MARGIN = 58  # points of a panel's width that its axis label and tick labels take
SCALE = 60  # points that a scale of colours takes
# Paul Tol's "bright" and "muted" schemes: told apart under the common colour vision deficiencies.
MODEL_COLOURS = ("#4477AA", "#EE6677", "#228833", "#AA3377", "#CCBB44", "#66CCEE", "#555555")
DATASET_COLOURS = ("#332288", "#CC6677", "#117733", "#AA4499", "#999933", "#44AA99", "#882255")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES = ("-", "--", "-.", ":")
GREY = "#555555"  # of what is no model's and no data set's; as text it contrasts 7.5 : 1 with white
RC = {
    "font.family": "sans-serif",
    "font.sans-serif": FONTS,
    "svg.fonttype": "none",  # text stays text: it can be searched and edited
    "font.size": 8,
    "figure.titlesize": 8.5,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.title_fontsize": 7.5,
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


# ----------------------------------------------------------------------------------------------------- panels


def panels(count, columns=2, height=PANEL, sharey=False, grid=True, width=WIDTH):
    """A figure of `count` panels in rows; a single one is not stretched to full width."""
    columns = min(columns, count)
    lines = math.ceil(count / columns)
    width = width if columns > 1 else 0.66 * width
    figure = Figure(
        figsize=(width, 0.2 + lines * height * (1 if columns < 3 else 0.85)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False, sharey=sharey).ravel()
    for axis in axes[count:]:
        axis.remove()
    for axis in axes:
        axis.grid(grid)
    return figure, axes[:count]


def finish(figure, heading="", entries=(), title=None):
    """The heading above and one legend below all panels; the figure grows by what these take.

    Args:
        entries: (handle, label) of what no panel labels, such as bands.
        title: of the legend.
    """
    room = 72 * figure.get_figwidth() - 12
    labelled = [
        entry for axis in figure.axes for entry in zip(*axis.get_legend_handles_labels(), strict=True)
    ]
    shown: dict = {}
    for handle, label in [*labelled, *entries]:
        shown.setdefault(wrapped(label, room - 36, 7.5), handle)
    taken = _long_titles(figure) * figure.dpi / 72
    if heading:
        text = figure.suptitle(wrapped(heading, room, 8.5))
        taken += text.get_window_extent(figure.canvas.get_renderer()).height + 6
    if shown:
        columns = _columns([max(width(line, 7.5) for line in label.split("\n")) for label in shown], room)
        place = {"loc": "outside lower center", "ncols": columns, "alignment": "center"}
        legend = figure.legend(list(shown.values()), list(shown), title=title, **place)
        taken += legend.get_window_extent(figure.canvas.get_renderer()).height + 6
    figure.set_figheight(figure.get_figheight() + taken / figure.dpi)


def _long_titles(figure):
    """The points that titles take beyond the two lines which panels have room for."""
    rows: dict[int, int] = {}
    for axis in figure.axes:
        if spec := axis.get_subplotspec():
            row = spec.rowspan.start
            rows[row] = max(rows.get(row, 0), axis.get_title().count("\n") - 1)
    return 10 * sum(rows.values())


def _columns(widths, room):
    """In how many columns entries of these widths find room, filled one column after the other."""
    for columns in range(len(widths), 1, -1):
        parts = np.array_split(widths, columns)  # as Matplotlib does: the first ones have one more
        if sum(max(part) + 38 for part in parts) <= room:
            return columns
    return 1


def title(axis, *lines, scale=False):
    """A panel's title, as wide as the panel at most.

    Args:
        scale: whether a scale of colours stands beside the panels.
    """
    columns = axis.get_subplotspec().get_gridspec().ncols
    room = (72 * axis.figure.get_figwidth() - SCALE * scale) / columns - MARGIN
    axis.set_title("\n".join(wrapped(line, room, 8) for line in lines if line))


# ------------------------------------------------------------------------------------------------ lines, bars


def look(colours, index):
    """Colour, marker and line style: the same for an index in every figure, told apart in grey too."""
    return {
        "color": colours[index % len(colours)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": STYLES[index % len(STYLES)],
    }


def spread_markers(index, count, marker):
    """The marker of one of several lines that lie close together, set where no other line has its own."""
    return {"marker": marker, "markevery": (0.25 * (index + 0.5) / count, 0.25)} if count > 1 else {}


def interval(stats):
    """The interval to draw: over seeds and evaluation units where it is known, else over units, or seeds."""
    return tuple(
        stats[f"both_{end}"].fillna(stats[end]).fillna(stats[f"seeds_{end}"]) for end in ("low", "high")
    )


def band(label, alpha=0.3):
    """An entry of the legend for bands of any colour."""
    return Patch(facecolor=GREY, alpha=alpha, linewidth=0), label


def bar(label, **look):
    """An entry of the legend for bars of any colour, from end to end of an interval."""
    return Line2D(
        [], [], **{"color": GREY, "linestyle": "none", "marker": "|", "markersize": 9} | look
    ), label


def line(label, **look):
    """An entry of the legend for lines or markers of any colour."""
    return Line2D([], [], **{"color": GREY} | look), label


# ------------------------------------------------------------------------------------------------------- axes


def from_zero(axis):
    """Start at 0, which the gap cannot go below; an interval over seeds may, and is shown whole."""
    low, high = axis.get_ylim()
    top = max(high, 1e-3)
    axis.set_ylim(low if axis.dataLim.ymin < 0 else -0.03 * top, top)
    axis.axhline(0, color="#999999", linewidth=0.6, zorder=0.9)


def steps(axis, ticks=None):
    """Ticks at whole steps, 20k for 20,000; at the given ones where these are few and have room."""
    low, high = axis.xaxis.get_data_interval()
    if low == high:  # one step has no scale
        ticks = [low]
    few = ticks is not None and len(ticks) <= 5
    axis.xaxis.set_major_locator(FixedLocator(_apart(ticks)) if few else MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _apart(ticks, share=0.15):
    """Rising ticks without those that are nearer to the one before than a share of their range."""
    kept = []
    for tick in ticks:
        if not kept or tick - kept[-1] >= share * (ticks[-1] - ticks[0]):
            kept.append(tick)
    return kept


def counts(axis, values):
    """Ticks at counts: at each where these are few."""
    few = len(set(values)) <= 8
    axis.xaxis.set_major_locator(FixedLocator(sorted(set(values))) if few else MaxNLocator(6, integer=True))


def last_step(experiment, model, dataset):
    return experiment.cell_steps(model, dataset)[-1]
