"""The answer in words, for the page and for the summary at a run's end.

Every sentence about a result is made from the numbers and says what they say, whether or not the source
paper found the same. `page` makes the HTML file around it.
"""

from dataclasses import dataclass
from itertools import pairwise

from isthmus import figures, tables
from isthmus.tables import interval, number


@dataclass(frozen=True)
class Gap:
    """CG of a cell at one step, or its change: mean over pairs, interval, range, number of pairs; in nats."""

    mean: float
    low: float
    high: float
    least: float
    most: float
    pairs: int
    over_seeds: bool

    def __str__(self) -> str:
        return f"{number(self.mean, 3)} {interval(self.low, self.high, 3)}".strip()

    @property
    def range(self) -> str:
        """The smallest and the largest value over pairs, or nothing for a single pair."""
        return f"{number(self.least, 3)} to {number(self.most, 3)}" if self.pairs > 1 else ""

    @property
    def moved(self) -> str:
        """Where a change went: `fell`, `rose`, or `did not clearly change` where its interval has 0."""
        if tables.floored(self.mean) == 0 or self.low <= 0 <= self.high:
            return "did not clearly change"
        return "rose" if self.mean > 0 else "fell"


@dataclass(frozen=True)
class Cell:
    """The numbers of one cell's answer; gaps are CG of the test loss.

    `start` and `end` are the steps of the change, which is None with a single checkpoint after step 0.
    """

    dataset: str
    model: str
    from_step: int
    to_step: int
    baseline: Gap
    start: Gap
    end: Gap
    change: Gap | None
    error_gap: float
    accuracy: float
    majority: float
    loss: float  # of the ends: the mean test loss of the checkpoints at `to_step`

    @property
    def skilled(self) -> bool:
        """Whether the mean test accuracy at the end beats the majority class."""
        return tables.learnt(self.accuracy, self.majority)

    @property
    def warning(self) -> str:
        """What to say where the model has not learnt its task."""
        return f"{self.model}, step {self.to_step:,}: {tables.no_skill(self.accuracy, self.majority)}"


# ---------------------------------------------------------------------------------------------- the answer


def cells(experiment, metrics, deltas, evaluations) -> list[Cell]:
    """The cells that have results, in the config's order."""
    wanted = (metrics["metric"] == "CG") & (metrics["set"] == "test")
    loss, error = (metrics[wanted & (metrics["quantity"] == quantity)] for quantity in ("loss", "error"))
    changes = deltas[(deltas["metric"] == "CG") & (deltas["set"] == "test") & (deltas["quantity"] == "loss")]
    found = []
    for model, dataset in experiment.cell_list():
        mine, moved, wrong, scores = (
            _of(frame, model, dataset) for frame in (loss, changes, error, evaluations)
        )
        if not len(mine):
            continue
        last = int(mine["step"].max())
        start, end = moved[["from_step", "to_step"]].iloc[0].tolist() if len(moved) else (last, last)
        steps = {step: _gap(mine[mine["step"] == step]) for step in (0, start, end)}
        scores = scores[(scores["set"] == "test") & (scores["step"] == end)]
        found.append(
            Cell(
                *(dataset, model, start, end, steps[0], steps[start], steps[end]),
                change=_gap(moved) if start != end else None,
                error_gap=float(wrong.loc[wrong["step"] == end, "value"].mean()),
                accuracy=float(scores["accuracy"].mean()),
                majority=float(scores["majority"].mean()),
                loss=float(scores["loss"].mean()),
            )
        )
    return found


def connection(found: list[Cell]) -> str:
    """Whether the seeds of one data set's cells end linearly connected, a clause a model."""
    clauses = []
    for cell in found:
        if cell.end.mean != cell.end.mean:
            clauses.append(f"{cell.model}: not measured at step {cell.to_step:,}")
        elif tables.floored(cell.end.mean) == 0:
            clauses.append(f"{cell.model}: yes, the test loss has no gap beyond rounding")
        elif tables.floored(cell.end.low) == 0:
            clauses.append(f"{cell.model}: a gap of {cell.end} nats, which cannot be told from none")
        else:
            share = (
                f", {100 * cell.end.mean / cell.loss:.0f} % of the ends’ own test loss"
                if cell.loss > 0
                else ""
            )
            clauses.append(f"{cell.model}: no, there is a gap of {cell.end} nats{share}")
    return "; ".join(clauses) + "."


def over_finetuning(cell: Cell) -> str:
    """One sentence: where CG went over fine-tuning."""
    if cell.change is None:
        return (
            f"{cell.model}: CG is {cell.end} at step {cell.to_step:,}, the only checkpoint after step 0, "
            "so nothing can be said about its course over fine-tuning."
        )
    spread = f", range over {cell.change.pairs} pairs {cell.change.range}" if cell.change.pairs > 1 else ""
    return (
        f"{cell.model}: CG {cell.change.moved}, from {cell.start} at step {cell.from_step:,} "
        f"to {cell.end} at step {cell.to_step:,} (change {_signed(cell.change)}{spread})."
    )


def claim_finetuning(found: list[Cell]) -> str:
    """The first hypothesis against one data set's cells: does the gap fall over fine-tuning?"""
    moves = [cell.change.moved for cell in found if cell.change]
    if not moves:
        return ""
    said = "The source paper reports a fall for each of its models"
    if all(move == "fell" for move in moves):
        return f"{said}; so it is here."
    counts = ", ".join(f"{word} for {moves.count(word)}" for word in dict.fromkeys(moves))
    return f"{said}; here the gap {counts} of {len(moves)} model{'s' if len(moves) > 1 else ''}."


