"""The answer in words, for the page and for the summary at a run's end.

Every sentence about a result is made from the numbers and says what they say, whether or not the source
paper found the same. `page` makes the HTML file around it.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import nan

from isthmus.experiment import layout, outputs
from isthmus.showing.formatting import NO_SKILL, interval, no_skill, number
from isthmus.showing.paper_tables import METRICS
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import over_pairs
from isthmus.statistics.thresholds import floored, learnt

# In nats: the gap that matters. It takes 2 % off the probability of the right label (exp(-0.02) = 0.98). To
# lie above 0 is no criterion: a gap is a maximum, which chance lifts, so that the percentile interval stays
# clear of 0 for most straight curves too, whatever the number of examples.
NEGLIGIBLE = 0.02


@dataclass(frozen=True)
class Gap:
    """CG of a cell at one step, or its change: mean over pairs, interval, range, number of pairs; in nats.

    Where the interval is over seeds, `examples` is the one over evaluation examples.
    """

    mean: float
    low: float
    high: float
    least: float
    most: float
    pairs: int
    over_seeds: bool
    examples: tuple[float, float] = (nan, nan)

    def __str__(self) -> str:
        return f"{number(self.mean, 3)} {interval(self.low, self.high, 3)}".strip()

    @property
    def range(self) -> str:
        """The smallest and the largest value over pairs, or nothing for a single pair."""
        return f"{number(self.least, 3)} to {number(self.most, 3)}" if self.pairs > 1 else ""

    @property
    def surely(self) -> float:
        """What a gap is at least: the lowest end of its intervals; NaN where there is none over examples.

        Each also counts as mirrored at the mean: chance lifts a maximum, and in the replicates once more, so
        that the interval as it is lies too high; its mirror image lies as much too low.
        """
        lowest = [min(low, 2 * self.mean - high) for low, high in self._intervals]
        return nan if any(end != end for end in lowest) else min(lowest)

    @property
    def at_most(self) -> float:
        """The highest end of its intervals; NaN where there is none over examples."""
        highest = [high for _, high in self._intervals]
        return nan if any(end != end for end in highest) else max(highest)

    @property
    def _intervals(self) -> list[tuple[float, float]]:
        return [(self.low, self.high), *([self.examples] if self.over_seeds else [])]

    @property
    def moved(self) -> str:
        """Where a change went: `fell`, `rose`, or `did not clearly change` where its interval has 0."""
        if floored(self.mean) == 0 or self.low <= 0 <= self.high:
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
    failed: tuple[int, ...] = ()  # runs whose test accuracy at the end does not beat the majority class
    start_skilled: bool = True  # as `skilled`, at `from_step`

    @property
    def skilled(self) -> bool:
        """Whether the test accuracy at the end beats the majority class, in each run and in the mean."""
        return learnt(self.accuracy, self.majority) and not self.failed

    @property
    def warning(self) -> str:
        """What to say where the model has not learnt its task."""
        where = f"{self.model}, step {self.to_step:,}"
        if not learnt(self.accuracy, self.majority):
            return f"{where}: {no_skill(self.accuracy, self.majority)}"
        runs = f"seed{'s' if len(self.failed) > 1 else ''} {', '.join(map(str, self.failed))}"
        return f"{where}: the test accuracy of {runs} does not beat the majority baseline; {NO_SKILL}."


# ---------------------------------------------------------------------------------------------- the answer


def cells(experiment, metrics, deltas, evaluations) -> list[Cell]:
    """The cells that have results, in the config's order."""
    loss, error = tidy.convexity_gaps(metrics), tidy.convexity_gaps(metrics, "error")
    changes = tidy.convexity_gaps(deltas)
    found = []
    for model, dataset in experiment.cell_list():
        mine, moved, wrong, scores = (
            tidy.of_cell(frame, model, dataset) for frame in (loss, changes, error, evaluations)
        )
        if not len(mine):
            continue
        last = int(mine["step"].max())
        start, end = moved[["from_step", "to_step"]].iloc[0].tolist() if len(moved) else (last, last)
        steps = {step: _gap(mine[mine["step"] == step]) for step in (0, start, end)}
        scores = scores[scores["set"] == "test"]
        first, scores = (scores[scores["step"] == step] for step in (start, end))
        found.append(
            Cell(
                *(dataset, model, start, end, steps[0], steps[start], steps[end]),
                change=_gap(moved) if start != end else None,
                error_gap=float(wrong.loc[wrong["step"] == end, "value"].mean()),
                accuracy=float(scores["accuracy"].mean()),
                majority=float(scores["majority"].mean()),
                loss=float(scores["loss"].mean()),
                failed=tuple(scores.loc[scores["accuracy"] <= scores["majority"], "seed"].tolist()),
                start_skilled=not (first["accuracy"] <= first["majority"]).any(),
            )
        )
    return found


