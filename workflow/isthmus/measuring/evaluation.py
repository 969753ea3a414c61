"""Losses and predictions of one set of weights on one set of examples."""

from pathlib import Path

import numpy as np

from isthmus import stored
from isthmus.caches import attempts, identity
from isthmus.caches.identity import CLASSIFICATION, Anchor, Measurement, Point, Resampling
from isthmus.caches.journal import Journal
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics, autocast
from isthmus.models import classifiers, hf_folders
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
        import torch

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
        import torch

        with torch.inference_mode():
            with autocast(self.numerics):
                logits = torch.cat([model(**inputs).logits for inputs in self.batches])
            losses, predictions = classification.losses_and_predictions(
                logits[self.position], self.labels, self.classes
            )
            return {"losses": losses.cpu().numpy(), "predictions": predictions.cpu().numpy()}


def measurement(
    point: Anchor | Point,
    examples: Tokens,
    budget: int,
    numerics: Numerics,
    resampling: Resampling | None = None,
) -> Measurement:
    """What is measured where a classifier meets a set of examples; its key is the journal's."""
    return Measurement(point, CLASSIFICATION, examples.digest, budget, numerics, resampling)


def read_sets(files: dict[str, Path], train_examples: int | None, seed: int) -> dict[str, Tokens]:
    """The evaluation sets of a cell by name.

    Args:
        files: the tokens file of each set; `train` and `test` among them.
        train_examples: how many examples of the train part to take; None for as many as test has.
        seed: of that sample.
    """
    sets = {name: tokens.read(path) for name, path in files.items()}
    sets["train"] = tokens.sample(sets["train"], train_examples or len(sets["test"]), seed)
    return sets


def evaluate(
    *, checkpoint: Path, sets: dict[str, Tokens], budget: int, numerics: Numerics, journal: Path, out: Path
) -> None:
    """One job: losses and predictions of one checkpoint on each set, from the journal where they are known.

    Args:
        checkpoint: the checkpoint's folder.
        sets: from `read_sets`.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the checkpoint's folder in the journal.
        out: the Parquet file to write: a row an example and set, with `set, id, loss, prediction, label,
            classes` (`classes` is the number of the set's labels).

    Raises:
        errors.Damaged: the checkpoint is damaged.
    """
    import pyarrow as pa

    anchor = identity.anchor(checkpoint)
    records = Journal(journal, kind="checkpoint")
    model = None
    parts = []
    with attempts.measuring(journal, numerics.device):
        for name, examples in sets.items():
            key = identity.key(measurement(anchor, examples, budget, numerics))
            record = records.get(key)
            if record is None:
                if model is None:
                    hf_folders.check_weights(checkpoint, anchor.weights)
                    model = classifiers.open_classifier(checkpoint, attention=numerics.attention).to(
                        numerics.device
                    )
                placed = Examples(examples, budget, hf_folders.pad_token(checkpoint), numerics)
                record = records.put(key, placed.measure(model))
            columns = {
                "id": examples.rows,
                "loss": record["losses"],
                "prediction": record["predictions"],
                "label": examples.labels,
            }
            table = pa.table({key: np.asarray(column) for key, column in columns.items()})
            classes = np.full(len(examples), examples.groups.max() + 1)
            table = table.append_column("classes", pa.array(classes))
            parts.append(table.add_column(0, "set", pa.array([name] * len(examples)).dictionary_encode()))
    stored.write_table(out, pa.concat_tables(parts, promote_options="permissive"))
