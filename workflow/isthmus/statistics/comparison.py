"""Two experiments side by side: the differences of what both measured, the second's minus the first's.

A cell is shared where its model and its data set have the same names in both experiments. Where both measured
the same examples their bootstrap replicates are paired, and where both have the same pairs of seeds these
are, as between two models of one experiment (`pair_means.differences`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from isthmus import hashing, stored
from isthmus.bootstrap import Bootstrap, Resampling, ratios
from isthmus.errors import ConfigError
from isthmus.experiment import layout
from isthmus.statistics import barriers, seeds, tidy
from isthmus.statistics.connectivity import LINE
from isthmus.statistics.pair_means import (
    INTERVAL,
    KEPT,
    MEAN_KEYS,
    OVER_SEEDS,
    frame_of,
    intervals,
    mean_over_pairs,
)
from isthmus.statistics.thresholds import learnt

RUNS = "runs"  # the metric that is the runs' own loss or accuracy, a mean over them
# Which mean over pairs: of which path between which bodies in which space, and then as in a cell's means.
KEYS = ["path", "bodies", "space", *MEAN_KEYS]
COLUMNS = ["model", "dataset", *KEYS, "value_a", "value_b", *INTERVAL, *OVER_SEEDS, "paired", "untested"]
NEEDED = {
    "means": ["model", "dataset", "space", "value"],
    "barriers": ["model", "dataset", "space", "value"],
    "evaluations": ["model", "dataset", "seed", "step", "set", "loss", "accuracy_low", "majority"],
}
PLACES = {"means": layout.MEANS, "barriers": layout.CELL_BARRIERS}


class Key(NamedTuple):
    """What a mean over pairs, or over runs, is of: `KEYS`."""

    path: str | None
    bodies: str | None
    space: str | None
    from_step: int | None
    step: int
    set: str
    quantity: str
    metric: str
    k: int | None


# ---------------------------------------------------------------------------------------- one experiment


@dataclass(frozen=True)
class Results:
    """What a finished experiment left in its folder.

    Attributes:
        folder: the folder.
        record: its `provenance.json`.
        frames: its CSV files `NEEDED`.
    """

    folder: Path
    record: Mapping[str, Any]
    frames: Mapping[str, pd.DataFrame]
    _bootstraps: dict[int, Bootstrap] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.record["settings"]

    @property
    def resampling(self) -> Resampling:
        asked = self.settings["evaluation"]
        return Resampling(asked["replicates"], asked["seed"])

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The models and data sets that were measured."""
        named = self.frames["means"][["model", "dataset"]].drop_duplicates()
        return list(named.itertuples(index=False, name=None))

    def bootstrap(self, n: int) -> Bootstrap:
        """The drawing of `n` evaluation units."""
        if n not in self._bootstraps:
            self._bootstraps.update(self.resampling.bootstraps({n: range(n)}))
        return self._bootstraps[n]

    def json(self, template: str, **names: str) -> dict[str, Any]:
        return stored.read_json(self.folder / layout.filled(template, **names))


def read(folder: Path) -> Results:
    """Open the folder of an experiment, and check the checksums of its CSV files.

    Raises:
        ConfigError: the folder is none of a finished experiment, or of another version of the program.
        errors.Damaged: a file is not what was written.
    """
    path = folder / layout.PROVENANCE
    if not (folder / stored.SUMS).is_file():
        raise ConfigError(f"{folder}: found no {stored.SUMS}; allowed: the folder of an experiment's results")
    if not path.is_file():
        raise ConfigError(
            f"{path}: missing, so the settings are not known; allowed: results of this version. "
            "`make report` with the experiment's file writes it, in seconds"
        )
    record = stored.read_json(path)
    if record["partial"]:
        raise ConfigError(
            f"{folder}: found a partial report; allowed: results of a run that is finished. `make report` "
            "with the experiment's file writes the whole one"
        )
    for name, sha256 in stored.listed(folder).items():
        stored.check_hash(folder / name, sha256)
    if record["files"] != stored.listed(folder):
        raise _unfinished(folder, f"CSV files that are not those of {layout.PROVENANCE}")
    frames = {name: tidy.read(folder / layout.filled(layout.TIDY, name=name)) for name in NEEDED}
    for name, columns in NEEDED.items():
        _check_columns(folder / layout.filled(layout.TIDY, name=name), frames[name], columns)
    return Results(folder, record, frames)


def _check_columns(path: Path, frame: pd.DataFrame, columns: list[str]) -> None:
    if lacking := [name for name in columns if name not in frame]:
        raise ConfigError(
            f"{path}: found no column {', '.join(lacking)}; allowed: results of this version. To make the "
            "file anew, `make run` with the experiment's file: nothing is trained or measured again"
        )


def _unfinished(folder: Path, found: str) -> ConfigError:
    return ConfigError(
        f"{folder}: found {found}; allowed: results of a run that is finished. `make run` with the "
        "experiment's file goes on"
    )


