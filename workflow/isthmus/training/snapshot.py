"""A run at a step as the tensors of a state's file, and back: weights, Adam's moments, history."""

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from isthmus.models import weight_files
from isthmus.training.history import COLUMNS
from isthmus.training.optimizer import MOMENTS, AdamW

WEIGHTS = "weights/"


def capture(model: nn.Module, optimizer: AdamW, history: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """What is trained of the weights, moments and history by name, on the CPU."""
    tensors = {f"{WEIGHTS}{name}": tensor for name, tensor in weight_files.trained(model).items()}
    for name, parameter in model.named_parameters():
        for moment in MOMENTS:
            # a parameter that takes no part in the loss has none
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}/{name}"] = optimizer.state[parameter][moment]
    tensors |= {f"history/{name}": torch.from_numpy(array) for name, array in history.items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def restore(model: nn.Module, optimizer: AdamW, path: Path, step: int) -> dict[str, np.ndarray]:
    """Put a state's file into model and optimizer; returns its history.

    Values are copied into the model's own memory: mapped tensors stand at any address, and alignment can
    change the bits of a product.
    """
    tensors = load_file(path)
    with torch.no_grad():
        for name, tensor in weight_files.trained(model).items():
            tensor.copy_(tensors[f"{WEIGHTS}{name}"])
        for name, parameter in model.named_parameters():
            if f"{MOMENTS[0]}/{name}" in tensors:
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(step), device=parameter.device),
                    **{m: torch.empty_like(parameter).copy_(tensors[f"{m}/{name}"]) for m in MOMENTS},
                }
    return {name: tensors[f"history/{name}"].numpy().copy() for name in COLUMNS}


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    """The weights and the history of a state's file; its moments are left where they are."""
    with safe_open(path, "pt") as tensors:
        names = [name for name in tensors.keys() if name.startswith(WEIGHTS)]  # noqa: SIM118 - it is no dict
        weights = {name.removeprefix(WEIGHTS): tensors.get_tensor(name) for name in names}
        history = {name: tensors.get_tensor(f"history/{name}").numpy() for name in COLUMNS}
    return weights, history
