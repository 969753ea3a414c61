"""Scores of predictions are those of their definitions."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.tasks.scores import classification_scores


def brute_force(predictions, labels, classes):
    """The same scores from their textbook definitions, count by count."""
    pairs = list(zip(predictions, labels, strict=True))
    n = len(pairs)

    def f1(c):
        hit = sum(p == c and t == c for p, t in pairs)
        found, present = sum(p == c for p, _ in pairs), sum(t == c for _, t in pairs)
        if not hit:
            return 0.0
        precision, recall = hit / found, hit / present
        return 2 * precision * recall / (precision + recall)

    # The Matthews correlation of several classes is Gorodkin's R_K: a correlation of one-hot vectors.
    def covariance(x, y):
        means = [[sum(v == c for v in z) / n for c in range(classes)] for z in (x, y)]
        deviations = (
            ((a == c) - means[0][c]) * ((b == c) - means[1][c])
            for a, b in zip(x, y, strict=True)
            for c in range(classes)
        )
        return sum(deviations)

    spread = (covariance(predictions, predictions) * covariance(labels, labels)) ** 0.5
    return {
        "accuracy": sum(p == t for p, t in pairs) / n,
        "f1": f1(1) if classes == 2 else sum(map(f1, range(classes))) / classes,
        "mcc": covariance(predictions, labels) / spread if spread > 1e-9 else 0.0,
        "majority": max(sum(t == c for t in labels) for c in range(classes)) / n,
    }


@given(st.integers(2, 4), st.integers(0, 2**32), st.integers(1, 40))
def test_scores_are_those_of_their_definitions(classes, seed, n):
    predictions, labels = np.random.default_rng(seed).integers(0, classes, (2, n))
    found = classification_scores(predictions, labels, classes)
    assert found == pytest.approx(brute_force(predictions.tolist(), labels.tolist(), classes), abs=1e-9)


@pytest.mark.parametrize(("prediction", "label"), list(product([0, 1], [0, 1])))
def test_scores_of_constant_predictions(prediction, label):
    found = classification_scores(np.full(5, prediction), np.full(5, label), 2)
    assert found["mcc"] == 0
    assert found["majority"] == 1
    assert found["f1"] == (prediction == label == 1)
