"""What changes bits: kind of device, precision, threads, kernels; resolved once per job from the settings."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from isthmus.errors import ConfigError

# Raised by hand when the same weights and examples would give other bits.
ENGINE_VERSION = 2


@dataclass(frozen=True)
class Numerics:
    """How a job computes; part of every key under which a state or a measurement is kept."""

    device: str
    precision: str
    attention: str
    threads: int
    deterministic: bool

    def key(self) -> dict[str, Any]:
        """Plain data for hashing."""
        return {**asdict(self), "engine": ENGINE_VERSION}


def setup(settings: dict[str, Any]) -> Numerics:
    """Apply the settings to this process and say what they came to.

    Args:
        settings: `device`, `precision`, `attention`, `threads`, `deterministic` of the config.

    Raises:
        ConfigError: `device: cuda` on a machine without a GPU.
    """
    # cuBLAS reads this when it starts; without it deterministic algorithms refuse to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if settings["device"] == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "device: found `cuda`, but this machine has no usable GPU; allowed: `auto` or `cpu`"
        )
    device = "cuda" if settings["device"] != "cpu" and torch.cuda.is_available() else "cpu"
    # The number of threads is a setting, not what the scheduler left: it changes bits.
    torch.set_num_threads(settings["threads"])
    torch.set_float32_matmul_precision("high" if settings["precision"] == "tf32" else "highest")
    torch.use_deterministic_algorithms(settings["deterministic"])
    # Filling fresh memory is a debugging aid of the deterministic mode; it changes no bits and costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    attention = settings["attention"]
    if attention == "auto":
        attention = "sdpa" if device == "cuda" else "eager"
    return Numerics(device, settings["precision"], attention, settings["threads"], settings["deterministic"])


def autocast(numerics: Numerics):
    """The context in which a model computes: bfloat16 is autocast over float32 weights."""
    import torch

    return torch.autocast(numerics.device, torch.bfloat16, enabled=numerics.precision == "bfloat16")
