"""One job: the lines between the checkpoints of one run, each to the last: was its trajectory one valley?"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from isthmus.caches.identity import Anchor
from isthmus.data.tokens import Tokens
from isthmus.experiment import layout
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End
from isthmus.measuring.engine import Engine
from isthmus.measuring.interpolation import write_rows
from isthmus.measuring.known import Known
from isthmus.measuring.rows import Resampling, means
from isthmus.space.anchors import Weights, check_same_space
from isthmus.space.geometries import Line
from isthmus.space.sampling import Sampler
from isthmus.tasks.record import Record
from isthmus.tasks.scored import scored

FOLDER = "along/seed{seed}"  # in the journal of a cell


class Trajectory:
    """The checkpoints of one run.

    Args:
        ends: the checkpoints by step, rising.
        sets: the evaluation sets by name.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the folder of the cell in the journal.
    """

    def __init__(
        self, ends: dict[int, End], sets: dict[str, Tokens], budget: int, numerics: Numerics, journal: Path
    ):
        self.ends, self.sets, self.last = ends, sets, max(ends)
        end = ends[self.last]
        task = scored(sets, end.folder, numerics)
        self.engine = Engine(end, sets, budget, task)
        self.known = Known(self.engine, journal, FOLDER.format(seed=end.seed), "along")

    @cached_property
    def _last_weights(self) -> Weights:
        return self.known.reader.weights(self.ends[self.last])

    def curve(self, step: int, sampler: Sampler) -> dict[float, dict[str, Record]]:
        """The record of each set by alpha, rising, on the line from a step to the last."""
        end, last = self.ends[step], self.ends[self.last]
        read: dict[Anchor, Weights] = {}

        def weights() -> dict[Anchor, Weights]:
            if not read:
                own = self.known.reader.weights(end)
                check_same_space(own, self._last_weights, (str(end.folder), str(last.folder)))
                read.update({end.anchor: own, last.anchor: self._last_weights})
            return read

        ends = {0.0: self._evaluated(step), 1.0: self._evaluated(self.last)}
        return self.known.curve(Line(end.anchor, last.anchor), sampler, weights, ends)

    def _evaluated(self, step: int) -> tuple[str, str]:
        """Where an evaluation of a checkpoint is kept."""
        run = layout.filled(layout.RUN_JOURNAL, seed=self.ends[step].seed)
        return f"step{step}/{run}", "checkpoint"


def along(
    *, run: Trajectory, steps: Sequence[int], sampler: Sampler, resampling: Resampling,
    labels: dict[str, Any], out: Path,
) -> None:  # fmt: skip
    """One job: the lines from some steps of a run to its last.

    Args:
        run: its checkpoints.
        steps: where lines begin.
        sampler: which alphas are wanted.
        resampling: of the evaluation units.
        labels: `model` and `dataset`, written to each row of the file.
        out: Parquet, a row a line, set and alpha, as of `interpolate`: both seeds are the run's, `step` and
            `step_b` the last step, `step_a` that where the line begins.

    Raises:
        MismatchedEnds, errors.Damaged: as of a row.
    """
    seed, rows, bootstraps = run.ends[run.last].seed, [], resampling.bootstraps(run.sets)
    with run.known.job():
        for step in steps:
            keys = {**labels, "step": run.last, "seed_a": seed, "seed_b": seed}
            keys |= {"step_a": step, "step_b": run.last}
            curve = run.curve(step, sampler)
            rows += [
                {**keys, "set": name, "alpha": alpha, **means(at[name], bootstraps[name]), "n": len(examples)}
                for name, examples in run.sets.items()
                for alpha, at in curve.items()
            ]
            print(f"from step {step}: {len(curve)} alphas", flush=True)
    write_rows(rows, out)
