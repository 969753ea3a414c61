"""The report: one HTML file with the answer, the figures, the tables, the methods and where it all came from.

Every sentence about a result is made from the numbers and says what they say, whether or not the source
paper found the same.
"""

import base64
import json
import platform
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from isthmus import figures, tables
from isthmus.tables import interval, number

TEMPLATES = Path(__file__).parent / "templates"
PUBLISHED = Path(__file__).parents[2] / "experiments" / "paper_published.csv"
LARGE = 400_000  # bytes of an SVG above which the page takes the PNG
FILES = ("metrics", "deltas", "pairs", "evaluations")


@dataclass(frozen=True)
class Gap:
    """CG of a cell at one step, or its change: mean over pairs, interval, range, number of pairs; in nats."""

    mean: float
    low: float
    high: float
    least: float
    most: float
    pairs: int
    over_seeds: bool

    def __str__(self) -> str:
        return f"{number(self.mean, 3)} {interval(self.low, self.high, 3)}".strip()

    @property
    def range(self) -> str:
        """The smallest and the largest value over pairs, or nothing for a single pair."""
        return f"{number(self.least, 3)} to {number(self.most, 3)}" if self.pairs > 1 else ""

    @property
    def moved(self) -> str:
        """Where a change went: `fell`, `rose`, or `did not clearly change` where its interval has 0."""
        if tables.floored(self.mean) == 0 or self.low <= 0 <= self.high:
            return "did not clearly change"
        return "rose" if self.mean > 0 else "fell"


@dataclass(frozen=True)
class Cell:
    """The numbers of one cell's answer; gaps are CG of the test loss.

    `start` and `end` are the steps of the change, which is None with a single checkpoint after step 0.
    """

    dataset: str
    model: str
    from_step: int
    to_step: int
    baseline: Gap
    start: Gap
    end: Gap
    change: Gap | None
    error_gap: float
    accuracy: float
    majority: float

    @property
    def skilled(self) -> bool:
        """Whether the mean test accuracy at the end beats the majority class."""
        return tables.learnt(self.accuracy, self.majority)

    @property
    def warning(self) -> str:
        """What to say where the model has not learnt its task."""
        return f"{self.model}, step {self.to_step:,}: {tables.no_skill(self.accuracy, self.majority)}"


# ---------------------------------------------------------------------------------------------- the answer


def cells(experiment, metrics, deltas, evaluations) -> list[Cell]:
    """The cells that have results, in the config's order."""
    wanted = (metrics["metric"] == "CG") & (metrics["set"] == "test")
    loss, error = (metrics[wanted & (metrics["quantity"] == quantity)] for quantity in ("loss", "error"))
    changes = deltas[(deltas["metric"] == "CG") & (deltas["set"] == "test") & (deltas["quantity"] == "loss")]
    found = []
    for model, dataset in experiment.cell_list():
        mine, moved, wrong, scores = (
            _of(frame, model, dataset) for frame in (loss, changes, error, evaluations)
        )
        if not len(mine):
            continue
        last = int(mine["step"].max())
        start, end = moved[["from_step", "to_step"]].iloc[0].tolist() if len(moved) else (last, last)
        steps = {step: _gap(mine[mine["step"] == step]) for step in (0, start, end)}
        scores = scores[(scores["set"] == "test") & (scores["step"] == end)]
        found.append(
            Cell(
                *(dataset, model, start, end, steps[0], steps[start], steps[end]),
                change=_gap(moved) if start != end else None,
                error_gap=float(wrong.loc[wrong["step"] == end, "value"].mean()),
                accuracy=float(scores["accuracy"].mean()),
                majority=float(scores["majority"].mean()),
            )
        )
    return found


def over_finetuning(cell: Cell) -> str:
    """One sentence: where CG went over fine-tuning."""
    if cell.change is None:
        return (
            f"{cell.model}: CG is {cell.end} at step {cell.to_step:,}, the only checkpoint after step 0, "
            "so nothing can be said about its course over fine-tuning."
        )
    spread = f", range over {cell.change.pairs} pairs {cell.change.range}" if cell.change.pairs > 1 else ""
    return (
        f"{cell.model}: CG {cell.change.moved}, from {cell.start} at step {cell.from_step:,} "
        f"to {cell.end} at step {cell.to_step:,} (change {_signed(cell.change)}{spread})."
    )


def claim_finetuning(found: list[Cell]) -> str:
    """The first hypothesis against one data set's cells: does the gap fall over fine-tuning?"""
    moves = [cell.change.moved for cell in found if cell.change]
    if not moves:
        return ""
    said = "The source paper reports a fall for each of its models"
    if all(move == "fell" for move in moves):
        return f"{said}; so it is here."
    counts = ", ".join(f"{word} for {moves.count(word)}" for word in dict.fromkeys(moves))
    return f"{said}; here the gap {counts} of {len(moves)} model{'s' if len(moves) > 1 else ''}."


