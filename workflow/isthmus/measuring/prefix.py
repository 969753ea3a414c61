"""What a model computes before the first tensor that moves: once a batch, and not at each point of a line.

Where the tensors of the blocks before one stay as they are, so do the activations that enter it. The first
evaluation keeps them; the ones after it begin there, with the same bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def blocks_of(model: nn.Module) -> nn.ModuleList | None:
    """The blocks of a Transformers model, from its input to its output; None where there is no one list."""
    count = model.config.num_hidden_layers
    found = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    return found[0] if len(found) == 1 else None


class Prefix:
    """Keeps the activations behind some first blocks of a model while later tensors move.

    Args:
        model: in evaluation mode.
        most: bytes to keep at most; of batches beyond, all is computed each time.
    """

    def __init__(self, model: nn.Module, most: int):
        self.model, self.most = model, most
        self.blocks = blocks_of(model)
        self._kept: dict[int, Any] = {}
        self._bytes, self._batch = 0, 0

    @contextmanager
    def fixed(self, count: int) -> Iterator[None]:
        """While this runs, tensors of the embeddings and the first `count` blocks do not change."""
        if self.blocks is None or count < 1:
            yield
            return
        before = [block.forward for block in self.blocks[:count]]
        # Of the body: a language model's head is asked by itself, for some tokens at a time.
        hook = self.model.base_model.register_forward_pre_hook(self._note, with_kwargs=True)
        for place, block in enumerate(self.blocks[:count]):
            block.forward = self._last(before[place]) if place == count - 1 else self._skipping(before[place])
        try:
            yield
        finally:
            hook.remove()
            for block, forward in zip(self.blocks[:count], before, strict=True):
                block.forward = forward
            self._kept, self._bytes = {}, 0

    def _note(self, model: nn.Module, args: tuple, kwargs: dict[str, Tensor]) -> None:
        # Batches are placed once and stand at addresses of their own.
        self._batch = next(filter(torch.is_tensor, (*args, *kwargs.values()))).data_ptr()

    def _skipping(self, forward):
        """A block before the last fixed one: what it gives is not looked at where that one is kept."""
        return lambda *args, **kwargs: (
            self._kept[self._batch] if self._batch in self._kept else forward(*args, **kwargs)
        )

    def _last(self, forward):
        def run(*args, **kwargs):
            if self._batch in self._kept:
                return self._kept[self._batch]
            found = forward(*args, **kwargs)
            size = sum(tensor.nbytes for tensor in _tensors(found))
            if self._bytes + size <= self.most:
                self._kept[self._batch], self._bytes = found, self._bytes + size
            return found

        return run


def _tensors(found: Any) -> list[Tensor]:
    """The tensors of what a block gives."""
    return [one for one in (found if isinstance(found, tuple) else (found,)) if torch.is_tensor(one)]
