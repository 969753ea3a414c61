"""From curves to tidy frames: the metrics of each path, their deltas, what a whole experiment collects."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import metrics, stored
from isthmus.bootstrap import percentile_interval
from isthmus.caches.identity import FACTORS, MERGED
from isthmus.experiment import layout
from isthmus.space import sampling
from isthmus.statistics import concentration
from isthmus.statistics.averages import Averages
from isthmus.statistics.pair_means import (
    CROSS_FITTED,
    INTERVAL,
    KEPT,
    MEAN_COLUMNS,
    MEAN_KEYS,
    UNKNOWN,
    CrossFitted,
    OverPairs,
    cross_fitted,
    differences,
    frame_of,
)
from isthmus.statistics.thresholds import accuracy_interval, ratio_interval
from isthmus.tasks.scores import classification_scores

QUANTITIES = ("loss", "error")
# A nested value costs thousands of look-ups, so its interval comes from the first replicates only.
NESTED_REPLICATES = 200
NESTED = ("BH_nested", "CG_nested", "ICG_nested")
KEYS = ["step", "seed_a", "seed_b", "set", "quantity", "metric", "k"]
# The files of a cell whose rows its folders name.
CELL_FILES = {
    "metrics": layout.METRICS,
    "deltas": layout.DELTAS,
    "means": layout.MEANS,
    "averages": layout.CELL_AVERAGES,
    "layers": layout.CELL_LAYERS,
    "barriers": layout.CELL_BARRIERS,
}
LINE, ALONG = "line", "along"
WHOLE = "whole"  # the space of models without adapters
# Of a line along one run, where it begins and ends.
STEPS_ALONG = ["step_a", "step_b"]
METRIC_COLUMNS = [*KEYS, *INTERVAL, "error", "alpha", "chord_low", "chord_high", "alphas", *CROSS_FITTED]
METRIC_COLUMNS += ["path", *STEPS_ALONG, "relative_length"]
GAP_KEYS = ["step", "seed_a", "seed_b", "set", "quantity", "metric"]
DELTA_KEYS = ["seed_a", "seed_b", "set", "quantity", "metric", "k"]
DELTA_COLUMNS = ["from_step", "to_step", *DELTA_KEYS, *INTERVAL]
EVALUATION_COLUMNS = ["loss", "accuracy", "f1", "mcc", "n", "majority", "accuracy_low", "accuracy_high"]
EVALUATION_COLUMNS += ["perplexity", "tokens"]


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


@dataclass(frozen=True)
class Reduced:
    """A cell's metrics, as computed and not floored.

    Attributes:
        metrics: a row a path, set, quantity and metric, as in `metrics.csv`; lines along runs come last.
        deltas: the last step minus the first of interest, signed, as in `deltas.csv`.
        means: both of these as means over pairs, as in `means.csv`, with `samples`: the same mean of each
            bootstrap replicate, float32, and `pair_a, pair_b, values`: each pair's own. Replicates of all
            cells of a data set are paired.
        averages: as in `averages.csv`.
    """

    metrics: pd.DataFrame
    deltas: pd.DataFrame
    means: pd.DataFrame
    averages: pd.DataFrame

    def with_paths(self, rows: list[dict[str, Any]]) -> "Reduced":
        """The same with the rows of other paths than lines among the metrics."""
        found = frame_of(rows, METRIC_COLUMNS)
        return replace(
            self, metrics=pd.concat([self.metrics, found], ignore_index=True) if rows else self.metrics
        )

    def with_factors(self, factors: "Reduced") -> "Reduced":
        """The same with the lines between the factors of adapters, whose rows say so in a column `space`."""

        def both(name: str) -> pd.DataFrame:
            return pd.concat(
                [getattr(self, name), getattr(factors, name).assign(space=FACTORS)], ignore_index=True
            )

        return Reduced(*map(both, (field.name for field in fields(self))))


def cell(
    files: list[Path], k: int, delta_from: int, gaps: Iterable[Path] = (), soups: Iterable[Path] = (),
    along: Iterable[Path] = (),
) -> Reduced:  # fmt: skip
    """Reduce all paths of a cell.

    Args:
        files: the Parquet files of its rows, read one after the other: together they may be large.
        k: intervals a level of the nested estimators.
        delta_from: the step that deltas start from; they end at the last step.
        gaps: the files of the rows' cross-fitted gaps; of a row without one these are empty.
        soups: the files of the cell's averages.
        along: the files of the lines along its runs.
    """
    rows_at = {path: row_of(path) for path in files}
    gaps_at = {row_of(path): path for path in gaps}
    last = max(step for step, _ in rows_at.values())
    rows, starts, deltas, averages = [], {}, [], Averages()
    means: dict[tuple, OverPairs] = defaultdict(OverPairs)

    def add(
        at: tuple, row: dict[str, Any], value: float, samples: np.ndarray, gap: CrossFitted = UNKNOWN
    ) -> None:
        pair = row["seed_a"], row["seed_b"]
        means[(*at, *(row[key] for key in MEAN_KEYS[2:]))].add(pair, value, samples, gap)

    ordered = {path: gaps_at.get(at) for path, at in sorted(rows_at.items(), key=lambda item: item[1][0])}
    for row in _measured(ordered, k, averages.add_pairs):
        samples, gap = row.pop("samples"), row.pop("gap")
        key = tuple(row[name] for name in DELTA_KEYS)
        rows.append(row | {"path": LINE, "relative_length": 1.0})
        add((None, row["step"]), row, row["value"], samples, gap)
        if row["step"] == delta_from:
            starts[key] = row["value"], samples
        if row["step"] == last and key in starts:
            value, moved = row["value"] - starts[key][0], samples - starts[key][1]
            add((delta_from, last), row, value, moved)
            low, high = percentile_interval(moved)
            ends = {"from_step": delta_from, "to_step": last, "value": value, "low": low, "high": high}
            deltas.append({**dict(zip(DELTA_KEYS, key, strict=True)), **ends})
    mean_rows = [dict(zip(MEAN_KEYS, key, strict=True)) | mean.row() for key, mean in means.items()]
    for path in soups:
        averages.add_soups(stored.read_frame(path))
    return Reduced(
        frame_of([*rows, *_along(along, k)], METRIC_COLUMNS),
        frame_of(deltas, DELTA_COLUMNS),
        frame_of(mean_rows, MEAN_COLUMNS),
        averages.frame(),
    )


def _along(files: Iterable[Path], k: int) -> Iterator[dict[str, Any]]:
    """The rows of `metrics.csv` of the lines along runs: BH, CG and the others, and the middle's gain."""
    for path in files:
        points = stored.read_frame(path)
        for steps, line in points.groupby(STEPS_ALONG, sort=False):
            own = {"path": ALONG, **dict(zip(STEPS_ALONG, map(int, steps), strict=True))}
            yield from (row | own for row in curve_metrics(line, k))
            yield from (row | own for row in gains(line))


