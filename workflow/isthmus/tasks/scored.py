"""What is known of a task without a model: how keys name it, and what is made of its measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from isthmus.caches import identity
from isthmus.caches.identity import CLASSIFICATION, Task
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics
from isthmus.models import hf_folders
from isthmus.tasks.questions import NONE, asked_of
from isthmus.tasks.record import Record


class ScoredTask(Protocol):
    """A task whose measurements are known.

    Attributes:
        identity: the task in keys.
        numerics: where and how to compute.
    """

    identity: Task
    numerics: Numerics

    def record(self, measured: dict[str, np.ndarray], examples: Tokens) -> Record:
        """What was measured on `examples`, as losses, errors and counts by unit."""

    def scored(self, measured: dict[str, np.ndarray], examples: Tokens) -> dict[str, np.ndarray]:
        """What a checkpoint is scored by, as columns: arrays by name, each of shape (units,)."""


@dataclass(frozen=True)
class ScoredLabels:
    """A classification.

    Attributes:
        pad: the model's padding token.
        numerics: where and how to compute.
        identity: the task in keys.
    """

    pad: int
    numerics: Numerics
    identity = identity.CLASSIFICATION

    def record(self, measured: dict[str, np.ndarray], examples: Tokens) -> Record:
        """What `Placed.measure` found, by unit; each example counts for one prediction."""
        wrong = measured["predictions"] != examples.labels
        return Record(measured["losses"], wrong.astype(np.int64), np.ones(len(examples), np.int64))

    def scored(self, measured: dict[str, np.ndarray], examples: Tokens) -> dict[str, np.ndarray]:
        """By example: loss, prediction, label, and the number of labels."""
        return {
            "loss": measured["losses"],
            "prediction": measured["predictions"].astype(np.int64),
            "label": examples.labels,
            "classes": np.full(len(examples), examples.groups.max() + 1),
        }


@dataclass(frozen=True)
class ScoredBlocks:
    """Language modelling on blocks of running text.

    Attributes:
        identity: the task in keys; `MaskedTokens`, or that of next tokens.
        pad: the model's padding token.
        numerics: where and how to compute.
    """

    identity: Task
    pad: int
    numerics: Numerics

    def record(self, measured: dict[str, np.ndarray], examples: Tokens) -> Record:
        return Record(
            measured["losses"], measured["errors"].astype(np.int64), measured["counts"].astype(np.int64)
        )

    def scored(self, measured: dict[str, np.ndarray], examples: Tokens) -> dict[str, np.ndarray]:
        """By block: its summed loss, errors, counted tokens, and how many of these are the commonest one."""
        _, targets = asked_of(self.identity, examples, np.arange(len(examples)), self.pad)
        asked = targets != NONE
        commonest = np.bincount(targets[asked]).argmax()
        return {
            "loss": measured["losses"],
            "errors": measured["errors"].astype(np.int64),
            "count": measured["counts"].astype(np.int64),
            "common": (targets == commonest).sum(axis=1),
        }


def scored(sets: Mapping[str, Tokens], folder: Path, numerics: Numerics) -> ScoredLabels | ScoredBlocks:
    """The task of some sets of examples, all of which ask for one thing.

    Args:
        sets: by name.
        folder: a checkpoint, for its padding token.
        numerics: where and how to compute.
    """
    tasks, pad = {examples.task for examples in sets.values()}, hf_folders.pad_token(folder)
    if len(tasks) > 1:
        raise ValueError(f"sets of one cell ask for {tasks}; allowed: one task")
    (task,) = tasks
    return ScoredLabels(pad, numerics) if task == CLASSIFICATION else ScoredBlocks(task, pad, numerics)
