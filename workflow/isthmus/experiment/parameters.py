"""What jobs depend on besides files: the parameters of rules, as plain values that Snakemake compares.

A parameter holds just what its rule's results follow from; whatever else a setting says runs nothing again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from isthmus.experiment import layout, outputs
from isthmus.experiment.cells import Cell
from isthmus.experiment.config import Columns, Dataset, Experiment

NUMERICS = ("device", "precision", "attention", "threads", "deterministic")
BLOCKS = ("block_size", "documents", "masked")  # how running text becomes tokens
LATER = {"task": "classification", "prompt": None, "answer": None}
# Settings that no result follows from.
FREE = {"resources", "keep", "keep_states", "plan", "anchors"}


def rows(columns: Columns) -> dict[str, Any]:
    """What the rows of a set depend on: neither where files stand, nor what is done with the rows later."""
    dumped = columns.model_dump(mode="json", exclude={"sets", "training", "max_length", "by", *BLOCKS})
    dumped["source"].pop("paths", None)
    # Settings that came with language modelling: without them nothing else is made anew.
    return {key: value for key, value in dumped.items() if value != LATER.get(key, ...)}


def blocks(settings: Dataset, columns: Columns | None = None) -> dict[str, Any]:
    """What the blocks of running text depend on besides rows and tokenizer.

    Args:
        settings: the data set.
        columns: of a further set; by default the data set's own.
    """
    masked = {"masked": settings.masked, "seed": settings.seed} if settings.task == "masked_lm" else {}
    return {
        "task": settings.task,
        "block_size": settings.block_size,
        "documents": settings.documents,
        "prompted": (columns or settings).prompt is not None,
    } | masked


def with_files(settings: dict[str, Any], files: Iterable[str]) -> dict[str, Any]:
    """The settings of `rows` with the user's own files, which are inputs of the rule."""
    paths = {"paths": list(map(Path, files))} if settings["source"]["kind"] == "files" else {}
    return settings | {"source": settings["source"] | paths}


def head(experiment: Experiment, cell: Cell) -> bool | str:
    """Whether a run's seed draws its head; of language modelling the task: a model's own head."""
    if experiment.datasets[cell.dataset].language:
        return experiment.datasets[cell.dataset].task
    return drawn(cell)


def drawn(cell: Cell) -> bool:
    """Whether a run's seed draws what its training begins with; runs that part later begin alike."""
    return "head" in cell.training.vary and not cell.training.shared_steps


