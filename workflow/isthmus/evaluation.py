"""Losses and predictions of one set of weights on one set of examples."""

from typing import Any

import numpy as np

from isthmus import hashing, tokens
from isthmus.numerics import Numerics, autocast
from isthmus.tokens import Tokens


class Examples:
    """A set of examples placed on the device once, in length-sorted batches, for any number of weights.

    Args:
        examples: the tokens.
        budget: tokens a batch, padding included.
        pad: the model's padding token.
        numerics: where and how to compute.
    """

    def __init__(self, examples: Tokens, budget: int, pad: int, numerics: Numerics):
        import torch

        self.numerics, self.n = numerics, len(examples)
        self.groups = torch.from_numpy(np.array(examples.groups)).to(numerics.device)
        self.labels = torch.from_numpy(np.array(examples.labels)).to(numerics.device)
        self.batches = []
        for index in tokens.batches(examples.lengths, budget):
            inputs = {
                name: torch.from_numpy(array).to(numerics.device)
                for name, array in tokens.collate(examples, index, pad).items()
            }
            self.batches.append((torch.from_numpy(index).to(numerics.device), inputs))

    def measure(self, model) -> dict[str, np.ndarray]:
        """Evaluate a model that is in evaluation mode.

        Returns:
            `losses`: cross-entropy of each example in nats, float64, shape (n,); `predictions`: label ids,
            int64, shape (n,). The probability of a label is the sum over the model's classes that count as it.
        """
        import torch

        losses = torch.empty(self.n, dtype=torch.float64, device=self.numerics.device)
        predictions = torch.empty(self.n, dtype=torch.int64, device=self.numerics.device)
        with torch.inference_mode(), autocast(self.numerics):
            for index, inputs in self.batches:
                logits = model(**inputs).logits.double()
                scores = _grouped(logits.log_softmax(-1), self.groups)
                losses[index] = -scores.gather(1, self.labels[index, None])[:, 0]
                predictions[index] = scores.argmax(-1)
        return {"losses": losses.cpu().numpy(), "predictions": predictions.cpu().numpy()}


def _grouped(scores, groups):
    """Log-probabilities of labels from those of classes, shape (batch, classes) to (batch, labels)."""
    import torch

    labels = int(groups.max()) + 1
    if labels == len(groups):
        return scores[:, groups.argsort()]
    return torch.stack([scores[:, groups == label].logsumexp(-1) for label in range(labels)], dim=1)


def set_key(examples: Tokens, budget: int, numerics: Numerics) -> dict[str, Any]:
    """What a measurement's bits depend on besides the weights: the examples and how they are computed."""
    return {"examples": examples.digest, "token_budget": budget, "numerics": numerics.key()}


def checkpoint_key(weights: str, of_set: dict[str, Any]) -> str:
    """The journal's key of one checkpoint on one set; `weights` is the weights' SHA-256."""
    return hashing.of_data({"kind": "checkpoint", "weights": weights, "set": of_set})


def scores(predictions: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, float]:
    """Accuracy, F1 (binary: of class 1; else macro), Matthews correlation, and the majority class's accuracy.

    Args:
        predictions, labels: label ids, shape (n,).
        classes: how many labels there are.

    F1 of a class that is neither predicted nor present is 0; the Matthews correlation is 0 where predictions
    or labels are constant.
    """
    table = np.zeros((classes, classes))
    np.add.at(table, (labels, predictions), 1)
    n, hits = table.sum(), np.diag(table)
    true, predicted = table.sum(1), table.sum(0)
    f1 = 2 * hits / np.maximum(true + predicted, 1)
    spread = np.sqrt(n**2 - (predicted**2).sum()) * np.sqrt(n**2 - (true**2).sum())
    return {
        "accuracy": hits.sum() / n,
        "f1": f1[1] if classes == 2 else f1.mean(),
        "mcc": (hits.sum() * n - (true * predicted).sum()) / spread if spread > 0 else 0.0,
        "majority": true.max() / n,
    }