@dataclass(frozen=True)
class Measured:
    """What an experiment measured of one cell.

    Attributes:
        means: over pairs of seeds, and over runs.
        units: by set the ids of its evaluation units, in their order.
        failed: by step the seeds whose test accuracy is not clearly above the majority class.
    """

    means: dict[Key, seeds.Mean]
    units: dict[str, np.ndarray]
    failed: dict[int, list[int]]


def measured(results: Results, model: str, dataset: str) -> Measured:
    """Read a cell of an experiment.

    Raises:
        ConfigError: its files are of another run than the CSV files, or of another version.
        errors.Damaged: a file is not what was written.
    """
    means, units = _runs(results, model, dataset)
    for name in PLACES:
        means |= _over_pairs(results, name, model, dataset)
    scores = tidy.of_cell(results.frames["evaluations"], model, dataset)
    failed: dict[int, list[int]] = {}
    for row in scores[scores["set"] == "test"].itertuples():
        if not learnt(row.accuracy_low, row.majority):
            failed.setdefault(row.step, []).append(row.seed)
    return Measured(means, units, failed)


def _over_pairs(results: Results, name: str, model: str, dataset: str) -> dict[Key, seeds.Mean]:
    """The means over pairs of lines, or of other paths, from the cell's file that has their replicates."""
    path = results.folder / layout.filled(PLACES[name], model=model, dataset=dataset)
    frame, listed = stored.read_frame(path), tidy.of_cell(results.frames[name], model, dataset)
    _check_columns(path, frame, [*MEAN_KEYS, "value", *KEPT])
    values = [own["value"].to_numpy(float) for own in (frame, listed)]  # empty ones have no type of their own
    if len(frame) != len(listed) or not np.allclose(*values, equal_nan=True):
        raise _unfinished(results.folder, f"other values in {path.name} than in {name}.csv")
    frame["space"] = listed["space"].to_numpy()  # which the CSV file alone has of whole models
    lines = name == "means"
    frame = frame.assign(path=LINE, bodies=None) if lines else frame[frame["of"] == barriers.PATH]
    named = frame[KEYS].astype(object).where(frame[KEYS].notna(), None)
    keys = (Key(*row) for row in named.itertuples(index=False, name=None))
    return {key: mean_over_pairs(row) for key, row in zip(keys, frame[KEPT].to_dict("records"), strict=True)}


def _runs(results: Results, model: str, dataset: str) -> tuple[dict[Key, seeds.Mean], dict[str, np.ndarray]]:
    """Loss and accuracy as means over runs, with their replicates; and the ids of the units of each set."""
    values: dict[Key, dict[tuple[int], float]] = {}
    samples: dict[Key, list[np.ndarray]] = {}
    units: dict[str, np.ndarray] = {}
    scores = tidy.of_cell(results.frames["evaluations"], model, dataset)
    for (seed, step), rows in scores.groupby(["seed", "step"]):
        names = {"model": model, "dataset": dataset, "seed": seed, "step": step}
        path = results.folder / layout.filled(layout.EVALUATION, **names)
        listed = rows.set_index("set")["loss"]
        for name, part in stored.read_frame(path).groupby("set", sort=False, observed=True):
            units.setdefault(name, part["id"].to_numpy())
            found = _scored(part, results.bootstrap(len(part)))
            if not np.isclose(found["loss"][0], listed.get(name, np.nan)):
                raise _unfinished(results.folder, f"other losses in {path} than in evaluations.csv")
            for quantity, (value, drawn) in found.items():
                key = Key(None, None, None, None, int(step), name, quantity, RUNS, None)
                values.setdefault(key, {})[(int(seed),)] = value
                samples.setdefault(key, []).append(drawn)
    means = {
        key: seeds.Mean(tuple(own), np.array(list(own.values())), np.mean(samples[key], axis=0))
        for key, own in values.items()
    }
    return means, units


def _scored(units: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, tuple[float, np.ndarray]]:
    """Loss and accuracy of a run on a set, each with its replicates."""
    if "count" in units and units["count"].notna().all():
        counts = units["count"].to_numpy()
        hits = counts - units["errors"].to_numpy()
    else:
        counts, hits = np.ones(len(units), int), (units["prediction"] == units["label"]).to_numpy()
    sums = np.stack([units["loss"].to_numpy(), hits.astype(float)])
    drawn = ratios(bootstrap, sums, counts).astype(np.float64)
    return {name: (sums[i].sum() / counts.sum(), drawn[i]) for i, name in enumerate(("loss", "accuracy"))}


# ----------------------------------------------------------------------------------------- two of them


