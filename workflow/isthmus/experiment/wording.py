"""What is said of typed settings: the mistakes in given ones, and the table of all there are."""

import difflib
import re
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

MOST_LINES, MOST_CHARACTERS = 20, 300
# How pydantic names a kind of which there are several, among the keys of a mistake's path.
KIND = re.compile(r"(literal|list|tuple|function-\w+)\[")
PLAIN = {
    "dict_type": "keys and their values",
    "model_type": "keys and their values",
    "model_attributes_type": "keys and their values",
    "tuple_type": "list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "float_parsing": "number",
    "invalid_key": "a text for a key",
}
COMPARED = {
    "greater_than": "greater than",
    "greater_than_equal": "greater than or equal to",
    "less_than": "less than",
    "less_than_equal": "less than or equal to",
}


def messages(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with settings of a group, a line a mistake, each led by its key's path."""
    found: dict[str, list[str]] = {}
    for item in error.errors():
        if item["type"] == "literal_error" and isinstance(item["input"], list) and error.error_count() > 1:
            continue  # a list is meant where one is given, and what is wrong in it is said
        said, separator, allowed = _message(item, model).partition("; allowed: ")
        # One of several kinds is allowed: what is said of each becomes one line.
        alternatives = found.setdefault(said + separator, [])
        if allowed not in alternatives:
            alternatives.append(allowed)
    return [said + " or ".join(alternatives) for said, alternatives in found.items()]


def lines(mistakes: list[str]) -> str:
    """Mistakes, one a line, the first of them where there are very many."""
    more = [f"and {len(mistakes) - MOST_LINES} more"] if len(mistakes) > MOST_LINES else []
    return "\n  ".join([*mistakes[:MOST_LINES], *more])


def short(found: Any) -> str:
    """What was found, cut where it is long."""
    text = found if isinstance(found, str) else str(found)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} ..."


def _message(item: dict[str, Any], model: type[BaseModel]) -> str:
    kind, found = item["type"], item["input"]
    location = [
        str(part)
        for before, part in zip((None, *item["loc"]), item["loc"], strict=False)
        if part != "[key]"
        and not (before == "source" and part in ("hub", "files", "toy"))
        and not KIND.match(str(part))
        and not ((before == "header" or isinstance(before, int)) and part in ("bool", "int", "str"))
    ]
    key = ".".join(location)
    if kind == "extra_forbidden":
        allowed = _fields_at(model, item["loc"][:-1])
        return f"{key}: unknown key{nearest(location[-1], allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return f"{key}: missing; allowed: {_description_at(model, item['loc'])}"
    if kind == "value_error":
        text = str(item["ctx"]["error"])
        return f"{key}: {text}" if key else text
    if kind == "union_tag_not_found":
        return f"{key}.kind: missing; allowed: hub, files, toy"
    if kind == "union_tag_invalid":
        return f"{key}.kind: found {item['ctx']['tag']!r}; allowed: hub, files, toy"
    shown = "nothing" if found is None else f"{short(repr(found))} ({type(found).__name__})"
    return f"{key}: found {shown}; allowed: {_allowed(item)}{_as_yaml_reads(kind, found)}"


def _allowed(item: dict[str, Any]) -> str:
    """What pydantic says is allowed, in words of settings."""
    kind, bounds = item["type"], item.get("ctx", {})
    if kind in PLAIN:
        return PLAIN[kind]
    if kind == "too_short":
        return f"{bounds['min_length']} or more"
    if kind == "too_long":
        return f"{bounds['max_length']} at most"
    if kind in COMPARED:
        bound = next(iter(bounds.values()))
        return f"{COMPARED[kind]} {f'{int(bound):,}' if bound == int(bound) else f'{bound:g}'}"
    return item["msg"].removeprefix("Input should be ").removeprefix("a valid ")


def _as_yaml_reads(kind: str, found: Any) -> str:
    """What to write instead, where YAML took a value for something else than its writer did."""
    if kind in ("string_type", "literal_error") and isinstance(found, bool):
        return " (YAML reads yes, no, on and off as true and false: put it in quotes)"
    if kind == "string_type" and isinstance(found, int | float | date):
        return " (put it in quotes)"
    if kind in ("int_type", "int_parsing") and isinstance(found, str | float):
        number = _number(found)
        return f" (write {number:d})" if number is not None else ""
    return ""


def _number(found: str | float) -> int | None:
    """The whole number that a text such as 1e3 or 010 stands for in everyday use."""
    try:
        number = float(found)
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _model_at(model: type[BaseModel], location: tuple) -> type[BaseModel] | None:
    """The group of settings that stands at an error's location (names of mapping entries are passed over)."""
    for part in location:
        if part in model.model_fields:
            inner = list(_models_in(model.model_fields[part].annotation))
            if len(inner) == 1:
                model = inner[0]
            elif inner:
                union = {
                    get_args(m.model_fields["kind"].annotation)[0]: m
                    for m in inner
                    if "kind" in m.model_fields
                }
                position = location.index(part)
                tag = location[position + 1] if position + 1 < len(location) else None
                model = union.get(tag, model)
    return model


def _fields_at(model: type[BaseModel], location: tuple) -> list[str]:
    return list(_model_at(model, location).model_fields)


def _description_at(model: type[BaseModel], location: tuple) -> str:
    field = _model_at(model, location[:-1]).model_fields.get(location[-1])
    return (field.description or "a value") if field else "a value"


def nearest(name: str, allowed: Collection[str]) -> str:
    """The allowed name that a mistaken one looks like, as the end of a message; empty where none does."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def table(of: type[BaseModel], without: Collection[type[BaseModel]]) -> str:
    """All settings of a group, and of the groups in it but for some, as Markdown tables, one a group."""
    parts, seen, queue = [], set(without), [("", of)]
    while queue:
        prefix, model = queue.pop(0)
        if model in seen:
            continue
        seen.add(model)
        title = f"`{prefix}`" if prefix else "Top level"
        rows = [
            f"### {title}",
            "",
            " ".join((model.__doc__ or "").split()),
            "",
            "| key | default | meaning |",
            "| --- | --- | --- |",
        ]
        for key, field in model.model_fields.items():
            rows.append(row(key, field))
            for inner in _models_in(field.annotation):
                name = f".<{key.rstrip('s')}>" if "dict" in str(field.annotation) else ""
                kind = (
                    f" ({get_args(inner.model_fields['kind'].annotation)[0]})"
                    if "kind" in inner.model_fields
                    else ""
                )
                queue.append((f"{prefix}.{key}{name}{kind}".lstrip("."), inner))
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def row(name: str, field: FieldInfo) -> str:
    """A setting as a row of such a table, under a name."""
    return f"| `{name}` | {_default(field)} | {field.description or ''} |"


def _default(field) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel):
        return "see below"
    return (
        ""
        if value is None or value == {}
        else f"`{value!r}`".replace("True", "true").replace("False", "false")
    )
