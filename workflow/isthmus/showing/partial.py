"""What an experiment has so far, for a page of it, whatever is missing."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from isthmus import stored
from isthmus.experiment import dependencies, jobs, layout, outputs, parameters
from isthmus.experiment.cells import Cell, cells
from isthmus.experiment.config import Experiment
from isthmus.showing import status
from isthmus.statistics import averages, barriers, concentration, connectivity, layers, pair_means, tidy

# What the page is made of besides the tidy frames: the report's inputs, by name.
FILES = ("rows", "histories", "planes", "maps", "detours", "examples", "subsets", "texts")

# What is measured beside paths and checkpoints, and how it is called where some of it is missing.
BESIDE = {
    "interpolate_factors": "rows of paths between adapters' factors",
    "average": "averages of a cell at a step",
    "layers": "pairs in single layers",
    "along": "lines along a run",
    "curve": "curves",
    "aligned": "aligned lines",
    "plane": "parts of planes",
    "map": "maps",
    "examples": "cells' examples",
}


@dataclass(frozen=True)
class Found:
    """The tidy frames of what is there, the files behind them, and what to name as missing."""

    frames: dict
    rows: list[Path]
    histories: list[Path]
    planes: list[Path]
    maps: list[Path]
    detours: list[Path]
    examples: list[Path]
    subsets: list[Path]
    texts: list[Path]
    lacking: list[str]


def find(experiment: Experiment, results: Path) -> Found:
    """Look through the folder of an experiment; nothing in it is changed."""
    every = cells(experiment).values()

    def there(rule: str, template: str = "", among=every) -> list[Path]:
        """The files of a rule's jobs that are there."""
        paths = [results / name for name in jobs.files(experiment, among, rule, template)]
        return [path for path in paths if path.exists()]

    def detours(among) -> list[Path]:
        paths = [results / name for name in jobs.detours(experiment, among)]
        return [path for path in paths if path.exists()]

    rows = there("interpolate")
    adapted = [name for name, model in experiment.models.items() if model.adapted]
    amounts = {name: model.pretraining_steps for name, model in experiment.models.items()}
    with tempfile.TemporaryDirectory() as folder:
        reduced = [
            _reduce(
                cell,
                measured,
                there("average", among=[cell]),
                there("layers", among=[cell]),
                there("along", among=[cell]),
                there("interpolate_factors", among=[cell]),
                detours([cell]),
                experiment.paths.intervals,
                results,
                Path(folder),
            )
            for cell in every
            if (measured := there("interpolate", among=[cell]))
        ]
        inputs = {
            **{
                name: [files[place] for files in reduced]
                for place, name in enumerate(connectivity.CELL_FILES)
            },
            "pairs": [_beside(results, row, layout.ROW_PAIRS) for row in rows],
            "evaluations": there("evaluate"),
            "concentration": there("examples"),
        }
        csv_files = {name: f"{folder}/{name}.csv" for name in outputs.TIDY}
        given = {name: [str(f) for f in files] for name, files in inputs.items() if files}
        parts = there("breakdown")
        connectivity.collect(experiment.experiment, amounts, given, csv_files, parts, adapted)
        frames = {
            name: tidy.read(Path(csv_files[name])) if name in given else _empty(name) for name in inputs
        }
    frames = tidy.known(frames)
    histories = there("finetune", layout.HISTORY) + there("finetune_adapter", layout.HISTORY)
    beside = there("plane"), there("map"), detours(every), there("examples")
    data = [
        [path for name in names(experiment) if (path := results / name).exists()]
        for names in (dependencies.shown_subsets, dependencies.shown_texts)
    ]
    lacking = [*unfinished(experiment, results), *unmeasured(experiment, results)]
    return Found(frames, rows, histories, *beside, *data, lacking)


def unfinished(experiment: Experiment, results: Path) -> list[str]:
    """Each run that has not come to its end, a line each, with the log that says why."""
    lines = []
    for cell in cells(experiment).values():
        for seed in cell.seeds:
            lacking = [step for step in cell.steps if not status.trained(results, cell, seed, step)]
            if lacking:
                template = layout.log("finetune" if lacking[0] else "initialize")
                run = {"model": cell.model, "dataset": cell.dataset, "seed": seed, "step": lacking[0]}
                log = results / layout.filled(template, **run)
                where = f"; log: {log}" if log.exists() else ""
                lines.append(
                    f"the run {cell.model} on {cell.dataset}, seed {seed}: no checkpoint at step "
                    f"{lacking[0]}{where}"
                )
    return lines


