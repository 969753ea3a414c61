"""Labels: what a value of a file is called, and which class it is.

A label has no type: `1`, `"1"` and the float `1.0` of a typed file are the label 1, and blanks around a label
are no part of it. Names that a reader could take for one another are never told apart in silence: they are an
error.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from isthmus.errors import ConfigError

SHOWN = 20  # names in a message at most
EXACT = 2**53  # from here on, a float no longer holds every whole number

# Label -> in how many rows it is, and the first of them.
Seen = dict[str, tuple[int, int]]


def name(value: Any) -> str:
    """A label as the settings give it: a text, or a whole number that YAML has read as one.

    Raises:
        ValueError: a value of another kind, or nothing but blanks.
    """
    if isinstance(value, bool):
        raise ValueError(
            f"found {str(value).lower()}: YAML reads yes, no, on, off, true and false as truth values; "
            'allowed: the label in quotation marks, such as "yes"'
        )
    if not isinstance(value, str | int) or not str(value).strip():
        kind = "nothing" if value is None else f"{value!r} ({type(value).__name__})"
        raise ValueError(f"found {kind}; allowed: a label in quotation marks, or a whole number")
    return str(value).strip()


def of_value(value: Any, class_names: list[str] | None) -> str | None:
    """A value of a file as it would be written in the settings; None if there is none.

    Args:
        value: text, number or truth value; NaN is no label.
        class_names: what the file itself calls its whole numbers, from 0.

    Raises:
        ValueError: a value of another kind, or a number that the file no longer holds exactly.
    """
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # whole numbers, where a column also has rows without one
        if abs(value) >= EXACT:
            raise ValueError(f"found the number {value!r}, too large to be exact; allowed: text")
        value = int(value) if value.is_integer() else value
    if not isinstance(value, str | int | float):
        raise ValueError(f"found a {type(value).__name__}; allowed: text, numbers, true and false")
    if class_names is not None and isinstance(value, int) and 0 <= value < len(class_names):
        value = class_names[value]
    return str(value).strip()


def seen(found: Iterable[tuple[int, str]]) -> Seen:
    """Each label's number of rows and the first of them, from (row, label) in the rows' order."""
    counted: Seen = {}
    for row, label in found:
        count, first = counted.get(label, (0, row))
        counted[label] = (count + 1, first)
    return counted


def alike(names: Iterable[str]) -> list[str]:
    """The names that another one could be taken for: they differ only in upper and lower case, in blanks, in
    Unicode form or in how a number is written."""
    groups: dict[str | Decimal, list[str]] = {}
    for one in names:
        groups.setdefault(_read_as(one), []).append(one)
    return [one for group in groups.values() if len(group) > 1 for one in group]


def _read_as(label: str) -> str | Decimal:
    plain = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    if plain in ("true", "false"):
        return Decimal(plain == "true")
    return Decimal(plain) if re.fullmatch(r"[+-]?\d+(\.\d*)?", plain) else plain


def check_alike(key: str, names: Iterable[str]) -> None:
    """Raise a ConfigError where two of the names could be taken for one another."""
    if twins := alike(names):
        raise ConfigError(
            f"{key}: found {listed(twins)}, which differ only in upper and lower case, blanks, Unicode form "
            "or how a number is written; allowed: one way of writing each label"
        )


def names_found(key: str, found: Seen, origin: Callable[[int], str]) -> list[str]:
    """The labels of a source that nobody has named: sorted; by value if all are whole numbers.

    Args:
        key: of the label column, such as `datasets.sick.label`; it begins every message.
        found: the labels.
        origin: where a row stands, for messages.

    Raises:
        ConfigError: one label only, two that are alike, or -1, which may be a class or stand for none.
    """
    check_alike(key, found)
    if "-1" in found and len(found) > 1:
        raise ConfigError(
            f"{key}: found {_counted(found, ['-1'], origin)}, a class or the mark of a row without a label; "
            "allowed: -1 where `labels` names the classes, with -1 among them if it is one (found besides: "
            f"{listed(label for label in found if label != '-1')})"
        )
    numbers = all(re.fullmatch(r"-?\d+", label) for label in found)
    names = sorted(found, key=(lambda label: (int(label), label)) if numbers else None)
    if len(names) < 2:
        raise ConfigError(f"{key}: found {listed(names)} only; allowed: two labels or more")
    return names


def classes(
    key: str,
    found: Seen,
    origin: Callable[[int], str],
    names: Sequence[str],
    numbered: bool,
    hint: str = "",
) -> dict[str, int]:
    """The class (position among `names`) of each label: all labels are names, or all are positions.

    Args:
        key, found, origin: as for `names_found`.
        names: the classes' names, in their order.
        numbered: whether whole numbers may stand for names by position, from 0; they never do where one of
            the labels is a name.
        hint: what else would help, as the end of a message.

    Raises:
        ConfigError: a label is neither, or some are the one and some the other.
    """
    positions = {str(i): i for i in range(len(names))}
    named = [label for label in found if label in names]
    if len(named) == len(found):
        return {label: names.index(label) for label in found}
    counted = [label for label in found if label in positions]
    if numbered and not named and len(counted) == len(found):
        return {label: positions[label] for label in found}
    by_position = numbered and not named and bool(counted)
    wrong = [label for label in found if label not in (counted if by_position else named)]
    allowed = listed(names)
    if by_position:
        allowed = f"0 to {len(names) - 1}, the positions of {allowed}; or these names in all rows"
    elif numbered and set(counted) - set(named):
        allowed += (
            "; or, where none of these names is itself a label of the data, their positions in all rows"
        )
    else:
        allowed += hint
    raise ConfigError(f"{key}: found {_counted(found, wrong, origin)}; allowed: {allowed}")


def _counted(found: Seen, labels: Sequence[str], origin: Callable[[int], str]) -> str:
    """Labels with their numbers of rows and where each stands first."""
    said = []
    for label in labels[:SHOWN]:
        rows, first = found[label]
        said.append(f"{label!r} ({rows:,} row{'s' * (rows > 1)}, first in {origin(first)})")
    return ", ".join(said) + _more(labels)


def contradicted(own: Sequence[str], given: Sequence[str]) -> list[tuple[str, str]]:
    """Where names for a classifier's classes contradict its own: (given name, own name of that class).

    A given name contradicts where it is the own name of another class that is not given it too. A classifier
    that has no names but numbers is never contradicted.
    """
    mine, theirs = ([one.casefold() for one in names] for names in (own, given))
    if mine == [str(i) for i in range(len(mine))]:
        return []
    return [
        (given[i], own[i])
        for i, label in enumerate(theirs)
        if label != mine[i] and any(label == other != theirs[j] for j, other in enumerate(mine))
    ]


def check_names(key: str, origin: str, own: Sequence[str], given: Sequence[str]) -> None:
    """Raise a ConfigError where names for a classifier's classes contradict its own, as in `contradicted`."""
    if found := contradicted(own, given):
        said = ", ".join(f"{name!r} for the class {mine!r}" for name, mine in found)
        raise ConfigError(
            f"{key}: found {said} of {origin}, which calls another class so; allowed: names in the order of "
            f"its classes, which are {listed(own)} (where these are wrong, mend `id2label` in config.json)"
        )


def listed(names: Iterable[str]) -> str:
    """Names as a message shows them."""
    names = list(names)
    return (", ".join(map(repr, names[:SHOWN])) or "none") + _more(names)


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
