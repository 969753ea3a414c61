"""The cells of an experiment: a model on a data set, with its runs, checkpoints and rows."""

from dataclasses import dataclass

from isthmus.experiment.config import Experiment, Training


@dataclass(frozen=True)
class Cell:
    """A model on a data set.

    Attributes:
        model, dataset: their names.
        seeds: its runs, in the config's order.
        steps: those of its checkpoints, rising.
        rows: each run that ends a path, with the runs before it that its paths begin at.
        training: the recipe.
        delta_from: the step that deltas start from.
        adopted: whether others trained its checkpoints.
    """

    model: str
    dataset: str
    seeds: list[int]
    steps: list[int]
    rows: dict[int, list[int]]
    training: Training
    delta_from: int
    adopted: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.model, self.dataset

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
            steps=experiment.cell_steps(*key),
            rows=experiment.cell_rows(*key),
            training=experiment.cell_training(*key),
            delta_from=experiment.cell_delta_from(*key),
            adopted=experiment.models[key[0]].checkpoints is not None,
        )
        for key in experiment.cell_list()
    }
