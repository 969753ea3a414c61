"""An experiment with the files that it names looked at: what `make run`, `plan` and `status` refuse alike."""

from pathlib import Path
from typing import Any

from isthmus.errors import ConfigError
from isthmus.experiment import adapter_folders, data_files, folders, tensor_names
from isthmus.experiment.config import POSITIONS, Experiment, load


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
        if model.base:
            _check_one_base(local)
        if model.checkpoints and not model.base:
            folders.check_alike({key.removesuffix("."): folder for key, folder in local.items()})
        if model.bodies:
            bodies = {f"models.{body}.folder": experiment.models[body].folder for body in model.bodies}
            folders.check_alike({key: folder for key, folder in bodies.items() if folder})
    check_lengths(experiment)
    tensor_names.check(experiment)
    for name, dataset in experiment.datasets.items():
        data_files.check(f"datasets.{name}", dataset)
        for further, columns in dataset.sets.items():
            data_files.check(f"datasets.{name}.sets.{further}", data_files.inherit(dataset, columns))
    return experiment


def _check_one_base(local: dict[str, Path]) -> None:
    """Raise a ConfigError where adapters in folders say that they were trained on several models."""
    named = {
        key: str(adapter_folders.read(key, folder).get("base_model_name_or_path") or "")
        for key, folder in local.items()
        if "checkpoints" in key
    }
    known = {key: name for key, name in named.items() if name}
    if others := [key for key, name in known.items() if name != next(iter(known.values()))]:
        raise ConfigError(
            f"{others[0]}folder: found an adapter of {known[others[0]]}, where {next(iter(known))}folder has "
            f"one of {next(iter(known.values()))}; allowed: adapters of one base"
        )


def check_lengths(experiment: Experiment) -> None:
    """Check the `max_length` (or `block_size`) of each cell whose model's positions are known early.

    That is so of folders and of pre-trainings of the workflow. A `max_length` that nobody set is left to the
    tokens themselves: often all texts are far shorter.

    Raises:
        ConfigError: a data set allows more tokens than a model has positions.
    """
    for name, dataset in experiment.cell_list():
        body = next(iter(experiment.cell_bodies(name, dataset).values()))
        model, settings = experiment.models[body], experiment.datasets[dataset]
        key = "block_size" if settings.language else "max_length"
        # Blocks are as long as it says. Examples often are far shorter, and what nobody set may be too long.
        if key not in settings.model_fields_set and not settings.language:
            continue
        limit = POSITIONS if model.pretraining else None
        if folder := model.origin.folder:
            limit = folders.positions(folders.read_config(f"models.{name}.folder", folder))
        folders.check_max_length(f"datasets.{dataset}.{key}", settings.longest, name, limit)
