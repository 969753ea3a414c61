"""How long a run still takes: its jobs, weighed by what a plan knows of them and by the run so far."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.experiment import layout
from isthmus.experiment.config import Experiment
from isthmus.experiment.jobs import Job, jobs
from isthmus.planning.costs import Cost, Costs, wall_time
from isthmus.planning.sizes import Sizes
from isthmus.planning.work import kind

RECENT = 0.9  # how much a job counts beside the next one: a machine that is busy now may not be so later
ALL = "all jobs whose cost was known"
KNOWN = 0.5  # of the work that is left: below that, too much of a time is a guess to be said
Key = tuple[str, tuple[tuple[str, str], ...]]


def key(rule: str, wildcards: Mapping[str, Any]) -> Key:
    """What a job is found by, whether its wildcards are numbers or texts."""
    return rule, tuple(sorted((name, str(value)) for name, value in wildcards.items()))


def forecast(experiment: Experiment, wanted: Mapping[str, int], cores: int, gpus: int) -> "Forecast":
    """The forecast of a run that begins now.

    Args:
        experiment: what is made.
        wanted: as of `Forecast`.
        cores, gpus: what the run may use at the same time.
    """
    plan = experiment.plan.model_copy(update={"cores": cores, "gpus": gpus})
    experiment = experiment.model_copy(update={"plan": plan})
    results = Path(layout.results(experiment.experiment))
    costs = Costs(experiment, results, Sizes(experiment, results))
    # On a GPU the others run beside those that take it, many at a time.
    counted = [job for job in jobs(experiment) if costs.on_device(job)]
    every = sorted(counted, key=lambda job: job.file.exists())
    return Forecast([(job, costs.of(job)) for job in every], costs.at_once, wanted)


class Forecast:
    """The time that is left of a run.

    Args:
        every: jobs with what they cost, those that are not done first.
        at_once: how many run at the same time.
        wanted: how many jobs of each rule the run makes; rules that are not among `every` take no time.
    """

    def __init__(self, every: list[tuple[Job, Cost]], at_once: int, wanted: Mapping[str, int]):
        self.at_once, self.left = at_once, {}
        counts = Counter(wanted)
        for job, cost in every:
            if counts[job.rule] > 0:
                counts[job.rule] -= 1
                self.left[key(job.rule, job.wildcards)] = job, cost
        self.running: dict[Key, float] = {}  # since when
        self.taken: Counter[str] = Counter()  # seconds of this run's jobs, of a rule, of a kind, of `ALL`
        self.expected: Counter[str] = Counter()  # what these were thought to take

    def start(self, rule: str, wildcards: Mapping[str, Any], now: float) -> None:
        """A job runs from now on (seconds of any clock)."""
        self.running[key(rule, wildcards)] = now

    def end(self, rule: str, wildcards: Mapping[str, Any], now: float, well: bool = True) -> None:
        """A job has ended; one that failed is tried again, and says nothing of the time that others take."""
        job = key(rule, wildcards)
        since = self.running.pop(job, None)
        if not well:
            return
        # A job that only a change of settings makes run stands for another of its rule.
        other = next((one for one in self.left if one[0] == rule), None)
        found = self.left.pop(job if job in self.left else other, None)
        if found and since is not None:
            for name in (rule, ALL if found[1].measured else kind(rule)):
                self.taken[name] = RECENT * self.taken[name] + now - since
                self.expected[name] = RECENT * self.expected[name] + found[1].seconds

    def seconds(self, now: float) -> float | None:
        """About how long the rest takes; None while nothing like most of it has run yet."""
        rest, known = [], 0.0
        for job, (what, cost) in self.left.items():
            factor, measured = self._correction(what.rule, cost)
            whole = factor * cost.seconds
            rest.append((what, max(0.0, whole - (now - self.running[job] if job in self.running else 0.0))))
            known += rest[-1][1] * measured
        total = sum(seconds for _, seconds in rest)
        if not rest or known < KNOWN * total:
            return None
        return wall_time(rest, self.at_once)

    def _correction(self, rule: str, cost: Cost) -> tuple[float, bool]:
        """What this run says of a job's cost, as a factor, and whether anything that ran says it."""
        # What ran before this run counts as one more job; a guess counts for nothing once anything ran. Where
        # known jobs take longer than they did, the machine has more to do now, also for those that come.
        before = cost.seconds if cost.measured else 0.0
        for name in (rule, ALL if cost.measured else kind(rule)):
            if self.expected[name]:
                return (self.taken[name] + before) / (self.expected[name] + before), True
        return 1.0, cost.measured
