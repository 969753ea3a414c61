"""Seconds of each job on one device, and of all: by what ran here, else by a guess."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from isthmus.experiment.config import Experiment
from isthmus.experiment.jobs import Job
from isthmus.planning import known
from isthmus.planning.known import Ran
from isthmus.planning.sizes import Sizes
from isthmus.planning.work import ALIKE, ALPHAS, TRAINING, Work, kind

# Effective rates of one device in TFLOP/s, where nothing is known: what an A100 may reach in training, and
# one core of a processor.
RATES = {"float32": 12.0, "tf32": 45.0, "bfloat16": 90.0}
CPU_RATE = 0.03
STARTUP = 20.0  # seconds of a job that runs a model before and after its work, where nothing is known
OTHER = 5.0  # and of one that runs none
# Of the time to start, where a job does not say its own: what took less has measured next to nothing, or was
# answered by the journal.
MOVED = 1.25
ALIKE_IN_SIZE = 2.0  # a model up to so many times as large, or as small, is worth no word
ON_DEVICE = ("evaluate", "examples")  # of the jobs that only start, those that may compute
LAST = ("collect", "findings", "tables", "figures", "report")  # which wait for all others


class Cost(NamedTuple):
    """Seconds of a job, where they are from, and whether anything that ran says so (else it is a guess)."""

    seconds: float
    source: str
    measured: bool


class Rate(NamedTuple):
    """Operations a second, and where that is from."""

    rate: float
    source: str
    measured: bool


class Costs:
    """What the jobs of an experiment cost.

    Args:
        experiment: the settings; `plan` may give a rate.
        results: the folder of its results; folders beside it are of other experiments.
        sizes: of its models and data.
    """

    def __init__(self, experiment: Experiment, results: Path, sizes: Sizes):
        self.experiment, self.sizes = experiment, sizes
        self.own = known.ran(results)
        self.device = _device(experiment, results)
        beside = (path for path in sorted(results.parent.glob("*")) if path != results and path.is_dir())
        self.others = [job for path in beside if known.device(path) == self.device for job in known.ran(path)]
        self.work = Work(experiment, sizes, self.alphas()[0])
        self._rate, self._start, self._quick = cache(self._rate), cache(self._start), cache(self._quick)

    @property
    def at_once(self) -> int:
        """Jobs with a model that run at the same time."""
        if self.device == "cuda":
            return self.experiment.plan.gpus
        return max(1, self.cores // self.experiment.threads)

    @property
    def cores(self) -> int:
        """Cores that jobs run on."""
        if self.experiment.plan.cores is not None:
            return self.experiment.plan.cores
        # Where the system tells: of a container, or under taskset, not all that the machine has.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def on_device(self, job: Job) -> bool:
        """Whether a job takes one of the devices that are counted."""
        return self.device == "cpu" or kind(job.rule) in ("training", "measuring") or job.rule in ON_DEVICE

    def alphas(self) -> tuple[int, str]:
        """Points of a path, and where that number is from."""
        paths = self.experiment.paths
        if paths.grid == "uniform":
            return paths.points, "as configured"
        for jobs in (self.own, self.others):
            if found := [job for job in jobs if job.alphas and job.rule == "interpolate"]:
                points = round(mean(job.alphas for job in found))
                return min(points, paths.max_alphas), f"as in {_folders(found)} so far"
        return min(ALPHAS, paths.max_alphas), "a guess: 15 to 40 are usual of an adaptive path"

    def of(self, job: Job) -> Cost:
        """What a job takes on its device."""
        rule, what = ALIKE.get(job.rule, job.rule), kind(job.rule)
        if what in ("starting", "other"):
            return self._quick(rule)
        cell = job.wildcards.get("model", ""), job.wildcards.get("dataset", "")
        rate = self._rate(rule, cell, self.work.token(job))
        return Cost(self._start(rule) + self.work.of(job) / rate.rate, rate.source, rate.measured)

    def _quick(self, rule: str) -> Cost:
        """A job whose work does not count: one of its rule takes what others of it took."""
        for jobs in (self.own, self.others):
            if found := [job for job in jobs if job.rule == rule]:
                return Cost(median(job.seconds for job in found), _said(found, "alike"), True)
        return Cost(STARTUP if kind(rule) == "starting" else OTHER, "a guess", False)

    def _start(self, rule: str) -> float:
        """Seconds of a job with a model before and after its work: as others of its rule, or like it."""
        evaluations = self._quick("evaluate")
        if kind(rule) == "measuring" and evaluations.measured:
            return evaluations.seconds
        for rules in ((rule,), TRAINING):
            for jobs in (self.own, self.others):
                if found := [job.start for job in jobs if job.rule in rules and job.start is not None]:
                    return median(found)
        return evaluations.seconds if evaluations.measured else STARTUP

    def _rate(self, rule: str, cell: tuple[str, str], token: float) -> Rate:
        """Operations a second of a job of a cell, by the nearest of what ran; else as given, else a guess."""
        alike = {job.rule for job in (*self.own, *self.others) if kind(job.rule) == kind(rule)}
        named = f"of {kind(rule)}"
        for jobs, rules, words in (
            ([job for job in self.own if job.cell == cell], {rule}, "alike"),
            (self.own, {rule}, "alike"),
            (self.own, alike, named),
            (self.own, None, "with a model"),
        ):
            if found := self._of_rules(jobs, rules):
                return Rate(_pooled(found, self._start), _said(found, words), True)
        if self.experiment.plan.tflops is not None:
            return Rate(self.experiment.plan.tflops * 1e12, "plan.tflops, as given", False)
        for rules, words in (({rule}, "alike"), (alike, named), (None, "with a model")):
            if found := self._of_rules(self.others, rules):
                near = _nearest(found, token)
                return Rate(_pooled(near, self._start), _said(near, words, token), True)
        rate = (
            CPU_RATE * self.experiment.threads if self.device == "cpu" else RATES[self.experiment.precision]
        )
        return Rate(rate * 1e12, f"a guess, {rate:.3g} TFLOP/s", False)

    def _of_rules(self, jobs: Iterable[Ran], rules: set[str] | None) -> list[Ran]:
        """Those of some rules (None: of all) whose work took time that can be told from that to start."""
        found = [job for job in jobs if job.work and (rules is None or job.rule in rules)]
        least = {job: job.start if job.start is not None else MOVED * self._start(job.rule) for job in found}
        return [job for job in found if job.seconds > least[job]]


def _device(experiment: Experiment, results: Path) -> str:
    """What an experiment computes on: as set, else as it did so far, else a GPU."""
    if experiment.device != "auto":
        return experiment.device
    return known.device(results) or "cuda"


def _start_of(job: Ran, start: Callable[[str], float]) -> float:
    return start(job.rule) if job.start is None else job.start


def _pooled(jobs: list[Ran], start: Callable[[str], float]) -> float:
    """Operations a second of some jobs together."""
    return sum(job.work for job in jobs) / sum(job.seconds - _start_of(job, start) for job in jobs)


def _nearest(jobs: list[Ran], token: float) -> list[Ran]:
    """Those of the experiment and cell whose model is nearest in size; all, where no size is known."""
    if not token:
        return jobs
    groups = defaultdict(list)
    for job in jobs:
        groups[job.experiment, job.cell].append(job)
    return min(groups.values(), key=lambda group: abs(math.log(group[0].token / token)))


def _folders(jobs: Iterable[Ran]) -> str:
    names = list(dict.fromkeys(job.experiment for job in jobs))
    return ", ".join(names[:3]) + " ..." * (len(names) > 3)


def _said(jobs: list[Ran], what: str, token: float = 0.0) -> str:
    """Which jobs a figure is from; of a model of another size, how much larger it is."""
    ratio = jobs[0].token / token if token else 1.0
    size = "" if 1 / ALIKE_IN_SIZE <= ratio <= ALIKE_IN_SIZE else f", a model {ratio:.2g} times as large"
    return f"{len(jobs)} {what} in {_folders(jobs)}{size}"


def wall_time(costs: list[tuple[Job, float]], at_once: int) -> float:
    """Seconds until the last job ends, at best: all work shared out evenly, or the longest chain, or job.

    Segments of one run follow on each other, so more devices than runs gain nothing; and the last jobs of an
    experiment wait for all others.

    Args:
        costs: the jobs that are left, and the seconds of each.
        at_once: how many run at the same time.
    """
    total, last, chains, longest, longest_row = 0.0, 0.0, Counter(), 0.0, 0.0
    for job, seconds in costs:
        rule = ALIKE.get(job.rule, job.rule)
        if rule in LAST:
            last += seconds
            continue
        total, longest = total + seconds, max(longest, seconds)
        if rule == "finetune":
            chains[job.wildcards["model"], job.wildcards["dataset"], job.wildcards["seed"]] += seconds
        elif rule == "interpolate":
            longest_row = max(longest_row, seconds)
    return max(total / at_once, longest, max(chains.values(), default=0.0) + longest_row) + last
