"""The classes of classifiers that others trained, and the labels that they stand for."""

from pathlib import Path

from transformers import AutoConfig

from isthmus.errors import ConfigError
from isthmus.experiment.labels import check_names


def class_names(folder: Path) -> list[str]:
    """A classifier's own names of its classes, in order; numbers where it only has Transformers' defaults."""
    names = AutoConfig.from_pretrained(folder).id2label
    return [str(i) if names[i] == f"LABEL_{i}" else str(names[i]) for i in sorted(names)]


def check_classes(folder: Path, origin: str, first: Path) -> None:
    """Raise a ConfigError where a classifier's classes are not those of the first one of its model."""
    found, expected = class_names(folder), class_names(first)
    if found != expected:
        raise ConfigError(
            f"the classes of {origin} are {found}; allowed: those of the model's first checkpoint, {expected}"
        )


def of_adapters(own: list[str], where: str, named: list[str] | None, labels: list[str]) -> list[str]:
    """The names of adapters' classes: numbers, since a head that they bring along has no names.

    Raises:
        ConfigError: the base has names of its own in another order, and nobody says whose head is meant.
    """
    count = len(named or labels)
    numbers = [str(i) for i in range(count)]
    known = [name.casefold() for name in labels]
    if named is None and len(own) == count and [n.casefold() for n in own] not in (numbers, known):
        raise ConfigError(
            f"{where}.labels: missing, and the base's own classes are {own} where the data set's labels are "
            f"{labels}; allowed: the data set's labels in the order of the adapters' classes"
        )
    return numbers


def class_labels(own: list[str], where: str, named: list[str] | None, labels: list[str]) -> list[int]:
    """For each class of a classifier that others trained, the position of its label in the data set's.

    Args:
        own: the classifier's names of its classes, as of `class_names`.
        where: the model's key in the config, for messages.
        named: the labels as the config gives them, in the classes' order; None for the classifier's own.
        labels: the data set's labels.

    Raises:
        ConfigError: a class has no label, or a label no class, or `named` contradicts the classifier's names.
    """
    names = [name.casefold() for name in named or own]
    if named is None and names == [str(i) for i in range(len(labels))]:
        return list(range(len(labels)))
    known = [label.casefold() for label in labels]
    if len(names) != len(own) or set(names) != set(known):
        raise ConfigError(
            f"{where}.labels: found {named or own} for the classes {own}; allowed: for each class, in order, "
            f"one of the data set's labels {labels}, and each of these at least once"
        )
    check_names(f"{where}.labels", "its first checkpoint", own, named or own)
    return [known.index(name) for name in names]
