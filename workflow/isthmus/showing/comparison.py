"""Two experiments on one page, and as a CSV file: which settings differ, and what became of the gaps."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from isthmus.caches.identity import FACTORS
from isthmus.errors import ConfigError
from isthmus.showing import drawing, page, provenance, views
from isthmus.showing.formatting import NO_SKILL, Block, interval, number
from isthmus.statistics import comparison, seeds
from isthmus.statistics.comparison import RUNS, Key, Measured, Results, Shared
from isthmus.statistics.connectivity import LINE
from isthmus.statistics.thresholds import FLOOR

SCRIPTS = ("page", "saving", "start", "comparison")
ORIGINS = ("software", "python", "versions", "model", "data")
COLOURS = dict(zip(("a", "b", "difference"), drawing.MODEL_COLOURS, strict=False))
# What is drawn of a cell beside its gaps.
ACCURACY = {"quantity": "accuracy", "metric": RUNS}


def compare(folders: tuple[Path, Path], out: Path) -> list[Path]:
    """Compare the results of two experiments, and write `<out>.html` and `<out>.csv`.

    Args:
        folders: of the two experiments; differences are the second's minus the first's.
        out: what the files are called, without an ending.

    Raises:
        ConfigError: a folder holds no finished experiment, the two share nothing that can be compared, or
            nothing can be written.
        errors.Damaged: a file of one of them is not what was written.
    """
    files = [out.with_name(f"{out.name}.{ending}") for ending in ("html", "csv")]
    a, b = map(comparison.read, folders)
    shared = comparison.compare(a, b)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        comparison.frame(shared).to_csv(files[1], index=False)
        files[0].write_text(_page(a, b, shared), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--out: found {out}, where nothing can be written ({error.strerror}); allowed: another place"
        ) from error
    return files


def differing(a: Any, b: Any, name: str = "") -> Iterator[tuple[str, str, str]]:
    """The names and values of what differs between two nested dictionaries; a dash stands for no value."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from differing(a.get(key), b.get(key), f"{name}.{key}" if name else str(key))
    elif a != b:
        yield name, *("–" if value is None else _in_words(value) for value in (a, b))


def _in_words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------- the page


def _page(a: Results, b: Results, shared: list[Shared]) -> str:
    copies = page.Copies()
    names = {end: own.record["experiment"] for end, own in zip("ab", (a, b), strict=True)}
    if names["a"] == names["b"]:
        names = {"a": str(a.folder), "b": str(b.folder)}
    shown = {
        "floor": FLOOR,
        "seeds": [],
        "names": names,
        "colours": COLOURS,
        "metrics": views.METRICS,
        "cells": [{"model": cell.model, "dataset": cell.dataset, "series": _series(cell)} for cell in shared],
    }

    def data():  # called at the page's end: the tables have taken their places by then
        return Markup(views.as_json(shown | {"tables": copies.texts()}))

    return page.environment().get_template("comparison.html.j2").render(
        **page.parts(SCRIPTS),
        names=names,
        folders={"a": a.folder, "b": b.folder},
        settings=_settings(a, b),
        origins=_origins(a, b),
        answers=list(map(_answers, shared)),
        answer=_answer(shared),
        cells=[(cell, _steps(cell)) for cell in shared],
        apart=_apart(a, b, shared),
        copies=copies,
        data=data,
    )  # fmt: skip


def _settings(a: Results, b: Results) -> Block:
    rows = [list(row) for row in differing(a.settings, b.settings) if row[0] != "experiment"]
    caption = f"Settings that differ: {len(rows)}, defaults included; all others are the same."
    return Block(caption, ["setting", "a", "b"], rows)


def _origins(a: Results, b: Results) -> Block:
    """What else differs in what the numbers come from: versions and hashes."""
    own = [
        dict(provenance.lines({key: results.record["origins"].get(key, {}) for key in ORIGINS}))
        for results in (a, b)
    ]
    rows = [list(row) for row in differing(*own)]
    return Block(
        "Software, models and data that differ, by version, revision and hash.", ["", "a", "b"], rows
    )


