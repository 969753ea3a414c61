"""From curves to tidy frames: the metrics of each path, their deltas, what a whole experiment collects."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import metrics, stored
from isthmus.bootstrap import percentile_interval
from isthmus.experiment import layout
from isthmus.space import sampling
from isthmus.tasks.scores import classification_scores

QUANTITIES = ("loss", "error")
# A nested value costs thousands of look-ups, so its interval comes from the first replicates only.
NESTED_REPLICATES = 200
NESTED = ("BH_nested", "CG_nested", "ICG_nested")
KEYS = ["step", "seed_a", "seed_b", "set", "quantity", "metric", "k"]
INTERVAL = ["value", "low", "high"]
# The files of a cell whose rows its folders name.
CELL_FILES = {"metrics": layout.METRICS, "deltas": layout.DELTAS, "means": layout.MEANS}
METRIC_COLUMNS = [*KEYS, *INTERVAL, "error", "alpha", "chord_low", "chord_high", "alphas"]
DELTA_KEYS = ["seed_a", "seed_b", "set", "quantity", "metric", "k"]
DELTA_COLUMNS = ["from_step", "to_step", *DELTA_KEYS, *INTERVAL]
MEAN_KEYS = [
    "from_step",
    "step",
    "set",
    "quantity",
    "metric",
    "k",
]  # `from_step` is empty where it is no delta
MEAN_COLUMNS = [*MEAN_KEYS, "pairs", *INTERVAL, "samples"]


def path_metrics(
    alphas: np.ndarray, curve: np.ndarray, replicates: np.ndarray, k: int
) -> list[dict[str, Any]]:
    """BH, CG and the nested three of one curve, each with its values over the replicates.

    Args:
        alphas: rising from 0 to 1, shape (n,).
        curve: losses or errors, shape (n,).
        replicates: the same for each bootstrap replicate, shape (replicates, n).
        k: intervals a level of the nested estimators.

    Returns:
        Five dicts with the columns of `metrics.csv` and `samples`, shape (replicates,) or fewer.
    """
    barrier, gap = metrics.barrier_height(alphas, curve), metrics.convexity_gap(alphas, curve)
    nested = metrics.nested(alphas, curve, k)
    some = replicates[:NESTED_REPLICATES]
    samples = metrics.nested_many(alphas, some, k) if len(some) else np.empty((0, 3))
    values = (nested.barrier_height, nested.convexity_gap, nested.improved_convexity_gap)
    rows = [
        {
            "metric": name,
            "k": None,
            "value": found.value,
            "alpha": found.alpha,
            "chord_low": found.chord_low,
            "chord_high": found.chord_high,
            "samples": many(alphas, replicates) if len(replicates) else np.empty(0),
        }
        for name, found, many in (
            ("BH", barrier, metrics.barrier_heights),
            ("CG", gap, metrics.convexity_gaps),
        )
    ]
    return rows + [
        {"metric": name, "k": k, "value": value, "samples": samples[:, i]}
        for i, (name, value) in enumerate(zip(NESTED, values, strict=True))
    ]


def _curves(points: pd.DataFrame) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]]:
    """Each path, set and quantity: its keys, alphas, curve and replicates."""
    for (step, a, b, name), part in points.groupby(["step", "seed_a", "seed_b", "set"], sort=False):
        part = part.sort_values("alpha")
        for quantity in QUANTITIES:
            keys = {"step": step, "seed_a": a, "seed_b": b, "set": name, "quantity": quantity}
            replicates = np.stack(part[f"{quantity}_replicates"].to_list()).T.astype(np.float64)
            yield keys, part["alpha"].to_numpy(), part[quantity].to_numpy(), replicates


class _Mean:
    """Over pairs: the mean of a metric, and of each of its replicates."""

    def __init__(self) -> None:
        self.pairs, self.value, self.samples = 0, 0.0, 0.0

    def add(self, value: float, samples: np.ndarray) -> None:
        self.pairs, self.value, self.samples = self.pairs + 1, self.value + value, self.samples + samples

    def row(self) -> dict[str, Any]:
        samples = np.asarray(self.samples) / self.pairs
        low, high = percentile_interval(samples)
        found = {"pairs": self.pairs, "value": self.value / self.pairs, "low": low, "high": high}
        return {**found, "samples": samples.astype(np.float32)}


@dataclass(frozen=True)
class Reduced:
    """A cell's metrics, as computed and not floored.

    Attributes:
        metrics: a row a path, set, quantity and metric, as in `metrics.csv`.
        deltas: the last step minus the first of interest, signed, as in `deltas.csv`.
        means: both of these as means over pairs, as in `means.csv`, with `samples`: the same mean of each
            bootstrap replicate, float32. Replicates of all cells of a data set are paired.
    """

    metrics: pd.DataFrame
    deltas: pd.DataFrame
    means: pd.DataFrame


def cell(files: list[Path], k: int, delta_from: int) -> Reduced:
    """Reduce all paths of a cell.

    Args:
        files: the Parquet files of its rows, read one after the other: together they may be large.
        k: intervals a level of the nested estimators.
        delta_from: the step that deltas start from; they end at the last step.
    """
    steps = {path: int(stored.read_frame(path, columns=["step"])["step"].iloc[0]) for path in files}
    last = max(steps.values())
    rows, starts, deltas = [], {}, []
    means: dict[tuple, _Mean] = defaultdict(_Mean)

    def add(at: tuple, row: dict[str, Any], value: float, samples: np.ndarray) -> None:
        means[(*at, *(row[key] for key in MEAN_KEYS[2:]))].add(value, samples)

    for row in _measured(sorted(files, key=steps.get), k):
        samples, key = row.pop("samples"), tuple(row[name] for name in DELTA_KEYS)
        rows.append(row)
        add((None, row["step"]), row, row["value"], samples)
        if row["step"] == delta_from:
            starts[key] = row["value"], samples
        if row["step"] == last and key in starts:
            value, moved = row["value"] - starts[key][0], samples - starts[key][1]
            add((delta_from, last), row, value, moved)
            low, high = percentile_interval(moved)
            ends = {"from_step": delta_from, "to_step": last, "value": value, "low": low, "high": high}
            deltas.append({**dict(zip(DELTA_KEYS, key, strict=True)), **ends})
    mean_rows = [dict(zip(MEAN_KEYS, key, strict=True)) | mean.row() for key, mean in means.items()]
    return Reduced(
        _frame(rows, METRIC_COLUMNS), _frame(deltas, DELTA_COLUMNS), _frame(mean_rows, MEAN_COLUMNS)
    )


def _measured(files: list[Path], k: int) -> Iterator[dict[str, Any]]:
    """The rows of all files, one file in memory at a time."""
    for path in files:
        yield from curve_metrics(stored.read_frame(path), k)


def curve_metrics(points: pd.DataFrame, k: int) -> Iterator[dict[str, Any]]:
    """The rows of `metrics.csv` of measured points, each with its `samples`."""
    for keys, alphas, curve, replicates in _curves(points):
        errors = sampling.gap_errors(alphas, curve) if keys["quantity"] == "loss" else None
        for row in path_metrics(alphas, curve, replicates, k):
            low, high = percentile_interval(row["samples"])
            row |= {**keys, "low": float(low), "high": float(high), "alphas": len(alphas)}
            if errors is not None and row["metric"] in ("BH", "CG"):
                row["error"] = errors.barrier_height if row["metric"] == "BH" else errors.convexity_gap
            yield row


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns)
    whole = {name: "Int64" for name in ("k", "from_step") if name in columns}
    return frame.astype(whole)


def differences(files: list[Path]) -> pd.DataFrame:
    """Between the models of a data set: the second's mean over pairs minus the first's, replicates paired.

    Args:
        files: the `means` of the data set's cells, whose folders name the models.

    Returns:
        A row a pair of models and mean that both have, as in `differences.csv`.
    """
    frames = {path.parent.name: stored.read_frame(path) for path in files}
    found = []
    for (a, first), (b, second) in combinations(frames.items(), 2):
        both = first.merge(second, on=MEAN_KEYS, suffixes=("_a", "_b"))
        moved = [y - x for x, y in zip(both["samples_a"], both["samples_b"], strict=True)]
        intervals = [percentile_interval(samples) for samples in moved]
        both["value"] = both["value_b"] - both["value_a"]
        both["low"], both["high"] = [low for low, _ in intervals], [high for _, high in intervals]
        found.append(both.assign(model_a=a, model_b=b)[["model_a", "model_b", *MEAN_KEYS, *INTERVAL]])
    columns = ["model_a", "model_b", *MEAN_KEYS, *INTERVAL]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def evaluation_rows(path: Path, breakdown: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """`set, loss, accuracy, f1, mcc, n, majority` of each set of one checkpoint's evaluation.

    Args:
        path: from `evaluation.evaluate`.
        breakdown: `set, id, part`, from `data.breakdowns.write`: each part is a set of its own,
            `<set>/<part>`.
    """
    frame = stored.read_frame(path)
    if breakdown is not None:
        parts = frame.astype({"set": str}).merge(breakdown, on=["set", "id"]).sort_values(["set", "part"])
        parts["set"] += "/" + parts["part"]
        frame = pd.concat([frame.astype({"set": str}), parts])
    rows = []
    for name, part in frame.groupby("set", sort=False, observed=True):
        scores = classification_scores(
            part["prediction"].to_numpy(), part["label"].to_numpy(), int(part["classes"].iloc[0])
        )
        majority = scores.pop("majority")
        rows.append(
            {"set": name, "loss": part["loss"].mean(), **scores, "n": len(part), "majority": majority}
        )
    return rows


def collect(
    experiment: str,
    pretraining_steps: dict[str, int | None],
    inputs: dict[str, list[str]],
    outputs: dict[str, str],
    breakdowns: Iterable[Path] = (),
) -> None:
    """Write `metrics.csv`, `deltas.csv`, `means.csv`, `differences.csv`, `pairs.csv` and `evaluations.csv`.

    Args:
        experiment: its name.
        pretraining_steps: of each model; None where not known.
        inputs: the Parquet files of all but `differences`, whose folders name the cell (and run and step).
        outputs: for each of the six names the CSV file. Every digit is written; what is empty stays empty.
        breakdowns: from `data.breakdowns.write`, in a folder of the data set's.
    """
    parts = _breakdowns(breakdowns)
    for name, files in inputs.items():
        frame = pd.concat([_collected(name, Path(path), parts) for path in files], ignore_index=True)
        frame.insert(0, "experiment", experiment)
        frame.insert(2, "pretraining_steps", frame["model"].map(pretraining_steps).astype("Int64"))
        stored.write_csv(Path(outputs[name]), frame)
    cells: dict[str, list[Path]] = defaultdict(list)
    for path in map(Path, inputs.get("means", [])):
        cells[layout.parsed(layout.MEANS, path)["dataset"]].append(path)
    found = [differences(files).assign(dataset=dataset) for dataset, files in cells.items()]
    if not found:
        return
    frame = pd.concat(found, ignore_index=True).assign(experiment=experiment)
    leading = ["experiment", "dataset"]
    stored.write_csv(Path(outputs["differences"]), frame[[*leading, *frame.columns.drop(leading)]])


def _breakdowns(files: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """The breakdowns of each data set in one frame."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in files:
        parts.setdefault(layout.parsed(layout.BREAKDOWN, path)["dataset"], []).append(stored.read_frame(path))
    return {dataset: pd.concat(frames, ignore_index=True) for dataset, frames in parts.items()}


def _collected(name: str, path: Path, breakdowns: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One file's rows, led by the model and the data set (and seed and step) that its folders name."""
    if name == "evaluations":
        keys = layout.parsed(layout.EVALUATION, path)
        rows = evaluation_rows(path, breakdowns.get(keys["dataset"]))
        return pd.DataFrame([{**keys, **row} for row in rows])
    frame = stored.read_frame(path)
    if name != "pairs":
        for place, (key, value) in enumerate(layout.parsed(CELL_FILES[name], path).items()):
            frame.insert(place, key, value)
    return frame.drop(columns="samples", errors="ignore")
