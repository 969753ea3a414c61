"""What changes bits: kind of device, precision, threads, kernels; resolved once per job from the settings."""

import ctypes
import platform
import runpy
from dataclasses import dataclass, field
from importlib.util import find_spec
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
    """Apply the settings to this process and say what they came to; arguments and errors as of `resolved`."""
    from isthmus.machine import computing  # of what the journal knows, `resolved` is enough

    numerics = resolved(settings)
    computing.prepare(numerics)
    return numerics


def resolved(settings: dict[str, Any]) -> Numerics:
    """What the settings come to on this machine. PyTorch is not imported where it can have no GPU here.

    Args:
        settings: `device`, `precision`, `attention`, `threads`, `deterministic` of the config, and `weights`
            and `anchors` where they are not the default.

    Raises:
        ConfigError: `device: cuda` on a machine without a GPU.
    """
    build = _build()
    gpu = _gpu(build) if settings["device"] != "cpu" else None
    if settings["device"] == "cuda" and gpu is None:
        raise ConfigError(
            "device: found `cuda`, but this machine has no usable GPU; allowed: `auto` or `cpu`"
        )
    attention = settings["attention"]
    if attention == "auto":
        attention = "eager" if gpu is None else "sdpa"
    return Numerics(
        "cpu" if gpu is None else "cuda",
        settings["precision"],
        attention,
        settings["threads"],
        settings["deterministic"],
        weights=settings.get("weights", "float32"),
        anchors=settings.get("anchors", "device"),
        hardware=_processor() if gpu is None else gpu,
        torch=build["__version__"],
    )


def _build() -> dict[str, Any]:
    """What the installed PyTorch says of itself: `__version__`, and for which GPUs it was built."""
    return runpy.run_path(str(Path(find_spec("torch").origin).with_name("version.py")))


def _gpu(build: dict[str, Any]) -> str | None:
    """The kind of the GPU that PyTorch computes on, or None."""
    if not build.get("hip"):
        if not build.get("cuda"):
            return None
        try:
            ctypes.CDLL("libcuda.so.1")  # the driver, as CUDA itself looks for it
        except OSError:
            return None
    from isthmus.machine import computing  # PyTorch's import takes seconds

    return computing.gpu()


def _processor() -> str:
    """The kind of this machine's CPU; that of its instructions where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
