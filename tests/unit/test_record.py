"""Means of a record are over predictions, not over units."""

import numpy as np
import pytest
from isthmus.tasks.record import Record


def test_means_are_over_predictions():
    record = Record(np.array([1.0, 2.0, 9.0]), np.array([1, 0, 3]), np.array([2, 4, 6]))
    assert record.loss == 1.0
    assert record.error == 4 / 12


def test_units_with_one_prediction_each_have_the_bits_of_the_mean():
    rng = np.random.default_rng(0)
    for n in (1, 7, 1000, 4097):
        losses, wrong = rng.exponential(size=n), rng.integers(0, 2, n)
        record = Record(losses, wrong, np.ones(n, np.int64))
        assert record.loss == losses.mean()
        assert record.error == wrong.astype(np.float64).mean()


def test_arrays_of_other_units_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 2, 3\]"):
        Record(np.zeros(2), np.zeros(2, int), np.ones(3, int))
