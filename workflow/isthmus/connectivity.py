"""From curves to tidy frames: the metrics of each path, their deltas, what a whole experiment collects."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import evaluation, metrics, sampling
from isthmus.bootstrap import percentile_interval

QUANTITIES = ("loss", "error")
# A nested value costs thousands of look-ups, so its interval comes from the first replicates only.
NESTED_REPLICATES = 200
NESTED = ("BH_nested", "CG_nested", "ICG_nested")
KEYS = ["step", "seed_a", "seed_b", "set", "quantity", "metric", "k"]
METRIC_COLUMNS = [*KEYS, "value", "low", "high", "error", "alpha", "chord_low", "chord_high", "alphas"]
DELTA_KEYS = ["seed_a", "seed_b", "set", "quantity", "metric", "k"]


def read_paths(files: list[Path]) -> pd.DataFrame:
    """The points of paths; replicates as arrays of float32."""
    return pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)


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


def cell(files: list[Path], k: int, delta_from: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reduce all paths of a cell.

    Args:
        files: the Parquet files of its rows.
        k: intervals a level of the nested estimators.
        delta_from: the step that deltas start from; they end at the last step.

    Returns:
        The metrics (a row a path, set, quantity and metric) and the deltas (last step minus `delta_from`,
        signed, with an interval from the same replicates at both steps). Values are as computed, not floored.
    """
    rows = []
    for keys, alphas, curve, replicates in _curves(read_paths(files)):
        errors = sampling.gap_errors(alphas, curve) if keys["quantity"] == "loss" else None
        for row in path_metrics(alphas, curve, replicates, k):
            low, high = percentile_interval(row["samples"])
            row |= {**keys, "low": float(low), "high": float(high), "alphas": len(alphas)}
            if errors is not None and row["metric"] in ("BH", "CG"):
                row["error"] = errors.barrier_height if row["metric"] == "BH" else errors.convexity_gap
            rows.append(row)
    frame = pd.DataFrame(rows)
    frame["k"] = frame["k"].astype("Int64")
    return frame.reindex(columns=METRIC_COLUMNS), _deltas(frame, delta_from)


def _deltas(frame: pd.DataFrame, delta_from: int) -> pd.DataFrame:
    """Last step minus `delta_from` of each path and metric; the replicates of both steps are paired."""
    last = frame["step"].max()
    start, end = (frame[frame["step"] == step] for step in (delta_from, last))
    both = start.merge(end, on=DELTA_KEYS, suffixes=("_from", "_to"))
    intervals = [
        percentile_interval(b - a) for a, b in zip(both["samples_from"], both["samples_to"], strict=True)
    ]
    both["value"] = both["value_to"] - both["value_from"]
    both["low"], both["high"] = [float(low) for low, _ in intervals], [float(high) for _, high in intervals]
    both["from_step"], both["to_step"] = delta_from, last
    return both[["from_step", "to_step", *DELTA_KEYS, "value", "low", "high"]]


def evaluation_rows(path: Path) -> list[dict[str, Any]]:
    """`set, loss, accuracy, f1, mcc, n, majority` of each set of one checkpoint's evaluation."""
    frame = pd.read_parquet(path)
    rows = []
    for name, part in frame.groupby("set", sort=False, observed=True):
        scores = evaluation.scores(
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
) -> None:
    """Write `metrics.csv`, `deltas.csv`, `pairs.csv` and `evaluations.csv` of an experiment.

    Args:
        experiment: its name.
        pretraining_steps: of each model; None where not known.
        inputs: for each of the four names the Parquet files, whose folders name the cell (and run and step).
        outputs: for each of the four names the CSV file. Every digit is written; what is empty stays empty.
    """
    for name, files in inputs.items():
        frames = [_collected(name, Path(path)) for path in files]
        frame = pd.concat(frames, ignore_index=True)
        frame.insert(0, "experiment", experiment)
        frame.insert(2, "pretraining_steps", frame["model"].map(pretraining_steps).astype("Int64"))
        frame.to_csv(outputs[name], index=False)


def _collected(name: str, path: Path) -> pd.DataFrame:
    """One file's rows, led by the model and the data set (and seed and step) that its folders name."""
    if name == "evaluations":
        model, dataset, seed, step = path.parts[-4:]
        keys = {
            "model": model,
            "dataset": dataset,
            "seed": int(seed.removeprefix("seed")),
            "step": int(step.removeprefix("step").removesuffix(".parquet")),
        }
        return pd.DataFrame([{**keys, **row} for row in evaluation_rows(path)])
    frame = pd.read_parquet(path)
    if name != "pairs":
        frame.insert(0, "model", path.parent.name)
        frame.insert(1, "dataset", path.name.split(".deltas.parquet")[0].removesuffix(".parquet"))
    return frame