def gains(path: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of `metrics.csv` that say what the middle of a path gains over the mean of its ends."""
    middles = Averages()
    middles.add_pairs(path)
    seeds = {name: int(path[name].iloc[0]) for name in ("seed_a", "seed_b")}
    for gain in middles.frame().itertuples():
        keys = {"step": gain.step, "set": gain.set, "quantity": gain.quantity, "metric": "gain"}
        yield keys | seeds | {"alpha": 0.5, "value": gain.gain, "low": gain.low, "high": gain.high}


def row_of(path: Path) -> tuple[int, int]:
    """The step and the later seed of a row, whose files name them in each of their rows."""
    first = stored.read_frame(path, columns=["step", "seed_b"]).iloc[0]
    return int(first["step"]), int(first["seed_b"])


def _measured(
    files: Mapping[Path, Path | None], k: int, seen: Callable[[pd.DataFrame], Any]
) -> Iterator[dict[str, Any]]:
    """The rows of all files, each with its cross-fitted gap; one file in memory, and `seen`, at a time."""
    for path, gaps in files.items():
        points = stored.read_frame(path)
        seen(points)
        yield from curve_metrics(points, k, None if gaps is None else stored.read_frame(gaps))


def curve_metrics(points: pd.DataFrame, k: int, gaps: pd.DataFrame | None = None) -> Iterator[dict[str, Any]]:
    """The rows of `metrics.csv` of measured points, each with its `samples` and its cross-fitted `gap`.

    Args:
        points: as `interpolate` writes them.
        k: intervals a level of the nested estimators.
        gaps: the cross-fitted gaps of these paths, as `interpolate` writes them; None: not known.
    """
    known: dict[tuple, CrossFitted] = {}
    for row in [] if gaps is None else gaps.to_dict("records"):
        at = tuple(row[name] for name in GAP_KEYS)
        known[at] = row["value"], np.asarray(row["replicates"], np.float64)
    for keys, alphas, curve, replicates in _curves(points):
        errors = sampling.gap_errors(alphas, curve) if keys["quantity"] == "loss" else None
        for row in path_metrics(alphas, curve, replicates, k):
            low, high = percentile_interval(row["samples"])
            row |= {**keys, "low": float(low), "high": float(high), "alphas": len(alphas)}
            if errors is not None and row["metric"] in ("BH", "CG"):
                row["error"] = errors.barrier_height if row["metric"] == "BH" else errors.convexity_gap
            gap = known.get(tuple(row[name] for name in GAP_KEYS), UNKNOWN)
            yield row | {"gap": gap} | cross_fitted(gap)


def evaluation_rows(path: Path, breakdown: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """`set` and `EVALUATION_COLUMNS` of each set of an evaluation.

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
    return [
        {"set": name, **scores(part), "n": len(part)}
        for name, part in frame.groupby("set", sort=False, observed=True)
    ]


def scores(units: pd.DataFrame) -> dict[str, float]:
    """Loss, accuracy and its interval, what an accuracy has to beat, and what else a task is scored by.

    Args:
        units: a row a unit, with the columns of the task's `scored`.
    """
    return _language_scores(units) if "count" in units else _classification_scores(units)


def _classification_scores(part: pd.DataFrame) -> dict[str, float]:
    scores = classification_scores(
        part["prediction"].to_numpy(), part["label"].to_numpy(), int(part["classes"].iloc[0])
    )
    low, high = accuracy_interval(scores["accuracy"], len(part))
    return {"loss": part["loss"].mean(), **scores, "accuracy_low": low, "accuracy_high": high}


def _language_scores(part: pd.DataFrame) -> dict[str, float]:
    """Of tokens: `majority` is the accuracy of always naming the commonest one."""
    hits, counts = (part["count"] - part["errors"]).to_numpy(), part["count"].to_numpy()
    loss, accuracy = part["loss"].sum() / counts.sum(), hits.sum() / counts.sum()
    low, high = ratio_interval(hits, counts)
    majority = part["common"].sum() / counts.sum()
    return {"loss": loss, "perplexity": np.exp(loss), "accuracy": accuracy, "majority": majority} | {
        "accuracy_low": low,
        "accuracy_high": high,
        "tokens": int(counts.sum()),
    }


def collect(
    experiment: str,
    pretraining_steps: dict[str, int | None],
    inputs: dict[str, list[str]],
    outputs: dict[str, str],
    breakdowns: Iterable[Path] = (),
    adapted: Sequence[str] = (),
) -> None:
    """Write `metrics.csv`, `deltas.csv`, `means.csv`, `differences.csv`, `averages.csv`, `layers.csv`,
    `barriers.csv`, `pairs.csv`, `evaluations.csv` and `concentration.csv`.

    Args:
        experiment: its name.
        pretraining_steps: of each model; None where not known.
        inputs: the Parquet files of all but `differences`, whose folders name the cell (and run and step).
        outputs: for each of these names the CSV file. Every digit is written; what is empty stays empty.
        breakdowns: from `data.breakdowns.write`, in a folder of the data set's.
        adapted: the models whose checkpoints are adapters; the column `space` says of them in which space a
            number is measured, `merged` or `factors`, and of others `whole`.
    """
    parts = _breakdowns(breakdowns)
    for name, files in inputs.items():
        frame = pd.concat([_collected(name, Path(path), parts) for path in files], ignore_index=True)
        if name == "evaluations":
            frame["majority"] = _bars(frame)
        own = frame["model"].isin(adapted).map({True: MERGED, False: WHOLE})
        frame["space"] = frame["space"].fillna(own) if "space" in frame else own
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


def _bars(evaluations: pd.DataFrame) -> pd.Series:
    """What an accuracy has to beat: that of the commonest answer and, of language models, of their step 0.

    Where a model is asked through the head that it was pre-trained with it has skill before it is tuned.
    """
    language = evaluations["perplexity"].notna()
    run = ["model", "dataset", "seed", "set"]
    starts = evaluations[language & (evaluations["step"] == 0)].set_index(run)["accuracy"]
    known = starts.reindex(pd.MultiIndex.from_frame(evaluations[run])).to_numpy()
    later = language & (evaluations["step"] > 0)
    return evaluations["majority"].where(~later, np.fmax(evaluations["majority"], known))


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
        return pd.DataFrame([{**keys, **row} for row in rows], columns=[*keys, "set", *EVALUATION_COLUMNS])
    if name == "pairs":
        return stored.read_frame(path)
    if name == "concentration":
        template, frame = layout.EXAMPLES, concentration.cell(path)
    else:
        template, frame = CELL_FILES[name], stored.read_frame(path)
    for place, (key, value) in enumerate(layout.parsed(template, path).items()):
        frame.insert(place, key, value)
    return frame.drop(columns=KEPT, errors="ignore")
