"""PyTorch in this process, made ready as numerics say: threads, kernels, precision."""

import os

import torch

from isthmus.machine.numerics import Numerics


def gpu() -> str | None:
    """The kind of the GPU that PyTorch computes on, or None."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def prepare(numerics: Numerics) -> None:
    """Make this process compute as numerics say; to be called before anything is computed."""
    # cuBLAS reads this when it starts; without it deterministic algorithms refuse to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The number of threads is a setting, not what the scheduler left: it changes bits.
    torch.set_num_threads(numerics.threads)
    torch.set_float32_matmul_precision("high" if numerics.precision == "tf32" else "highest")
    torch.use_deterministic_algorithms(numerics.deterministic)
    # Filling fresh memory is a debugging aid of the deterministic mode; it changes no bits and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False


def autocast(numerics: Numerics):
    """The context in which a model computes: bfloat16 is autocast over float32 weights."""
    return torch.autocast(numerics.device, torch.bfloat16, enabled=numerics.precision == "bfloat16")
