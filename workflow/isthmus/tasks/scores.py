"""How good a classifier's predictions are."""

import numpy as np


def classification_scores(predictions: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, float]:
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
