"""Dropout on a CPU: PyTorch's function with a mask that costs a seventh.

PyTorch draws a double for each element, one after the other: a tenth of an update. Sixteen bits are enough.
On a GPU its own kernel is as good as free and stays.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LEVELS = 2**16


def mask(shape: torch.Size, p: float) -> torch.Tensor:
    """Draw from PyTorch's generator which elements stay.

    Args:
        shape: of the mask.
        p: the probability to be dropped, taken to the nearest 1 / 65,536.

    Returns:
        bool, True where an element stays.
    """
    count = shape.numel()
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.int16)[:count].view(shape) >= round(p * LEVELS) - LEVELS // 2


def dropout(x: torch.Tensor, p: float) -> torch.Tensor:
    """Drop elements with probability p and scale the others, so that the expected value is that of x."""
    kept = 1 - round(p * LEVELS) / LEVELS
    return x * mask(x.shape, p).to(x.dtype).mul_(1 / kept)


class _Mode(TorchFunctionMode):
    """Takes the place of `torch.nn.functional.dropout`, whoever calls it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is functional.dropout:
            return _replaced(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _replaced(input, p=0.5, training=True, inplace=False):
    if not training or p == 0.0:
        return input
    if p == 1.0 or inplace:
        return functional.dropout(input, p, training, inplace)
    return dropout(input, p)


def cheap(device: str) -> AbstractContextManager:
    """The context in which a model on that device drops out."""
    return _Mode() if device == "cpu" else nullcontext()
