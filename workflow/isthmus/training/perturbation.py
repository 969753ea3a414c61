"""A Gaussian step in weight space: the butterfly whose flight a run is (Altintas et al., ICML 2025)."""

import numpy as np
import torch
from torch import nn

from isthmus import hashing


def perturb(model: nn.Module, scale: float, seed: int) -> None:
    """Move what is trained of a model's parameters, in place, in a random direction.

    Each tensor moves by `scale` times its own norm, so that all weights together do, too, and none is
    drowned in a step that is meant for a larger one. A tensor of zeros stays.

    Args:
        scale: the step's norm over that of the weights.
        seed: of the direction, which depends on it and the tensors' names alone.
    """
    with torch.no_grad():
        trained = ((name, own) for name, own in model.named_parameters() if own.requires_grad)
        for name, parameter in trained:
            weights = parameter.double().cpu().numpy()
            stream = np.random.Generator(np.random.Philox(hashing.seed("direction", seed, name)))
            direction = stream.standard_normal(weights.shape)
            length = np.sqrt(np.square(direction).sum())
            moved = weights + direction * (scale * np.sqrt(np.square(weights).sum()) / length)
            parameter.copy_(torch.from_numpy(moved))
