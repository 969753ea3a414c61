"""The time left of a run: in a simulated run it must come near to what is then taken, from early on."""

import pytest
from isthmus.experiment.jobs import Job
from isthmus.planning.costs import Cost
from isthmus.planning.forecast import Forecast

CELL = {"model": "m", "dataset": "d"}
# What jobs of a rule really take here: short ones run first, and the long ones last.
TRUE = {
    "initialize": 2.0,
    "finetune": 40.0,
    "interpolate": 10.0,
    "evaluate": 3.0,
    "average": 200.0,
    "report": 5.0,
}


def jobs(seeds=6):
    every = [Job("initialize", CELL | {"seed": s}, None) for s in range(seeds)]
    every += [Job("finetune", CELL | {"seed": s, "step": 9}, None) for s in range(seeds)]
    every += [Job("interpolate", CELL | {"seed": s, "step": 9}, None) for s in range(1, seeds)]
    every += [Job("evaluate", CELL | {"seed": s, "step": 9}, None) for s in range(seeds)]
    return [*every, Job("average", CELL | {"step": 9}, None), Job("report", {}, None)]


def simulated(every, costs, at_once=2):
    """Each job in turn on the first free device: (time left as forecast, time left in truth), job by job."""
    wanted = {rule: sum(job.rule == rule for job in every) for rule in TRUE} | {"all": 1, "total": 99}
    forecast = Forecast([(job, costs[job.rule]) for job in every], at_once, wanted)
    free, pairs, ends = [0.0] * at_once, [], []
    for job in every:
        begin = min(free)
        forecast.start(job.rule, {k: str(v) for k, v in job.wildcards.items()}, begin)
        free[free.index(begin)] = end = begin + TRUE[job.rule]
        ends.append((end, job))
        for over, one in sorted(ends, key=lambda pair: pair[0]):
            if over <= min(free):
                forecast.end(one.rule, one.wildcards, over)
                ends.remove((over, one))
                pairs.append((over, forecast.seconds(over)))
    whole = max(free)
    return [(left, whole - now) for now, left in pairs]


def test_with_what_is_known_the_time_left_is_near_from_the_first_job_on():
    costs = {rule: Cost(seconds * 1.2, "", True) for rule, seconds in TRUE.items()}
    said = simulated(jobs(), costs)
    for left, truth in said[:-2]:
        assert left == pytest.approx(truth, rel=0.35)


def test_by_the_mean_of_jobs_it_would_not_be():
    """What the line said before: the short jobs that run first say nothing of the long ones."""
    every = jobs()
    begun = sum(TRUE[job.rule] for job in every[:6]) / 2
    whole = sum(TRUE[job.rule] for job in every) / 2
    assert begun / 6 * (len(every) - 6) < 0.1 * (whole - begun)


def test_guesses_are_said_only_once_most_of_what_is_left_is_known():
    """They are a hundred times too large, and corrected by the first jobs of their kind."""
    costs = {rule: Cost(seconds * 100, "", False) for rule, seconds in TRUE.items()}
    costs["report"] = Cost(TRUE["report"], "", False)
    said = simulated(jobs(), costs)
    begun = [left for left, _ in said[:6]]  # while runs are initialised
    assert begun == [None] * 6
    known = [(left, truth) for left, truth in said if left is not None and truth > 10]
    assert len(known) > 8
    for left, truth in known:
        assert left == pytest.approx(truth, rel=0.6)


def test_a_failed_job_is_still_left_and_says_nothing_of_others():
    every = jobs(2)
    forecast = Forecast([(job, Cost(10.0, "", True)) for job in every], 1, dict.fromkeys(TRUE, 2))
    before = forecast.seconds(0.0)
    forecast.start("finetune", every[2].wildcards, 0.0)
    forecast.end("finetune", every[2].wildcards, 500.0, well=False)
    assert forecast.seconds(500.0) == before
    forecast.start("finetune", every[2].wildcards, 500.0)
    forecast.end("finetune", every[2].wildcards, 510.0)
    assert forecast.seconds(510.0) == before - 10


def test_only_wanted_jobs_count_and_those_that_are_there_stand_for_them():
    """Changed settings make jobs run again whose files are there: the plan's order puts these last."""
    every = [(job, Cost(10.0, "", True)) for job in jobs(3) if job.rule == "finetune"]
    forecast = Forecast(every, 1, {"finetune": 1, "something": 4})
    assert forecast.seconds(0.0) == 10
    forecast.start("finetune", CELL | {"seed": "2", "step": "9"}, 0.0)  # another than was thought
    forecast.end("finetune", CELL | {"seed": "2", "step": "9"}, 12.0)
    assert forecast.seconds(12.0) is None  # nothing is left


def test_a_running_job_counts_for_what_is_left_of_it():
    (job,) = (job for job in jobs() if job.rule == "average")
    forecast = Forecast([(job, Cost(100.0, "", True))], 1, {"average": 1})
    forecast.start("average", job.wildcards, 1000.0)
    assert forecast.seconds(1030.0) == 70
    assert forecast.seconds(2000.0) == 0