def adapter(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """The settings of a cell's adapters."""
    return experiment.models[cell.model].adapter.model_dump()


def own_groups(experiment: Experiment) -> dict[str, list[str]]:
    """The groups of tensors that the user named by patterns."""
    groups = experiment.layers.groups if experiment.layers else {}
    return groups if isinstance(groups, dict) else {}


def numerics(experiment: Experiment) -> dict[str, Any]:
    """Everything that changes bits besides weights and examples."""
    return {name: getattr(experiment, name) for name in NUMERICS}


def measuring(experiment: Experiment) -> dict[str, Any]:
    """The same where models are measured."""
    other = experiment.paths.weights
    return numerics(experiment) | ({"weights": other} if other != "float32" else {})


def evaluation(experiment: Experiment) -> dict[str, Any]:
    """What a measurement depends on besides weights, tokens and numerics."""
    return experiment.evaluation.model_dump(include={"train_examples", "token_budget", "seed"})


def of_test(experiment: Experiment) -> dict[str, Any]:
    """The same of a measurement on the test part alone."""
    return experiment.evaluation.model_dump(include={"token_budget", "seed"})


def layers(experiment: Experiment) -> dict[str, Any]:
    """What the lines in single layers depend on."""
    return experiment.layers.model_dump(include={"groups", "alphas"}) if experiment.layers else {}


def bending(cell: Cell, curve: str) -> dict[str, Any]:
    """What the bends of a curve depend on besides its ends and the examples."""
    settings = cell.curves[curve]
    return {"kind": settings.kind, "bends": settings.bends, "recipe": settings.recipe(cell.training)}


def alignment(experiment: Experiment) -> dict[str, Any]:
    """What orders of units depend on besides the two checkpoints."""
    if not (chosen := experiment.alignment):
        return {}
    # What a method does not use must not make its orders again.
    return chosen.model_dump(exclude={"pairs", "at"} | ({"updates"} if chosen.method != "learned" else set()))


def bodies(cell: Cell) -> dict[int, str]:
    """The model whose body each run of a cell began from; nothing is known of what others trained."""
    return {} if cell.adopted else cell.bodies


def bootstrap(experiment: Experiment) -> dict[str, int]:
    """What intervals over examples depend on besides measurements."""
    return {"replicates": experiment.evaluation.replicates, "seed": experiment.evaluation.seed}


def findings(experiment: Experiment, cells: dict[tuple[str, str], Cell]) -> dict[str, Any]:
    """What is asked of the numbers: of each cell its steps and where deltas start, and the ladders."""
    amounts = {name: model.pretraining_steps for name, model in experiment.models.items()}
    return {
        "experiment": experiment.experiment,
        "negligible": experiment.negligible.loss,
        "cells": {key: (cell.steps, cell.delta_from) for key, cell in cells.items()},
        "ladders": [
            (ladder, dataset, {model: amounts[model] for model in models})
            for dataset, ladder, models in outputs.ladder_panels(experiment)
        ],
    }


def shown(experiment: Experiment) -> dict[str, Any]:
    """The settings that figures and report show, of which `Experiment(**shown)` is made again.

    What nobody set stays open: settings ask whether something was set. So to write a default out makes
    figures and report again, and nothing else.
    """
    return experiment.model_dump(
        exclude=dict.fromkeys(FREE, True) | {"layers": {"cache_mb"}}, exclude_unset=True
    )


# ---------------------------------------------------------------------------- where states are kept, and when


def pretraining(experiment: Experiment, model: str) -> dict[str, Any]:
    """What a pre-training depends on besides its recipe."""
    dumped = experiment.pretraining[experiment.models[model].pretraining].model_dump(exclude={"training"})
    # As it was before there were decoders: nothing is made anew.
    return {name: value for name, value in dumped.items() if (name, value) != ("architecture", "bert")}


def states(experiment: Experiment, cell: Cell, seed: int) -> dict[str, Any]:
    """Where a run's states are kept, those of which steps stay, and the minutes between two saves."""
    keep = cell.steps if experiment.keep_states == "all" else []
    return _states(experiment, layout.STATES, keep, cell.training.save_minutes, seed=seed, **_names(cell))


def trunk_states(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """The same of what all runs of a cell train as one: a state at each checkpoint and where they part."""
    fork = cell.training.shared_steps
    keep = [*(step for step in cell.steps if step < fork), fork]
    return _states(experiment, layout.TRUNK_STATES, keep, cell.training.save_minutes, **_names(cell))


def curve_states(experiment: Experiment, cell: Cell, **wildcards: Any) -> dict[str, Any]:
    """The same of the bends of a curve."""
    return _states(experiment, layout.CURVE_STATES, [], cell.training.save_minutes, **wildcards)


def pretraining_states(experiment: Experiment, model: str) -> dict[str, Any]:
    """The same of a pre-training, whose rungs share them."""
    name = experiment.models[model].pretraining
    rungs = {m.pretraining_steps for m in experiment.models.values() if m.pretraining == name}
    keep = sorted(rungs) if experiment.keep_states == "all" else []
    minutes = experiment.pretraining[name].training.save_minutes
    return _states(experiment, layout.PRETRAINING_STATES, keep, minutes, pretraining=name)


def _states(experiment, template, keep, minutes, **wildcards):
    folder = Path(layout.results(experiment.experiment), layout.filled(template, **wildcards))
    return {"folder": folder, "keep": frozenset(keep), "save_minutes": minutes}


def _names(cell):
    return {"model": cell.model, "dataset": cell.dataset}
