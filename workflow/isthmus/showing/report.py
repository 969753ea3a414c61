"""The answer in words, for the page and for the summary at a run's end.

Every sentence about a result is made from the numbers and says what they say, whether or not the source
paper found the same. `page` makes the HTML file around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any

from isthmus.experiment import layout, outputs
from isthmus.showing.formatting import NO_SKILL, interval, no_skill, number
from isthmus.statistics import tidy, verdicts
from isthmus.statistics.findings import UNJUDGED
from isthmus.statistics.pair_statistics import over_pairs
from isthmus.statistics.seeds import untested
from isthmus.statistics.thresholds import floored, learnt

NAMED = 6  # seeds that a sentence names one by one
MOST = 12  # lines of a summary on what is missing


@dataclass(frozen=True)
class Gap:
    """CG of a cell at one step, or its change: the mean over pairs and what is known of it.

    Attributes:
        mean: over pairs.
        low, high: its 95 % interval; NaN where there is none.
        over: what the interval is over: `seeds and units`, `seeds` or `units`.
        values: of each pair.
        cross_fitted_low: the low end of the mean cross-fitted gap's interval; NaN where it is not known.
        untested: why nothing is said of seeds in general; empty where something is.
        seeds: of how many runs.
    """

    mean: float
    low: float = nan
    high: float = nan
    over: str = ""
    values: tuple[float, ...] = ()
    cross_fitted_low: float = nan
    untested: str = ""
    seeds: int = 0

    def __str__(self) -> str:
        return f"{number(self.mean, 3)} {interval(self.low, self.high, 3)}".strip()

    @property
    def pairs(self) -> int:
        return len(self.values)

    @property
    def range(self) -> str:
        """The smallest and the largest value over pairs, or nothing for a single pair."""
        return f"{number(min(self.values), 3)} to {number(max(self.values), 3)}" if self.pairs > 1 else ""

    @property
    def moved(self) -> str:
        """Where a change went: its mean, and how many pairs went with it: `rose in 3 of 3 pairs`."""
        if floored(self.mean) == 0:
            return f"did not change in the mean over {self.pairs} pairs"
        sign = 1 if self.mean > 0 else -1
        alike = sum(sign * floored(value) > 0 for value in self.values)
        return f"{'rose' if sign > 0 else 'fell'} in {alike} of {self.pairs} pairs"


@dataclass(frozen=True)
class Cell:
    """The numbers of one cell's answer; gaps are CG of the test loss, `error_gap` of its error at the end.

    `start` and `end` are the steps of the change, which is None with a single checkpoint after step 0. Where
    not all is measured, `end` is at the last step that is.
    """

    dataset: str
    model: str
    from_step: int
    to_step: int
    baseline: Gap
    start: Gap
    end: Gap
    change: Gap | None
    error_gap: Gap
    accuracy: float
    majority: float
    loss: float  # of the ends: the mean test loss of the checkpoints at `to_step`
    # Runs whose test accuracy does not clearly beat the majority class, at the end and at the start.
    failed: tuple[int, ...] = ()
    failed_at_start: tuple[int, ...] = ()
    language: bool = False  # whether the task is one of language modelling
    last_step: int = 0  # that the config asks for

    @property
    def so_far(self) -> bool:
        """Whether later steps are still to come, so that no step is the end."""
        return self.to_step < self.last_step

    @property
    def skilled(self) -> bool:
        """Whether the test accuracy at the end beats the majority class, in each run and in the mean."""
        return learnt(self.accuracy, self.majority) and not self.failed

    @property
    def warnings(self) -> list[str]:
        """What to say where the model has not learnt its task, at either step of the change."""
        said, where = [], f"{self.model}, step {self.to_step:,}"
        if self.so_far:
            said.append(
                f"{where}: the last step that is measured so far, and not the end, which is step "
                f"{self.last_step:,}."
            )
        if not learnt(self.accuracy, self.majority):
            said.append(f"{where}: {no_skill(self.accuracy, self.majority, self.language)}")
        elif self.failed:
            said.append(self._not_clear(where, self.failed))
        if self.change and self.failed_at_start:
            said.append(self._not_clear(f"{self.model}, step {self.from_step:,}", self.failed_at_start))
        return said

    def _not_clear(self, where: str, failed: Sequence[int]) -> str:
        runs = f"seed{'s' if len(failed) > 1 else ''} {', '.join(map(str, failed))}"
        if len(failed) > NAMED:
            runs = f"{len(failed)} of its {self.end.seeds} seeds"
        bar = "step 0 and the commonest token" if self.language else f"the majority class; {NO_SKILL}"
        return f"{where}: the test accuracy of {runs} is not clearly above {bar}."


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
        failed = {
            step: tuple(
                row.seed
                for row in scores[scores["step"] == step].itertuples()
                if not learnt(row.accuracy_low, row.majority)
            )
            for step in (start, end)
        }
        scores = scores[scores["step"] == end]
        found.append(
            Cell(
                *(dataset, model, start, end, steps[0], steps[start], steps[end]),
                change=_gap(moved) if start != end else None,
                error_gap=_gap(wrong[wrong["step"] == end]),
                accuracy=float(scores["accuracy"].mean()),
                majority=float(scores["majority"].mean()),
                loss=float(scores["loss"].mean()),
                failed=failed[end],
                failed_at_start=failed[start],
                language=experiment.datasets[dataset].language,
                last_step=experiment.cell_steps(model, dataset)[-1],
            )
        )
    return found


def connection(found: list[Cell], negligible) -> str:
    """Whether the seeds of one data set's cells end linearly connected, a clause a model.

    Args:
        negligible: the sizes from which on gaps matter, of `loss` and of `error`.
    """
    said = []
    for cell in found:
        so_far = f", at step {cell.to_step:,} so far" if cell.so_far else ""
        said.append(f"{cell.model}{so_far}: {_connected(cell, negligible)}")
    return "; ".join(said) + "."


def _connected(cell: Cell, negligible) -> str:
    """The answer for one model, by its loss and by its error; none where nothing was learnt."""
    gap, measured = cell.end, f"a gap of {cell.end} nats"
    if gap.mean != gap.mean:
        return f"not measured at step {cell.to_step:,}"
    if cell.accuracy != cell.accuracy:
        return f"{measured}; whether its runs have learnt the task is not known yet"
    if not cell.skilled:
        return f"not judged ({measured}): not all of its runs have clearly learnt the task"
    words = {
        kind: _verdict(own, size)
        for kind, own, size in (("loss", gap, negligible.loss), ("error", cell.error_gap, negligible.error))
    }
    share = f", {100 * gap.mean / cell.loss:.0f} % of the ends’ own test loss" if cell.loss > 0 else ""
    said = f"{words['loss']}: {measured}{share}"
    if gap.untested:
        return f"{said} ({gap.untested})"
    return f"{said}; by the error rate {words['error']} ({cell.error_gap})"


@dataclass(frozen=True)
class Chip:
    """The answer for one model, or for all of a data set that have one answer, in a few words.

    Attributes:
        text: the verdict, of how many pairs it holds, over how many seeds.
        kind: the verdict alone: `connected`, `apart` or `open`.
        meaning: the same as a sentence.
    """

    text: str
    kind: str
    meaning: str


def chips(found: list[Cell], negligible) -> list[Chip]:
    """One chip a model; one for all where their answers are the same."""
    judged = {cell.model: _judged(cell, negligible) for cell in found}
    if len(set(judged.values())) == 1:
        return [_chip("", found, next(iter(judged.values())), negligible.loss)]
    return [_chip(f"{cell.model}: ", [cell], judged[cell.model], negligible.loss) for cell in found]


def _judged(cell: Cell, negligible) -> str:
    """The verdict on the loss at the end, or why there is none."""
    if cell.end.mean != cell.end.mean:
        return UNMEASURED
    if cell.accuracy != cell.accuracy or not cell.skilled:
        return UNJUDGED
    return _verdict(cell.end, negligible.loss)


UNMEASURED = "not measured"
MEAN = "The verdict is of their mean, by its interval over seeds and evaluation units."
REASONS = {
    UNJUDGED: "There is no verdict: not all of the runs have clearly learnt the task, or it is not known.",
    UNMEASURED: "There is no verdict: no gap is measured there.",
    verdicts.UNTESTED: "There is no verdict: of these runs nothing can be said of seeds in general.",
}


def _chip(name: str, cells: list[Cell], verdict: str, size: float) -> Chip:
    values = [value for cell in cells for value in cell.end.values]
    low = verdict == verdicts.CONNECTED
    holds = sum(value < size if low else value > size for value in values)
    side = "below" if low else "above"
    words = f"{verdict[0].upper()}{verdict[1:]}" if not name else verdict
    # Beside a verdict that is clear the side goes without saying.
    said = "" if verdict in (verdicts.CONNECTED, verdicts.APART) else f" {side} {size:g}"
    seeds = max(cell.end.seeds for cell in cells)
    parts = [f"{name}{words}"]
    if values:
        parts.append(f"{holds} of {len(values)} {'pair' if len(values) == 1 else 'pairs'}{said}")
        parts.append(f"{seeds} seeds")
    when = "the last step so far" if any(cell.so_far for cell in cells) else "the end of fine-tuning"
    pairs = "1 pair" if len(values) == 1 else f"{len(values)} pairs"
    meaning = (
        f"Of {pairs} of seeds at {when} {holds} {'has' if holds == 1 else 'have'} a convexity gap {side} "
        f"{size:g} nats, the size that matters here (setting negligible). {REASONS.get(verdict, MEAN)}"
    )
    kind = {verdicts.CONNECTED: "connected", verdicts.APART: "apart"}.get(verdict, "open")
    return Chip(" · ".join(parts), kind, meaning)


def _verdict(gap: Gap, negligible: float) -> str:
    # Without replicates the interval leaves the examples out, and says too much.
    low, high = (gap.low, gap.high) if gap.over == "seeds and units" else (nan, nan)
    return verdicts.connection(low, high, gap.cross_fitted_low, negligible, gap.untested)


def over_finetuning(cell: Cell) -> str:
    """One sentence: where CG went over fine-tuning."""
    if cell.to_step == 0:
        return f"{cell.model}: only step 0 is measured so far."
    if cell.change is None:
        return (
            f"{cell.model}: CG is {cell.end} at step {cell.to_step:,}, the only checkpoint after step 0"
            f"{' so far' * cell.so_far}, so nothing can be said about its course over fine-tuning."
        )
    pairs = ""
    if cell.start.pairs != cell.end.pairs:
        last = "last step so far" if cell.so_far else "end"
        pairs = f"; of {cell.start.pairs} pairs at the start and {cell.end.pairs} at the {last}"
    unskilled = not cell.skilled or cell.failed_at_start
    judged = "; not judged, since not all of its runs have clearly learnt the task" if unskilled else ""
    return (
        f"{cell.model}: CG {_course(cell.change)}, from {cell.start} at step {cell.from_step:,} "
        f"to {cell.end} at step {cell.to_step:,}{pairs}{judged}."
    )


def _course(change: Gap) -> str:
    """A change in words: in how many pairs, by how much, and whether that is of seeds in general."""
    spread = f" (changes of {change.range} nats)" if change.range else ""
    tested = f"not tested over seeds ({change.untested})" if change.untested else "tested over seeds"
    return f"{change.moved}{spread}, {tested}: {_signed(change)}"


def claim(findings, hypothesis: str, dataset: str, subjects: Sequence[str]) -> str:
    """What the findings say of a hypothesis on a data set, as one sentence; nothing where they are silent.

    Args:
        findings: the frame of `findings.csv`, or None.
        hypothesis: as in the file.
        subjects: the models or ladders that are spoken of.
    """
    if findings is None or not len(findings):
        return ""
    mine = findings[(findings["hypothesis"] == hypothesis) & (findings["dataset"] == dataset)]
    said = [_judgement(row) for row in mine.itertuples() if row.subject in subjects]
    claims = {"finetuning": "The source paper reports a fall for each of its models", **CLAIMED}
    return f"{claims[hypothesis]}; here that is {', '.join(said)}." if said else ""


CLAIMED = {
    "pretraining": "The source paper reports a smaller gap with more pre-training",
    "pretraining at equal loss": "At equal loss",
}


def _judgement(row: Any) -> str:
    """A verdict with its p-value; where there is none, with the reason."""
    tested = "" if row.p_holm != row.p_holm else f" (p {row.p_holm:.2g}, adjusted for all of its kind)"
    if row.verdict in (UNJUDGED, verdicts.UNTESTED) and row.note == row.note and row.note:
        tested = f" ({row.note})"
    return f"{row.verdict}{tested} for {row.subject}"


def over_pretraining(experiment, found: list[Cell], dataset: str, findings=None) -> list[str]:
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
        sentences += filter(None, (claim(findings, hypothesis, dataset, [ladder]) for hypothesis in CLAIMED))
    return sentences


def summary(experiment, metrics, deltas, evaluations, findings=None, lacking: Sequence[str] = ()) -> str:
    """What a run prints at its end: accuracy against the majority class, CG at its two steps, the change.

    Args:
        findings: the frame of `findings.csv`, or None.
        lacking: what is missing, a line each.
    """
    found = cells(experiment, metrics, deltas, evaluations)
    bar = "baseline" if any(cell.language for cell in found) else "majority"
    last = "CG at the last step so far" if any(cell.so_far for cell in found) else "CG at the end"
    rows = [["dataset", "model", "accuracy", bar, "CG at the start", last, "change"]]
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
        *(f"! {cell.dataset}, {warning}" for cell in found for warning in cell.warnings),
        *_found(findings),
        *(f"! missing: {line}" for line in lacking[:MOST]),
        *[f"! missing: {len(lacking) - MOST} more, which the report names"] * (len(lacking) > MOST),
        f"Look at {folder}/report.html" + ("" if lacking else f"; all numbers: {folder}/metrics.csv"),
    ]
    return "\n".join(lines)


def _found(findings) -> list[str]:
    """The findings about single cells and ladders, a line each."""
    if findings is None:
        return []
    named = findings[findings["subject"].notna()]
    return [
        f"{CLAIMS.get(row.hypothesis, row.hypothesis)}, {row.dataset}: {_judgement(row)}"
        for row in named.itertuples()
    ]


# What a hypothesis of `findings.csv` claims of CG.
CLAIMS = {
    "finetuning": "CG falls with fine-tuning",
    "pretraining": "CG is lower with more pre-training",
    "pretraining at equal loss": "CG is lower with more pre-training at equal loss",
}


def answers(experiment, found, findings=None):
    """What the first screen says, a data set each."""
    by_dataset = []
    for dataset in dict.fromkeys(cell.dataset for cell in found):
        mine = [cell for cell in found if cell.dataset == dataset]
        by_dataset.append(
            {
                "dataset": dataset,
                "cells": mine,
                "chips": chips(mine, experiment.negligible),
                "connection": connection(mine, experiment.negligible),
                "warnings": [warning for cell in mine for warning in cell.warnings],
                "finetuning": [over_finetuning(cell) for cell in mine],
                "claim": claim(findings, "finetuning", dataset, [cell.model for cell in mine]),
                "pretraining": over_pretraining(experiment, found, dataset, findings),
            }
        )
    return by_dataset


def values_in_words(found: list[Cell]) -> str:
    """What the value and the brackets are, for this experiment."""
    gaps = [cell.end for cell in found]
    mean = "mean over pairs" if any(gap.pairs > 1 for gap in gaps) else "one pair of seeds"
    over = list(dict.fromkeys(gap.over for gap in gaps if gap.over))
    if not over:
        return mean
    return f"{mean}, 95 % interval over {' or '.join(over).replace('units', 'evaluation units')}"


def _gap(frame) -> Gap:
    if not len(frame):
        return Gap(nan)
    row = over_pairs(frame.assign(all=0), ["all"]).iloc[0]
    names = {"seeds and units": "both_", "seeds": "seeds_", "units": ""}
    ends = [(*row[[f"{prefix}low", f"{prefix}high"]], over) for over, prefix in names.items()]
    low, high, over = next((found for found in ends if found[0] == found[0]), (nan, nan, ""))
    pairs = list(zip(frame["seed_a"], frame["seed_b"], strict=True))
    cross_fitted = frame["mean_cross_fitted_low"].iloc[0] if "mean_cross_fitted_low" in frame else nan
    return Gap(
        *(float(row["mean"]), float(low), float(high), over),
        tuple(frame["value"].tolist()),
        float(cross_fitted),
        untested(pairs),
        len({seed for pair in pairs for seed in pair}),
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
    whose = "last step so far" if when == "end" and any(cell.so_far for cell in rungs) else when
    at = f"at step {steps.pop():,}" if len(steps) == 1 else f"at each model's {whose}"
    return f"Ladder {ladder}, {at}: the gap is {course} with more pre-training ({values} updates)."