def over_pretraining(experiment, found: list[Cell], dataset: str) -> list[str]:
    """The second hypothesis, a sentence a ladder and step: is the gap smaller with more pre-training?"""
    by_model = {cell.model: cell for cell in found if cell.dataset == dataset}
    sentences = []
    for name, ladder, models in figures.ladder_panels(experiment):
        rungs = [by_model[model] for model in models if model in by_model]
        if name != dataset or len(rungs) < 2:
            continue
        sentences.append(_ladder(experiment, ladder, rungs, "end"))
        if all(cell.change for cell in rungs):
            sentences.append(_ladder(experiment, ladder, rungs, "start"))
    return sentences


def largest_change(experiment, deltas, dataset: str) -> str:
    """Which of the source's three metrics changed most, by model; several where they are shown alike."""
    loss = deltas[(deltas["set"] == "test") & (deltas["quantity"] == "loss")]
    nested = loss[loss["metric"].str.endswith("_nested") & (loss["from_step"] != loss["to_step"])]
    parts = []
    for model in (model for model, name in experiment.cell_list() if name == dataset):
        means = _of(nested, model, dataset).groupby("metric")["value"].mean().abs()
        shown = {label: number(means[metric]) for metric, label in tables.METRICS.items() if metric in means}
        most = [label for label, value in shown.items() if value == number(means.max())]
        if len(most) < len(shown):  # with all alike there is no largest one
            parts.append(f"{' and '.join(most)} for {model} ({shown[most[0]]})")
    if not parts:
        return ""
    return (
        f"Of the three metrics of the source's tables, the largest change is that of {', '.join(parts)}. "
        "The source's text names the barrier height, which its own tables do not show."
    )


def summary(experiment, metrics, deltas, evaluations) -> str:
    """What a run prints at its end: accuracy against the majority class, CG at its two steps, the change."""
    found = cells(experiment, metrics, deltas, evaluations)
    rows = [["dataset", "model", "accuracy", "majority", "CG at the start", "CG at the end", "change"]]
    for cell in found:
        start = f"{cell.start} (step {cell.from_step})" if cell.change else "–"
        change = f"{_signed(cell.change)}, {cell.change.moved}" if cell.change else "–"
        scores = [number(cell.accuracy, 3) + ("" if cell.skilled else " !"), number(cell.majority, 3)]
        rows.append([cell.dataset, cell.model, *scores, start, f"{cell.end} (step {cell.to_step})", change])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    folder = f"results/{experiment.experiment}"
    lines = [
        f"{experiment.experiment}: convexity gap (CG) between seeds, test loss in nats; {_what(found)}",
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        *(f"! {cell.dataset}, {cell.warning}" for cell in found if not cell.skilled),
        f"Look at {folder}/report.html; all numbers: {folder}/metrics.csv",
    ]
    return "\n".join(lines)


def _of(frame, model, dataset):
    return frame[(frame["model"] == model) & (frame["dataset"] == dataset)]


def _gap(frame) -> Gap:
    if not len(frame):
        return Gap(*[float("nan")] * 5, pairs=0, over_seeds=False)
    row = tables.over_pairs(frame.assign(all=0), ["all"]).iloc[0]
    over_seeds = row["seeds_low"] == row["seeds_low"]
    ends = ("seeds_low", "seeds_high") if over_seeds else ("low", "high")
    return Gap(*row[["mean", *ends, "min", "max"]], pairs=int(row["pairs"]), over_seeds=over_seeds)


def _what(found: list[Cell]) -> str:
    """What the value and the brackets are, for this experiment."""
    gaps = [cell.end for cell in found]
    mean = "mean over pairs" if any(gap.pairs > 1 for gap in gaps) else "one pair of seeds"
    if all(gap.low != gap.low for gap in gaps):
        return mean
    over = "seeds" if any(gap.over_seeds for gap in gaps) else "evaluation examples"
    return f"{mean}, 95 % interval over {over}"


def _signed(change: Gap) -> str:
    return ("+" if tables.floored(change.mean) > 0 else "") + str(change)


