"""Several models that are asked together: the mean of their probabilities, from what was measured of each."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from isthmus.data.tokens import Tokens
from isthmus.tasks.record import OUTPUTS, Record
from isthmus.tasks.scored import ScoredBlocks, ScoredLabels


def ensemble(
    task: ScoredLabels | ScoredBlocks, measured: Sequence[dict[str, np.ndarray]], examples: Tokens
) -> Record:
    """The record of the mean of several models' probabilities, each measured with its outputs.

    Of language models the errors are not known (NaN): what is kept of one is how probable it finds each token
    that is asked for, not all others.
    """
    each = np.stack([own[OUTPUTS].astype(np.float64) for own in measured])
    if isinstance(task, ScoredBlocks):
        losses = np.log(len(each)) - logsumexp(each, axis=0)
        counts = measured[0]["counts"].astype(np.int64)
        units = np.repeat(np.arange(len(counts)), counts)
        return Record(np.bincount(units, losses, len(counts)), np.full(len(counts), np.nan), counts)
    together = logsumexp(each, axis=0) - np.log(len(each))
    losses = -together[np.arange(len(examples)), examples.labels]
    return task.record({"losses": losses, "predictions": together.argmax(axis=1)}, examples)
