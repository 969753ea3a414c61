"""What changes bits: kind of device, precision, threads, kernels; resolved once per job from the settings."""

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.errors import ConfigError

# Raised by hand when the same weights and examples would give other bits.
ENGINE_VERSION = 2
# The mark of a dataclass's field that is no part of its key; what stands there is the reason.
NOT_COUNTED = "not_counted"
LATER = "later"  # that of one whose default is no part of it


def not_counted(reason: str, default: str = "") -> Any:
    """A field that is recorded and is no part of the key (see `identity.key`)."""
    return field(default=default, compare=False, metadata={NOT_COUNTED: reason})


def later(default: str) -> Any:
    """A field that came later: its default is what was so before, and keys without it stay what they were."""
    return field(default=default, metadata={LATER: default})


@dataclass(frozen=True)
class Numerics:
    """How a job computes; part of every key under which a state or a measurement is kept.

    `weights` is the type of the live model's weights where models are measured. `anchors` says where a GPU
    finds the weights that are combined (see `space.anchors.hold`).
    """

    device: str
    precision: str
    attention: str
    threads: int
    deterministic: bool
    engine: int = ENGINE_VERSION
    weights: str = later("float32")
    anchors: str = not_counted("the same numbers, read from another memory", default="device")
    hardware: str = not_counted("differs by rounding only; nodes of one cluster would share no cache")
    torch: str = not_counted("differs by rounding only; an update would throw every cache away")


def setup(settings: dict[str, Any]) -> Numerics:
    """Apply the settings to this process and say what they came to.

    Args:
        settings: `device`, `precision`, `attention`, `threads`, `deterministic` of the config, and `weights`
            and `anchors` where they are not the default.

    Raises:
        ConfigError: `device: cuda` on a machine without a GPU.
    """
    # cuBLAS reads this when it starts; without it deterministic algorithms refuse to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # What a checkpoint or a measurement is, is known without PyTorch, whose import takes seconds.
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
    return Numerics(
        device,
        settings["precision"],
        attention,
        settings["threads"],
        settings["deterministic"],
        weights=settings.get("weights", "float32"),
        anchors=settings.get("anchors", "device"),
        hardware=torch.cuda.get_device_name() if device == "cuda" else _processor(),
        torch=torch.__version__,
    )


def _processor() -> str:
    """The kind of this machine's CPU; that of its instructions where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def autocast(numerics: Numerics):
    """The context in which a model computes: bfloat16 is autocast over float32 weights."""
    import torch  # as in `setup`

    return torch.autocast(numerics.device, torch.bfloat16, enabled=numerics.precision == "bfloat16")
