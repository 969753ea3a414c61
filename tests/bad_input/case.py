"""A line of the table of bad inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """A bad input, the door at which it is tried, and what the message must name.

    Attributes:
        name: in a few words, what is wrong; unique in its table.
        door: hands `given` to the tool as a user would and returns what the tool answers, which is one clear
            message. An answer that is no refusal fails the test: the door raises AssertionError then. It gets
            a folder of its own to write into.
        given: the bad input.
        says: texts that the message has in it: the file or key, what was found, what is allowed.
    """

    name: str
    door: Callable[[Any, Path], str]
    given: Any
    says: tuple[str, ...]


def refusal(call: Callable[[], Any]) -> str:
    """The message with which the library refuses a call."""
    from isthmus.errors import UserError

    try:
        result = call()
    except UserError as error:
        return str(error)
    raise AssertionError(f"accepted, with the result {result!r}")
