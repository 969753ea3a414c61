"""Which cells are at which step, and what is left, by the files that are there: `make status`."""

from pathlib import Path

WHAT = {
    "trained": "checkpoints/{model}/{dataset}/seed{seed}/step{step}/model.safetensors",
    "evaluated": "evaluations/{model}/{dataset}/seed{seed}/step{step}.parquet",
    "rows": "paths/{model}/{dataset}/step{step}/seed{seed}.parquet",
}


def status(experiment, results: Path) -> str:
    """A table of cells by step; each entry counts seeds trained, evaluated, and rows of paths measured."""
    lines = [f"{experiment.experiment}: seeds trained / evaluated / rows of paths measured, by step"]
    table, left = [], dict.fromkeys(WHAT, 0)
    for model, dataset in experiment.cell_list():
        entries, rows = [f"{model} on {dataset}"], experiment.cell_rows(model, dataset)
        for step in experiment.cell_steps(model, dataset):
            counts = []
            for what, pattern in WHAT.items():
                of = experiment.cell_rows if what == "rows" else experiment.cell_runs
                seeds = list(of(model, dataset))
                if what == "trained":
                    there = sum(trained(rows, results, model, dataset, s, step) for s in seeds)
                else:
                    there = sum(_path(results, pattern, model, dataset, s, step).exists() for s in seeds)
                left[what] += len(seeds) - there
                counts.append(f"{there}/{len(seeds)}")
            entries.append(f"step {step:,}: {' '.join(counts)}")
        table.append(entries)
    widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table)))]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([*lines, _left(left, results)])


def trained(
    rows: dict[int, list[int]], results: Path, model: str, dataset: str, seed: int, step: int
) -> bool:
    """True where a checkpoint is there, or was and is needed no more.

    Its weights go, with `keep: last`, or by hand, once its evaluation and all paths that end at it are there.
    `rows` are the cell's: which seeds' paths end at which.
    """
    if _path(results, WHAT["trained"], model, dataset, seed, step).exists():
        return True
    ending = [row for row, others in rows.items() if seed == row or seed in others]
    used = [_path(results, WHAT["rows"], model, dataset, row, step) for row in ending]
    used.append(_path(results, WHAT["evaluated"], model, dataset, seed, step))
    made = _path(results, WHAT["trained"], model, dataset, seed, step).with_name("checkpoint.json")
    return made.exists() and all(path.exists() for path in used)


def _path(results, pattern, model, dataset, seed, step):
    return results / pattern.format(model=model, dataset=dataset, seed=seed, step=step)


def _left(left, results):
    words = {
        "trained": "checkpoints to train",
        "evaluated": "to evaluate",
        "rows": "rows of paths to measure",
    }
    parts = [f"{count} {words[what]}" for what, count in left.items() if count]
    if parts:
        return f"left: {', '.join(parts)}; then the report"
    page = results / "report.html"
    return f"left: nothing but the report, {page}" if not page.exists() else f"all is there: {page}"


def main(files: list[str]) -> None:
    """Read the experiment from its files and print where it stands; say what `make run` would refuse."""
    from isthmus.errors import ConfigError
    from isthmus.experiment import experiment_files, inputs

    try:
        experiment = inputs.checked(experiment_files.read(files), ", ".join(files))
    except ConfigError as error:
        raise SystemExit(f"Error: {error}") from None
    print(status(experiment, Path("results") / experiment.experiment))
