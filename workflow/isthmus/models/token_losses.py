"""The cross-entropy of many tokens by a language model's own head, without the logits of all of them at once.

A batch of 16 blocks of 512 tokens over a vocabulary of 50,000 words has 1.6 GB of logits in float32. So only
the states of tokens that are to be predicted go through the head, some at a time; while training, a part's
logits are computed anew for its gradients.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

LOGITS = 2**24  # numbers at once: 64 MB in float32


def states(model: nn.Module, inputs: dict[str, Tensor], where: Tensor) -> Tensor:
    """What the body says at some places of a batch.

    Args:
        model: a language model of Transformers.
        inputs: its inputs, each of shape (batch, length).
        where: bool, shape (batch, length).

    Returns:
        Shape (places, width).
    """
    return model.base_model(**inputs)[0][where]


class _Answer(tuple):
    """What a body gives, as Transformers' heads read it: its last states, and nothing else."""

    @property
    def last_hidden_state(self) -> Tensor:
        return self[0]

    def __getattr__(self, name: str) -> None:
        return None


@contextmanager
def _answering(body: nn.Module, found: Tensor) -> Iterator[None]:
    """While this runs the body answers with states that are known, so the model's forward is its head's."""
    own = body.forward
    body.forward = lambda *args, **kwargs: _Answer((found,))
    try:
        yield
    finally:
        body.forward = own


def logits(model: nn.Module, found: Tensor) -> Tensor:
    """The head's logits at some states, whatever the architecture calls its head.

    Args:
        found: shape (places, width).

    Returns:
        Shape (places, vocabulary).
    """
    with _answering(model.base_model, found[None]):
        return model(input_ids=torch.zeros(found.shape[:1], dtype=torch.int64, device=found.device)[None])[0][
            0
        ]


def vocabulary(model: nn.Module) -> int:
    """How many tokens a model's head tells apart."""
    return model.config.get_text_config().vocab_size


def parts(places: int, vocabulary: int) -> list[slice]:
    """Slices of some places, of whose logits each holds `LOGITS` at most."""
    size = max(1, LOGITS // vocabulary)
    return [slice(start, min(start + size, places)) for start in range(0, places, size)]


def summed(model: nn.Module, found: Tensor, targets: Tensor) -> Tensor:
    """The summed cross-entropy of tokens in nats, float32, shape (), with gradients.

    Args:
        found: from `states`, shape (places, width).
        targets: the tokens, int64, shape (places,).
    """

    def part(found: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(logits(model, found).float(), targets, reduction="sum")

    cuts = parts(len(targets), vocabulary(model))
    if len(cuts) <= 1:
        return part(found, targets) if cuts else found.sum() * 0
    losses = [checkpoint(part, found[cut], targets[cut], use_reentrant=False) for cut in cuts]
    return torch.stack(losses).sum()


def each(model: nn.Module, found: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Each token's cross-entropy in nats, float64, and the most probable token, int64.

    Args:
        found, targets: as of `summed`.

    Returns:
        Both of shape (places,).
    """
    losses, predictions = [found.new_zeros(0, dtype=torch.float64)], [targets.new_zeros(0)]
    for cut in parts(len(targets), vocabulary(model)):
        scores = logits(model, found[cut]).float()
        # In float32: of so many numbers float64 takes long, for the seventh digit of a loss.
        losses.append(cross_entropy(scores, targets[cut], reduction="none").double())
        predictions.append(scores.argmax(-1))
    return torch.cat(losses), torch.cat(predictions)
