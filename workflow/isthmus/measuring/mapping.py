"""One job: all checkpoints of a cell in two dimensions, by their distances in weight space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.measuring.ends import End, check_same_architecture
from isthmus.measuring.interpolation import write_rows
from isthmus.measuring.reading import Reader
from isthmus.space.anchors import Weights, check_same_space

CHUNK = 2**16  # weights of each checkpoint that stand in memory at once, in float64


def inner_products(models: Sequence[Weights]) -> np.ndarray:
    """Those between models over all their floating tensors, from the first model; shape (models, models).

    From the first model: else the products of nearly equal models would be lost in rounding.
    """
    total = np.zeros((len(models), len(models)))
    for name, tensor in models[0].items():
        if not tensor.is_floating_point():
            continue
        tensors = [own[name].flatten() for own in models]
        for begin in range(0, tensor.numel(), CHUNK):
            parts = torch.stack([tensor[begin : begin + CHUNK].double() for tensor in tensors])
            parts -= parts[0].clone()
            total += (parts @ parts.T).numpy()
    return total


def scaled(products: np.ndarray) -> tuple[np.ndarray, float]:
    """Classical scaling (Torgerson 1952): places in two dimensions whose distances are nearest to the true.

    Args:
        products: inner products from any origin, shape (n, n).

    Returns:
        The places, shape (n, 2), and the share of all squared distances that they hold. Signs are such that
        the largest coordinate of each axis is positive.
    """
    centred = products - products.mean(axis=0) - products.mean(axis=1)[:, None] + products.mean()
    values, vectors = np.linalg.eigh(centred)
    order = np.argsort(values)[::-1][:2]
    kept = np.clip(values[order], 0, None)
    places = vectors[:, order] * np.sqrt(kept)
    largest = places[np.abs(places).argmax(axis=0), range(places.shape[1])]
    total = np.clip(values, 0, None).sum()
    return places * np.where(largest < 0, -1, 1), float(kept.sum() / total) if total > 0 else 1.0


def map_of_runs(*, ends: Sequence[tuple[int, End]], labels: dict[str, Any], out: Path) -> None:
    """One job.

    Args:
        ends: the step and the checkpoint of each run at each step.
        labels: `model` and `dataset`, written to each row of the file.
        out: Parquet, a row a checkpoint: the labels, `seed, step, x, y` in weight units, and `share`, of all
            squared distances that the two dimensions hold.

    Raises:
        MismatchedEnds: two checkpoints differ in architecture, keys, shapes or types.
        errors.Damaged: a checkpoint is damaged.
    """
    models, first, reader = [], ends[0][1], Reader(None)
    for _, end in ends:
        check_same_architecture(first, end)
        models.append(reader.weights(end))
        check_same_space(models[0], models[-1], (str(first.folder), str(end.folder)))
    places, share = scaled(inner_products(models))
    rows = [
        {**labels, "seed": end.seed, "step": step, "x": float(x), "y": float(y), "share": share}
        for (step, end), (x, y) in zip(ends, places, strict=True)
    ]
    write_rows(rows, out)
