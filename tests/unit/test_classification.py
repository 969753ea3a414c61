"""A classification's losses and predictions are those of its definition, class by class."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from isthmus.data import tokens
from isthmus.models import hf_folders
from isthmus.tasks import classification
from isthmus.tasks.classification import Classification
from torch.nn.functional import cross_entropy

from tests.unit import tiny

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0], [-4.0, 1.0, 1.5]])


def test_a_label_s_probability_is_the_sum_over_its_classes():
    labels, groups = torch.tensor([1, 0, 1]), np.array([0, 1, 1])
    scores = classification.label_scores(LOGITS, classification.classes_by_label(groups, "cpu"))
    losses, predictions = classification.losses_and_predictions(scores, labels)
    probabilities = np.exp(LOGITS.numpy().astype(np.float64))
    probabilities /= probabilities.sum(1, keepdims=True)
    by_label = np.stack([probabilities[:, 0], probabilities[:, 1] + probabilities[:, 2]], 1)
    np.testing.assert_allclose(losses.numpy(), -np.log(by_label[range(3), [1, 0, 1]]), rtol=1e-12)
    assert losses.dtype == torch.float64
    assert predictions.tolist() == by_label.argmax(1).tolist() == [0, 1, 1]


def test_where_each_class_is_a_label_it_is_plain_cross_entropy():
    labels = torch.tensor([2, 0, 1])
    scores = classification.label_scores(LOGITS, classification.classes_by_label(np.arange(3), "cpu"))
    losses, predictions = classification.losses_and_predictions(scores, labels)
    torch.testing.assert_close(losses, cross_entropy(LOGITS.double(), labels, reduction="none"))
    assert predictions.tolist() == LOGITS.argmax(1).tolist()


def test_a_record_has_one_prediction_an_example():
    examples = replace(tiny.examples(3), labels=np.array([0, 0, 1]))
    measured = {"losses": np.array([0.5, 1.5, 4.0]), "predictions": np.array([0, 1, 1])}
    found = Classification(0, tiny.cpu()).record(measured, examples)
    assert (found.loss, found.error) == (2.0, 1 / 3)
    assert found.counts.tolist() == [1, 1, 1]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A step-0 checkpoint."""
    folder = tmp_path_factory.mktemp("started")
    return tiny.checkpoint(folder / "start", tiny.pretrained(folder / "model"), seed=1)


@pytest.mark.parametrize("budget", [60, 4096])
def test_micro_batches_hold_a_batch_once_and_their_losses_add_up_to_its_mean(started, budget):
    examples, index = tiny.examples(30), np.array([3, 17, 4, 29, 8, 11])
    task = Classification(hf_folders.pad_token(started), tiny.cpu())
    model = task.open(started)
    assert not model.training
    parts = task.micro_batches(examples, index, budget, step=0)
    assert (len(parts) > 1) == (budget == 60)
    assert sum(part.tokens for part in parts) == examples.lengths[index].sum()
    assert sorted(torch.cat([part.targets for part in parts]).tolist()) == sorted(examples.labels[index])
    with torch.inference_mode():
        loss = sum(task.loss(model, part) for part in parts)
        alone = [
            cross_entropy(
                model(
                    **{k: torch.from_numpy(v) for k, v in tokens.collate(examples, np.array([i]), 0).items()}
                ).logits,
                torch.tensor([examples.labels[i]]),
            )
            for i in index
        ]
    torch.testing.assert_close(loss, torch.stack(alone).mean(), rtol=1e-5, atol=1e-6)