def _ladder(experiment, ladder, rungs, when):
    """One sentence: the rungs' gaps, from the least pre-training to the most, at the start or the end."""
    gaps = [getattr(cell, when) for cell in rungs]
    means = [tables.floored(gap.mean) for gap in gaps]
    falls = all(less > more for less, more in pairwise(means))
    rises = all(less < more for less, more in pairwise(means))
    course = "smaller" if falls else "larger" if rises else "neither smaller nor larger throughout"
    amounts = [experiment.models[cell.model].pretraining_steps for cell in rungs]
    values = ", ".join(f"{gap} after {amount:,}" for gap, amount in zip(gaps, amounts, strict=True))
    steps = {cell.to_step if when == "end" else cell.from_step for cell in rungs}
    at = f"at step {steps.pop():,}" if len(steps) == 1 else f"at each model's {when}"
    least, most = gaps[0], gaps[-1]
    if least.low <= most.high and most.low <= least.high:
        verdict = "but the intervals of the least and the most overlap, so this is not settled"
    else:
        verdict = "as the source paper claims" if falls else "which is not what the source paper claims"
    return f"Ladder {ladder}, {at}: the gap is {course} with more pre-training ({values} updates), {verdict}."


# ------------------------------------------------------------------------------------------------ the page


def write(experiment, results: Path, path: Path, provenance: dict) -> None:
    """Write the report from `results` (the CSV files, `figures/`) to `path`, as one file that needs no other.

    Args:
        provenance: what was used, by name: versions, hardware, hashes, times. Values may be nested.
    """
    import jinja2
    import yaml

    frames = {name: tables.read(results / f"{name}.csv") for name in FILES}
    metrics, deltas, evaluations = (frames[name] for name in ("metrics", "deltas", "evaluations"))
    found = cells(experiment, metrics, deltas, evaluations)
    pictures = [_picture(results / "figures", *item) for item in figures.captions(experiment).items()]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    settings = yaml.safe_dump(experiment.model_dump(mode="json", exclude_none=True), sort_keys=False)
    page = environment.get_template("report.html.j2").render(
        experiment=experiment,
        what=_what(found),
        answers=_answers(experiment, deltas, found),
        ladders=bool(figures.ladder_panels(experiment)),
        pictures=[picture for picture in pictures if picture["source"]],
        papers=_papers(experiment, metrics, deltas, evaluations),
        evaluations=tables.evaluation_blocks(tables.evaluations_table(evaluations)),
        distances=distances(experiment, frames["pairs"]),
        missing=missing(experiment, metrics, evaluations)
        + [f"the figure {p['name']}" for p in pictures if not p["source"]],
        k=experiment.paths.intervals,
        floor=f"{tables.FLOOR:g}",
        settings=settings,
        provenance=_lines(provenance),
    )
    path.write_text(page, encoding="utf-8")


def provenance(results: Path) -> dict:
    """What the records beside models, data and checkpoints say: versions, origins, hashes, time spent."""
    from importlib.metadata import version

    models = {path.parent.name: _record(path) for path in sorted((results / "models").glob("*/model.json"))}
    data = {path.parent.name: _record(path) for path in sorted((results / "data").glob("*/subset.json"))}
    runs: dict[Path, list[dict]] = {}
    for path in sorted((results / "checkpoints").glob("*/*/seed*/step*/checkpoint.json")):
        runs.setdefault(path.parents[1], []).append(_record(path))
    last = [max(records, key=lambda record: record["step"]) for records in runs.values()]
    drawing = {name: version(name) for name in ("matplotlib", "pandas", "seaborn")}
    return {
        "python": platform.python_version(),
        "versions": _versions(last) | drawing,
        "model": {name: _said(record, "origin", "revision", "sha256") for name, record in models.items()},
        "data": {
            name: {
                "source": _said(record["source"], *record["source"]) | _said(record, "revision"),
                **{part: _said(record[part], "rows", "ids_sha256") for part in ("train", "test")},
            }
            for name, record in data.items()
        },
        "time spent": {
            "pre-training": _spent(models.values()),
            "fine-tuning": _spent(last),
        },
    }


def _record(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _said(record, *keys):
    return {key: record[key] for key in keys if record.get(key) is not None}


def _versions(records):
    """Each package's version, or all of them where runs had different ones."""
    found: dict[str, dict] = {}
    for record in records:
        for name, value in record.get("versions", {}).items():
            found.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in sorted(found.items())}


def _spent(records):
    """Minutes by device and the number of attempts, over all of them; failed ones count."""
    spent = [record["spent"] for record in records if "spent" in record]
    devices = sorted({device for one in spent for device in one["seconds"]})
    minutes = {device: sum(one["seconds"].get(device, 0.0) for one in spent) / 60 for device in devices}
    said = [f"{minutes[device]:.1f} minutes on {device}" for device in devices]
    return [*said, f"attempts: {sum(one['attempts'] for one in spent)}"] if spent else "none recorded"


