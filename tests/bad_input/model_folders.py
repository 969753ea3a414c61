"""Model folders and checkpoints that are damaged or do not fit."""

from pathlib import Path

from isthmus import models

from tests.bad_input.case import Case, refusal


def before_anything_runs(files: dict[str, str], folder: Path) -> str:
    """A folder with some files (None: no folder), looked at when the workflow is read."""
    place = folder / "model"
    for name, text in (files or {}).items():
        place.mkdir(exist_ok=True)
        (place / name).write_text(text)
    return refusal(lambda: models.check("models.m", place))


CASES = [
    Case(
        "a missing folder",
        before_anything_runs,
        None,
        ("models.m.folder: found no folder ", "allowed: a model folder"),
    ),
    Case(
        "a folder without a configuration",
        before_anything_runs,
        {"notes.txt": "none"},
        ("models.m.folder: ", "is no model: it has no config.json; allowed"),
    ),
    Case(
        "a folder without weights",
        before_anything_runs,
        {"config.json": "{}"},
        ("models.m.folder: ", "has no weights; allowed: model.safetensors"),
    ),
]
