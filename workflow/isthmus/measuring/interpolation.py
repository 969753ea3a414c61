"""One job: the paths of a row, and its three files."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from isthmus import stored
from isthmus.caches import attempts
from isthmus.caches.journal import mixture
from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.paths import MeasuredPath
from isthmus.measuring.rows import Row
from isthmus.space.anchors import Weights
from isthmus.space.sampling import Sampler
from isthmus.tasks.record import Record


def interpolate(
    *, row: Row, others: list[End], sampler: Sampler, labels: dict[str, Any], out: Path,
    pairs: Path | None, gaps: Path, starts: list[End] | None = None,
) -> None:  # fmt: skip
    """One job: the curves of a row.

    Args:
        row: the later end and how to measure.
        others: the earlier ends, in the config's order.
        sampler: which alphas are wanted.
        labels: `model`, `dataset` and `step`, written to each row of the files.
        out: Parquet, a row a path, set and alpha: the labels, `seed_a, seed_b, set, alpha, loss, error, n`
            and the replicates of loss and error (lists of float32).
        pairs: Parquet, a row a path: the labels, seeds, distances, cosine, disagreements; None: not written.
        gaps: Parquet, a row a path, set, quantity and metric: the labels, seeds, and the cross-fitted gap as
            `value` with its `replicates`.
        starts: the step-0 checkpoints of the earlier ends; by default all began from the body of `row.start`.

    Raises:
        MismatchedEnds: two ends (or an end and its start) differ in architecture, keys, shapes or types.
        errors.Damaged: a checkpoint is damaged.
    """
    for end in [*others, *([row.start] if row.start else [])]:  # before anything is measured
        check_same_architecture(end, row.end)
    points, pair_rows, gap_rows = [], [], []
    noted = attempts.measuring(row.records.folder, row.numerics, lambda: row.engine.measured)
    with noted, ThreadPoolExecutor(1) as thread:
        load = _one_ahead(row, others, thread)
        for position, other in enumerate(others):
            path = MeasuredPath(row, other, lambda position=position: load(position))
            seeds = {**labels, "seed_a": other.seed, "seed_b": row.end.seed}
            curve = path.curve(sampler)
            points += _points(row, seeds, curve)
            gap_rows += _gaps(row, seeds, curve)
            if pairs:
                pair_rows.append({**seeds, **path.pair(starts[position] if starts else row.start)})
            print(f"seeds {other.seed} and {row.end.seed}: {len(curve)} alphas", flush=True)
    print(f"{row.engine.measured} measurements made, the others were in the journal", flush=True)
    if mixed := mixture(row.journals()):
        print(mixed, flush=True)
    write_rows(points, out)
    if pairs:
        write_rows(pair_rows, pairs)
    write_rows(gap_rows, gaps)


Curve = dict[float, dict[str, Record]]  # by alpha and set


def _points(row: Row, seeds: dict[str, Any], curve: Curve) -> list[dict[str, Any]]:
    """The rows of a path in the file of points."""
    return [
        {**seeds, "set": name, "alpha": alpha, **row.means(name, at[name]), "n": len(examples)}
        for name, examples in row.sets.items()
        for alpha, at in curve.items()
    ]


def _gaps(row: Row, seeds: dict[str, Any], curve: Curve) -> list[dict[str, Any]]:
    """The rows of a path in the file of cross-fitted gaps."""
    return [
        {**seeds, "set": name, **found}
        for name in row.sets
        for found in row.cross_fitted(name, {alpha: at[name] for alpha, at in curve.items()})
    ]


def _one_ahead(row: Row, ends: list[End], thread: ThreadPoolExecutor) -> Callable[[int], Weights]:
    """Gives the weights of one end by its position; the next one is read while this one is measured."""
    ahead: dict[int, Future] = {}

    def load(position: int) -> Weights:
        future = ahead.pop(position, None) or thread.submit(row.reader.weights, ends[position])
        ahead.clear()  # an end that was read ahead and not needed would be kept
        weights = future.result()
        if position + 1 < len(ends):
            ahead[position + 1] = thread.submit(row.reader.weights, ends[position + 1])
        return weights

    return load


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as a Parquet file with a column a key; replicates are lists of float32."""

    def column(name: str):
        values = [row[name] for row in rows]
        if name.endswith("replicates"):
            flat = np.concatenate(values) if len(values[0]) else np.empty(0, np.float32)
            offsets = np.arange(len(values) + 1, dtype=np.int32) * len(values[0])
            return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32()))
        return pa.array([value.item() if isinstance(value, np.ndarray) else value for value in values])

    stored.write_table(path, pa.table({name: column(name) for name in rows[0]}))
