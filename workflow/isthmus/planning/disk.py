"""The disk that an experiment takes, caches included."""

from typing import NamedTuple

from isthmus.experiment.config import Experiment
from isthmus.planning.sizes import Sizes
from isthmus.planning.work import along_points, layer_points, soup_points

REPLICATE_BYTES = 2 * 4  # of loss and error, for each replicate, set and alpha: in the rows
UNIT_BYTES = 8 + 2  # a loss and a prediction, for each evaluation unit, set and alpha: in the journal


class Disk(NamedTuple):
    """Bytes: what stays when all is done, and the most that may stand on the disk on the way."""

    stays: float
    peak: float


def disk(experiment: Experiment, sizes: Sizes, alphas: int, keep: str, keep_states: str, gpus: int) -> Disk:
    """The disk that an experiment takes from its start, caches included.

    A checkpoint is what is trained of the weights, in float32; a state has Adam's two moments too, and stands
    twice while it is saved. On the way, `keep: last` may hold what `keep: all` does, where one seed runs
    ahead of the others.
    """
    kept_bytes, temporary, saving = 0.0, 0.0, 0.0
    for model, dataset in experiment.cell_list():
        weights = 4.0 * sizes.saved(model)
        seeds, steps = len(experiment.cell_runs(model, dataset)), experiment.cell_steps(model, dataset)
        if experiment.models[model].checkpoints is not None:  # nothing is trained, and all of them stay
            kept_bytes += seeds * weights * len(steps)
        else:
            kept = len(steps) if keep == "all" else min(2, len(steps))
            states = len(steps) - 1 if keep_states == "all" else 1
            kept_bytes += seeds * weights * (kept + 3 * states)
            temporary += seeds * weights * (len(steps) - kept)
            saving = max(saving, 3 * weights)
        sets = ("train", "test", *experiment.datasets[dataset].sets)
        spaces = len(experiment.paths.spaces) if experiment.models[model].adapted else 1
        points = spaces * len(steps) * len(experiment.cell_pairs(model, dataset)) * alphas
        units = sum(sizes.rows(dataset, part) for part in sets)
        points += len(experiment.cell_averaged(model, dataset)) * soup_points(experiment, model, dataset)
        curves = experiment.cell_curves(model, dataset)
        points += (len(curves) + len(experiment.cell_aligned(model, dataset))) * alphas
        # Each bend is a checkpoint, and in a state with two moments.
        kept_bytes += 4 * weights * sum(curve.bends for *_, curve in curves)
        points += experiment.paths.along * seeds * along_points(experiment, model, dataset, alphas)
        replicates = REPLICATE_BYTES * experiment.evaluation.replicates * len(sets)
        kept_bytes += points * (replicates + UNIT_BYTES * units)
        kept_bytes += UNIT_BYTES * _test_units(experiment, sizes, model, dataset)
    whole = [model for model, _ in experiment.cell_list() if experiment.models[model].adapted]  # bases
    whole += dict(experiment.cell_list())
    kept_bytes += sum(4.0 * sizes.shape(model).parameters for model in whole)
    return Disk(kept_bytes, kept_bytes + temporary + gpus * saving)


def _test_units(experiment: Experiment, sizes: Sizes, model: str, dataset: str) -> float:
    """Test examples that are recorded for planes and for lines in layers, over all of their points."""
    test = sizes.rows(dataset, "test")
    planes = [plane for _, plane in experiment.cell_planes(model, dataset).values()]
    units = sum(plane.resolution**2 * min(plane.examples, test) for plane in planes)
    if lines := len(experiment.cell_layers(model, dataset)):
        units += lines * layer_points(experiment, sizes, model) * test
    return units