def unmeasured(experiment: Experiment, results: Path) -> list[str]:
    """What is not there of all that is measured beside paths and checkpoints, a line a kind."""
    lines = []
    for rule, name in BESIDE.items():
        files = jobs.files(experiment, cells(experiment).values(), rule)
        if lacking := sum(not (results / file).exists() for file in files):
            lines.append(f"{name}: {lacking} of {len(files)}")
    return lines


def _beside(results: Path, row: Path, template: str) -> Path:
    """Another file of the job that measured a row."""
    return results / layout.filled(template, **layout.parsed(layout.ROW, row))


def _reduce(
    cell: Cell, rows: list[Path], soups: list[Path], lines: list[Path], along: list[Path],
    factors: list[Path], detours: list[Path], k: int, results: Path, folder: Path,
) -> list[Path]:  # fmt: skip
    """What a cell's files reduce to: as in the workflow's results where those are of just these files."""
    names = [
        layout.filled(template, model=cell.model, dataset=cell.dataset)
        for template in connectivity.CELL_FILES.values()
    ]
    known = [results / name for name in names]
    newest = max(path.stat().st_mtime for path in [*rows, *soups, *lines, *along, *factors, *detours])
    if all(path.exists() and path.stat().st_mtime >= newest for path in known) and _are_of(
        known, rows, k, cell.delta_from
    ):
        return known
    gaps = filter(Path.exists, (_beside(results, row, layout.ROW_GAPS) for row in rows))
    reduced = connectivity.cell(rows, k, cell.delta_from, gaps, soups, along)
    if factors:
        beside = (_factors_gaps(results, path) for path in factors)
        reduced = reduced.with_factors(
            connectivity.cell(factors, k, cell.delta_from, filter(Path.exists, beside))
        )
    beside = ((path, path.with_name(Path(layout.DETOUR_GAPS).name)) for path in detours)
    measured = {
        tuple(layout.parsed(layout.ROW, row)[key] for key in ("step", "seed")): (
            row,
            _beside(results, row, layout.ROW_GAPS),
        )
        for row in rows
    }
    paths = barriers.cell(beside, measured, k, parameters.bodies(cell))
    reduced = reduced.with_paths(paths.rows)
    written = [folder / name for name in names]
    written[0].parent.mkdir(parents=True, exist_ok=True)
    frames = reduced.metrics, reduced.deltas, reduced.means, reduced.averages
    frames += layers.cell(lines), paths.frame()
    for frame, path in zip(frames, written, strict=True):
        stored.write_frame(path, frame)
    return written


def _factors_gaps(results: Path, row: Path) -> Path:
    return results / layout.filled(layout.FACTORS_GAPS, **layout.parsed(layout.FACTORS, row))


def _are_of(reduced: list[Path], rows: list[Path], k: int, start: int) -> bool:
    """Whether metrics and deltas are of these rows, with this K and start: any may be another now."""
    metrics = pair_means.merged(pd.read_parquet(reduced[0]))
    metrics = metrics[metrics["path"] == connectivity.LINE]
    ends = {(row["step"], row["seed"]) for row in (layout.parsed(layout.ROW, path) for path in rows)}
    starts = set(pd.read_parquet(reduced[1], columns=["from_step"])["from_step"])
    same = set(zip(metrics["step"], metrics["seed_b"], strict=True)) == ends
    return same and set(metrics["k"].dropna()) == {k} and starts <= {start}


def _empty(name: str) -> pd.DataFrame:
    """A tidy frame with its columns and no row."""
    keys = ["experiment", "model", "pretraining_steps", "dataset"]
    columns = {
        "metrics": connectivity.METRIC_COLUMNS,
        "deltas": connectivity.DELTA_COLUMNS,
        "means": pair_means.MEAN_COLUMNS,
        "averages": averages.COLUMNS,
        "layers": layers.COLUMNS,
        "barriers": barriers.COLUMNS,
        "pairs": ["step", "seed_a", "seed_b", "distance", "distance_a", "distance_b", "cosine"],
        "evaluations": ["seed", "step", "set", *connectivity.EVALUATION_COLUMNS],
        "concentration": concentration.COLUMNS,
    }
    return pd.DataFrame(columns=[*keys, *columns[name], "space"])
