"""What the page's views draw: tidy frames in, compact JSON out.

Two parts, so that the page opens at once: one overview, and a block a cell with the curves of its paths,
packed, which is opened when that cell is looked at. A pair is its place in `pairs(experiment)`, a step its
place in the cell's `steps`. What is not there is null.
"""

import base64
import gzip
import json
import math
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import stored
from isthmus.bootstrap import percentile_interval
from isthmus.experiment import layout, outputs
from isthmus.showing import drawing, plane_figures
from isthmus.statistics import pair_statistics, thresholds, tidy
from isthmus.statistics.averages import by_size

QUANTITIES = ("loss", "error")
METRICS = {
    "CG": "convexity gap CG",
    "BH": "barrier height BH",
    "BH_nested": "BH, nested estimator",
    "CG_nested": "CG, nested estimator",
    "ICG_nested": "ICG, nested estimator",
}
PATH = ["model", "dataset", "step", "seed_a", "seed_b", "set"]
DRAWN = ("BH", "CG")  # the metrics whose chord the path explorer draws
GAP = ["value", "low", "high", "alpha", "chord_low", "chord_high", "error", "alphas"]
HISTORY_POINTS = 200  # of a run's training curve: more than a figure's width can show
# Curves are whole numbers in these units, far under what an eye can see; gaps keep six digits.
ALPHA_UNIT, LOSS_UNIT, BAND_UNIT = 1e-6, 1e-5, 1e-4


def seeds(experiment) -> list[int]:
    """The seeds (or numbers) of all runs of any cell, in order."""
    return list(dict.fromkeys(run for cell in experiment.cell_list() for run in experiment.cell_runs(*cell)))


def pairs(experiment) -> list[tuple[int, int]]:
    """The pairs of seeds in the order of every list of pairs on the page; the earlier seed first."""
    return list(combinations(seeds(experiment), 2))


def _places(experiment) -> dict[tuple[int, int], int]:
    """The place of each pair in `pairs`, whichever end is first: cells may order their runs otherwise."""
    order = {pair: place for place, pair in enumerate(pairs(experiment))}
    return {pair[::-1]: place for pair, place in order.items()} | order


def overview(experiment, frames: dict, histories: Iterable[Path], basins=None) -> dict[str, Any]:
    """Everything but the curves: what there is, statistics over pairs, gaps and distances, training.

    Args:
        frames: `metrics`, `pairs`, `averages`, `layers` and `evaluations`.
        histories: `history.parquet` files of any runs.
        basins: a frame that says which `basin` a `seed` of a `model` and `dataset` is in, or None.
    """
    runs = training(histories)
    cells = []
    for model, dataset in experiment.cell_list():
        steps = experiment.cell_steps(model, dataset)
        metrics, ends, scores = (
            tidy.of_cell(frames[name], model, dataset) for name in ("metrics", "pairs", "evaluations")
        )
        cells.append(
            {
                "model": model,
                "dataset": dataset,
                "steps": steps,
                "stats": _statistics(metrics, steps),
                "gaps": _gaps(experiment, metrics, steps),
                "ends": _ends(experiment, ends, steps),
                "runs": _runs(experiment, scores, steps, runs.get((model, dataset), {})),
                "order": _order(experiment, basins, model, dataset),
                "averages": _averages(tidy.of_cell(frames["averages"], model, dataset)),
                "layers": _layers(tidy.of_cell(frames["layers"], model, dataset)),
                "turned": _turned(experiment, model, dataset),
            }
        )
    return {
        "experiment": experiment.experiment,
        "floor": thresholds.FLOOR,
        "seeds": seeds(experiment),
        "metrics": METRICS,
        "models": _models(experiment),
        "ladders": [list(panel) for panel in outputs.ladder_panels(experiment)],
        "cells": cells,
    }


def _averages(averages) -> dict[str, Any]:
    """What averaging gains, of all kinds: {step: {set: {quantity: {kind: rows by size}}}}."""
    found: dict[str, Any] = {}
    averages = averages[averages["kind"] != "pair"]
    for (step, name, quantity, kind), rows in averages.groupby(
        ["step", "set", "quantity", "kind"], sort=False
    ):
        shown = [
            {
                "size": int(row.size),
                "value": _digits(row.value),
                "mean": _digits(row.mean_of_members),
                "best": _digits(row.best_member),
                "gain": _digits(row.gain),
                **{end: _digits(getattr(row, end)) for end in ("low", "high", "low_both", "high_both")},
                "predicted": _digits(row.predicted),
                "seeds": row.seeds if kind == "greedy" else None,
            }
            for row in by_size(rows).itertuples()
        ]
        found.setdefault(str(step), {}).setdefault(name, {}).setdefault(quantity, {})[kind] = shown
    return found


