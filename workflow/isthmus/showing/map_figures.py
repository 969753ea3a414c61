"""All checkpoints of a cell on one sheet: where runs went, and which ends are connected."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from isthmus import stored
from isthmus.experiment import layout, outputs
from isthmus.showing import drawing, lettering, naming
from isthmus.statistics import tidy

# From dark, where runs are connected, to a colour that is still seen on white.
COLOURS = ListedColormap(colormaps["plasma"](np.linspace(0, 0.8, 256)))
FEW = 8  # runs up to which all lines between their ends are drawn


def maps(experiment, files, gaps, dataset: str):
    """A panel a model: a line a run from its start, and edges between the ends coloured by CG.

    Args:
        files: those of `map/`.
        gaps: CG of the test loss, from `metrics.csv`.
    """
    found = {layout.parsed(layout.MAP, path)["model"]: path for path in files
             if layout.parsed(layout.MAP, path)["dataset"] == dataset}  # fmt: skip
    models = [model for model in outputs.models_on(experiment, dataset) if model in found]
    figure, axes = drawing.panels(max(len(models), 1), 2, height=drawing.PANEL + 0.6, grid=False)
    mine = gaps[gaps["dataset"] == dataset]
    scale = Normalize(0, max(float(mine["value"].max()), 1e-6) if len(mine) else 1)
    named = []
    for axis, model in zip(axes, models, strict=True):
        frame = stored.read_frame(found[model])
        step = drawing.last_step(experiment, model, dataset)
        ends = tidy.of_cell(mine, model, dataset)
        draw(axis, frame, ends[ends["step"] == step], scale)
        share = f"two dimensions hold {100 * frame['share'].iloc[0]:.0f} % of the squared distances"
        drawing.title(axis, model, share, scale=True)
        names = frame["seed"].map(experiment.cell_runs(model, dataset))
        last = frame.assign(name=names)[frame["step"] == frame["step"].max()]
        named.append((axis, list(zip(last["x"], last["y"], last["name"], strict=True))))
    label = f"CG at the end, {naming.loss(experiment, dataset)}"
    figure.colorbar(ScalarMappable(scale, COLOURS), ax=list(axes), label=label)
    ways = "from its start (white) to its end (black)"
    drawing.finish(figure, f"{dataset}: {lettering.by_seed(named)}, {ways}")
    figure.draw_without_rendering()
    for axis, points in named:
        lettering.beside(axis, points, 7 if len(points) <= FEW else 5)
    return figure


def draw(axis, frame, gaps, scale) -> None:
    """One panel; of many runs only the line from each to the one that it is best connected with."""
    last = frame[frame["step"] == frame["step"].max()].set_index("seed")
    few, colours = len(last) <= FEW, ScalarMappable(scale, COLOURS)
    for pair in (gaps if few else nearest(gaps)).sort_values("value", ascending=False).itertuples():
        a, b = (last.loc[seed, ["x", "y"]] for seed in (pair.seed_a, pair.seed_b))
        axis.plot([a["x"], b["x"]], [a["y"], b["y"]], color=colours.to_rgba(pair.value), linewidth=1.4)
    for _, run in frame.groupby("seed"):
        run = run.sort_values("step")
        axis.plot(run["x"], run["y"], color="black", linewidth=0.6, marker=".", markersize=2.5)
        start, end = run.iloc[0], run.iloc[-1]
        axis.plot(start["x"], start["y"], "o", color="white", markeredgecolor="black", markersize=4)
        axis.plot(end["x"], end["y"], "o", color="black", markersize=4 if few else 3)
    axis.set(xlabel="distance (L2)", ylabel="distance (L2)")
    axis.set_aspect("equal", adjustable="datalim")  # a long thin map still has a whole panel
    axis.margins(0.1)


def nearest(gaps):
    """Of each run the pair with the lowest gap."""
    both = [gaps.assign(run=gaps[end]) for end in ("seed_a", "seed_b")]
    every = pd.concat(both).sort_values("value")
    return every.drop_duplicates("run").drop_duplicates(["seed_a", "seed_b"])
