"""What an experiment has so far, for a page of it, whatever is missing."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from isthmus.showing import status


@dataclass(frozen=True)
class Found:
    """The tidy frames of what is there, the files behind them, and what to name as missing."""

    frames: dict
    rows: list[Path]
    histories: list[Path]
    lacking: list[str]


def find(experiment, results: Path) -> Found:
    """Look through the folder of an experiment; nothing in it is changed."""
    from isthmus.showing import tables
    from isthmus.statistics import connectivity, tidy

    rows = _existing(experiment, results, "paths/{model}/{dataset}/step{step}/seed{seed}.parquet")
    scores = _existing(experiment, results, "evaluations/{model}/{dataset}/seed{seed}/step{step}.parquet")
    amounts = {name: model.pretraining_steps for name, model in experiment.models.items()}
    with tempfile.TemporaryDirectory() as folder:
        cells = [
            _reduce(experiment, results, Path(folder), *cell)
            for cell in dict.fromkeys((row.parts[-4], row.parts[-3]) for row in rows)
        ]
        inputs = {
            "metrics": [metrics for metrics, _, _ in cells],
            "deltas": [deltas for _, deltas, _ in cells],
            "means": [means for _, _, means in cells],
            "pairs": [path.with_suffix(".pairs.parquet") for path in rows],
            "evaluations": scores,
        }
        outputs = {name: f"{folder}/{name}.csv" for name in tables.FILES}
        there = {name: [str(f) for f in files] for name, files in inputs.items() if files}
        breakdowns = sorted((results / "data").glob("*/breakdown/*.parquet"))
        connectivity.collect(experiment.experiment, amounts, there, outputs, breakdowns)
        frames = {name: tidy.read(Path(outputs[name])) if name in there else _empty(name) for name in inputs}
    for name in ("metrics", "deltas"):
        frames[name] = tidy.with_intervals(frames[name], frames["means"])
    histories = _existing(
        experiment, results, "checkpoints/{model}/{dataset}/seed{seed}/step{step}/history.parquet"
    )
    return Found(frames, rows, histories, unfinished(experiment, results))


def unfinished(experiment, results: Path) -> list[str]:
    """Each run that has not come to its end, a line each, with the log that says why."""
    lines = []
    for model, dataset in experiment.cell_list():
        steps, rows = experiment.cell_steps(model, dataset), experiment.cell_rows(model, dataset)
        for seed in experiment.cell_runs(model, dataset):
            run = results, model, dataset, seed
            lacking = [step for step in steps if not status.trained(rows, *run, step)]
            if lacking:
                job = "initialize" if lacking[0] == 0 else "finetune"
                name = f"{model}-{dataset}-seed{seed}" + (f"-step{lacking[0]}" if lacking[0] else "")
                log = results / "logs" / job / f"{name}.log"
                said = f"; log: {log}" if log.exists() else ""
                lines.append(
                    f"the run {model} on {dataset}, seed {seed}: no checkpoint at step {lacking[0]}{said}"
                )
    return lines


def _existing(experiment, results, pattern):
    """The files of a pattern that are there, in the config's order."""
    names = [
        pattern.format(model=model, dataset=dataset, step=step, seed=seed)
        for model, dataset in experiment.cell_list()
        for step in experiment.cell_steps(model, dataset)
        for seed in experiment.cell_runs(model, dataset)
    ]
    return [results / name for name in dict.fromkeys(names) if (results / name).exists()]


def _reduce(experiment, results, folder, model, dataset):
    """The metrics, deltas and means of a cell: those of the workflow where they are of just these rows."""
    from isthmus import stored
    from isthmus.statistics import connectivity

    rows = _existing(experiment, results, f"paths/{model}/{dataset}/step{{step}}/seed{{seed}}.parquet")
    parts = (".parquet", ".deltas.parquet", ".means.parquet")
    made = [results / "connectivity" / model / f"{dataset}{part}" for part in parts]
    newest = max(path.stat().st_mtime for path in rows)
    start, k = experiment.cell_delta_from(model, dataset), experiment.paths.intervals
    if all(path.exists() and path.stat().st_mtime >= newest for path in made) and _of(made, rows, k, start):
        return made
    reduced = connectivity.cell(rows, k, start)
    written = [folder / model / path.name for path in made]
    written[0].parent.mkdir(parents=True, exist_ok=True)
    for frame, path in zip((reduced.metrics, reduced.deltas, reduced.means), written, strict=True):
        stored.write_frame(path, frame)
    return written


def _of(made, rows, k, start):
    """Whether metrics and deltas were made of these rows, with this K and start: any may be another now."""
    import pandas as pd

    metrics = pd.read_parquet(made[0], columns=["step", "seed_b", "k"])
    ends = {(int(path.parent.name[4:]), int(path.stem[4:])) for path in rows}
    starts = set(pd.read_parquet(made[1], columns=["from_step"])["from_step"])
    of_rows = set(zip(metrics["step"], metrics["seed_b"], strict=True)) == ends
    return of_rows and set(metrics["k"].dropna()) == {k} and starts <= {start}


def _empty(name):
    """A tidy frame with its columns and no row."""
    import pandas as pd

    from isthmus.statistics import connectivity

    keys = ["experiment", "model", "pretraining_steps", "dataset"]
    columns = {
        "metrics": connectivity.METRIC_COLUMNS,
        "deltas": connectivity.DELTA_COLUMNS,
        "means": connectivity.MEAN_COLUMNS,
        "pairs": ["step", "seed_a", "seed_b", "distance", "distance_a", "distance_b", "cosine"],
        "evaluations": ["seed", "step", "set", "loss", "accuracy", "f1", "mcc", "n", "majority"],
    }
    return pd.DataFrame(columns=keys + columns[name])