def _layers(layers) -> dict[str, Any]:
    """Lines in some tensors: {step: {quantity: {metric: {order: [groups, means, lowest, highest]}}}}.

    Over pairs and both ends.
    """
    found: dict[str, Any] = {}
    by = ["step", "quantity", "metric", "order"]
    for (step, quantity, metric, order), rows in layers.groupby(by, sort=False):
        stats = rows.groupby("group", sort=False)["value"].agg(["mean", "min", "max"])
        shown = [list(stats.index), *([_digits(v) for v in stats[name]] for name in stats)]
        found.setdefault(str(step), {}).setdefault(quantity, {}).setdefault(metric, {})[order] = shown
    return found


def planes(experiment, files: Iterable[Path]) -> list[dict[str, Any]]:
    """Each plane's grid and corners, in the config's order."""
    found = []
    for model, dataset in experiment.cell_list():
        for name in experiment.cell_planes(model, dataset):
            frame = plane_figures.read(files, model, dataset, name)
            if not {"a", "b", "c"} <= set(frame.get("place", ())):  # the part that has them is not there yet
                continue
            found.append(
                {
                    "model": model,
                    "dataset": dataset,
                    "name": name,
                    "corners": plane_figures.corners_in_words(name),
                    "curve": _curve_on(name, frame),
                    **_plane(frame),
                }
            )
    return found


def _curve_on(name: str, frame) -> list | None:
    """Where a curve runs on the plane of its bend, and its name: x, y, name; None on other planes."""
    if not (bend := plane_figures.bend_of(name)):
        return None
    curve = plane_figures.curve_on(bend, frame)
    return [*([_digits(v) for v in axis] for axis in curve.T), bend]


def _plane(frame) -> dict[str, Any]:
    """The grid of a plane, and where its corners and their mean are: x, y, loss, error."""
    grid, places = frame[frame["place"] == "grid"], frame[frame["place"] != "grid"].set_index("place")
    values = {quantity: grid.pivot(index="y", columns="x", values=quantity) for quantity in QUANTITIES}
    x, y = values["loss"].columns, values["loss"].index
    shown = {"x": [_digits(v) for v in x], "y": [_digits(v) for v in y]}
    shown |= {name: [[_digits(v) for v in row] for row in own.to_numpy()] for name, own in values.items()}
    rows = places[["x", "y", *QUANTITIES]].itertuples()
    return shown | {"places": {place: [_digits(v) for v in row] for place, *row in rows}}


def maps(experiment, files: Iterable[Path]) -> list[dict[str, Any]]:
    """Each cell's runs in two dimensions, in the config's order, each run from its first step on."""
    found = {}
    for path in files:
        frame = stored.read_frame(path).sort_values("step")
        runs = [
            {
                "seed": int(seed),
                "steps": run["step"].tolist(),
                **{axis: [_digits(v) for v in run[axis]] for axis in "xy"},
            }
            for seed, run in frame.groupby("seed")
        ]
        cell = layout.parsed(layout.MAP, path)
        found[cell["model"], cell["dataset"]] = cell | {
            "share": _digits(frame["share"].iloc[0]),
            "runs": runs,
        }
    return [found[cell] for cell in experiment.cell_list() if cell in found]


def curves(
    experiment, rows: Iterable[Path], metrics, detours: Iterable[Path] = (), detour_metrics=None
) -> dict[int, dict]:
    """The curves of each cell that has paths, by its place in the config: {step: {pair: path}}.

    A path has its alphas and for each set loss and error with their 95 % bands, and where BH and CG lie; and
    under `others` by name the other paths between the same two.
    """
    places = {cell: place for place, cell in enumerate(experiment.cell_list())}
    order = _places(experiment)
    found: dict[int, dict] = {}

    def paths(files: Iterable[Path], metrics, name: str = "") -> None:
        gaps = _gap_rows(metrics)
        for file in files:
            points = _points(file)
            for key, chosen in points.groupby(PATH, sort=False).indices.items():
                model, dataset, step, seed_a, seed_b, part = key
                pair = order.get((seed_a, seed_b))
                if (model, dataset) not in places or pair is None:
                    continue
                own = found.setdefault(places[model, dataset], {}).setdefault(int(step), {})
                if name and pair not in own:  # in a partial report its line may not be there
                    continue
                alphas = {"alpha": points["alpha"].to_numpy()[chosen].tolist()}
                if name:
                    path = own[pair].setdefault("others", {}).setdefault(name, alphas | {"sets": {}})
                else:
                    path = own.setdefault(pair, alphas | {"sets": {}})
                path["sets"][part] = _curve(points, chosen) | {"gaps": gaps.get(key, {})}

    paths(rows, metrics)
    by_name: dict[str, list[Path]] = {}
    for file in detours:
        by_name.setdefault(layout.parsed(layout.DETOUR, file)["curve"], []).append(file)
    for name, files in by_name.items():
        paths(files, detour_metrics[detour_metrics["path"] == name], name)
    return found


