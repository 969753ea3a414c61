"""Names that would meet in one file: of cells, data sets and their further sets.

Files are named by joining names, and some systems take `A` and `a` for one.
"""

from collections.abc import Iterable
from itertools import combinations

# What stands in data/<data set>/ and tokens/<model>/<data set>/ besides further sets.
OWN = {"train", "test", "subset", "fetched", "breakdown"}
# connectivity/<model>/<data set>.<kind>.parquet stand beside <data set>.parquet.
KINDS = ("basins", "deltas", "means", "averages", "layers", "barriers")
# The tables beside those of the data sets.
TABLES = {"evaluations", "averages"}
# Of the 255 bytes that a file's name may have, seed, step and endings need the rest.
LONGEST = 200


def mistakes(models: Iterable[str], sets: dict[str, list[str]], cells: list[tuple[str, str]]) -> list[str]:
    """What is wrong with names together, a line each; nothing where all is well.

    Args:
        models: their names.
        sets: the names of each data set's further sets.
        cells: the pairs of model and data set that are run.
    """
    found = [*_alike("models", models), *_alike("datasets", sets)]
    for dataset, names in sets.items():
        found += _alike(f"datasets.{dataset}.sets", names)
        found += [_taken(f"datasets.{dataset}.sets", name, OWN) for name in names if name.lower() in OWN]
    found += [_taken("datasets", name, TABLES) for name in sets if name.lower() in TABLES]
    folded = {name.lower(): name for name in sets}
    for name in sets:
        found += [
            f"datasets: found {name!r} and {folded[meeting]!r}, whose files in connectivity/ would meet; "
            f"allowed: a name that is not another one with .{kind}"
            for kind in KINDS
            if (meeting := f"{name}.{kind}".lower()) in folded
        ]
    return [*found, *_joined(sets, cells)]


def _alike(key: str, names: Iterable[str]) -> list[str]:
    return [
        f"{key}: found {a!r} and {b!r}; allowed: names that differ not in case alone"
        for a, b in _meeting((name, name) for name in names)
    ]


def _taken(key: str, name: str, taken: set[str]) -> str:
    return f"{key}: found {name!r}; allowed: any name but {', '.join(sorted(taken))}, which are taken"


def _joined(sets: dict[str, list[str]], cells: list[tuple[str, str]]) -> list[str]:
    """What logs and figures of cells and sets are called, where two have one name or a name is too long."""
    whole = [(f"{model}-{dataset}", f"{model} on {dataset}") for model, dataset in cells]
    parts = [
        (f"{model}-{dataset}-{name}", f"{model} on {dataset}, set {name}")
        for model, dataset in cells
        for name in sets[dataset]
    ]
    figures = [(f"{dataset}-{model}", f"{model} on {dataset}") for model, dataset in cells]
    data = [(f"{dataset}-{name}", f"{dataset}, set {name}") for dataset in sets for name in sets[dataset]]
    found = [
        f"models, datasets: found {a!r} and {b!r}, whose logs or figures would share a name; "
        "allowed: names that stay distinct when joined by '-'"
        for a, b in dict.fromkeys(
            pair for names in (whole + parts, figures, data) for pair in _meeting(names)
        )
    ]
    found += [
        f"models, datasets: found {what!r}, together {len(joined)} characters; allowed: {LONGEST} at most"
        for joined, what in whole + parts
        if len(joined) > LONGEST
    ]
    return found


def _meeting(names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of what stands under one name, whatever its case."""
    groups: dict[str, list[str]] = {}
    for name, what in names:
        groups.setdefault(name.lower(), []).append(what)
    return [pair for group in groups.values() for pair in combinations(group, 2)]
