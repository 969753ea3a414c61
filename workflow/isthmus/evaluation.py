"""Losses and predictions of one set of weights on one set of examples."""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus import hashing, models, tokens
from isthmus.journal import Journal
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
        out: the Parquet file to write: a row an example and set, with `set, id, loss, prediction, label, classes`
            (`classes` is the number of the set's labels).

    Raises:
        config.ConfigError: the checkpoint is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    weights = models.read_json(checkpoint / "checkpoint.json")["sha256"]
    records = Journal(journal, kind="checkpoint")
    model = None
    parts = []
    for name, examples in sets.items():
        key = checkpoint_key(weights, set_key(examples, budget, numerics))
        record = records.get(key)
        if record is None:
            if model is None:
                models.check_hash(checkpoint / models.WEIGHTS, weights)
                model = models.open_classifier(checkpoint, attention=numerics.attention).to(numerics.device)
            placed = Examples(examples, budget, models.pad_token(checkpoint), numerics)
            record = records.put(key, placed.measure(model))
        columns = {
            "id": examples.rows,
            "loss": record["losses"],
            "prediction": record["predictions"],
            "label": examples.labels,
        }
        table = pa.table({key: np.asarray(column) for key, column in columns.items()})
        table = table.append_column("classes", pa.array(np.full(len(examples), examples.groups.max() + 1)))
        parts.append(table.add_column(0, "set", pa.array([name] * len(examples)).dictionary_encode()))
    out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(parts, promote_options="permissive"), out)
