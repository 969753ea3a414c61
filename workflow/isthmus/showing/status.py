"""Which cells are at which step, and what is left, by the files that are there: `make status`."""

from pathlib import Path

from isthmus.errors import ConfigError
from isthmus.experiment import dependencies, experiment_files, inputs, jobs, layout
from isthmus.experiment.cells import Cell, cells
from isthmus.experiment.config import Experiment

# What is counted, and how it is called where some of it is left.
COUNTED = {
    layout.WEIGHTS: "checkpoints to train",
    layout.EVALUATION: "to evaluate",
    layout.ROW: "rows of paths to measure",
}
DETOURS = "detours"


def status(experiment: Experiment, results: Path) -> str:
    """A table of cells by step; each entry counts seeds trained, evaluated, and rows of paths measured."""
    lines = [f"{experiment.experiment}: seeds trained / evaluated / rows of paths measured, by step"]
    table, left = [], dict.fromkeys(COUNTED, 0)
    for cell in cells(experiment).values():
        entries = [f"{cell.model} on {cell.dataset}"]
        for step in cell.steps:
            counts = []
            for template in COUNTED:
                seeds = list(cell.rows) if template == layout.ROW else cell.seeds
                there = sum(_is_there(results, template, cell, seed, step) for seed in seeds)
                left[template] += len(seeds) - there
                counts.append(f"{there}/{len(seeds)}")
            entries.append(f"step {step:,}: {' '.join(counts)}")
        table.append(entries)
    others = [results / name for name in jobs.detours(experiment, cells(experiment).values())]
    left[DETOURS] = sum(not path.exists() for path in others)
    widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table)))]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([*lines, _left(left, results)])


def trained(results: Path, cell: Cell, seed: int, step: int) -> bool:
    """True where a checkpoint is there, or was and is needed no more.

    Its weights go, with `keep: last`, or by hand, once its evaluation and all paths that end at it are there.
    """
    if (results / dependencies.weights(cell, seed, step)).exists():
        return True
    measured = [_is_there(results, layout.ROW, cell, row, step) for row in cell.rows_of(seed)]
    measured.append(_exists(results, layout.EVALUATION, cell, seed, step))
    return _exists(results, layout.RECORD, cell, seed, step) and all(measured)


def _is_there(results: Path, template: str, cell: Cell, seed: int, step: int) -> bool:
    if template == layout.WEIGHTS:
        return trained(results, cell, seed, step)
    if template == layout.ROW and cell.factors and not _exists(results, layout.FACTORS, cell, seed, step):
        return False
    return _exists(results, template, cell, seed, step)


def _exists(results: Path, template: str, cell: Cell, seed: int, step: int) -> bool:
    name = layout.filled(template, model=cell.model, dataset=cell.dataset, seed=seed, step=step)
    return (results / name).exists()


def _left(left: dict[str, int], results: Path) -> str:
    names = COUNTED | {DETOURS: "curves and aligned lines"}
    parts = [f"{count} {names[template]}" for template, count in left.items() if count]
    if parts:
        return f"left: {', '.join(parts)}; then the report"
    page = results / layout.REPORT
    return f"left: nothing but the report, {page}" if not page.exists() else f"all is there: {page}"


def main(files: list[str]) -> None:
    """Read the experiment from its files and print where it stands; say what `make run` would refuse."""
    try:
        experiment = inputs.checked(experiment_files.read(files), ", ".join(files))
    except ConfigError as error:
        raise SystemExit(f"Error: {error}") from None
    print(status(experiment, Path(layout.results(experiment.experiment))))