def training(histories: Iterable[Path]) -> dict[tuple[str, str], dict[int, dict]]:
    """The training curve of each run, thinned: {(model, data set): {seed: curve}}."""
    parts: dict[tuple[str, str], dict[int, list]] = {}
    for path in histories:
        run = layout.parsed(layout.HISTORY, path)
        frame = stored.read_frame(path, columns=["step", "loss", "learning_rate"])
        parts.setdefault((run["model"], run["dataset"]), {}).setdefault(run["seed"], []).append(frame)
    return {
        cell: {seed: _thinned(pd.concat(frames).sort_values("step")) for seed, frames in seeds.items()}
        for cell, seeds in parts.items()
    }


def as_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end that element, or open another."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def packed(text: str) -> str:
    """A text compressed, in letters and digits: the same bytes each time."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


# ------------------------------------------------------------------------------------------------- parts


def _models(experiment):
    """Colour and look of each model: those of the static figures."""
    dashes = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
    markers = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down"}
    markers |= {"P": "cross", "X": "x"}
    found = {}
    for index, (name, model) in enumerate(experiment.models.items()):
        look = drawing.look(drawing.MODEL_COLOURS, index)
        found[name] = {
            "colour": look["color"],
            "dash": dashes[look["linestyle"]],
            "marker": markers[look["marker"]],
            "amount": model.pretraining_steps,
        }
    return found


def _digits(value, digits=6):
    """A number of JSON with so many digits; null for what is none."""
    return float(f"{value:.{digits}g}") if value is not None and math.isfinite(value) else None


def _statistics(metrics, steps):
    """Mean over pairs, interval and range by step: {set: {quantity: {metric: {statistic: [by step]}}}}."""
    found: dict[str, dict] = {}
    for row in pair_statistics.over_pairs(metrics, ["set", "quantity", "metric", "step"]).itertuples():
        place = found.setdefault(row.set, {}).setdefault(row.quantity, {}).setdefault(row.metric, {})
        tested = row.both_low == row.both_low
        low, high = (row.both_low, row.both_high) if tested else (row.low, row.high)
        shown = {"mean": row.mean, "low": low, "high": high, "min": row.min, "max": row.max}
        for name, value in shown.items():
            place.setdefault(name, [None] * len(steps))
            if row.step in steps:
                place[name][steps.index(row.step)] = _digits(value)
    return found


def _by_step_and_pair(experiment, frame, steps, column):
    """A column as a list a step of a value a pair; null for a step that has none."""
    order = _places(experiment)
    lists = [[None] * len(pairs(experiment)) for _ in steps]
    for step, a, b, value in zip(*(frame[c] for c in ("step", "seed_a", "seed_b", column)), strict=True):
        if step in steps and (a, b) in order:
            lists[steps.index(step)][order[a, b]] = _digits(value)
    return [values if any(value is not None for value in values) else None for values in lists]


def _gaps(experiment, metrics, steps):
    """CG of each pair: {set: {quantity: [by step][by pair]}}."""
    found: dict[str, dict] = {}
    for (name, quantity), part in metrics[metrics["metric"] == "CG"].groupby(["set", "quantity"], sort=False):
        found.setdefault(name, {})[quantity] = _by_step_and_pair(experiment, part, steps, "value")
    return found


def _ends(experiment, ends, steps):
    """What `pairs.csv` says of each pair: {column: [by step][by pair]}."""
    columns = ["distance", "distance_a", "distance_b", "cosine"]
    columns += [name for name in ends if name.startswith("disagreement_") and ends[name].notna().any()]
    return {name: _by_step_and_pair(experiment, ends, steps, name) for name in columns if name in ends}


def _runs(experiment, scores, steps, histories):
    """Each run's training curve and scores: [{seed, history, scores: {set: {score: [by step]}}, learnt}]."""
    runs = []
    for seed in seeds(experiment):
        mine = scores[scores["seed"] == seed]
        sets: dict[str, dict] = {}
        for row in mine[mine["step"].isin(steps)].to_dict("records"):
            lists = sets.setdefault(
                row["set"],
                {k: [None] * len(steps) for k in ("loss", "accuracy", "f1", "mcc", "perplexity", "majority")},
            )
            for name, values in lists.items():
                values[steps.index(row["step"])] = _digits(row[name], 5)
        learnt = _learnt(mine[mine["set"] == "test"], steps)
        runs.append({"seed": seed, "history": histories.get(seed), "scores": sets, "learnt": learnt})
    return runs


