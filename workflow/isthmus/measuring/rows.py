"""A row: one run and the runs before it, at one step of one cell, and what all its paths share."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import cross_fitting, metrics
from isthmus.bootstrap import Bootstrap, Resampling, ratios
from isthmus.caches.journal import Journal, Origin
from isthmus.data.tokens import Tokens
from isthmus.experiment import layout
from isthmus.machine.numerics import Numerics
from isthmus.measuring.distances import Start
from isthmus.measuring.ends import End
from isthmus.measuring.engine import Engine
from isthmus.measuring.reading import Reader
from isthmus.models import hf_folders
from isthmus.space.anchors import Weights
from isthmus.tasks.record import Record
from isthmus.tasks.scored import scored

# Whether there is a gap at all is asked of these, by units that did not choose where it is.
CROSS_FITTED = {"BH": metrics.barrier_height, "CG": metrics.convexity_gap}
QUANTITIES = {"loss": "losses", "error": "errors"}  # and what a record calls them by unit


def means(units: Record, bootstrap: Bootstrap) -> dict[str, Any]:
    """Loss and error of a record, and the same where its units are drawn again."""
    known = not np.isnan(units.errors).any()
    sums = np.stack([units.losses, units.errors] if known else [units.losses])
    loss, *errors = ratios(bootstrap, sums, units.counts)
    error = errors[0] if known else np.full_like(loss, np.nan)
    return {"loss": units.loss, "error": units.error, "loss_replicates": loss, "error_replicates": error}


def cross_fitted(curve: dict[float, Record], bootstrap: Bootstrap, seed: int) -> list[dict[str, Any]]:
    """The cross-fitted gaps of a path on a set, with their replicates: a dict a quantity and metric.

    Args:
        curve: the record of the set at each alpha, rising.
        bootstrap: the drawing of its units.
        seed: of their halves.
    """
    counts = next(iter(curve.values())).counts
    halves = cross_fitting.halves(len(counts), seed)
    alphas = np.array(list(curve))
    rows = []
    for quantity, values in QUANTITIES.items():
        units = np.stack([getattr(record, values) for record in curve.values()])
        for metric, gap in CROSS_FITTED.items():
            own = cross_fitting.contributions(alphas, units, halves, gap)
            replicates = ratios(bootstrap, own, counts)
            found = {"value": own.sum() / counts.sum(), "replicates": replicates}
            rows.append({"quantity": quantity, "metric": metric, **found})
    return rows


class Row:
    """All paths of one run with the runs before it, at one step of one cell.

    Args:
        end: the later end of every path.
        start: its step-0 checkpoint; None where it is not known. Both ends began from its body, unless
            `interpolate` is told where the earlier ends began.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        numerics: how to compute.
        resampling: of the evaluation units.
        journal: the folder of this step in the journal.
    """

    def __init__(
        self, end: End, start: End | None, sets: dict[str, Tokens], budget: int, numerics: Numerics,
        resampling: Resampling, journal: Path,
    ):  # fmt: skip
        self.end, self.start, self.sets, self.numerics = end, start, sets, numerics
        self.resampling, self.journal = resampling, journal
        self.task = scored(sets, end.folder, numerics)
        self.engine = Engine(end, sets, budget, self.task)
        self.origin = Origin(numerics.hardware, numerics.torch)
        self.records = Journal(self._folder(end), kind="path", origin=self.origin)
        self.checkpoints: dict[int, Journal] = {}
        self.bootstraps = resampling.bootstraps(sets)
        self.reader = Reader(numerics)
        self._starts: dict[Path, Weights] = {}

    @cached_property
    def weights(self) -> Weights:
        return self.reader.weights(self.end)

    def bodies_at_start(self, other: End | None) -> Iterator[Start]:
        """Where the earlier end and this one began: the bodies' tensors by name; names alone where not known.

        Args:
            other: the step-0 checkpoint of the earlier end.
        """
        body = f"{self.engine.live.model.base_model_prefix}."
        if self.start is None or other is None:
            yield from ((name, None, None) for name in self.weights if name.startswith(body))
            return
        # What adapters of others began from is their base, but for what that lacked and they bring along.
        unknown = self._drawn(self.start) if self.end.base and not self.start.base else ()
        same = other.sha256 == self.start.sha256
        # Of equal weights the earlier end's file need not be there: it is not what is read.
        a, b = (self._start_weights(start) for start in (self.start if same else other, self.start))
        for name in b:
            if name.startswith(body) and name not in unknown:
                tensor = b[name]
                yield name, tensor if same else a[name], tensor

    @staticmethod
    def _drawn(base: End) -> list[str]:
        """The tensors of a base that its pre-training has not made."""
        return hf_folders.read_record(base.folder).get("drawn", [])

    def _start_weights(self, start: End) -> Weights:
        """Those of a step-0 checkpoint, read once for all paths."""
        if start.folder not in self._starts:
            self._starts[start.folder] = Reader(None).weights(start)
        return self._starts[start.folder]

    def checkpoint_journal(self, end: End) -> Journal:
        if end.seed not in self.checkpoints:
            journal = Journal(self._folder(end), kind="checkpoint", origin=self.origin)
            self.checkpoints[end.seed] = journal
        return self.checkpoints[end.seed]

    def _folder(self, end: End) -> Path:
        return self.journal / layout.filled(layout.RUN_JOURNAL, seed=end.seed)

    def journals(self) -> list[Journal]:
        """All that were read or written so far."""
        return [self.records, *self.checkpoints.values()]

    def means(self, name: str, units: Record) -> dict[str, Any]:
        """Loss and error of a record on a set, and the same where its units are drawn again."""
        return means(units, self.bootstraps[name])

    def cross_fitted(self, name: str, curve: dict[float, Record]) -> list[dict[str, Any]]:
        """Those of a path on a set."""
        return cross_fitted(curve, self.bootstraps[name], self.resampling.seed)