def _apart(a: Results, b: Results, shared: list[Shared]) -> list[str]:
    """What only one of the two has, and which examples are not the same, a line each."""
    found = []
    for own, other, end in ((a, b, "a"), (b, a, "b")):
        alone = [cell for cell in own.cells if cell not in other.cells]
        found += [f"{model} on {dataset}: only in {end}" for model, dataset in alone]
    for cell in shared:
        name = f"{cell.model} on {cell.dataset}"
        found += [f"{name}: {alone}" for alone in _steps_apart(cell)]
        if unpaired := sorted(part for part, same in cell.paired.items() if not same):
            found.append(
                f"{name}, set {', '.join(unpaired)}: the two measured other examples, or drew other "
                "replicates of them, so that differences are not paired by examples"
            )
    return found


def _steps_apart(cell: Shared) -> Iterator[str]:
    """The steps at which only one measured pairs, or both did, but in different spaces of adapters."""
    pairs = {end: [key for key in getattr(cell, end).means if key.metric != RUNS] for end in "ab"}
    measured = {end: {(key.space, key.step) for key in keys} for end, keys in pairs.items()}
    for end, other in ("ab", "ba"):
        both = {step for _, step in measured[other]}
        if alone := {step for _, step in measured[end]} - both:
            yield f"step {_listed(alone)} only in {end}"
        by_space = defaultdict(set)
        for space, step in measured[end] - measured[other]:
            if step in both:
                by_space[space].add(step)
        for space, steps in sorted(by_space.items()):
            yield f"step {_listed(steps)} in the space {space} only in {end}"


def _listed(steps: Iterable[int]) -> str:
    return ", ".join(f"{step:,}" for step in sorted(steps))


# ---------------------------------------------------------------------------------------------- the answer


def gap_key(cell: Shared, step: int) -> Key | None:
    """CG of the test loss on the lines between seeds at a step; None where not both measured it."""
    wanted = {"path": LINE, "from_step": None, "step": step}
    wanted |= {"set": "test", "quantity": "loss", "metric": "CG"}
    found = [key for key in cell.keys if wanted.items() <= key._asdict().items() and key.space != FACTORS]
    return found[0] if found else None


def accuracy_key(step: int) -> Key:
    """The test accuracy of the runs at a step."""
    return Key(None, None, None, None, step, "test", **ACCURACY, k=None)


def _estimates(cell: Shared, key: Key | None) -> list[seeds.Estimate]:
    """The first's mean, the second's and their difference; nothing where not both have them."""
    if key not in cell.keys:
        return []
    return [_mean(cell.a, key), _mean(cell.b, key), cell.difference(key)]


def _mean(own: Measured, key: Key) -> seeds.Estimate:
    return seeds.combined([own.means[key]], [1.0])


def _shown(estimate: seeds.Estimate) -> str:
    low, high, _ = estimate.interval
    return f"{number(estimate.value, 3)} {interval(low, high, 3)}".strip()


def _row(cell: Shared, step: int) -> list[str]:
    gap = gap_key(cell, step)
    found = [_estimates(cell, key) for key in (gap, accuracy_key(step))]
    gaps, scores = ([*map(_shown, own)] if own else ["–"] * 3 for own in found)
    over = found[0][2].interval[2] if found[0] else ""
    return [*gaps, over or "–", cell.matched(gap) if gap else "–", *scores]


HEADER = ["CG, a", "CG, b", "CG, b − a", "interval over", "paired by", "accuracy, a", "accuracy, b"]
HEADER += ["accuracy, b − a"]


def _answer(shared: list[Shared]) -> Block:
    rows = [
        [f"{cell.model} on {cell.dataset}, step {cell.steps[-1]:,}", *_row(cell, cell.steps[-1])]
        for cell in shared
        if cell.steps
    ]
    caption = "Convexity gap of the test loss (nats) and test accuracy at the last step that both measured."
    return Block(caption, ["cell", *HEADER], rows)


def _steps(cell: Shared) -> Block:
    rows = [[f"{step:,}", *_row(cell, step)] for step in cell.steps]
    return Block(f"{cell.model} on {cell.dataset}, by step.", ["step", *HEADER], rows)


