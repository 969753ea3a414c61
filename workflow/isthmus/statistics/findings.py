"""The source paper's two claims, tested on whatever was run.

(a) *fine-tuning*: the convexity gap (CG, test loss) falls over fine-tuning. The estimate is CG at the last
step minus CG at the step that deltas start from, mean over pairs.
(b) *pre-training*: CG is lower with more pre-training. The estimate is CG of the rung of a ladder with the
most pre-training minus CG of the one with the least, at the last step.

A claim is *supported* where the 95 % interval of its estimate lies below 0, *contradicted* where it lies
above, else *undecided*; also undecided where a run does not beat the majority class, since a gap between
two models that learnt nothing means nothing. The interval is over evaluation examples, replicates paired;
from five seeds on it is over seeds (`pair_statistics.seeds_interval`). Over cells, the estimate is the mean
over those that learnt their task, and the claim must hold for their mean.
"""

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import stored
from isthmus.bootstrap import percentile_interval
from isthmus.experiment import layout
from isthmus.statistics.pair_statistics import seeds_interval
from isthmus.statistics.thresholds import FLOOR, learnt
from isthmus.statistics.tidy import convexity_gaps, of_cell

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
COLUMNS = [
    "hypothesis", "dataset", "subject", "from", "to", "estimate", "low", "high", "over", "verdict", "since",
    "note",
]  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A change of CG in nats, and what its uncertainty comes from.

    Attributes:
        value: the change of the mean over pairs.
        samples: the same in each bootstrap replicate, shape (replicates,).
        pairs: the pairs of seeds.
        changes: the change of each pair, shape (pairs,).
    """

    value: float
    samples: np.ndarray
    pairs: tuple[tuple[int, int], ...]
    changes: np.ndarray

    def interval(self) -> tuple[float, float, str]:
        """The 95 % interval, and what it is over."""
        low, high = seeds_interval(self.pairs, self.changes)
        if low == low:
            return float(low), float(high), "seeds"
        low, high = percentile_interval(self.samples)
        return float(low), float(high), "examples"


def verdict(value: float, low: float, high: float) -> str:
    """What an estimate and its interval say of the claim that it is negative."""
    if low != low or abs(value) < FLOOR:
        return UNDECIDED
    return SUPPORTED if high < 0 else CONTRADICTED if low > 0 else UNDECIDED


class Gaps:
    """CG (test loss) of the cells of an experiment.

    Args:
        metrics, evaluations: the tidy frames.
        means: by (model, dataset) the frame of means with their `samples`.
    """

    def __init__(self, metrics, evaluations, means: dict[tuple[str, str], Any]):
        self.metrics, self.evaluations = convexity_gaps(metrics), evaluations
        self.means = {key: convexity_gaps(frame[frame["from_step"].isna()]) for key, frame in means.items()}

    def last(self, model: str, dataset: str) -> int:
        return int(self.means[model, dataset]["step"].max())

    def learnt(self, model: str, dataset: str) -> bool:
        """Whether the test accuracy at the last step beats the majority class, in each run."""
        scores = of_cell(self.evaluations, model, dataset)
        scores = scores[(scores["set"] == "test") & (scores["step"] == self.last(model, dataset))]
        return all(map(learnt, scores["accuracy"], scores["majority"]))

    def change(self, before: tuple[str, str, int], after: tuple[str, str, int]) -> Estimate:
        """CG at `after` minus CG at `before`, each a (model, data set, step).

        Pairs are given where both sides have the same.
        """
        pairs = [self._pairs(*at) for at in (before, after)]
        # With other pairs on one side, a mean over those of both would not be the estimate.
        both = [pair for pair in pairs[0] if pair in pairs[1]] if pairs[0].keys() == pairs[1].keys() else []
        samples = [self._mean(*at)["samples"] for at in (before, after)]
        values = [float(self._mean(*at)["value"]) for at in (before, after)]
        changes = np.array([pairs[1][pair] - pairs[0][pair] for pair in both])
        return Estimate(values[1] - values[0], np.subtract(*samples[::-1]), tuple(both), changes)

    def _mean(self, model: str, dataset: str, step: int):
        frame = self.means[model, dataset]
        return frame[frame["step"] == step].iloc[0]

    def _pairs(self, model: str, dataset: str, step: int) -> dict[tuple[int, int], float]:
        gaps = of_cell(self.metrics, model, dataset)
        gaps = gaps[gaps["step"] == step]
        return {tuple(sorted((row.seed_a, row.seed_b))): row.value for row in gaps.itertuples()}


def finetuning(gaps: Gaps, model: str, dataset: str, steps: list[int], start: int) -> dict[str, Any]:
    """Claim (a) on one cell; `since`: from this step on, at each step, the fall to the last is supported.

    Args:
        steps: the cell's checkpoints, rising.
        start: the step that deltas start from.
    """
    last = gaps.last(model, dataset)
    row = {"hypothesis": "finetuning", "dataset": dataset, "subject": model, "from": start, "to": last}
    if start == last:
        return row | {"verdict": UNDECIDED, "note": "one checkpoint after step 0 only"}
    row |= judged([gaps.change((model, dataset, start), (model, dataset, last))])
    before = [step for step in reversed(steps) if 0 < step < last]
    falls = list(takewhile(lambda step: _falls(gaps, model, dataset, step, last), before))
    row["since"] = falls[-1] if falls else None
    return row | _skill([(model, dataset)], gaps)


def _falls(gaps: Gaps, model: str, dataset: str, step: int, last: int) -> bool:
    estimate = gaps.change((model, dataset, step), (model, dataset, last))
    low, high, _ = estimate.interval()
    return verdict(estimate.value, low, high) == SUPPORTED


def pretraining(gaps: Gaps, ladder: str, dataset: str, rungs: dict[str, int]) -> dict[str, Any]:
    """Claim (b) on one ladder and data set.

    Args:
        rungs: the models and their `pretraining_steps`; two or more.
    """
    least, most = _ends(rungs)
    row = {"hypothesis": "pretraining", "dataset": dataset, "subject": ladder}
    row |= {"from": rungs[least], "to": rungs[most]}
    skill = _skill([(least, dataset), (most, dataset)], gaps)
    return row | judged([_climb(gaps, dataset, rungs)]) | skill


def _ends(rungs: dict[str, int]) -> tuple[str, str]:
    """The models with the least and the most pre-training."""
    return min(rungs, key=rungs.get), max(rungs, key=rungs.get)


def _climb(gaps: Gaps, dataset: str, rungs: dict[str, int]) -> Estimate:
    """From the least pre-training to the most, at the last step of each."""
    return gaps.change(*((model, dataset, gaps.last(model, dataset)) for model in _ends(rungs)))


def judged(estimates: list[Estimate]) -> dict[str, Any]:
    """Estimate, interval and verdict of the mean of some changes; seeds are drawn again in all at once."""
    value = float(np.mean([one.value for one in estimates]))
    same = all(one.pairs == estimates[0].pairs for one in estimates)
    changes = np.mean([one.changes for one in estimates], axis=0) if same else np.empty(0)
    samples = np.mean([one.samples for one in estimates], axis=0)
    low, high, over = Estimate(value, samples, estimates[0].pairs if same else (), changes).interval()
    return {"estimate": value, "low": low, "high": high, "over": over, "verdict": verdict(value, low, high)}


def _skill(cells: list[tuple[str, str]], gaps: Gaps) -> dict[str, Any]:
    without = [model for model, dataset in cells if not gaps.learnt(model, dataset)]
    if not without:
        return {}
    return {
        "verdict": UNDECIDED,
        "since": None,
        "note": f"{', '.join(without)}: not above the majority class",
    }


def table(gaps: Gaps, cells: dict[tuple[str, str], tuple[list[int], int]], ladders) -> Any:
    """All findings: a row a cell or ladder, and one over all of a kind (`dataset` and `subject` empty).

    Args:
        gaps: the cells' CG.
        cells: by (model, data set) the checkpoints and the step that deltas start from.
        ladders: (ladder, data set, {model: pretraining_steps}) for each with two rungs or more.
    """
    rows = [finetuning(gaps, *cell, steps, start) for cell, (steps, start) in cells.items()]
    whole = [
        gaps.change((*cell, start), (*cell, gaps.last(*cell)))
        for cell, (_, start) in cells.items()
        if start != gaps.last(*cell) and gaps.learnt(*cell)
    ]
    rows += _overall("finetuning", whole, len(rows))
    climbs = [pretraining(gaps, *ladder) for ladder in ladders]
    whole = [
        _climb(gaps, dataset, rungs)
        for _, dataset, rungs in ladders
        if all(gaps.learnt(model, dataset) for model in _ends(rungs))
    ]
    rows += climbs + _overall("pretraining", whole, len(climbs))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype(dict.fromkeys(("from", "to", "since"), "Int64"))


def _overall(hypothesis: str, estimates: list[Estimate], rows: int) -> list[dict[str, Any]]:
    """The row over all of a kind, where there are two or more to speak of."""
    if rows < 2:
        return []
    row = {"hypothesis": hypothesis}
    if not estimates:
        return [row | {"verdict": UNDECIDED, "note": f"none of {rows} can be judged"}]
    return [row | judged(estimates) | {"note": f"mean of {len(estimates)} of {rows}"}]


def write(
    experiment: str, cells: dict, ladders: list, frames: dict[str, Any], means: list[Path], path: Path
) -> None:
    """Write `findings.csv` of an experiment.

    Args:
        experiment: its name.
        cells, ladders: as in `table`.
        frames: from `tidy.load`.
        means: the `means` files of the cells, whose folders name the model.
        path: the CSV file.
    """

    files = {tuple(layout.parsed(layout.MEANS, file).values()): file for file in means}
    gaps = Gaps(
        frames["metrics"],
        frames["evaluations"],
        {key: stored.read_frame(file) for key, file in files.items()},
    )
    frame = table(gaps, cells, ladders)
    frame.insert(0, "experiment", experiment)
    stored.write_csv(path, frame)
