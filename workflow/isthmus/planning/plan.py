"""The plan of an experiment in words: jobs, hours, wall time and disk, and what each figure is known from."""

import math
from collections import Counter
from pathlib import Path

from isthmus.experiment.config import Experiment
from isthmus.experiment.jobs import Job
from isthmus.planning.costs import Cost, Costs, wall_time
from isthmus.planning.disk import disk
from isthmus.planning.sizes import Sizes


def describe(experiment: Experiment, jobs: list[Job], results: Path) -> str:
    """The plan of an experiment, for people to read.

    Args:
        experiment: the settings; `plan` has the number of GPUs or cores, and the rate.
        jobs: all jobs of the experiment; those whose file is there count as done.
        results: the folder of its results.

    Raises:
        ConfigError: a file of data cannot be read.
        Damaged: a file of the results is not what was written.
    """
    sizes = Sizes(experiment, results)
    costs = Costs(experiment, results, sizes)
    left = {place: costs.of(job) for place, job in enumerate(jobs) if not job.file.exists()}
    lines = [
        f"Plan of {experiment.experiment}",
        "",
        *_job_table(jobs, left),
        "",
        *_hours(costs, jobs, left),
        "",
    ]
    lines += [*_disk_table(experiment, sizes, costs), "", "Models:", *_models(experiment, sizes), ""]
    lines += ["Assumptions:", *(f"- {text}" for text in (*_assumptions(experiment, costs), *sizes.assumed))]
    return "\n".join(lines)


def _job_table(jobs: list[Job], left: dict[int, Cost]) -> list[str]:
    """Jobs by rule; `left` has the costs of those that are not done, by their place."""
    every, open_, seconds, sources = Counter(), Counter(), Counter(), {}
    for place, job in enumerate(jobs):
        every[job.rule] += 1
        if cost := left.get(place):
            open_[job.rule] += 1
            seconds[job.rule] += cost.seconds
            sources.setdefault(job.rule, {})[cost.source] = None
    lines = [f"{'jobs':<19} {'all':>7} {'done':>7} {'left':>7} {'time left':>9}   known from"]
    for rule, count in every.items():
        line = f"{rule:<19} {count:>7} {count - open_[rule]:>7} {open_[rule]:>7}"
        if open_[rule]:
            line += f" {_short(seconds[rule]):>9}   {'; '.join(sources[rule])}"
        lines.append(line)
    done = len(jobs) - len(left)
    time = _short(seconds.total()) if left else ""
    return [*lines, f"{'total':<19} {len(jobs):>7} {done:>7} {len(left):>7} {time:>9}".rstrip()]


def _hours(costs: Costs, jobs: list[Job], left: dict[int, Cost]) -> list[str]:
    """Hours of devices, wall time, and how much of them is a guess."""
    if not left:
        return ["nothing is left to do"]
    counted = [(jobs[place], cost) for place, cost in left.items() if costs.on_device(jobs[place])]
    total = sum(cost.seconds for _, cost in counted)
    guessed = sum(cost.seconds for _, cost in counted if not cost.measured) / max(total, 1e-9)
    wall = wall_time([(job, cost.seconds) for job, cost in counted], costs.at_once)
    if costs.device == "cpu":
        device, several = "core", f"{costs.cores} core{'s' * (costs.cores > 1)}"
        several += f", {costs.at_once} job{'s' * (costs.at_once > 1)} at a time"
        total *= costs.experiment.threads
    else:
        device, several = "GPU", f"{costs.experiment.plan.gpus} GPU{'s' * (costs.experiment.plan.gpus > 1)}"
    said = {0.0: "by what ran here", 1.0: "guessed or given: nothing like it ran here"}.get(
        round(guessed, 2), f"{guessed:.0%} of it guessed or given, the rest by what ran here"
    )
    wall_in_words = f"wall time with {several}: {duration(wall)} or more"
    return [f"{device} hours: {_number(total / 3600)}; {wall_in_words} ({said})"]


def _disk_table(experiment: Experiment, sizes: Sizes, costs: Costs) -> list[str]:
    lines = [f"{'disk, from the start':<32} {'stays':>8} {'at most on the way':>20}"]
    for keep in ("all", "last"):
        for states in ("last", "all"):
            of = disk(experiment, sizes, costs.work.alphas, keep, states, costs.at_once)
            mark = " <- this" if (keep, states) == (experiment.keep, experiment.keep_states) else ""
            name = f"keep: {keep}, keep_states: {states}"
            lines.append(f"{name:<32} {_bytes(of.stays):>8} {_bytes(of.peak):>20}{mark}")
    return lines


def _models(experiment: Experiment, sizes: Sizes) -> list[str]:
    return [
        f"- {name}: {sizes.shape(name).parameters:,} parameters, {sizes.shape(name).layers} layers, "
        f"width {sizes.shape(name).width}"
        + (f"; its adapters have some {sizes.saved(name):,}" if experiment.models[name].adapted else "")
        for name in dict(experiment.cell_list())
    ]


def _assumptions(experiment: Experiment, costs: Costs) -> list[str]:
    alphas, source = costs.alphas()
    lines = [
        "known from: how many jobs, in which folders of results/, say how long one takes; a guess: nothing "
        "like it ran here (TFLOPS= or plan.tflops says what one really reaches)",
        f"{alphas} alphas a path, {source}",
        "evaluations come from the rows' journal",
        "no waiting in a cluster's queue, no repeated work",
        "done means that a job's file is there; `snakemake -n` says what changed settings make run again",
    ]
    if costs.device != "cpu" and experiment.device == "auto":
        lines.append("device: auto is counted as a GPU; `device: cpu` counts cores")
    if costs.device == "cpu" and "gpus" in experiment.plan.model_fields_set:
        lines.append(f"plan.gpus ({experiment.plan.gpus}) counts for nothing: this computes on the CPU")
    return lines


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _short(seconds: float) -> str:
    """A time for a column."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{_number(seconds / 3600)} h"


def duration(seconds: float) -> str:
    """A time for people, as exact as an estimate is."""
    if seconds < 90:
        count = max(1, round(seconds))
        return f"{count} second{'s' * (count > 1)}"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{_number(hours)} hours"


def _bytes(size: float) -> str:
    power = min(4, max(1, int(math.log(max(size, 1), 1000))))
    return f"{_number(size / 1000**power)} {('', 'kB', 'MB', 'GB', 'TB')[power]}"
