"""The tidy CSV files of an experiment as frames, and the rows of them that are asked for again and again."""

from pathlib import Path

import pandas as pd

from isthmus import stored
from isthmus.experiment import outputs

TEXT = (
    "experiment",
    "model",
    "model_a",
    "model_b",
    "dataset",
    "set",
    "quantity",
    "metric",
    "subject",
    "note",
    "path",
    "space",
    "kind",
    "group",
    "order",
    "of",
    "bodies",
)


# The frames that have lines between factors, too.
SPACES = ("metrics", "deltas", "means", "averages")
CROSS_FITTED = {"mean_cross_fitted_low": "cross_fitted_low"}
# The intervals of a mean over pairs, as the frames of its pairs have them, and in `means.csv`.
INTERVALS = {
    f"{over}_{end}": f"{end}{column}"
    for over, column in (("mean", ""), ("seeds", "_seeds"), ("both", "_both"))
    for end in ("low", "high")
}


def read(path: Path) -> pd.DataFrame:
    """One of the tidy CSV files as a frame; only empty cells are missing, and names stay text."""
    stored.check_csv(path)
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])


def load(results: Path) -> dict[str, pd.DataFrame]:
    """The tidy files of an experiment by name; metrics and deltas know their mean's interval.

    `metrics` has the lines between seeds, `along` those along one run, `detours` other paths between seeds,
    `factors` the lines between the factors of adapters, of which the other frames say nothing.
    """
    return known({name: read(results / f"{name}.csv") for name in outputs.TIDY})


def known(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tidy files' frames as `load` gives them."""
    factors = {name: frame[frame["space"] == "factors"] for name, frame in frames.items() if name in SPACES}
    frames = frames | {name: frames[name].drop(index=rows.index) for name, rows in factors.items()}
    metrics = frames["metrics"]
    line, along = metrics["path"] == "line", metrics["path"] == "along"
    parted = {"along": metrics[along], "metrics": metrics[line], "detours": metrics[~line & ~along]}
    parted["factors"] = with_intervals(factors["metrics"], factors["means"])
    own = {
        name: with_intervals(frame, frames["means"])
        for name, frame in (("metrics", parted["metrics"]), ("deltas", frames["deltas"]))
    }
    return frames | parted | own


def with_intervals(frame: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Metrics or deltas with the intervals of the mean over pairs.

    `mean_low` and `mean_high` are over evaluation units, `seeds_low` and `seeds_high` over seeds, `both_low`
    and `both_high` over both; `mean_cross_fitted_low` is the low end of the mean cross-fitted gap's.
    """
    changes = "from_step" in frame
    means = means[means["from_step"].notna() == changes]
    step = "to_step" if changes else "step"
    wanted = INTERVALS | CROSS_FITTED
    means = means.rename(columns={"step": step} | {old: new for new, old in wanted.items()})
    keys = ["model", "dataset", step, "set", "quantity", "metric"]
    return frame.merge(means[[*keys, *wanted]], on=keys, how="left", validate="many_to_one")


def of_cell(frame: pd.DataFrame, model: str, dataset: str) -> pd.DataFrame:
    """A tidy frame's rows of one cell."""
    return frame[(frame["model"] == model) & (frame["dataset"] == dataset)]


def convexity_gaps(frame: pd.DataFrame, quantity: str = "loss") -> pd.DataFrame:
    """The rows of metrics, deltas or means that are CG of the test set."""
    return frame[(frame["metric"] == "CG") & (frame["set"] == "test") & (frame["quantity"] == quantity)]