def _learnt(scores, steps):
    """Whether a run's test accuracy is clearly above what it has to beat, by step; null where not known."""
    found = {
        row.step: thresholds.learnt(row.accuracy_low, row.majority)
        for row in scores.itertuples()
        if row.accuracy_low == row.accuracy_low
    }
    return [found.get(step) for step in steps]


def _order(experiment, basins, model, dataset):
    """The places of the seeds, basin by basin; in the config's order where nothing is known of basins."""
    runs = seeds(experiment)
    places = list(range(len(runs)))
    if basins is None or not {"model", "dataset", "seed", "basin"} <= set(basins):
        return places
    mine = tidy.of_cell(basins, model, dataset)
    if "step" in mine and len(mine):
        mine = mine[mine["step"] == mine["step"].max()]
    basin = dict(zip(mine["seed"], mine["basin"], strict=True))
    known = sorted({value for value in basin.values() if value == value})
    rank = {seed: known.index(value) for seed, value in basin.items() if value == value}
    return sorted(places, key=lambda place: rank.get(runs[place], len(known)))


def _turned(experiment, model, dataset):
    """The places of the pairs whose paths begin at the later seed of `seeds` in this cell."""
    order = dict.fromkeys(pairs(experiment))
    places = _places(experiment)
    return [places[pair] for pair in experiment.cell_pairs(model, dataset) if pair not in order]


def _thinned(frame):
    """Means over at most `HISTORY_POINTS` equal parts of a run."""
    part = np.arange(len(frame)) * min(HISTORY_POINTS, len(frame)) // max(len(frame), 1)
    means = frame.groupby(part).mean()
    return {name: [_digits(v, 5) for v in means[name]] for name in ("step", "loss", "learning_rate")}


def _points(path):
    """A row's points by rising alpha, in whole units; of the replicates how far their central 95 % reach."""
    table = stored.read_table(path)
    frame = table.select(
        [name for name in table.column_names if not name.endswith("_replicates")]
    ).to_pandas()
    for quantity in QUANTITIES:
        values = frame[quantity].to_numpy()
        if f"{quantity}_replicates" in table.column_names:
            flat = table[f"{quantity}_replicates"].combine_chunks().flatten().to_numpy()
            low, high = percentile_interval(flat.reshape(len(frame), -1))
            if np.isfinite(low).all():
                frame[f"{quantity}_below"] = np.rint((values - low) / BAND_UNIT).astype(int)
                frame[f"{quantity}_above"] = np.rint((high - values) / BAND_UNIT).astype(int)
        frame[quantity] = np.rint(values / LOSS_UNIT).astype(int)
    frame["alpha"] = np.rint(frame["alpha"] / ALPHA_UNIT).astype(int)
    return frame.sort_values("alpha", kind="stable", ignore_index=True)


def _curve(points, chosen):
    """One path on one set; a band is how far it reaches below and above each value."""

    def column(name):
        return points[name].to_numpy()[chosen].tolist()

    return {
        "n": int(points["n"].to_numpy()[chosen[0]]),
        **{quantity: column(quantity) for quantity in QUANTITIES},
        "band": {
            quantity: [column(f"{quantity}_below"), column(f"{quantity}_above")]
            if f"{quantity}_below" in points
            else None
            for quantity in QUANTITIES
        },
    }


def _gap_rows(metrics):
    """{(model, data set, step, pair, set): {quantity: {metric: [a number of each of `GAP`]}}}."""
    found: dict[tuple, dict] = {}
    wanted = metrics[metrics["metric"].isin(DRAWN)]
    for row in wanted[[*PATH, "quantity", "metric", *GAP]].itertuples(index=False):
        place = found.setdefault(tuple(row[: len(PATH)]), {}).setdefault(row.quantity, {})
        place[row.metric] = [_digits(value) for value in row[len(PATH) + 2 :]]
    return found
