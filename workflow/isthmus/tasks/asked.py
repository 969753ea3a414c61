"""The task that examples ask for, as what computes it."""

from collections.abc import Mapping
from pathlib import Path

from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics
from isthmus.tasks.classification import Classification
from isthmus.tasks.language_modelling import LanguageModelling
from isthmus.tasks.scored import ScoredBlocks, ScoredLabels, scored
from isthmus.tasks.task import MeasuredTask


def asked(sets: Mapping[str, Tokens], folder: Path, numerics: Numerics, order: int = 0) -> MeasuredTask:
    """The task of some sets of examples; arguments and errors as of `scored`.

    Args:
        order: the run's seed of what is drawn anew for each update; nothing of it is measured.
    """
    return computed(scored(sets, folder, numerics), order)


def computed(task: ScoredLabels | ScoredBlocks, order: int = 0) -> MeasuredTask:
    """What computes a task."""
    if isinstance(task, ScoredBlocks):
        return LanguageModelling(task.identity, task.pad, task.numerics, order)
    return Classification(task.pad, task.numerics)
