"""What the config asks for and the results lack."""

from typing import NamedTuple

import pandas as pd

from isthmus.experiment.config import Experiment
from isthmus.statistics import tidy

NO_INTERVALS = "intervals: no bootstrap replicates were kept, so values stand without them"


class Lack(NamedTuple):
    """Paths or evaluations (`kind`) of a cell's step and set: how many lack, of how many."""

    model: str
    dataset: str
    step: int
    part: str
    kind: str
    count: int
    of: int


def lacks(experiment: Experiment, metrics: pd.DataFrame, evaluations: pd.DataFrame) -> list[Lack]:
    """What is missing, by cell, step and set."""
    gaps = metrics[(metrics["metric"] == "CG") & (metrics["quantity"] == "loss")]
    found = []
    for model, dataset in experiment.cell_list():
        paths, scores = (tidy.of_cell(frame, model, dataset) for frame in (gaps, evaluations))
        runs = len(experiment.cell_runs(model, dataset))
        pairs = len(experiment.cell_pairs(model, dataset))
        for step in experiment.cell_steps(model, dataset):
            for part in ("train", "test", *experiment.datasets[dataset].sets):
                for frame, of, kind in ((paths, pairs, "paths"), (scores, runs, "evaluations")):
                    there = int(((frame["step"] == step) & (frame["set"] == part)).sum())
                    if there < of:
                        found.append(Lack(model, dataset, step, part, kind, of - there, of))
    return found


def lines(experiment: Experiment, metrics: pd.DataFrame, evaluations: pd.DataFrame) -> list[str]:
    """A line each, and one on intervals where there are none."""
    said = [
        f"{one.model} on {one.dataset}, step {one.step}, set {one.part}: {one.count} of {one.of} {one.kind}"
        for one in lacks(experiment, metrics, evaluations)
    ]
    return said + [NO_INTERVALS] * bool(len(metrics) and metrics["low"].isna().all())


def in_brief(experiment: Experiment, metrics: pd.DataFrame, evaluations: pd.DataFrame) -> list[str]:
    """A line a cell and kind: at which steps, and how many there, of the test set."""
    by_cell: dict[tuple[str, str, str], list[str]] = {}
    for lack in lacks(experiment, metrics, evaluations):
        if lack.part == "test":
            cell = lack.model, lack.dataset, lack.kind
            by_cell.setdefault(cell, []).append(f"step {lack.step} ({lack.count} of {lack.of})")
    return [
        f"{model} on {dataset}: {kind} at {', '.join(at)}" for (model, dataset, kind), at in by_cell.items()
    ]
