"""The cells of an experiment: a model on a data set, with its runs, checkpoints and rows."""

from dataclasses import dataclass

from isthmus.experiment.config import Curve, Experiment, Plane, Training


@dataclass(frozen=True)
class Cell:
    """A model on a data set.

    Attributes:
        model, dataset: their names.
        seeds: its runs, in the config's order.
        bodies: the model whose body each of them begins from; most often that of the cell.
        steps: those of its checkpoints, rising.
        rows: each run that ends a path, with the runs before it that its paths begin at.
        training: the recipe.
        delta_from: the step that deltas start from.
        planes: those of the cell by name: the corners as (run, step), and the settings. The run of a bend is
            the name of its curve, between the other two.
        curves: the settings of its curves by name.
        curved: the steps and pairs of runs between which there is one (step, run, run, name).
        aligned: the steps and pairs of runs of which the second is aligned to the first (step, run, run).
        layered: the steps and pairs of runs (step, run, run) between which single layers are moved.
        averaged: the steps at which all its runs are averaged, rising.
        adopted: whether others trained its checkpoints.
        adapted: whether its checkpoints are adapters.
        factors: whether lines between the factors of its adapters are measured.
    """

    model: str
    dataset: str
    seeds: list[int]
    bodies: dict[int, str]
    steps: list[int]
    rows: dict[int, list[int]]
    training: Training
    delta_from: int
    averaged: list[int]
    layered: list[tuple[int, int, int]]
    planes: dict[str, tuple[list[tuple[int | str, int]], Plane]]
    curves: dict[str, Curve]
    curved: list[tuple[int, int, int, str]]
    aligned: list[tuple[int, int, int]]
    adopted: bool
    adapted: bool
    factors: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.model, self.dataset

    @property
    def checkpoints(self) -> list[tuple[int, int]]:
        """All of them, as (run, step)."""
        return [(seed, step) for seed in self.seeds for step in self.steps]

    def step_before(self, step: int) -> int:
        """The step of the checkpoint before one."""
        return max(earlier for earlier in self.steps if earlier < step)

    def rows_of(self, seed: int) -> list[int]:
        """The rows that a run is an end of."""
        return [end for end, begins in self.rows.items() if seed == end or seed in begins]


def cells(experiment: Experiment) -> dict[tuple[str, str], Cell]:
    """The cells by (model, data set), in the config's order."""
    return {
        key: Cell(
            *key,
            seeds=list(experiment.cell_runs(*key)),
            bodies=experiment.cell_bodies(*key),
            steps=experiment.cell_steps(*key),
            rows=experiment.cell_rows(*key),
            training=experiment.cell_training(*key),
            delta_from=experiment.cell_delta_from(*key),
            averaged=experiment.cell_averaged(*key),
            layered=experiment.cell_layers(*key),
            planes=experiment.cell_planes(*key),
            curves={curve.name: curve for curve in experiment.curves},
            curved=[(*place, curve.name) for *place, curve in experiment.cell_curves(*key)],
            aligned=experiment.cell_aligned(*key),
            adopted=experiment.models[key[0]].checkpoints is not None,
            adapted=experiment.models[key[0]].adapted,
            factors=experiment.models[key[0]].adapted and "factors" in experiment.paths.spaces,
        )
        for key in experiment.cell_list()
    }
