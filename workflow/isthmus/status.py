"""Which cells are at which step, and what is left, by the files that are there: `make status`."""

import sys
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
        entries = [f"{model} on {dataset}"]
        for step in experiment.cell_steps(model, dataset):
            counts = []
            for what, pattern in WHAT.items():
                of = experiment.cell_rows if what == "rows" else experiment.cell_runs
                seeds = list(of(model, dataset))
                names = [pattern.format(model=model, dataset=dataset, seed=s, step=step) for s in seeds]
                there = sum((results / name).exists() for name in names)
                left[what] += len(seeds) - there
                counts.append(f"{there}/{len(seeds)}")
            entries.append(f"step {step:,}: {' '.join(counts)}")
        table.append(entries)
    widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table)))]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([*lines, _left(left, results)])


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
    """Read the experiment from its files, the last of which wins, and print where it stands."""
    import yaml

    from isthmus.config import load
    from isthmus.errors import ConfigError

    raw = {}
    for file in files:
        raw |= yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
    try:
        experiment = load(raw, ", ".join(files))
    except ConfigError as error:
        raise SystemExit(f"Error: {error}") from None
    print(status(experiment, Path("results") / experiment.experiment))


if __name__ == "__main__":
    main(sys.argv[1:])
