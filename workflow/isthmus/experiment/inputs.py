"""An experiment with the files that it names looked at: what `make run`, `plan` and `status` refuse alike."""

from typing import Any

from isthmus.experiment import adapter_folders, data_files, folders, tensor_names
from isthmus.experiment.config import Experiment, load


def checked(raw: dict[str, Any], source: str) -> Experiment:
    """The typed experiment, whose model folders and data files can be used.

    Args:
        raw: the settings as read.
        source: where they come from, for messages.

    Raises:
        ConfigError: one clear message where it cannot be used.
    """
    experiment = load(raw, source)
    for name, model in experiment.models.items():
        local = {f"models.{name}.{key}": own.folder for key, own in model.origins().items() if own.folder}
        for key, folder in local.items():
            adapter = model.base is not None and "checkpoints" in key
            (adapter_folders.read if adapter else folders.check)(f"{key}folder", folder)
        if model.checkpoints and not model.base:
            folders.check_alike({key.removesuffix("."): folder for key, folder in local.items()})
    folders.check_lengths(experiment)
    tensor_names.check(experiment)
    for name, dataset in experiment.datasets.items():
        data_files.check(f"datasets.{name}", dataset)
        for further, columns in dataset.sets.items():
            data_files.check(f"datasets.{name}.sets.{further}", data_files.inherit(dataset, columns))
    return experiment
