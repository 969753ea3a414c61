"""What one value of a setting may be: names, numbers, places, and the bounds that no experiment reaches.

Bounds are generous. They are there because what lies beyond them is a slip of the pen (a zero too many, or a
number that YAML read as another), and would be found out after hours, by a full memory, or never.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from isthmus.experiment import labels

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# A file name of 255 bytes has room for a model, a data set, a set, seed, step and ending.
LONGEST = 100
# What Windows takes for a device, whatever the ending; results are copied there too.
DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{i}" for kind in ("com", "lpt") for i in range(10))}


def _folder_name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot be a folder's name; "
            "allowed: a letter or digit, then letters, digits, '.', '_', '-'"
        )
    if len(value) > LONGEST:
        raise ValueError(f"found a name of {len(value)} characters; allowed: {LONGEST} at most")
    if value.endswith(".") or value.partition(".")[0].lower() in DEVICES:
        raise ValueError(
            f"{value!r} cannot be a folder's name on every system; "
            "allowed: no '.' at the end, and no device of Windows, such as 'con' or 'nul'"
        )
    return value


# ----------------------------------------------------------------------------------------------------- places


def _expand(value: Any) -> Any:
    """Replace `$NAME` and `${NAME}` by environment variables, so that one file serves several machines."""
    if not isinstance(value, str):
        return value
    expanded = os.path.expanduser(os.path.expandvars(value))
    if unset := re.search(r"\$\{?(\w+)", expanded):
        raise ValueError(
            f"the environment variable {unset[1]} is not set (found {value!r}); "
            "set it to the folder that is meant"
        )
    if not value or re.search(r"[\x00-\x1f\x7f]", expanded):
        raise ValueError(f"found {value!r}; allowed: a path, without control characters")
    return expanded


def _hub_id(value: str) -> str:
    if not re.fullmatch(r"(?:[\w.-]{1,96}/)?[\w.-]{1,96}", value, re.ASCII) or any(
        re.search(r"^[.-]|[.-]$|--|\.\.", part) for part in value.split("/")
    ):
        raise ValueError(
            f"found {value!r}; allowed: `name` or `owner/name`, of letters, digits, '.', '_' and '-' "
            "(neither '.' nor '-' at an end or twice in a row)"
        )
    return value


def _revision(value: str) -> str:
    if not re.fullmatch(r"[\w./+-]{1,255}", value, re.ASCII) or ".." in value or value[0] in "/-":
        raise ValueError(
            f"found {value!r}; allowed: a commit, tag or branch, of letters, digits and any of . _ - + /"
        )
    return value


PLACES = re.compile(r"\{(step|thousands)\}")


def filled(value: Any, step: int) -> Any:
    """A text (or path) with a rung's number in its places; anything else as it is."""
    if not isinstance(value, str | Path):
        return value
    return PLACES.sub(lambda place: str(step if place[1] == "step" else step // 1000), str(value))


def _on_a_rung(check: Callable[[str], str]) -> Callable[[str], str]:
    """The check of a text with a rung's number in its places."""

    def checked(value: str) -> str:
        text = filled(value, 1000)
        try:
            check(text)
        except ValueError as error:
            raise ValueError(str(error).replace(repr(text), repr(value))) from None
        return value

    return checked


def _separates(value: str) -> str:
    if value in '\n\r\0"':
        raise ValueError(f"found {value!r}; allowed: a character that is no line end and no quotation mark")
    return value


def _pair_template(value: str) -> str:
    if re.findall(r"\{[ab]\}", value) != ["{a}", "{b}"]:
        raise ValueError(f"found {value!r}; allowed: a text with {{a}} and then {{b}} in it, each once")
    return value


Name = Annotated[str, AfterValidator(_folder_name)]
Location = Annotated[Path, BeforeValidator(_expand)]
HubId = Annotated[str, AfterValidator(_hub_id)]
LadderHubId = Annotated[str, AfterValidator(_on_a_rung(_hub_id))]
Revision = Annotated[str, AfterValidator(_revision)]
LadderRevision = Annotated[str, AfterValidator(_on_a_rung(_revision))]
PairTemplate = Annotated[str, AfterValidator(_pair_template)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_separates)]
Label = Annotated[str, BeforeValidator(labels.name)]
TargetName = Annotated[str, Field(min_length=1, pattern=r"^[\w.]+$")]

# ---------------------------------------------------------------------------------------------------- numbers


def _whole(value: Any) -> Any:
    """The whole number that `--config` hands on as text where it stands in a list or group."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,30}", value) else value


def _real(value: Any) -> Any:
    """YAML reads yes and no as true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"found {value!r} (bool); allowed: a number")
    return value


def _unsigned_zero(value: float) -> float:
    """-0.0 as 0.0: equal settings have equal hashes."""
    return value + 0.0


Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
Real = Annotated[float, BeforeValidator(_real), AfterValidator(_unsigned_zero), Field(allow_inf_nan=False)]

Count = Annotated[Whole, Field(ge=1, le=10**9)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Step = Annotated[Whole, Field(ge=0, le=10**12)]
Run = Annotated[int, Field(strict=True)] | str  # a seed, or the name of own checkpoints
Fraction = Annotated[Real, Field(gt=0, le=1)]
# 1 / (1 - p) scales what dropout leaves: of a p near 1 nothing is left, and at 1 it divides by zero.
Dropout = Annotated[Real, Field(ge=0, lt=0.99)]
