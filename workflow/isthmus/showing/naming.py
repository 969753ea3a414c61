"""What figures call things: pairs and runs by their seeds, intervals by what they are over, units."""

import pandas as pd

OVER = {"both_low": "seeds and evaluation units", "low": "evaluation units", "seeds_low": "seeds"}
NAMED = 6  # pairs or runs up to which each has its name; of more only their number is said


def pair(experiment, model: str, dataset: str, a: int, b: int) -> str:
    """A pair by its seeds (or the names of its runs): `(42, 43)`."""
    names = experiment.cell_runs(model, dataset)
    return f"({names[a]}, {names[b]})"


def pairs(experiment, cells, frame) -> str:
    """The pairs of cells: the one, or how many there are (in each of several cells).

    Args:
        cells: (model, data set) of each.
        frame: rows with `model, dataset, seed_a, seed_b`.
    """
    found = frame[["model", "dataset", "seed_a", "seed_b"]].drop_duplicates()
    found = found[pd.MultiIndex.from_frame(found[["model", "dataset"]]).isin(cells)]
    counts = sorted(found.groupby(["model", "dataset"]).size())
    if not counts:
        return ""
    if counts[-1] == 1:
        names = {pair(experiment, r.model, r.dataset, r.seed_a, r.seed_b) for r in found.itertuples()}
        return f"pair {names.pop()}" if len(names) == 1 else "one pair"
    return f"{counts[0]} pairs" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]} pairs"


def over(stats) -> str:
    """Which interval `drawing.interval` draws for rows of `over_pairs`; empty where there is none."""
    said, left = [], stats["mean"].notna()
    for column, name in OVER.items():
        known = left & stats[column].notna()
        said += [name] if known.any() else []
        left = left & ~known
    return f"95 % interval over {', elsewhere over '.join(said)}" if said else ""


def means(stats) -> str:
    """The same with what it is the interval of, where any row is a mean."""
    said = over(stats)
    return f"mean over pairs, {said}" if said and (stats["pairs"] > 1).any() else said


def nats(experiment, *datasets: str) -> str:
    """The unit of losses on some data sets."""
    language = {experiment.datasets[name].language for name in datasets}
    return {(True,): "nats/token", (False,): "nats"}.get(tuple(language), "nats, nats/token")


def baseline(experiment, dataset: str) -> str:
    """What an accuracy has to beat."""
    if experiment.datasets[dataset].language:
        return "the better of step 0 and the commonest token"
    return "the majority class"


def loss(experiment, *datasets: str, part: str = "test") -> str:
    """The label of an axis of losses."""
    return f"{part} loss ({nats(experiment, *datasets)})"


def gap(experiment, *datasets: str) -> str:
    """The label of an axis of convexity gaps."""
    return f"convexity gap CG,\n{loss(experiment, *datasets)}"


def runs(experiment, model: str, dataset: str) -> str:
    """The runs of a cell by their seeds (or names), or how many there are."""
    names = list(experiment.cell_runs(model, dataset).values())
    if len(names) > NAMED:
        return f"{len(names)} runs"
    return f"{'runs' if len(names) > 1 else 'run'} {', '.join(names)}"