@dataclass(frozen=True)
class Shared:
    """A cell that two experiments have.

    Attributes:
        model, dataset: its names.
        a, b: what each measured of it.
        paired: by set whether both measured the same examples and drew them alike.
    """

    model: str
    dataset: str
    a: Measured
    b: Measured
    paired: Mapping[str, bool]

    @cached_property
    def keys(self) -> list[Key]:
        """What both measured."""
        return [key for key in self.a.means if key in self.b.means]

    @property
    def steps(self) -> list[int]:
        """The steps at which both measured a path, rising."""
        return sorted({key.step for key in self.keys if key.metric != RUNS and key.from_step is None})

    def difference(self, key: Key) -> seeds.Estimate:
        """Of what both measured, the second's mean minus the first's."""
        a, b = self.a.means[key], self.b.means[key]
        count = min(len(a.samples), len(b.samples))
        # Another replicate of the second for each of the first: independent, as other examples are.
        drawn = b.samples[:count] if self.paired[key.set] else np.roll(b.samples[:count], 1)
        ends = [replace(b, samples=drawn), replace(a, samples=a.samples[:count])]
        return seeds.combined(ends, [1.0, -1.0])

    def matched(self, key: Key) -> str:
        """What the difference is paired by."""
        same = {
            "examples": self.paired[key.set],
            "seeds": self.a.means[key].pairs == self.b.means[key].pairs,
        }
        return " and ".join(name for name, matched in same.items() if matched) or "none"

    def rows(self) -> list[dict[str, Any]]:
        """A row a difference, as in the CSV file."""
        rows = []
        for key in self.keys:
            estimate = self.difference(key)
            ends = {f"value_{end}": float(np.mean(getattr(self, end).means[key].values)) for end in "ab"}
            said = {"paired": self.matched(key), "untested": estimate.untested}
            names = {"model": self.model, "dataset": self.dataset}
            rows.append(names | key._asdict() | ends | intervals(estimate) | said)
        return rows


def compare(a: Results, b: Results) -> list[Shared]:
    """The cells that two experiments share, in the order of the first.

    Raises:
        ConfigError: there is none, or the differences of one would mean nothing.
        errors.Damaged: a file is not what was written.
    """
    common = [cell for cell in a.cells if cell in b.cells]
    if not common:
        has = "; ".join(f"{own.folder} has {', '.join(map(' on '.join, own.cells))}" for own in (a, b))
        raise ConfigError(f"found no model on a data set that both have: {has}; allowed: one or more")
    shared = []
    for model, dataset in common:
        _check_task(a, b, dataset)
        own = [measured(results, model, dataset) for results in (a, b)]
        sets = own[0].units.keys() & own[1].units.keys()
        paired = {name: _same_examples(a, b, model, dataset, name, own) for name in sets}
        shared.append(Shared(model, dataset, *own, paired))
    if not any(cell.steps for cell in shared):
        has = " and ".join(_listed([getattr(cell, end) for cell in shared]) for end in "ab")
        raise ConfigError(f"found no mean over pairs that both have, but {has}; allowed: one or more")
    return shared


def _listed(cells: list[Measured]) -> str:
    """The steps at which pairs were measured, and in which space."""
    found = {(key.step, key.space) for cell in cells for key in cell.means if key.metric != RUNS}
    return "steps " + ", ".join(f"{step} ({space})" for step, space in sorted(found))


def frame(shared: list[Shared]) -> pd.DataFrame:
    """All differences, a row each."""
    return frame_of([row for cell in shared for row in cell.rows()], COLUMNS)


def _check_task(a: Results, b: Results, dataset: str) -> None:
    """Raise where a data set asks for one thing in one experiment and for another in the other."""
    tasks = [own.settings["datasets"][dataset]["task"] for own in (a, b)]
    classes = [len(own.json(layout.SUBSET, dataset=dataset)["labels"]) for own in (a, b)]
    for what, found in (("task", tasks), ("number of classes", classes)):
        if found[0] != found[1]:
            raise ConfigError(
                f"data set {dataset}: found {what} {found[0]} in {a.folder} and {found[1]} in {b.folder}; "
                "allowed: the same in both, since the difference of two such losses means nothing"
            )


def _same_examples(a: Results, b: Results, model: str, dataset: str, name: str, own: list[Measured]) -> bool:
    """Whether both measured the same units of a set, in one order, and drew them alike."""
    if a.resampling.seed != b.resampling.seed or not np.array_equal(*(cell.units[name] for cell in own)):
        return False
    if a.settings["datasets"][dataset]["task"] != "classification":  # blocks of tokens, which ids do not tell
        tokens = layout.filled(layout.TOKENS, model=model, dataset=dataset, set=name)
        return hashing.of_file(a.folder / tokens) == hashing.of_file(b.folder / tokens)
    hashes = [_hash(results, dataset, name) for results in (a, b)]
    return hashes[0] == hashes[1]


def _hash(results: Results, dataset: str, name: str) -> str:
    """Of the ids, labels and texts of a set's rows, in order; of `train` all of them."""
    if name in ("train", "test"):
        return results.json(layout.SUBSET, dataset=dataset)[name]["ids_sha256"]
    return results.json(layout.SET_SUMMARY, dataset=dataset, set=name)["set"]["ids_sha256"]