def _answers(cell: Shared) -> dict[str, Any]:
    """What the last shared step says of a cell: its `answer`, and `warnings` to read it with."""
    gap = gap_key(cell, cell.steps[-1]) if cell.steps else None
    if gap is None:
        return {"cell": cell, "answer": "No step has CG of the test loss in both.", "warnings": []}
    difference, skill, warnings = cell.difference(gap), _estimates(cell, accuracy_key(gap.step)), []
    if failed := _failed(cell, gap.step):
        bar = "the majority class (of language models: step 0 and the commonest token)"
        warnings.append(f"The test accuracy of {failed} is not clearly above {bar}; {NO_SKILL}.")
    if skill and _same_way(difference, skill[2]):
        warnings.append(
            f"The test accuracy went the same way: {_shown(skill[0])} in a, {_shown(skill[1])} in b, "
            f"difference {_shown(skill[2])}. A gap tends to grow with what was learnt, so that this change "
            "of the gap need not be one of connectivity."
        )
    over = difference.interval[2]
    answer = (
        f"{_verdict(difference, bool(failed))}: "
        f"at step {gap.step:,} CG is {_shown(_mean(cell.a, gap))} in a, "
        f"{_shown(_mean(cell.b, gap))} in b, b − a {_shown(difference)}"
        f"{f' over {over}' if over else ''}; paired by {cell.matched(gap)}."
    )
    return {"cell": cell, "answer": answer, "warnings": warnings}


def _verdict(difference: seeds.Estimate, failed: bool) -> str:
    low, high, _ = difference.interval
    if failed:
        return "Not judged"
    if difference.value == low == high:
        return "The same in both"
    if difference.untested:
        return f"Not tested over seeds ({difference.untested})"
    if low > 0 or high < 0:
        return f"The gap is {'smaller' if high < 0 else 'larger'} in b"
    return "Cannot be told"


def _failed(cell: Shared, step: int) -> str:
    """The runs that have not clearly learnt their task at a step; empty where all have."""
    failed = {end: getattr(cell, end).failed.get(step, []) for end in "ab"}
    return " and ".join(
        f"seed{'s' if len(runs) > 1 else ''} {', '.join(map(str, runs))} of {end}"
        for end, runs in failed.items()
        if runs
    )


def _same_way(gap: seeds.Estimate, accuracy: seeds.Estimate) -> bool:
    """Whether the accuracy of these very runs changed with the sign of the gap's change.

    By its interval over evaluation units, the narrowest: it is a warning, and no finding.
    """
    low, high = accuracy.over_units
    if low != low:  # without replicates
        low = high = accuracy.value
    return (low > 0 and gap.value > 0) or (high < 0 and gap.value < 0)


# ---------------------------------------------------------------------------------------------- the charts


def _series(cell: Shared) -> dict[str, Any]:
    """Curves over steps: {set: {quantity: {metric: {a, b and difference: {step, mean, low, high}}}}}."""
    found: dict[str, Any] = {}
    every = dict.fromkeys([*cell.a.means, *cell.b.means])
    for key in sorted((key for key in every if key.from_step is None), key=lambda key: key.step):
        curves = found.setdefault(key.set, {}).setdefault(key.quantity, {}).setdefault(_metric(key), {})
        for end in "ab":
            if key in getattr(cell, end).means:
                _add(curves, end, key.step, _mean(getattr(cell, end), key))
        if key in cell.keys:
            _add(curves, "difference", key.step, cell.difference(key))
    return found


def _metric(key: Key) -> str:
    """The metric's name, and where it was measured where that is not the line between whole weights."""
    space = key.space if key.space == FACTORS else None
    return ", ".join(filter(None, [key.metric, None if key.path == LINE else key.path, key.bodies, space]))


def _add(curves: dict[str, list], name: str, step: int, estimate: seeds.Estimate) -> None:
    low, high, _ = estimate.interval
    values = {"mean": estimate.value, "low": low, "high": high}
    point = {key: None if value != value else value for key, value in values.items()}
    curves.setdefault(name, []).append({"step": step} | point)
