"""The weights of anchors, memory-mapped, and their combination in the memory of a live model.

A row of measurements needs one model in memory: what stands on disk is read tensor by tensor when used.
The live model has memory of its own: mapped tensors stand at any address, and the bits of a matrix product
depend on alignment. Those of a combination, element by element, do not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from isthmus.errors import MismatchedEnds
from isthmus.machine.numerics import Numerics

Weights = Mapping[str, torch.Tensor]


def mapped(path: Path) -> Weights:
    """The tensors of a safetensors file by name, as views of the mapped file: not to be changed."""
    return load_file(path)


def hold(path: Path, numerics: Numerics) -> Weights:
    """An anchor's weights to combine: on a CPU the mapped file, on a GPU as `numerics.anchors` says.

    `device`: all of them in the GPU's memory. `host`: in pinned memory, from which each tensor is sent to the
    GPU when it is combined, so that the GPU holds one model.
    """
    return {name: placed(tensor, numerics) for name, tensor in mapped(path).items()}


def placed(tensor: torch.Tensor, numerics: Numerics) -> torch.Tensor:
    """A tensor of an anchor where it is to be: as it is, or a copy for a GPU."""
    if numerics.device == "cpu":
        return tensor
    return tensor.pin_memory() if numerics.anchors == "host" else tensor.to(numerics.device, copy=True)


def combine(coefficients: Sequence[float], tensors: Sequence[torch.Tensor], out: torch.Tensor) -> None:
    """Overwrite a floating tensor with `sum_i coefficients_i * tensors_i`, without another one of its size.

    Args:
        coefficients: one of them 1 and the others 0 copies that tensor's bits (adding 0 would turn -0 into
            0); two that add up to 1 exactly are a linear interpolation; else the sum goes from first to last.
        tensors: of the shape of `out`, on any device.
        out: in memory of its own; of another type than the tensors, it gets their combination rounded.
    """
    if out.dtype != tensors[0].dtype and 1 not in coefficients:  # combined as they are, and rounded once
        whole = torch.empty(out.shape, dtype=tensors[0].dtype, device=out.device)
        combine(coefficients, tensors, whole)
        out.copy_(whole)
        return
    used = [(c, tensor) for c, tensor in zip(coefficients, tensors, strict=True) if c != 0]
    weights = [c for c, _ in used]
    first, *others = (tensor.to(out.device, non_blocking=True) for _, tensor in used)
    if weights == [1]:
        out.copy_(first)
    elif len(used) == 2 and weights[0] == 1 - weights[1]:
        torch.lerp(first, others[0], weights[1], out=out)
    else:
        torch.mul(first, weights[0], out=out)
        for weight, tensor in zip(weights[1:], others, strict=True):
            out.add_(tensor, alpha=weight)


def check_same_space(a: Weights, b: Weights, names: tuple[str, str]) -> None:
    """Raise where keys, shapes or types of two sets of weights differ, with the first three differences."""
    kinds = [{k: (tuple(t.shape), str(t.dtype)) for k, t in state.items()} for state in (a, b)]
    differing = [
        key for key in sorted(kinds[0].keys() | kinds[1].keys()) if kinds[0].get(key) != kinds[1].get(key)
    ]
    if differing:
        shown = "; ".join(
            f"{k}: {kinds[0].get(k, 'absent')} and {kinds[1].get(k, 'absent')}" for k in differing[:3]
        )
        raise MismatchedEnds(
            f"no line joins {names[0]} and {names[1]}: {len(differing)} tensors differ, first {shown}; "
            "allowed: the same names, shapes and types in both"
        )