def missing(experiment, metrics, evaluations) -> list[str]:
    """What the config asks for and the results lack, a line each, and intervals where there are none."""
    pairs = len(experiment.seeds) * (len(experiment.seeds) - 1) // 2
    gaps = metrics[(metrics["metric"] == "CG") & (metrics["quantity"] == "loss")]
    lines = []
    for model, dataset in experiment.cell_list():
        paths, scores = (_of(frame, model, dataset) for frame in (gaps, evaluations))
        for step in experiment.cell_training(model, dataset).checkpoint_steps():
            for part in ("train", "test", *experiment.datasets[dataset].sets):
                where = f"{model} on {dataset}, step {step}, set {part}"
                for frame, whole, what in (
                    (paths, pairs, "paths"),
                    (scores, len(experiment.seeds), "evaluations"),
                ):
                    there = int(((frame["step"] == step) & (frame["set"] == part)).sum())
                    if there < whole:
                        lines.append(f"{where}: {whole - there} of {whole} {what}")
    if metrics["low"].isna().all():
        lines.append("intervals: no bootstrap replicates were kept, so values stand without them")
    return lines


def distances(experiment, pairs) -> list[tables.Block]:
    """How far the ends of a path are apart, a block a data set: what tells connected from hardly moved."""
    blocks = []
    for dataset in dict.fromkeys(name for _, name in experiment.cell_list()):
        mine = pairs[pairs["dataset"] == dataset]
        said = [name for name in mine if name.startswith("disagreement_") and mine[name].notna().any()]
        columns = ["distance", "distance_a", "distance_b", "cosine", *said]
        rows = [
            [model, f"{step:,}", *(number(value, 3) for value in means)]
            for (model, step), *means in mine.groupby(["model", "step"], sort=False)[columns]
            .mean()
            .itertuples()
        ]
        header = [
            "model",
            "step",
            "between the ends",
            "start to first end",
            "start to second end",
            "cosine of the updates",
        ]
        header += [f"disagreement, {name.removeprefix('disagreement_')}" for name in said]
        blocks.append(tables.Block(f"{dataset}: mean over pairs of seeds.", header, rows))
    return blocks


def _answers(experiment, deltas, found):
    """What the first screen says, a data set each."""
    answers = []
    for dataset in dict.fromkeys(cell.dataset for cell in found):
        mine = [cell for cell in found if cell.dataset == dataset]
        answers.append(
            {
                "dataset": dataset,
                "cells": mine,
                "warnings": [cell.warning for cell in mine if not cell.skilled],
                "finetuning": [over_finetuning(cell) for cell in mine],
                "claim": claim_finetuning(mine),
                "pretraining": over_pretraining(experiment, found, dataset),
                "largest": largest_change(experiment, deltas, dataset),
            }
        )
    return answers


def _papers(experiment, metrics, deltas, evaluations):
    """The tables in the source's layout, and its published values where the cells are the source's."""
    papers = []
    for dataset in tables.names(experiment)[:-1]:
        table = tables.paper_table(metrics, deltas, evaluations, dataset)
        blocks = tables.paper_blocks(table, dataset)
        published = _published(dataset, list(table.columns[4:]))
        papers.append({"dataset": dataset, "blocks": blocks, "published": published})
    return papers


def _published(dataset, models):
    """The source's own table of a data set, for those of its models that are here, or None."""
    import pandas as pd

    if not PUBLISHED.exists():  # the library used without its repository
        return None
    values = pd.read_csv(PUBLISHED)
    values = values[(values["dataset"] == dataset) & values["model"].isin(models)]
    if not len(values):
        return None
    table = values.pivot(index="metric", columns="model", values="value").loc[["BH", "CG", "ICG"]]
    table = table[[model for model in models if model in table.columns]]
    rows = [[metric, *(number(value) for value in row)] for metric, *row in table.itertuples()]
    caption = (
        f"Published in the source paper for {dataset}, not a result of this run: magnitude of each change."
    )
    return tables.Block(caption, ["", *table.columns], rows)


def _picture(folder, name, caption):
    """A figure as a data address: the SVG, or the PNG where the SVG is large; empty if missing."""
    vector, pixels = folder / f"{name}.svg", folder / f"{name}.png"
    for path, kind in ((vector, "svg+xml"), (pixels, "png")):
        if path.exists() and (path is pixels or path.stat().st_size < LARGE or not pixels.exists()):
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            return {"name": name, "caption": caption, "source": f"data:image/{kind};base64,{data}"}
    return {"name": name, "caption": caption, "source": ""}


def _lines(values, prefix=""):
    """Nested values as (name, text) lines."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += _lines(value, f"{prefix}{key}, ")
        else:
            parts = value if isinstance(value, list | tuple) else [value]
            lines.append((f"{prefix}{key}", ", ".join(map(str, parts))))
    return lines
