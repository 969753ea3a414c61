"""One job: what each evaluation unit adds to the gaps of a cell, where these are largest.

Once alpha and chord are chosen, the convexity gap of the loss is a mean over units: of how far the loss of
each rises there above its own chord. So the sum of these rises is the gap, and which units make it is asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from isthmus import metrics, stored
from isthmus.caches.identity import CLASSIFICATION, Anchor
from isthmus.data.tokens import Tokens
from isthmus.experiment import layout
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End
from isthmus.measuring.engine import Engine
from isthmus.measuring.known import SAMPLER_SET, Known
from isthmus.metrics import Gap
from isthmus.space.geometries import Line
from isthmus.tasks.record import Record
from isthmus.tasks.scored import scored

if TYPE_CHECKING:
    from isthmus.space.anchors import Weights

FOLDER = "examples"  # in the journal of a step, beside those of its runs
TOLERANCE = 1e-6  # of the mean loss, or nats where that is less than one
LOSSES = ("loss_low", "loss_high", "end_loss", "loss", "chord", "rise")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("model", "dataset")]
    + [(name, pa.int64()) for name in ("step", "seed_a", "seed_b", "id", "label", "count")]
    + [(name, pa.float64()) for name in ("alpha", "chord_low", "chord_high")]
    + [(name, pa.float32()) for name in LOSSES]
)


class Found(NamedTuple):
    """The convexity gap of the test loss of one path, as its row measured it.

    Attributes:
        row: the row's file.
        seeds: the two runs.
        gap: its value, where it is, and its chord.
    """

    row: Path
    seeds: tuple[int, int]
    gap: Gap


def gaps(rows: Iterable[Path]) -> Iterator[Found]:
    """The gap of each path of some rows, from the files that `interpolate` writes."""
    for row in rows:
        points = stored.read_frame(row, columns=["seed_a", "seed_b", "set", "alpha", "loss"])
        for (a, b), path in points[points["set"] == SAMPLER_SET].groupby(["seed_a", "seed_b"], sort=False):
            curve = path.sort_values("alpha")
            gap = metrics.convexity_gap(curve["alpha"].to_numpy(), curve["loss"].to_numpy())
            yield Found(row, (int(a), int(b)), gap)


def rises(records: Mapping[float, Record], gap: Gap) -> dict[str, np.ndarray]:
    """What each unit's loss does where a gap is; all in nats, summed over the unit's predictions.

    Args:
        records: at the gap's alpha, at the two ends of its chord, and at 0 and 1.
        gap: of the mean loss.

    Returns:
        `LOSSES`, float64, each of shape (units,): the losses at the chord's ends, the mean of those at the
        path's ends, the loss at the gap, the unit's own chord there, and the rise above it.
    """
    start, end, low, high, at = (
        records[alpha].losses for alpha in (0.0, 1.0, gap.chord_low, gap.chord_high, gap.alpha)
    )
    chord = low + (high - low) * ((gap.alpha - gap.chord_low) / (gap.chord_high - gap.chord_low))
    return dict(zip(LOSSES, (low, high, (start + end) / 2, at, chord, at - chord), strict=True))


class Lines:
    """The lines between checkpoints of some seeds at one step, on their test part.

    Args:
        ends: the checkpoints.
        examples: the test part.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the folder of this step in the journal.
    """

    def __init__(self, ends: Sequence[End], examples: Tokens, budget: int, numerics: Numerics, journal: Path):
        self.ends, self.examples = {end.seed: end for end in ends}, examples
        sets = {SAMPLER_SET: examples}
        self.engine = Engine(ends[0], sets, budget, scored(sets, ends[0].folder, numerics))
        self.known = Known(self.engine, journal, FOLDER, "examples")
        self._held: dict[End, Weights] = {}

    def record(self, seeds: tuple[int, int], alpha: float) -> Record:
        """The record of a point on the line between two of them; what rows measured is known."""
        a, b = (self.ends[seed] for seed in seeds)
        end, kind = {0.0: (a, "checkpoint"), 1.0: (b, "checkpoint")}.get(alpha, (b, "path"))
        run = layout.filled(layout.RUN_JOURNAL, seed=end.seed)
        point = Line(a.anchor, b.anchor).at(alpha)
        found = self.known.measured(SAMPLER_SET, point, lambda: self._weights(a, b), [(run, kind)])
        return self.engine.task.record(found, self.examples)

    def _weights(self, *ends: End) -> dict[Anchor, "Weights"]:
        """Those of two ends; what the pair before needed too is not read again."""
        self._held = {
            end: self._held[end] if end in self._held else self.known.reader.weights(end) for end in ends
        }
        return {end.anchor: weights for end, weights in self._held.items()}


def write(*, lines: Lines, rows: Sequence[Path], floor: float, labels: Mapping[str, Any], out: Path) -> None:
    """One job: all pairs of a cell at a step.

    Args:
        lines: between the pairs' checkpoints.
        rows: the files of the rows whose paths they are.
        floor: of a gap under it nothing is written: where it is means nothing.
        labels: `model`, `dataset` and `step`, written to each row of the file.
        out: Parquet, a row a pair and unit, `SCHEMA`: `label` is empty for language modelling, `count` is the
            number of predictions, and losses are summed over them (of a classification there is one).

    Raises:
        errors.Damaged: the rises of a pair do not add up to its gap; or as of a row.
    """
    tables = [SCHEMA.empty_table()]
    with lines.known.job():
        for found in gaps(rows):
            names = "seeds {} and {}".format(*found.seeds)
            if found.gap.value < floor:
                print(f"{names}: no gap, so nothing rises", flush=True)
                continue
            gap = found.gap
            alphas = {0.0, 1.0, gap.alpha, gap.chord_low, gap.chord_high}
            records = {alpha: lines.record(found.seeds, alpha) for alpha in sorted(alphas)}
            columns = rises(records, gap) | {"count": records[0.0].counts}
            check(found, columns)
            tables.append(_table(found, columns, lines.examples, labels))
            print(f"{names}: {len(lines.examples)} units at alpha {gap.alpha:g}", flush=True)
    stored.write_table(out, pa.concat_tables(tables))


def check(found: Found, columns: Mapping[str, np.ndarray]) -> None:
    """Raise `errors.Damaged` where a pair's rises do not add up to the gap that its row measured."""
    count = columns["count"].sum()
    total, loss = (float(columns[name].sum() / count) for name in ("rise", "loss"))
    if not abs(total - found.gap.value) <= TOLERANCE * max(1.0, loss):
        raise stored.damaged(
            found.row,
            "a gap of {:.7g} nats between the seeds {} and {}, which rises of {:.7g} in the journal do not "
            "add up to".format(found.gap.value, *found.seeds, total),
        )


def _table(
    found: Found, columns: Mapping[str, np.ndarray], examples: Tokens, labels: Mapping[str, Any]
) -> pa.Table:
    """The rows of one pair."""
    n, gap = len(examples), found.gap
    same = {**labels, **dict(zip(("seed_a", "seed_b"), found.seeds, strict=True))}
    same |= {name: getattr(gap, name) for name in ("alpha", "chord_low", "chord_high")}
    known = examples.labels if examples.task == CLASSIFICATION else pa.nulls(n)
    own = {"id": examples.rows, "label": known, **columns}
    return pa.table(
        [
            pa.repeat(pa.scalar(same[field.name], field.type), n)
            if field.name in same
            else pa.array(own[field.name], field.type)
            for field in SCHEMA
        ],
        schema=SCHEMA,
    )
