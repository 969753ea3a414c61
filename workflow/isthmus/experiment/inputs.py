"""An experiment with the files that it names looked at: what `make run`, `plan` and `status` refuse alike."""

from typing import Any

from isthmus.experiment import data_files, folders, tensor_names
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
        for number, origin in enumerate(model.checkpoints or [model]):
            if origin.folder:
                key = f"models.{name}" + (f".checkpoints.{number}" if model.checkpoints else "")
                folders.check(f"{key}.folder", origin.folder)
        named = {
            f"models.{name}.checkpoints.{n}": own.folder for n, own in enumerate(model.checkpoints or [])
        }
        folders.check_alike({key: folder for key, folder in named.items() if folder})
    folders.check_lengths(experiment)
    tensor_names.check(experiment)
    for name, dataset in experiment.datasets.items():
        data_files.check(f"datasets.{name}", dataset)
        for further, columns in dataset.sets.items():
            data_files.check(f"datasets.{name}.sets.{further}", data_files.inherit(dataset, columns))
    return experiment
