"""Which examples make the barrier: what the page draws of it, and its tables.

`of_cells` gives a list of the cells that have a pair with a gap at their last step, which is compact JSON:

    cell        its place in the config
    model, dataset, step
    unit        of `end` and `rise` below, in nats
    classes     the names of the classes, or null (of language modelling)
    units       how many evaluation units there are
    gaps        how many pairs of seeds have a gap
    pairs       the pairs whose points are there, as places in `views.pairs`: the first `POINTED`
    points      {"all": points, "<pair>": points, ...}: "all" is the mean over pairs

The page takes `points` out, which is most of it, and packs it into a block of its own, `examples-<cell>`, as
it does with the curves of a cell. Of each unit that is drawn, points have

    id          its number in the source of its data set (of a text, its block's)
    class       a place in `classes`; null where there are none
    end         the mean of its losses at the two ends of the path, in `unit`s
    rise        how far its loss rises above its own chord where the pair's gap is, in `unit`s
    of          how many units there are
    largest     how many of those drawn are the ones of largest |rise|; the others are drawn at random
    shares      [share of the units, how many that is, which share of the gap the most rising of them make]

Losses and rises of a block of running text are a token; shares are of the sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import stored
from isthmus.data import rows as data_rows
from isthmus.data.rows import Rows
from isthmus.experiment import layout
from isthmus.showing import views
from isthmus.showing.formatting import Block, interval, number
from isthmus.statistics import concentration

UNIT = 1e-4  # nats
POINTS = 2000  # of a pair; the half of largest |rise| is among them
POINTED = 20  # pairs whose own points are there
RISING = 20  # rows of a cell's table
LONGEST = 400  # characters of a text
TEXTS = ("text", "second text")  # what their columns are called
COLUMNS = ["step", "seed_a", "seed_b", "id", "label", "count", "end_loss", "rise"]


@dataclass(frozen=True)
class Cell:
    """The units of a cell at one step, and what they do on each of its paths that has a gap.

    Attributes:
        model, dataset, step: which.
        pairs: the pairs of seeds.
        ids: of the units, shape (n,).
        labels: of the units, shape (n,); None where they have none.
        counts: predictions of each, shape (n,).
        ends: mean losses at the ends of each path, summed over predictions, shape (pairs, n).
        rises: likewise, above the chord.
    """

    model: str
    dataset: str
    step: int
    pairs: list[tuple[int, int]]
    ids: np.ndarray
    labels: np.ndarray | None
    counts: np.ndarray
    ends: np.ndarray
    rises: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.model} on {self.dataset}"

    @cached_property
    def end(self) -> np.ndarray:
        """The mean over pairs."""
        return self.ends.mean(axis=0, dtype=np.float64)

    @cached_property
    def rise(self) -> np.ndarray:
        """The mean over pairs."""
        return self.rises.mean(axis=0, dtype=np.float64)

    @cached_property
    def shares(self) -> list[list[tuple[float, int, float]]]:
        """Those of the mean over pairs, and of each pair, from `concentration.of_rises`."""
        return [concentration.of_rises(rise) for rise in (self.rise, *self.rises)]


def read(experiment, files: Iterable[Path]) -> list[Cell]:
    """The cells of some files of `examples/` that have a pair with a gap, in the config's order."""
    found, wanted = {}, set(map(frozenset, views.pairs(experiment)))
    for path in files:
        frame, key = stored.read_frame(path, columns=COLUMNS), layout.parsed(layout.EXAMPLES, path)
        pairs = list(frame[["seed_a", "seed_b"]].drop_duplicates().itertuples(index=False, name=None))
        # In a partial page a file may be of seeds that are asked for no more.
        kept = [place for place, pair in enumerate(pairs) if frozenset(pair) in wanted]
        if not kept:
            continue
        units = frame.iloc[: len(frame) // len(pairs)]
        ends, rises = (frame[name].to_numpy().reshape(len(pairs), -1)[kept] for name in ("end_loss", "rise"))
        found[key["model"], key["dataset"]] = Cell(
            **key,
            step=int(units["step"].iloc[0]),
            pairs=[pairs[place] for place in kept],
            ids=units["id"].to_numpy(),
            labels=None if units["label"].isna().any() else units["label"].to_numpy(np.int64),
            counts=units["count"].to_numpy(),
            ends=ends,
            rises=rises,
        )
    return [found[cell] for cell in experiment.cell_list() if cell in found]


def class_names(subsets: Iterable[Path]) -> dict[str, list[str]]:
    """The names of the classes of each data set, from the records of its subset."""
    return {
        layout.parsed(layout.SUBSET, path)["dataset"]: stored.read_json(path)["labels"] for path in subsets
    }


def of_cells(experiment, cells: Iterable[Cell], classes: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """What the page draws of each cell: as above."""
    places = {cell: place for place, cell in enumerate(experiment.cell_list())}
    order = {frozenset(pair): place for place, pair in enumerate(views.pairs(experiment))}
    found = []
    for cell in cells:
        rows = {order[frozenset(pair)]: row for row, pair in enumerate(cell.pairs)}
        shown = sorted(rows)[:POINTED]
        points = {"all": _points(cell, cell.end, cell.rise, cell.shares[0])}
        for place in shown:
            row = rows[place]
            points[str(place)] = _points(cell, cell.ends[row], cell.rises[row], cell.shares[1 + row])
        found.append(
            {
                "cell": places[cell.model, cell.dataset],
                "model": cell.model,
                "dataset": cell.dataset,
                "step": cell.step,
                "unit": UNIT,
                "classes": None if cell.labels is None else classes.get(cell.dataset),
                "units": len(cell.ids),
                "gaps": len(cell.pairs),
                "pairs": shown,
                "points": points,
            }
        )
    return found


def drawn(rise: np.ndarray, most: int = POINTS) -> tuple[np.ndarray, int]:
    """Which units are drawn, rising, and how many of these are the ones of largest |rise|.

    Where there are more units than may be drawn, one half of these are of the largest |rise|, and the others
    are drawn at random from the rest, the same ones each time.
    """
    if len(rise) <= most:
        return np.arange(len(rise)), len(rise)
    order = np.argsort(-np.abs(rise), kind="stable")
    largest, rest = order[: most // 2], order[most // 2 :]
    keys = np.random.Philox(key=len(rise)).random_raw(len(rest))  # raw: the same in all versions of NumPy
    chosen = rest[np.argsort(keys, kind="stable")[: most - len(largest)]]
    return np.sort(np.concatenate([largest, chosen])), len(largest)


def _points(cell: Cell, end: np.ndarray, rise: np.ndarray, shares: list) -> dict[str, Any]:
    chosen, largest = drawn(rise)

    def whole(values: np.ndarray) -> list[int]:
        return np.rint(values[chosen].astype(np.float64) / cell.counts[chosen] / UNIT).astype(int).tolist()

    return {
        "id": cell.ids[chosen].tolist(),
        "class": None if cell.labels is None else cell.labels[chosen].tolist(),
        "end": whole(end),
        "rise": whole(rise),
        "of": len(rise),
        "largest": largest,
        "shares": [[share, count, float(f"{part:.4g}")] for share, count, part in shares],
    }


# ------------------------------------------------------------------------------------------------- tables


def tables(
    cells: Sequence[Cell], classes: Mapping[str, list[str]], texts: Iterable[Path]
) -> dict[str, Any] | None:
    """The tables of the page, or None where no cell has a gap.

    Args:
        cells: from `read`.
        classes: from `class_names`.
        texts: the test rows of the data sets whose texts are shown.

    Returns:
        `summary`, how few units make the gap, a row a cell; `cells`, of each its name, the units that rise
        most on the mean over its pairs, and how many columns of texts that table ends with.
    """
    if not cells:
        return None
    rows = {layout.parsed(layout.TEST_ROWS, path)["dataset"]: data_rows.read_rows(path) for path in texts}
    most = [
        (cell.name, most_rising(cell, classes.get(cell.dataset), rows.get(cell.dataset))) for cell in cells
    ]
    return {
        "summary": summary(cells),
        "cells": [(name, block, sum(head in TEXTS for head in block.header)) for name, block in most],
    }


def summary(cells: Sequence[Cell]) -> Block:
    """How few units make the gap, a row a cell."""
    header = ["model", "data set", "step", "pairs with a gap", "units", "share that rises"]
    header += [f"made by {100 * share:g} %" for share in concentration.SHARES]
    caption = (
        "Which share of the gap is made by the 1, 5 and 10 % of the units that rise most, on the mean over "
        "pairs of seeds; in brackets the smallest and the largest of any pair. Other units fall, so a share "
        "can be above 1."
    )
    rows = [
        [
            cell.model,
            cell.dataset,
            f"{cell.step:,}",
            f"{len(cell.pairs)}",
            f"{len(cell.ids):,}",
            number((cell.rise > 0).mean(), 2),
            *(_share(*values) for values in zip(*cell.shares, strict=True)),
        ]
        for cell in cells
    ]
    return Block(caption, header, rows)


def _share(mean: tuple, *pairs: tuple) -> str:
    """A share of the gap on the mean over pairs, and its range over them."""
    parts = [part for *_, part in pairs]
    return f"{number(mean[-1], 2)} {interval(min(parts), max(parts), 2) if len(parts) > 1 else ''}".strip()


def most_rising(cell: Cell, names: list[str] | None, rows: Rows | None) -> Block:
    """The units of a cell that rise most on the mean over its pairs.

    Args:
        names: of its classes; None: not known.
        rows: the test rows, where their texts are shown.
    """
    kind, of = ("block", " a token") if cell.labels is None else ("example", "")
    columns: dict[str, list[str]] = {}
    most = np.argsort(-cell.rise, kind="stable")[:RISING]
    columns[kind] = [f"{id}" for id in cell.ids[most]]
    if cell.labels is not None:
        columns["class"] = [names[label] if names else f"{label}" for label in cell.labels[most]]
    columns["loss at the ends"] = [number(value, 3) for value in (cell.end / cell.counts)[most]]
    columns["rise"] = [number(value, 3) for value in (cell.rise / cell.counts)[most]]
    columns["share of the gap"] = [number(value, 3) for value in (cell.rise / cell.rise.sum())[most]]
    columns["rises in"] = [f"{(cell.rises[:, i] > 0).sum()} of {len(cell.pairs)}" for i in most]
    if cell.labels is not None and rows is not None:
        columns |= _texts(rows, cell.ids[most])
    pairs = f"{len(cell.pairs)} pairs" if len(cell.pairs) > 1 else "one pair"
    caption = (
        f"{cell.name}, step {cell.step:,}: the {len(most)} of {len(cell.ids):,} {kind}s that rise most, "
        f"in nats{of}; mean over {pairs} of seeds."
    )
    return Block(caption, list(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def _texts(rows: Rows, ids: np.ndarray) -> dict[str, list[str]]:
    """The texts of some rows, by the headers of their columns."""
    places = {id: place for place, id in enumerate(rows.ids.tolist())}
    texts = [rows.text_a] if rows.text_b is None else [rows.text_a, rows.text_b]
    return {
        # In a partial page rows may be of another choice than what was measured.
        name: [_cut(own[places[id]]) if id in places else "–" for id in ids.tolist()]
        for name, own in zip(TEXTS, texts, strict=False)
    }


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
