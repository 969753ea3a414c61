"""Folders of adapters in PEFT's layout: what is in them, and which adapters can be measured.

Nothing here computes or imports a library that does: it is what can be said when the workflow is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.errors import ConfigError
from isthmus.experiment import folders

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LAYOUT = f"a folder in PEFT's layout: {CONFIG} and {WEIGHTS}"
PREFIX = "base_model.model."  # begins the names of an adapter's tensors
# What of an adapter's settings does not change the function that its weights stand for, and why.
INERT = {
    "base_model_name_or_path": "where the base is; it counts by its content",
    "revision": "of the base",
    "inference_mode": "whether it is to be trained",
    "lora_dropout": "measuring drops nothing",
    "init_lora_weights": "how the weights were drawn; they count by their content",
    "task_type": "which class of PEFT's opens it",
    "auto_mapping": "which class of PEFT's opens it",
    "peft_type": "all are LoRA",
    "peft_version": "who wrote the file",
    "megatron_core": "of a setting that is refused",
    "qalora_group_size": "of a setting that is refused",
    "runtime_config": "how PEFT computes",
    "eva_config": "how the weights were drawn; they count by their content",
    **dict.fromkeys(
        ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save"),
        "which layers there are, the tensors say",
    ),
}
# What changes the function and can be measured: how much an adapter counts.
LORA = {"r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "fan_in_fan_out"}
# Others (such as PiSSA's) take the drawn weights out of the base, which then is not what its file says.
INITIAL = (True, False, "gaussian", "orthogonal", "eva")
OFF = (None, False, "none", {}, [])


def is_adapter(folder: Path) -> bool:
    """Whether a folder has an adapter in it."""
    return (folder / CONFIG).is_file()


def files(folder: Path | None) -> list[str]:
    """The files of a local adapter that the copy is made of."""
    return [] if folder is None else [str(folder / CONFIG), str(folder / WEIGHTS)]


def read(key: str, folder: Path) -> dict[str, Any]:
    """The settings of a folder's adapter.

    Args:
        key: begins a message.
        folder: in PEFT's layout.

    Raises:
        ConfigError: a file is missing or damaged, or the adapter is of a kind that is not supported.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ConfigError(f"{key}: {folder} has no {name}; allowed: {LAYOUT}")
    settings = folders.read_object(key, folder / CONFIG)
    check_supported(key, settings)
    folders.header(key, folder / WEIGHTS)
    return settings


def check_supported(key: str, settings: Mapping[str, Any]) -> None:
    """Raise a ConfigError where an adapter is no LoRA, or one with additions that are not measured."""
    if settings.get("peft_type") != "LORA":
        raise ConfigError(f"{key}: found an adapter of the kind {settings.get('peft_type')}; allowed: LORA")
    for name, value in settings.items():
        if name not in INERT and name not in LORA and value not in OFF:
            raise ConfigError(
                f"{key}: {CONFIG}: {name}: found {value!r}, which is not supported; allowed: plain LoRA, "
                "without it"
            )
    if (initial := settings.get("init_lora_weights", True)) not in INITIAL:
        raise ConfigError(
            f"{key}: {CONFIG}: init_lora_weights: found {initial!r}, which changes the base, too; allowed: "
            "an adapter that was converted to plain LoRA (PEFT's `path_initial_model_for_weight_conversion`)"
        )


def counted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of an adapter's settings that change its function; 16.0 and 16 are one number."""
    return {name: _one_form(value) for name, value in settings.items() if name in LORA and value not in OFF}


def _one_form(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _one_form(inner) for name, inner in sorted(value.items())}
    return int(value) if isinstance(value, float) and value.is_integer() else value