def over_pretraining(experiment, found: list[Cell], dataset: str) -> list[str]:
    """The second hypothesis, a sentence a ladder and step: is the gap smaller with more pre-training?"""
    by_model = {cell.model: cell for cell in found if cell.dataset == dataset}
    sentences = []
    for name, ladder, models in figures.ladder_panels(experiment):
        rungs = [by_model[model] for model in models if model in by_model]
        if name != dataset or len(rungs) < 2:
            continue
        sentences.append(_ladder(experiment, ladder, rungs, "end"))
        if all(cell.change for cell in rungs):
            sentences.append(_ladder(experiment, ladder, rungs, "start"))
    return sentences


def largest_change(experiment, deltas, dataset: str) -> str:
    """Which of the source's three metrics changed most, by model; several where they are shown alike."""
    loss = deltas[(deltas["set"] == "test") & (deltas["quantity"] == "loss")]
    nested = loss[loss["metric"].str.endswith("_nested") & (loss["from_step"] != loss["to_step"])]
    parts = []
    for model in (model for model, name in experiment.cell_list() if name == dataset):
        means = _of(nested, model, dataset).groupby("metric")["value"].mean().abs()
        shown = {label: number(means[metric]) for metric, label in tables.METRICS.items() if metric in means}
        most = [label for label, value in shown.items() if value == number(means.max())]
        if len(most) < len(shown):  # with all alike there is no largest one
            parts.append(f"{' and '.join(most)} for {model} ({shown[most[0]]})")
    if not parts:
        return ""
    return (
        f"Of the three metrics of the source's tables, the largest change is that of {', '.join(parts)}. "
        "The source's text names the barrier height, which its own tables do not show."
    )


def summary(experiment, metrics, deltas, evaluations) -> str:
    """What a run prints at its end: accuracy against the majority class, CG at its two steps, the change."""
    found = cells(experiment, metrics, deltas, evaluations)
    rows = [["dataset", "model", "accuracy", "majority", "CG at the start", "CG at the end", "change"]]
    for cell in found:
        start = f"{cell.start} (step {cell.from_step})" if cell.change else "–"
        change = f"{_signed(cell.change)}, {cell.change.moved}" if cell.change else "–"
        scores = [number(cell.accuracy, 3) + ("" if cell.skilled else " !"), number(cell.majority, 3)]
        rows.append([cell.dataset, cell.model, *scores, start, f"{cell.end} (step {cell.to_step})", change])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    folder = f"results/{experiment.experiment}"
    lines = [
        f"{experiment.experiment}: convexity gap (CG) between seeds, test loss in nats; {what(found)}",
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        *(f"! {cell.dataset}, {cell.warning}" for cell in found if not cell.skilled),
        f"Look at {folder}/report.html; all numbers: {folder}/metrics.csv",
    ]
    return "\n".join(lines)


def answers(experiment, deltas, found):
    """What the first screen says, a data set each."""
    said = []
    for dataset in dict.fromkeys(cell.dataset for cell in found):
        mine = [cell for cell in found if cell.dataset == dataset]
        said.append(
            {
                "dataset": dataset,
                "cells": mine,
                "connection": connection(mine),
                "warnings": [cell.warning for cell in mine if not cell.skilled],
                "finetuning": [over_finetuning(cell) for cell in mine],
                "claim": claim_finetuning(mine),
                "pretraining": over_pretraining(experiment, found, dataset),
                "largest": largest_change(experiment, deltas, dataset),
            }
        )
    return said


def what(found: list[Cell]) -> str:
    """What the value and the brackets are, for this experiment."""
    gaps = [cell.end for cell in found]
    mean = "mean over pairs" if any(gap.pairs > 1 for gap in gaps) else "one pair of seeds"
    if all(gap.low != gap.low for gap in gaps):
        return mean
    over = "seeds" if any(gap.over_seeds for gap in gaps) else "evaluation examples"
    return f"{mean}, 95 % interval over {over}"


def _of(frame, model, dataset):
    return frame[(frame["model"] == model) & (frame["dataset"] == dataset)]


def _gap(frame) -> Gap:
    if not len(frame):
        return Gap(*[float("nan")] * 5, pairs=0, over_seeds=False)
    row = tables.over_pairs(frame.assign(all=0), ["all"]).iloc[0]
    over_seeds = row["seeds_low"] == row["seeds_low"]
    ends = ("seeds_low", "seeds_high") if over_seeds else ("low", "high")
    return Gap(*row[["mean", *ends, "min", "max"]], pairs=int(row["pairs"]), over_seeds=over_seeds)


def _signed(change: Gap) -> str:
    return ("+" if tables.floored(change.mean) > 0 else "") + str(change)


def _ladder(experiment, ladder, rungs, when):
    """One sentence: the rungs' gaps, from the least pre-training to the most, at the start or the end."""
    gaps = [getattr(cell, when) for cell in rungs]
    means = [tables.floored(gap.mean) for gap in gaps]
    falls = all(less > more for less, more in pairwise(means))
    rises = all(less < more for less, more in pairwise(means))
    course = "smaller" if falls else "larger" if rises else "neither smaller nor larger throughout"
    amounts = [experiment.models[cell.model].pretraining_steps for cell in rungs]
    values = ", ".join(f"{gap} after {amount:,}" for gap, amount in zip(gaps, amounts, strict=True))
    steps = {cell.to_step if when == "end" else cell.from_step for cell in rungs}
    at = f"at step {steps.pop():,}" if len(steps) == 1 else f"at each model's {when}"
    least, most = gaps[0], gaps[-1]
    if least.low <= most.high and most.low <= least.high:
        verdict = "but the intervals of the least and the most overlap, so this is not settled"
    else:
        verdict = "as the source paper claims" if falls else "which is not what the source paper claims"
    return f"Ladder {ladder}, {at}: the gap is {course} with more pre-training ({values} updates), {verdict}."
