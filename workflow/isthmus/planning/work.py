"""The operations of each kind of job: how much is computed, whatever the machine."""

from dataclasses import dataclass

from isthmus.experiment import dependencies
from isthmus.experiment.config import Experiment
from isthmus.experiment.jobs import PLANE_ROWS, Job, rungs_before
from isthmus.planning.sizes import TOY_TOKENS, Sizes
from isthmus.space import soups

# Jobs that cost what those of another rule do.
ALIKE = {"finetune_adapter": "finetune", "interpolate_factors": "interpolate", "bend_two": "bend"}
TRAINING = ("pretrain", "finetune", "bend")
# A job of these is answered from the journal, or runs a model once: what it takes is to start.
STARTING = ("initialize", "initialize_adapter", "base", "evaluate", "examples")
MEASURING = ("interpolate", "average", "layers", "plane", "along", "curve", "align", "aligned")
BACKWARD = 3  # a training step over its forward pass: backward takes twice that
LAYERS_SHARE = 0.6  # of a whole evaluation: what comes before the first tensor that moves is computed once
LEARNING_BATCH, LEARNING_LOOKS = 64, 10  # as in `measuring.learning`, which a plan does without
ALPHAS = 25  # of an adaptive path, where none is known: 15 to 40 are usual


def kind(rule: str) -> str:
    """What a job mostly does: `training`, `measuring`, `starting`, or `other`, which runs no model."""
    rule = ALIKE.get(rule, rule)
    kinds = {"training": TRAINING, "measuring": MEASURING, "starting": STARTING}
    return next((name for name, rules in kinds.items() if rule in rules), "other")


@dataclass(frozen=True)
class Work:
    """Operations of the jobs of an experiment.

    Attributes:
        experiment, sizes: what is computed.
        alphas: measured points of a path, its ends included.
    """

    experiment: Experiment
    sizes: Sizes
    alphas: int

    def token(self, job: Job) -> float:
        """Operations of a forward pass, per token, of a job's model; 0 where no data set is known to it."""
        w = job.wildcards
        if job.rule == "pretrain":
            return self.sizes.shape(w["model"]).flops(TOY_TOKENS["paraphrase"])
        return self._token(w["model"], w["dataset"]) if {"model", "dataset"} <= w.keys() else 0.0

    def of(self, job: Job) -> float:
        """Operations of a job; 0 for one that runs no model, or once."""
        w, rule = job.wildcards, ALIKE.get(job.rule, job.rule)
        if rule == "pretrain":
            return self._pretraining(w["model"])
        if rule not in (*TRAINING, *MEASURING):
            return 0.0
        cell = w["model"], w["dataset"]
        if rule == "finetune":
            steps = self.experiment.cell_training(*cell).checkpoint_steps()
            step = int(w["step"])
            return (step - max(s for s in steps if s < step)) * self.update(*cell)
        if rule == "bend":
            return bend_updates(self.experiment, *cell, w["curve"]) * self.update(*cell)
        if rule == "average":
            return soup_points(self.experiment, *cell) * self.point(*cell)
        if rule == "plane":
            return self._plane(*cell, w["plane"])
        if rule == "layers":
            points = layer_points(self.experiment, self.sizes, cell[0])
            return LAYERS_SHARE * points * self.point(*cell, ["test"])
        if rule in ("curve", "aligned"):
            return (self.alphas - 2) * self.point(*cell)
        if rule == "align":
            return self._aligning(*cell)
        if rule == "along":
            return along_points(self.experiment, *cell, self.alphas) * self.point(*cell)
        rows = self.experiment.cell_rows(*cell)
        # The row's own end is measured once, and that of the first seed by the first row.
        pairs, ends = len(rows[int(w["seed"])]), 2 if int(w["seed"]) == next(iter(rows)) else 1
        return (pairs * (self.alphas - 2) + ends) * self.point(*cell)

    def update(self, model: str, dataset: str) -> float:
        """Operations of an update."""
        batch = self.experiment.cell_training(model, dataset).batch_size
        length = self.sizes.length(model, dataset)
        return BACKWARD * batch * length * self._token(model, dataset)

    def point(self, model: str, dataset: str, sets: list[str] | None = None) -> float:
        """Operations of one set of weights on all evaluation sets, or some."""
        sets = sets or dependencies.sets(self.experiment, dataset)
        examples = sum(self.sizes.rows(dataset, part) for part in sets)
        return examples * self.sizes.length(model, dataset) * self._token(model, dataset)

    def _token(self, model: str, dataset: str) -> float:
        shape, length = self.sizes.shape(model), self.sizes.length(model, dataset)
        return shape.flops(length, self.sizes.asked(dataset))

    def _aligning(self, model: str, dataset: str) -> float:
        """Forward passes of some training examples through both models; learning looks at them again."""
        chosen = self.experiment.alignment
        if chosen.method == "weights":
            return 0.0
        passes = 2 * chosen.examples
        if chosen.method == "learned":
            passes += BACKWARD * chosen.updates * LEARNING_BATCH
            passes += (chosen.updates // LEARNING_LOOKS + 2) * chosen.examples
        return passes / max(1, self.sizes.rows(dataset, "test")) * self.point(model, dataset, ["test"])

    def _plane(self, model: str, dataset: str, name: str) -> float:
        """Some rows of a plane's grid."""
        _, plane = self.experiment.cell_planes(model, dataset)[name]
        share = min(1.0, plane.examples / self.sizes.rows(dataset, "test"))
        points = min(PLANE_ROWS, plane.resolution) * plane.resolution
        return points * share * self.point(model, dataset, ["test"])

    def _pretraining(self, name: str) -> float:
        """A rung goes on from the one before it."""
        rung, before = self.experiment.models[name], rungs_before(self.experiment, name)
        settings = self.experiment.pretraining[rung.pretraining]
        tokens = settings.training.batch_size * TOY_TOKENS["paraphrase"]
        done = self.experiment.models[before[-1]].pretraining_steps if before else 0
        updates = rung.pretraining_steps - done
        return updates * BACKWARD * tokens * self.sizes.shape(name).flops(TOY_TOKENS["paraphrase"])


def soup_points(experiment: Experiment, model: str, dataset: str) -> int:
    """Soups of a step that no path has measured: of three or more, and what a greedy choice tries."""
    runs = list(experiment.cell_runs(model, dataset))
    uniform = sum(len(soups.subsets(runs, size, 0)) for size in soups.sizes(len(runs)) if size > 2)
    return uniform + 2 * (len(runs) - 1) * experiment.averages.greedy


def layer_points(experiment: Experiment, sizes: Sizes, model: str) -> int:
    """Points of all lines of a pair in some of its layers, from both ends."""
    layers, groups = experiment.layers, sizes.shape(model).layers + 2
    if isinstance(layers.groups, dict):
        lines = len(layers.groups)
    else:
        groups += (layers.groups == "halves") * sizes.shape(model).layers
        lines = 3 * groups - 4  # a single group is alone and also the first, or the last, of several
    return 2 * lines * (layers.alphas - 1) + 2


def bend_updates(experiment: Experiment, model: str, dataset: str, name: str) -> int:
    """Updates that the bends of a curve are trained for."""
    steps = next(curve.steps for curve in experiment.curves if curve.name == name)
    return steps or experiment.cell_training(model, dataset).steps


def along_points(experiment: Experiment, model: str, dataset: str, alphas: int) -> int:
    """Points within the lines of one run; their ends are evaluated."""
    return (len(experiment.cell_steps(model, dataset)) - 1) * (alphas - 2)
