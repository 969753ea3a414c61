"""A set of examples on the device, and the record that measuring a model on it leaves."""

import numpy as np
import torch

from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics, autocast
from isthmus.tasks import classification


class Examples:
    """A set of examples placed on the device once, in length-sorted batches, for any number of weights.

    Args:
        examples: the tokens.
        budget: tokens a batch, padding included.
        pad: the model's padding token.
        numerics: where and how to compute.
    """

    def __init__(self, examples: Tokens, budget: int, pad: int, numerics: Numerics):
        def place(array: np.ndarray):
            return torch.from_numpy(np.array(array)).to(numerics.device)

        self.numerics = numerics
        self.classes = classification.classes_by_label(examples.groups, numerics.device)
        order = tokens.batches(examples.lengths, budget)
        self.batches = [
            {name: place(array) for name, array in tokens.collate(examples, index, pad).items()}
            for index in order
        ]
        self.position = place(np.argsort(np.concatenate(order)))  # of each example in the batches' order
        self.labels = place(examples.labels)

    def measure(self, model) -> dict[str, np.ndarray]:
        """Evaluate a model that is in evaluation mode.

        Returns:
            `losses`: cross-entropy of each example in nats, float64, shape (n,); `predictions`: label ids,
            int64, shape (n,). A label's probability is the sum over the model's classes that count as it.
        """
        with torch.inference_mode():
            with autocast(self.numerics):
                logits = torch.cat([model(**inputs).logits for inputs in self.batches])
            losses, predictions = classification.losses_and_predictions(
                logits[self.position], self.labels, self.classes
            )
            return {"losses": losses.cpu().numpy(), "predictions": predictions.cpu().numpy()}
