"""The task that examples ask for, as what computes it."""

from collections.abc import Mapping
from pathlib import Path

from isthmus.caches.identity import CLASSIFICATION
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics
from isthmus.models import hf_folders
from isthmus.tasks.classification import Classification
from isthmus.tasks.language_modelling import LanguageModelling
from isthmus.tasks.task import MeasuredTask


def asked(sets: Mapping[str, Tokens], folder: Path, numerics: Numerics, order: int = 0) -> MeasuredTask:
    """The task of some sets of examples, all of which ask for one thing.

    Args:
        sets: by name.
        folder: a checkpoint, for its padding token.
        numerics: where and how to compute.
        order: the run's seed of what is drawn anew for each update; nothing of it is measured.
    """
    tasks, pad = {examples.task for examples in sets.values()}, hf_folders.pad_token(folder)
    if len(tasks) > 1:
        raise ValueError(f"sets of one cell ask for {tasks}; allowed: one task")
    (task,) = tasks
    if task == CLASSIFICATION:
        return Classification(pad, numerics)
    return LanguageModelling(task, pad, numerics, order)
