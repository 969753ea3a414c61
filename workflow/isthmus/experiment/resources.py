"""What a job of a rule that runs a model asks for, where the settings do not say it."""

from isthmus.experiment.config import Experiment

MEMORY = {
    "pretrain": 4000,
    "initialize": 6000,
    "finetune": 12000,
    "evaluate": 6000,
    "interpolate": 10000,
    "average": 8000,
    "plane": 8000,
    "along": 10000,
    "layers": 10000,
    "map": 8000,
    "examples": 8000,
    "bend": 16000,
    "curve": 10000,
    "align": 16000,
    "aligned": 10000,
}  # MB
RUNTIME = {
    "pretrain": 60,
    "initialize": 15,
    "finetune": 720,
    "evaluate": 60,
    "interpolate": 240,
    "average": 120,
    "plane": 120,
    "along": 240,
    "layers": 240,
    "map": 120,
    "examples": 60,
    "bend": 720,
    "curve": 240,
    "align": 120,
    "aligned": 240,
}  # minutes


def gpus(experiment: Experiment, rule: str) -> int:
    """GPUs of a job; nothing is probed here, since the job may run on another machine."""
    asked = getattr(experiment.resources, rule).gpu
    return asked if asked is not None else int(experiment.device != "cpu")


def runtime(experiment: Experiment, rule: str) -> int:
    """Minutes of a job."""
    return getattr(experiment.resources, rule).runtime or RUNTIME[rule]


def memory(experiment: Experiment, rule: str, attempt: int) -> int:
    """Memory of a job in MB, which grows by half at a retry, twice at most."""
    first = getattr(experiment.resources, rule).mem_mb or MEMORY[rule]
    return int(first * 1.5 ** min(attempt - 1, 2))
