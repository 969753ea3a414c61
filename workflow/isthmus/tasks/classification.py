"""Classification: the cross-entropy of an example's label, where several classes may count as one label."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.computing import autocast
from isthmus.machine.numerics import Numerics
from isthmus.models import bert
from isthmus.tasks.record import OUTPUTS
from isthmus.tasks.scored import ScoredLabels
from isthmus.tasks.task import MicroBatch, on_device


@dataclass(frozen=True)
class Classification(ScoredLabels):
    """A sequence classifier on labelled examples."""

    def open(self, folder: Path, dropout: float = 0.0, attention_dropout: float = 0.0) -> nn.Module:
        """A checkpoint on the device, in evaluation mode; errors as of `classifiers.open_classifier`."""
        how = {"dropout": dropout, "attention_dropout": attention_dropout, "weights": self.numerics.weights}
        model = bert.opened(folder, self.numerics.attention, **how)
        if model is None:
            # Transformers takes seconds to import.
            from isthmus.models import classifiers

            model = classifiers.open_classifier(folder, attention=self.numerics.attention, **how)
        return model.to(self.numerics.device)

    def micro_batches(self, examples: Tokens, index: np.ndarray, budget: int, step: int) -> list[MicroBatch]:
        lengths = examples.lengths[index]
        return [
            MicroBatch(
                {
                    name: on_device(array, self.numerics.device)
                    for name, array in tokens.collate(examples, index[cut], self.pad).items()
                },
                on_device(examples.labels[index[cut]], self.numerics.device),
                int(lengths[cut].sum()),
                len(index),
            )
            for cut in tokens.batches(lengths, budget)
        ]

    def loss(self, model: nn.Module, batch: MicroBatch) -> Tensor:
        logits = model(**batch.inputs).logits.float()
        return cross_entropy(logits, batch.targets, reduction="sum") / batch.predictions

    def place(self, examples: Tokens, budget: int) -> "Placed":
        return Placed(examples, budget, self.pad, self.numerics)


class Placed:
    """A set of examples placed on the device once, in length-sorted batches, for any number of weights.

    Args:
        examples: the tokens.
        budget: tokens a batch, padding included.
        pad: the model's padding token.
        numerics: where and how to compute.
    """

    def __init__(self, examples: Tokens, budget: int, pad: int, numerics: Numerics):
        self.numerics = numerics
        self.classes = classes_by_label(examples.groups, numerics.device)
        order = tokens.batches(examples.lengths, budget)
        self.batches = [
            {
                name: on_device(array, numerics.device)
                for name, array in tokens.collate(examples, index, pad).items()
            }
            for index in order
        ]
        # of each example in the batches' order
        self.position = on_device(np.argsort(np.concatenate(order)), numerics.device)
        self.labels = on_device(examples.labels, numerics.device)

    def measure(self, model: nn.Module, outputs: bool = False) -> dict[str, np.ndarray]:
        """Evaluate a model that is in evaluation mode.

        Returns:
            `losses`: cross-entropy of each example in nats, float64, shape (n,); `predictions`: label ids,
            int16, shape (n,); with `outputs` also these: each label's log-probability, float32, shape
            (n, labels). A label's probability is the sum over the model's classes that count as it.
        """
        with torch.inference_mode():
            with autocast(self.numerics):
                logits = torch.cat([model(**inputs).logits for inputs in self.batches])
            scores = label_scores(logits[self.position], self.classes)
            losses, predictions = losses_and_predictions(scores, self.labels)
            found = {"losses": losses, "predictions": predictions.short()}
            found |= {OUTPUTS: scores.float()} if outputs else {}
            return {name: tensor.cpu().numpy() for name, tensor in found.items()}


def classes_by_label(groups: np.ndarray, device: str) -> list[Tensor]:
    """For each label the classes that count as it.

    Args:
        groups: for each class its label, shape (classes,); `Tokens.groups`.
        device: where the logits will be.

    Returns:
        int64 tensors, one a label.
    """
    groups = np.asarray(groups)
    return [on_device(np.flatnonzero(groups == label), device) for label in range(groups.max() + 1)]


def label_scores(logits: Tensor, classes: list[Tensor]) -> Tensor:
    """The log-probability of each label: of all classes that count as it together.

    Args:
        logits: shape (n, classes).
        classes: from `classes_by_label`.

    Returns:
        float64, shape (n, labels), on the device.
    """
    log_probabilities = logits.double().log_softmax(-1)
    return torch.stack([log_probabilities[:, own].logsumexp(-1) for own in classes], dim=1)


def losses_and_predictions(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of each example's label, and the most probable label.

    Args:
        scores: from `label_scores`.
        labels: int64, shape (n,).

    Returns:
        Losses in nats, float64, and label ids, int64; each of shape (n,), on the device.
    """
    return -scores.gather(1, labels[:, None])[:, 0], scores.argmax(-1)