def connection(found: list[Cell]) -> str:
    """Whether the seeds of one data set's cells end linearly connected, a clause a model."""
    return "; ".join(f"{cell.model}: {_connected(cell)}" for cell in found) + "."


def _connected(cell: Cell) -> str:
    """The answer for one model: no only where the gap surely matters, and none where nothing was learnt."""
    gap, measured = cell.end, f"a gap of {cell.end} nats"
    if gap.mean != gap.mean:
        return f"not measured at step {cell.to_step:,}"
    if cell.accuracy != cell.accuracy:
        return f"{measured}; whether its runs have learnt the task is not known yet"
    if not cell.skilled:
        return f"{measured}, which says nothing: not all of its runs have learnt the task"
    if floored(gap.mean) == 0:
        return "yes, the test loss has no gap beyond rounding"
    if gap.surely != gap.surely:
        return f"{measured} without an interval over examples, so it cannot be told from none"
    if floored(gap.low) == 0:
        return f"{measured}, which cannot be told from none"
    if gap.at_most < NEGLIGIBLE:
        return f"yes, but for {measured}, less than the {NEGLIGIBLE:g} that matter"
    if not gap.surely > NEGLIGIBLE:
        return f"{measured}, which is not clearly more than the {NEGLIGIBLE:g} that matter"
    share = f", {100 * gap.mean / cell.loss:.0f} % of the ends’ own test loss" if cell.loss > 0 else ""
    return f"no, there is {measured}{share}"


def over_finetuning(cell: Cell) -> str:
    """One sentence: where CG went over fine-tuning."""
    if cell.change is None:
        return (
            f"{cell.model}: CG is {cell.end} at step {cell.to_step:,}, the only checkpoint after step 0, "
            "so nothing can be said about its course over fine-tuning."
        )
    spread = f", range over {cell.change.pairs} pairs {cell.change.range}" if cell.change.pairs > 1 else ""
    if cell.start.pairs != cell.end.pairs:
        spread += f"; of {cell.start.pairs} pairs at the start and {cell.end.pairs} at the end"
    return (
        f"{cell.model}: CG {cell.change.moved}, from {cell.start} at step {cell.from_step:,} "
        f"to {cell.end} at step {cell.to_step:,} (change {_signed(cell.change)}{spread})."
    )


def claim_finetuning(found: list[Cell]) -> str:
    """The first hypothesis against one data set's cells: does the gap fall over fine-tuning?"""
    changed = [cell for cell in found if cell.change and cell.change.mean == cell.change.mean]
    if not changed:
        return ""
    published = "The source paper reports a fall for each of its models"
    out = ", ".join(cell.model for cell in changed if not cell.skilled)
    left = f" Left out, since not above the majority class: {out}." if out else ""
    moves = [cell.change.moved for cell in changed if cell.skilled]
    if not moves:
        return f"{published}; here no model has learnt its task, so this is not tested.{left}"
    if all(move == "fell" for move in moves):
        return f"{published}; so it is here.{left}"
    counts = ", ".join(f"{word} for {moves.count(word)}" for word in dict.fromkeys(moves))
    return f"{published}; here the gap {counts} of {len(moves)} model{'s' if len(moves) > 1 else ''}.{left}"


