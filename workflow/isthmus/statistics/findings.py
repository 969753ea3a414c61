"""The source paper's two claims, tested on whatever was run.

(a) *fine-tuning*: the convexity gap (CG, test loss) falls over fine-tuning. The estimate is CG at the last
step minus CG at the step that deltas start from, mean over pairs.
(b) *pre-training*: CG is lower with more pre-training. The estimate is CG of the rung of a ladder with the
most pre-training minus CG of the one with the least, at the last step; and again, where there is such a
step, with one of the two at the earlier step of its runs at which both have the same test loss.

And what becomes of a barrier off the straight line is said: `barriers`.

A claim speaks of seeds in general, so its test is over seeds and evaluation units (`seeds.Estimate`). It is
*supported* where the estimate is below 0 and the p-value, adjusted for all of its kind (Holm), under 0.05,
*contradicted* where it is above 0 likewise, else it *cannot be told*. It is *not tested over seeds* where
these are two or one cannot be left out, and *not judged* where a run behind it has not clearly learnt its
task: a gap between two models that learnt nothing means nothing. Over cells, the estimate is the mean over
those that can be judged, where these are two or more, which is one test and not adjusted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import stored
from isthmus.experiment import layout
from isthmus.statistics.barriers import BODIES, DIFFERENT, Barrier, barriers
from isthmus.statistics.pair_means import mean_over_pairs, merged
from isthmus.statistics.seeds import Estimate, Mean, combined, holm
from isthmus.statistics.thresholds import FLOOR, learnt
from isthmus.statistics.tidy import convexity_gaps, of_cell
from isthmus.statistics.verdicts import OPEN, UNTESTED

SUPPORTED, CONTRADICTED, UNJUDGED = "supported", "contradicted", "not judged"
LEVEL = 0.05
EQUAL = 0.02  # nats, between two mean test losses that count as equal
COLUMNS = [
    "hypothesis", "dataset", "subject", "from", "to", "estimate", "low", "high", "over", "verdict", "since",
    "note", "p", "p_holm",
]  # fmt: skip
Place = tuple[str, str, int]  # model, data set, step


@dataclass
class Finding:
    """A claim about one cell or ladder, before it is judged.

    Attributes:
        row: its hypothesis, its subject, and what else the file says of it.
        means: what the estimate is a weighted sum of; none where there is nothing to estimate.
        weights: one a mean.
        unjudged: why it cannot be judged; empty where it can.
        notes: what a reader must know besides.
        falls: the steps before the last from which on CG falls to it, the last of them first, each with the
            p-value of its fall.
    """

    row: dict[str, Any]
    means: Sequence[Mean] = ()
    weights: Sequence[float] = ()
    unjudged: str = ""
    notes: list[str] = field(default_factory=list)
    falls: Sequence[tuple[int, float]] = ()

    @property
    def estimate(self) -> Estimate | None:
        return combined(self.means, self.weights) if self.means else None

    def judged(self, p_adjusted: float, tests: int = 1) -> dict[str, Any]:
        """The row of `findings.csv`.

        Args:
            p_adjusted: the p-value that the verdict rests on; NaN: the claim is not tested.
            tests: of its kind, by which `since` is adjusted: from there on each fall to the last is clear.
        """
        estimate, row = self.estimate, dict(self.row)
        notes = [self.unjudged, *self.notes]
        if estimate is not None:
            low, high, over = estimate.interval
            row |= {"estimate": estimate.value, "low": low, "high": high, "over": over, "p": estimate.p}
            notes.insert(1, estimate.untested)
        known = estimate is not None and not self.unjudged
        row["verdict"] = verdict(estimate, p_adjusted) if known else UNJUDGED
        row["p_holm"] = p_adjusted if known else None
        if row["verdict"] == SUPPORTED:
            clear = [step for step, _ in takewhile(lambda fall: tests * fall[1] < LEVEL, self.falls)]
            row["since"] = clear[-1] if clear else None
        return row | {"note": "; ".join(filter(None, notes)) or None}


def verdict(estimate: Estimate, p: float) -> str:
    """What an estimate says of the claim that it is negative.

    Args:
        estimate: of seeds in general.
        p: its p-value, adjusted where there are several.
    """
    if estimate.untested:
        return UNTESTED
    if not p < LEVEL or abs(estimate.value) < FLOOR:
        return OPEN
    return SUPPORTED if estimate.value < 0 else CONTRADICTED


class Gaps:
    """CG (test loss) of the cells of an experiment.

    Args:
        evaluations: the tidy frame.
        means: by (model, dataset) the frame of means, with what `mean_over_pairs` takes.
    """

    def __init__(self, evaluations, means: dict[tuple[str, str], Any]):
        self.evaluations = evaluations[evaluations["set"] == "test"]
        self.means = {key: convexity_gaps(frame[frame["from_step"].isna()]) for key, frame in means.items()}

    def last(self, model: str, dataset: str) -> int:
        return int(self.means[model, dataset]["step"].max())

    def at(self, place: Place) -> Mean:
        """CG of each pair at a place."""
        model, dataset, step = place
        frame = self.means[model, dataset]
        return mean_over_pairs(frame[frame["step"] == step].iloc[0])

    def scores(self, place: Place):
        """The evaluations of the runs at a place."""
        model, dataset, step = place
        mine = of_cell(self.evaluations, model, dataset)
        return mine[mine["step"] == step]

    def without_skill(self, places: Sequence[Place]) -> str:
        """Which runs at some places do not clearly beat the majority class; empty where all do."""
        found = []
        for model, dataset, step in places:
            scores = self.scores((model, dataset, step))
            failed = [row for row in scores.itertuples() if not learnt(row.accuracy_low, row.majority)]
            runs = ", ".join(f"{row.seed} ({row.accuracy:.3f})" for row in failed)
            if failed:
                language = failed[0].perplexity == failed[0].perplexity
                bar = "step 0 and the commonest token" if language else "the majority class"
                bar += f" ({failed[0].majority:.3f})"
                found.append(f"{model} at step {step}: not clearly above {bar}: {runs}")
        return "; ".join(found)


def change(gaps: Gaps, row: dict[str, Any], before: Place, after: Place) -> Finding:
    """CG at one place minus CG at another, as a finding."""
    means = gaps.at(after), gaps.at(before)
    return Finding(row, means, (1.0, -1.0), gaps.without_skill([before, after]))


def finetuning(gaps: Gaps, model: str, dataset: str, steps: list[int], start: int) -> Finding:
    """Claim (a) on one cell.

    Args:
        steps: the cell's checkpoints, rising.
        start: the step that deltas start from.
    """
    last = gaps.last(model, dataset)
    row = {"hypothesis": "finetuning", "dataset": dataset, "subject": model, "from": start, "to": last}
    if start == last:
        return Finding(row, unjudged="one checkpoint after step 0 only")
    found = change(gaps, row, (model, dataset, start), (model, dataset, last))
    before = [step for step in reversed(steps) if 0 < step < last]
    changes = [(step, change(gaps, {}, (model, dataset, step), (model, dataset, last))) for step in before]
    found.falls = [
        (step, fall.estimate.p)
        for step, fall in takewhile(lambda one: not one[1].unjudged and one[1].estimate.value < 0, changes)
    ]
    return found


def pretraining(gaps: Gaps, ladder: str, dataset: str, rungs: dict[str, int]) -> list[Finding]:
    """Claim (b) on one ladder and data set: at the last steps, and at equal loss where there are such steps.

    Args:
        rungs: the models and their `pretraining_steps`; two or more.
    """
    ends = min(rungs, key=rungs.get), max(rungs, key=rungs.get)
    row = {"dataset": dataset, "subject": ladder, "from": rungs[ends[0]], "to": rungs[ends[1]]}
    last = [(model, dataset, gaps.last(model, dataset)) for model in ends]
    found = [change(gaps, {"hypothesis": "pretraining", **row}, *last)]
    found[0].notes.append(_skills(gaps, last))
    if matched := _equal_loss(gaps, last):
        found.append(change(gaps, {"hypothesis": "pretraining at equal loss", **row}, *matched))
        found[1].notes.append(_skills(gaps, matched))
    return found


def _skills(gaps: Gaps, places: Sequence[Place]) -> str:
    """The accuracies and losses of two models that are compared."""
    shown = []
    for model, dataset, step in places:
        means = gaps.scores((model, dataset, step))[["accuracy", "loss"]].mean()
        shown.append(f"{model} at step {step}: accuracy {means['accuracy']:.3f}, loss {means['loss']:.3f}")
    return "; ".join(shown)


def _equal_loss(gaps: Gaps, last: list[Place]) -> list[Place]:
    """The two last places, one of them at the earlier step of its run where both lose as much; or none.

    Of the two runs the one is moved whose loss comes nearer to the other's last, and to less than `EQUAL`.
    """
    found = []
    for moved, (model, dataset, end) in enumerate(last):
        scores = of_cell(gaps.evaluations, model, dataset)
        by_step = scores[(scores["step"] > 0) & (scores["step"] < end)].groupby("step")["loss"].mean()
        apart = (by_step - gaps.scores(last[1 - moved])["loss"].mean()).abs().dropna()
        if len(apart) and apart.min() < EQUAL:
            places = list(last)
            places[moved] = (model, dataset, int(apart.idxmin()))
            found.append((float(apart.min()), places))
    ends = [gaps.scores(place)["loss"].mean() for place in last]
    if not found or not min(found)[0] < abs(ends[0] - ends[1]):
        return []
    return min(found)[1]


def table(
    gaps: Gaps, cells: dict[tuple[str, str], tuple[list[int], int]], ladders, beside: Sequence[dict] = ()
) -> Any:
    """All findings: a row a cell or ladder, and one over all of a kind (`dataset` and `subject` empty).

    Args:
        gaps: the cells' CG.
        cells: by (model, data set) the checkpoints and the step that deltas start from.
        ladders: (ladder, data set, {model: pretraining_steps}) for each with two rungs or more.
        beside: further rows, as of `standing`.
    """
    found = [finetuning(gaps, *cell, steps, start) for cell, (steps, start) in cells.items()]
    found += [finding for ladder in ladders for finding in pretraining(gaps, *ladder)]
    rows = []
    for hypothesis in dict.fromkeys(finding.row["hypothesis"] for finding in found):
        mine = [finding for finding in found if finding.row["hypothesis"] == hypothesis]
        tested = [np.nan if finding.unjudged else finding.estimate.p for finding in mine]
        tests = int(np.isfinite(tested).sum())
        rows += [finding.judged(p, tests) for finding, p in zip(mine, holm(tested), strict=True)]
        rows += _overall(hypothesis, mine)
    frame = pd.DataFrame([*rows, *beside], columns=COLUMNS)
    return frame.astype(dict.fromkeys(("from", "to", "since"), "Int64"))


def standing(
    gaps: Gaps, barriers: Mapping[tuple[str, str], Mapping[tuple, Barrier]], negligible: float
) -> list[dict[str, Any]]:
    """What becomes of the barriers of cells on other paths: a row a cell, step and path.

    The estimate is CG on the path minus CG of the lines of the same pairs.

    Args:
        barriers: by (model, data set), and step, path and bodies.
        negligible: the size from which on a gap matters, in nats.
    """
    rows = []
    for (model, dataset), paths in barriers.items():
        several = DIFFERENT in {bodies for _, _, bodies in paths}
        for (step, path, bodies), barrier in paths.items():
            low, high, over = barrier.change.interval
            unjudged = gaps.without_skill([(model, dataset, step)])
            row = {"hypothesis": f"barrier on {path}", "dataset": dataset, "subject": model}
            if several:
                row["subject"] += f", {BODIES[bodies]}"
            row |= {"from": step, "to": step, "estimate": barrier.change.value}
            row |= {"low": low, "high": high, "over": over, "p": barrier.change.p}
            row["verdict"] = UNJUDGED if unjudged else barrier.verdict(negligible, path)
            notes = filter(None, (unjudged, barrier.in_words(), barrier.change.untested))
            rows.append(row | {"note": "; ".join(notes)})
    for hypothesis in dict.fromkeys(row["hypothesis"] for row in rows):
        mine = [row for row in rows if row["hypothesis"] == hypothesis]
        adjusted = holm([np.nan if row["verdict"] == UNJUDGED else row["p"] for row in mine])
        for row, p in zip(mine, adjusted, strict=True):
            row["p_holm"] = p
    return rows


def _overall(hypothesis: str, findings: list[Finding]) -> list[dict[str, Any]]:
    """The row over all of a kind, where two or more can be judged (of one it says the same), or none."""
    if len(findings) < 2:
        return []
    judged = [finding for finding in findings if not finding.unjudged]
    if not judged:
        whole = Finding({"hypothesis": hypothesis}, unjudged=f"none of {len(findings)} can be judged")
        return [whole.judged(np.nan)]
    if len(judged) < 2:
        return []
    means = [mean for finding in judged for mean in finding.means]
    weights = [weight / len(judged) for finding in judged for weight in finding.weights]
    whole = Finding({"hypothesis": hypothesis}, means, weights)
    whole.notes.append(f"mean of {len(judged)} of {len(findings)}, one test")
    return [whole.judged(whole.estimate.p)]


def write(
    experiment: str, cells: dict, ladders: list, negligible: float, evaluations: Any, means: list[Path],
    detours: list[Path], path: Path,
) -> None:  # fmt: skip
    """Write `findings.csv` of an experiment.

    Args:
        experiment: its name.
        cells, ladders: as in `table`.
        negligible: as in `standing`.
        evaluations: the frame of `evaluations.csv`.
        means: the `means` files of the cells, whose folders name the model.
        detours: their `barriers` files.
        path: the CSV file.
    """
    files = {tuple(layout.parsed(layout.MEANS, file).values()): file for file in means}
    gaps = Gaps(evaluations, {key: merged(stored.read_frame(file)) for key, file in files.items()})
    paths = {tuple(layout.parsed(layout.CELL_BARRIERS, file).values()): file for file in detours}
    found = {key: barriers(stored.read_frame(file)) for key, file in paths.items()}
    frame = table(gaps, cells, ladders, standing(gaps, found, negligible))
    frame.insert(0, "experiment", experiment)
    stored.write_csv(path, frame)