def over_pretraining(experiment, found: list[Cell], dataset: str) -> list[str]:
    """The second hypothesis, a sentence a ladder and step: is the gap smaller with more pre-training?"""
    by_model = {cell.model: cell for cell in found if cell.dataset == dataset}
    sentences = []
    for name, ladder, models in outputs.ladder_panels(experiment):
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
        means = tidy.of_cell(nested, model, dataset).groupby("metric")["value"].mean().abs()
        shown = {label: number(means[metric]) for metric, label in METRICS.items() if metric in means}
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
    folder = layout.results(experiment.experiment)
    lines = [
        f"{experiment.experiment}: convexity gap (CG) between seeds, test loss in nats; "
        f"{values_in_words(found)}",
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        *(f"! {cell.dataset}, {cell.warning}" for cell in found if not cell.skilled),
        f"Look at {folder}/report.html; all numbers: {folder}/metrics.csv",
    ]
    return "\n".join(lines)


def answers(experiment, deltas, found):
    """What the first screen says, a data set each."""
    by_dataset = []
    for dataset in dict.fromkeys(cell.dataset for cell in found):
        mine = [cell for cell in found if cell.dataset == dataset]
        by_dataset.append(
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
    return by_dataset


def values_in_words(found: list[Cell]) -> str:
    """What the value and the brackets are, for this experiment."""
    gaps = [cell.end for cell in found]
    mean = "mean over pairs" if any(gap.pairs > 1 for gap in gaps) else "one pair of seeds"
    over = {gap.over_seeds for gap in gaps if gap.low == gap.low}
    if not over:
        return mean
    if len(over) > 1:
        return f"{mean}, 95 % interval over seeds where there are five or more, else over evaluation examples"
    return f"{mean}, 95 % interval over {'seeds' if True in over else 'evaluation examples'}"


def _gap(frame) -> Gap:
    if not len(frame):
        return Gap(*[float("nan")] * 5, pairs=0, over_seeds=False)
    row = over_pairs(frame.assign(all=0), ["all"]).iloc[0]
    over_seeds = row["seeds_low"] == row["seeds_low"]
    ends = ("seeds_low", "seeds_high") if over_seeds else ("low", "high")
    return Gap(
        *row[["mean", *ends, "min", "max"]],
        pairs=int(row["pairs"]),
        over_seeds=over_seeds,
        examples=tuple(row[["low", "high"]]),
    )


def _signed(change: Gap) -> str:
    return ("+" if floored(change.mean) > 0 else "") + str(change)


def _ladder(experiment, ladder, rungs, when):
    """One sentence: the rungs' gaps, from the least pre-training to the most, at the start or the end."""
    gaps = [getattr(cell, when) for cell in rungs]
    means = [floored(gap.mean) for gap in gaps]
    falls = all(less > more for less, more in pairwise(means))
    rises = all(less < more for less, more in pairwise(means))
    course = "smaller" if falls else "larger" if rises else "neither smaller nor larger throughout"
    amounts = [experiment.models[cell.model].pretraining_steps for cell in rungs]
    values = ", ".join(f"{gap} after {amount:,}" for gap, amount in zip(gaps, amounts, strict=True))
    steps = {cell.to_step if when == "end" else cell.from_step for cell in rungs}
    at = f"at step {steps.pop():,}" if len(steps) == 1 else f"at each model's {when}"
    verdict = _claim_pretraining(rungs[0], rungs[-1], when, falls)
    return f"Ladder {ladder}, {at}: the gap is {course} with more pre-training ({values} updates), {verdict}."


def _claim_pretraining(least: Cell, most: Cell, when: str, falls: bool) -> str:
    """What the rungs with the least and the most pre-training say of the second hypothesis, as a clause."""
    skill = {cell.model: cell.skilled if when == "end" else cell.start_skilled for cell in (least, most)}
    if not all(skill.values()):
        out = " and ".join(model for model, skilled in skill.items() if not skilled)
        return f"but {out} did not beat the majority class there, so this says nothing of the claim"
    low, high = (getattr(cell, when) for cell in (most, least))
    if any(end != end for gap in (low, high) for end in (gap.low, gap.high)):
        return "but without intervals this is not settled"
    if high.low <= low.high and low.low <= high.high:
        return "but the intervals of the least and the most overlap, so this is not settled"
    if falls:
        return "as the source paper claims"
    if low.mean < high.mean:
        return "though smaller with the most than with the least, as the source paper claims"
    return "which is not what the source paper claims"
