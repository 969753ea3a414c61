"""The tables: tidy frames in; CSV, Markdown and LaTeX in the source paper's layout out.

A value of a cell is the mean over its pairs. The numbers stay as computed in `metrics.csv`; here, where they
are shown, a loss under `FLOOR` is 0: rounding is no gap.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus import stored
from isthmus.experiment import outputs

if TYPE_CHECKING:
    from pandas import DataFrame

FLOOR = 1e-6  # nats; what rounding alone makes of the gap of a convex float32 path
SEEDS_FOR_INTERVAL = 5  # resampling fewer seeds says more of the resampling than of the seeds
TEXT = (
    "experiment",
    "model",
    "model_a",
    "model_b",
    "dataset",
    "set",
    "quantity",
    "metric",
    "subject",
    "note",
)
METRICS = {"BH_nested": "BH", "CG_nested": "CG", "ICG_nested": "ICG", "CG": "CG, exact"}
STATISTICS = ("mean", "low", "high", "median", "min", "max", "seeds_low", "seeds_high")
NO_SKILL = "a barrier between two models that learnt nothing means nothing"
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "_%&#${}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
        **{"−": "$-$", "†": r"$^\dagger$", "–": "--"},
    }
)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKS = re.compile(r"[\\`*~$|]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[:]")


@dataclass(frozen=True)
class Block:
    """A table as it is shown: text only, the first column naming the row."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()


def read(path: Path):
    """One of the tidy CSV files as a frame; only empty cells are missing, and names stay text."""
    return stored.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])


def write(names: list[str], metrics, deltas, evaluations, folder: Path) -> None:
    """Write tables in every format of `outputs.TABLE_FORMATS` into `folder`.

    Args:
        names: as in `outputs.tables`: those of data sets, and `evaluations`.
        metrics, deltas, evaluations: from `load`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name == "evaluations":
            frame = evaluations_table(evaluations)
            blocks = evaluation_blocks(frame)
        else:
            frame = paper_table(metrics, deltas, evaluations, name)
            blocks = paper_blocks(frame, name)
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g", lineterminator="\n")
        (folder / f"{name}.md").write_text(markdown(name, blocks), encoding="utf-8")
        (folder / f"{name}.tex").write_text(latex(blocks), encoding="utf-8")


# ---------------------------------------------------------------------------------------------- numbers


def load(results: Path) -> "dict[str, DataFrame]":
    """The tidy files of an experiment by name; metrics and deltas know their mean's interval."""
    frames = {name: read(results / f"{name}.csv") for name in outputs.TIDY}
    for name in ("metrics", "deltas"):
        frames[name] = with_intervals(frames[name], frames["means"])
    return frames


def with_intervals(frame, means):
    """Metrics or deltas with the interval, over examples, of the mean over pairs: `mean_low`, `mean_high`."""
    changes = "from_step" in frame
    means = means[means["from_step"].notna() == changes]
    step = "to_step" if changes else "step"
    means = means.rename(columns={"step": step, "low": "mean_low", "high": "mean_high"})
    keys = ["model", "dataset", step, "set", "quantity", "metric"]
    return frame.merge(means[[*keys, "mean_low", "mean_high"]], on=keys, how="left", validate="many_to_one")


def over_pairs(frame, by: list[str]):
    """Each group's value over its pairs: a row a group, with `STATISTICS` and the number of `pairs`.

    `low` and `high` are the interval of the mean over evaluation examples. `seeds_low` and `seeds_high`, from
    five seeds on, are the 95 % interval of the mean when seeds are drawn again.

    Args:
        frame: metrics or deltas, `with_intervals`.
        by: columns that leave one metric of one cell and step to a group.
    """
    import pandas as pd

    rows = []
    for key, group in frame.groupby(by, sort=False):
        values = group["value"].to_numpy(dtype=float)
        pairs = tuple(zip(group["seed_a"].tolist(), group["seed_b"].tolist(), strict=True))
        shown = (values.mean(), *group[["mean_low", "mean_high"]].iloc[0])
        spread = (group["value"].median(), values.min(), values.max(), *seeds_interval(pairs, values))
        rows.append((*key, *shown, *spread, len(values)))
    return pd.DataFrame(rows, columns=[*by, *STATISTICS, "pairs"])


def paper_table(metrics, deltas, evaluations, dataset: str):
    """The source paper's table of a data set: a row a set, metric and statistic, a column a model; numbers.

    Rows `delta_*` speak of the signed change from step `from_step` to `to_step`, `delta_magnitude` and
    `delta_sign` of its mean; rows `step0_*`, `start_*` and `end_*` of the values behind it. The last rows, of
    no metric, are each model's steps, pairs, mean test accuracy at the end and majority baseline.
    """
    import pandas as pd

    metrics, deltas = (_losses(frame, dataset) for frame in (metrics, deltas))
    models = list(dict.fromkeys(metrics["model"]))
    cells: dict[tuple, dict[str, float]] = {}
    for model in models:
        ends = _ends(metrics, deltas, model)
        facts = _facts(metrics, evaluations, dataset, model, ends)
        for row, value in (_gaps(metrics, deltas, model, ends) | facts).items():
            cells.setdefault(row, {})[model] = value
    order = [key for key in cells if key[1]] + [key for key in cells if not key[1]]
    frame = pd.DataFrame([cells[key] for key in order], columns=models, dtype=float)
    keys = pd.DataFrame(order, columns=["set", "metric", "k", "statistic"])
    return pd.concat([keys.astype({"k": "Int64"}), frame], axis=1)


def by_statistic(table) -> dict[tuple[str, str, str], dict[str, float]]:
    """A paper table's numbers for looking up: {(set, metric, statistic): {model: value}}."""
    keys = zip(table["set"], table["metric"], table["statistic"], strict=True)
    return dict(zip(keys, table[table.columns[4:]].to_dict("records"), strict=True))


def evaluations_table(evaluations):
    """Mean over seeds of loss, accuracy, F1 and MCC: a row a data set, model, set and step."""
    groups = evaluations.groupby(["dataset", "model", "set", "step"], sort=False)
    means = groups[["loss", "accuracy", "f1", "mcc", "majority"]].mean()
    means.insert(0, "n", groups["n"].first())
    means.insert(0, "seeds", groups["seed"].nunique())
    return means.reset_index()


def floored(value: float) -> float:
    """The value as it is shown: 0 where it is under the floor."""
    return 0.0 if abs(value) < FLOOR else float(value)


def learnt(accuracy: float, majority: float) -> bool:
    """Whether an accuracy is above that of always naming the majority class; an unknown one passes."""
    return not accuracy <= majority


@lru_cache(maxsize=8)
def _seed_weights(pairs):
    """The pairs' weights when seeds are drawn again, a row a replicate; a seed with itself is no pair."""
    import numpy as np

    from isthmus.bootstrap import Bootstrap

    seeds = sorted({seed for pair in pairs for seed in pair})
    counts = Bootstrap(len(seeds), replicates=1000, seed=0).counts.astype(float)
    index = np.array([[seeds.index(seed) for seed in pair] for pair in pairs])
    weights = counts[:, index[:, 0]] * counts[:, index[:, 1]]
    weights = weights[weights.sum(axis=1) > 0]
    return weights / weights.sum(axis=1, keepdims=True)


def seeds_interval(pairs, values):
    """The 95 % interval of a mean over pairs when seeds are drawn again; NaN with fewer than five seeds.

    Args:
        pairs: the pairs of seeds, a tuple of tuples.
        values: one a pair, shape (pairs,).
    """
    if len({seed for pair in pairs for seed in pair}) < SEEDS_FOR_INTERVAL:
        return float("nan"), float("nan")
    from isthmus.bootstrap import percentile_interval

    return percentile_interval(_seed_weights(pairs) @ values)


def _losses(frame, dataset):
    wanted = (frame["dataset"] == dataset) & (frame["quantity"] == "loss")
    return frame[wanted & frame["metric"].isin(list(METRICS)) & frame["set"].isin(["test", "train"])]


def _ends(metrics, deltas, model):
    """The steps that a model's change runs between; equal ones where there is one checkpoint after 0 only."""
    mine = deltas[deltas["model"] == model]
    if len(mine):
        return int(mine["from_step"].iloc[0]), int(mine["to_step"].iloc[0])
    last = int(metrics.loc[metrics["model"] == model, "step"].max())
    return last, last


def _gaps(metrics, deltas, model, ends):
    """All statistics of one model's metrics, in the table's order: {(set, metric, k, statistic): value}."""
    by = ["set", "metric"]
    values = metrics[metrics["model"] == model]
    frames = {"delta": deltas[(deltas["model"] == model) & (deltas["from_step"] != deltas["to_step"])]}
    for name, step in {"step0": 0, "start": ends[0], "end": ends[1]}.items():
        frames[name] = values[values["step"] == step]
    stats = {name: over_pairs(frame, by).set_index(by) for name, frame in frames.items()}
    intervals = values.groupby("metric")["k"].first().dropna()
    cells = {}
    for part, metric in ((part, metric) for part in ("test", "train") for metric in METRICS):
        k = int(intervals[metric]) if metric in intervals else None
        for name, table in stats.items():
            if (part, metric) not in table.index:
                continue
            row = {key: floored(table.loc[(part, metric), key]) for key in STATISTICS}
            if name == "delta":
                sign = float((row["mean"] > 0) - (row["mean"] < 0))
                row = {"magnitude": abs(row["mean"]), "sign": sign} | row
            cells |= {(part, metric, k, f"{name}_{key}"): value for key, value in row.items()}
    return cells


def _facts(metrics, evaluations, dataset, model, ends):
    """One model's rows that belong to no metric."""
    cell = (evaluations["dataset"] == dataset) & (evaluations["model"] == model)
    end = evaluations[cell & (evaluations["set"] == "test") & (evaluations["step"] == ends[1])]
    pairs = metrics.loc[
        (metrics["model"] == model) & (metrics["step"] == ends[1]), ["seed_a", "seed_b"]
    ].drop_duplicates()
    facts = {"from_step": ends[0], "to_step": ends[1], "pairs": len(pairs)}
    facts |= {"accuracy": end["accuracy"].mean(), "majority": end["majority"].mean()}
    return {("test", "", None, key): float(value) for key, value in facts.items()}


# ------------------------------------------------------------------------------------------------- text


def number(value: float, digits: int = 4) -> str:
    """A number for the eye: fixed digits, 0 under the floor, a dash where there is none."""
    if value != value:
        return "–"
    value = floored(value)
    if value == 0:
        return "0"
    text = f"{value:.{digits}f}" if abs(value) >= 0.5 * 10**-digits else f"{value:.0e}"
    return text.replace("-", "−")


def interval(low: float, high: float, digits: int = 4) -> str:
    """An interval in brackets, or nothing where there is none."""
    return "" if low != low or high != high else f"[{number(low, digits)}, {number(high, digits)}]"


def no_skill(accuracy: float, majority: float) -> str:
    """The warning for a model that has not learnt its task."""
    found, bar = number(accuracy, 3), number(majority, 3)
    return f"mean test accuracy {found} does not beat the majority baseline {bar}; {NO_SKILL}."


def paper_blocks(table, dataset: str) -> list[Block]:
    """A paper table as blocks of text: changes, the values behind them, the spread over pairs, the runs."""
    models = list(table.columns[4:])
    cells = by_statistic(table)
    header = ["", *(model + ("" if learnt(*_scores(cells, model)) else "†") for model in models)]
    labels = _labels(table)
    blocks = []
    for part in dict.fromkeys(table["set"]):
        rows = {metric: label for (where, metric), label in labels.items() if where == part}
        blocks.append(_changes(cells, part, rows, models, header, dataset))
        blocks.append(_values(cells, part, rows, models, header))
        if any(cells["test", "", "pairs"][model] > 1 for model in models):
            blocks.append(_spread(cells, part, rows, models, header))
    return [*blocks, _runs(cells, models, header)]


def evaluation_blocks(table) -> list[Block]:
    """The evaluations as blocks of text: one a data set and set."""
    header = ["model", "step", "seeds", "loss", "accuracy", "F1", "MCC", "majority"]
    blocks = []
    for (dataset, part), group in table.groupby(["dataset", "set"], sort=False):
        rows = []
        for row in group.itertuples():
            accuracy = number(row.accuracy) + ("" if learnt(row.accuracy, row.majority) else "†")
            scores = [number(row.loss), accuracy, *map(number, (row.f1, row.mcc, row.majority))]
            rows.append([row.model, str(row.step), str(row.seeds), *scores])
        caption = (
            f"{dataset}, set {part} ({int(group['n'].iloc[0])} examples): mean over seeds, loss in nats."
        )
        notes = ("† Not above the majority baseline.",) if any("†" in row[4] for row in rows) else ()
        blocks.append(Block(caption, header, rows, notes))
    return blocks


def plain_csv(block: Block) -> str:
    """A block as CSV: numbers as other programs read them, empty where there is none."""
    import csv
    import io

    text = io.StringIO()
    signs = str.maketrans({"−": "-"})
    cells = [["" if cell == "–" else cell.translate(signs) for cell in row] for row in block.rows]
    csv.writer(text, lineterminator="\n").writerows([block.header, *cells])
    return text.getvalue()


def markdown(title: str, blocks: list[Block]) -> str:
    """Blocks as a Markdown page, or a part of one where there is no title."""
    parts = [f"# {title}"] if title else []
    for block in blocks:
        ruler = ["---", *["---:"] * (len(block.header) - 1)]
        header, *rows = ([_markdown(cell) for cell in row] for row in (block.header, *block.rows))
        table = "\n".join(f"| {' | '.join(line)} |" for line in (header, ruler, *rows))
        parts += [_markdown(block.caption), table, *map(_markdown, block.notes)]
    return "\n\n".join(parts) + "\n"


def latex(blocks: list[Block]) -> str:
    """Blocks as LaTeX tables to `\\input`; they need no package."""
    return "\n\n".join(map(_latex_table, blocks)) + "\n"


def _markdown(text):
    """A text as Markdown shows it: no HTML, no mark-up, one line. An underscore in a word is none."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()).translate(_HTML))


def _latex(text):
    return " ".join(text.split()).translate(_LATEX)


def _latex_table(block):
    caption = _latex(" ".join([block.caption, *block.notes]))
    cells = [[_latex(cell) for cell in row] for row in (block.header, *block.rows)]
    header, *rows = (rf"{' & '.join(row)} \\" for row in cells)
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 1)}}}",
        *(r"\hline", header, r"\hline", *rows, r"\hline"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _scores(cells, model):
    return tuple(cells["test", "", key][model] for key in ("accuracy", "majority"))


def _labels(table):
    """The rows' names, such as `BH (K = 10)`, by (set, metric)."""
    named = table[table["metric"] != ""].drop_duplicates(["set", "metric"])
    rows = zip(named["set"], named["metric"], named["k"], named["k"].isna(), strict=True)
    return {
        (part, metric): METRICS[metric] + ("" if none else f" (K = {k})") for part, metric, k, none in rows
    }


def _common(cells, models, key, name):
    """`step 400` where all models agree on it, else what the step is."""
    steps = {int(cells["test", "", key][model]) for model in models}
    return f"step {steps.pop()}" if len(steps) == 1 else name


def _statistic(cells, part, metric, key, model):
    """One number of a paper table; NaN where a model, or the table, has none."""
    return cells.get((part, metric, key), {}).get(model, float("nan"))


def _change(cells, part, metric, model):
    """The magnitude of a change, its sign, and the signed change's interval."""
    keys = ("magnitude", "sign", "low", "high")
    size, sign, low, high = (_statistic(cells, part, metric, f"delta_{key}", model) for key in keys)
    words = (number(size), {1.0: "(+)", -1.0: "(−)"}.get(sign, ""), interval(low, high))
    return " ".join(filter(None, words))


def _changes(cells, part, rows, models, header, dataset):
    """The source's layout: how far each metric changed over fine-tuning."""
    lines = [[label, *(_change(cells, part, metric, m) for m in models)] for metric, label in rows.items()]
    start, end = (
        _common(cells, models, "from_step", "its start"),
        _common(cells, models, "to_step", "its end"),
    )
    known = any("[" in cell for line in lines for cell in line)
    caption = (
        f"{dataset}, {part} loss: change of each metric over fine-tuning, from {start} to {end}, in nats; "
        "mean over pairs of seeds. The magnitude, then its sign, (−) a fall or (+) a rise"
        f"{', and the 95 % interval of the signed change over evaluation examples' if known else ''}."
    )
    scores = {model: _scores(cells, model) for model in models}
    notes = [f"† {model}: {no_skill(*pair)}" for model, pair in scores.items() if not learnt(*pair)]
    steps = {model: {cells["test", "", key][model] for key in ("from_step", "to_step")} for model in models}
    if single := [model for model in models if len(steps[model]) == 1]:
        notes.append(f"– One checkpoint after step 0 only, so no change: {', '.join(single)}.")
    return Block(caption, header, lines, tuple(notes))


def _values(cells, part, rows, models, header):
    """The values at step 0, at the change's start and at its end."""
    steps = {"step0": "step 0"}
    steps["start"] = _common(cells, models, "from_step", "start")
    steps["end"] = _common(cells, models, "to_step", "end")
    if steps["start"] in (steps["step0"], steps["end"]):
        del steps["start"]
    lines = []
    for metric, label in rows.items():
        for when, step in steps.items():
            line = [f"{label}, {step}"]
            for model in models:
                keys = [f"{when}_{key}" for key in ("mean", "low", "high")]
                mean, *ends = (_statistic(cells, part, metric, key, model) for key in keys)
                line.append(f"{number(mean)} {interval(*ends)}".strip())
            lines.append(line)
    known = any("[" in cell for line in lines for cell in line)
    caption = (
        f"The values behind it, {part} loss in nats (step 0 is the baseline): mean over pairs"
        f"{' and 95 % interval over evaluation examples' if known else ''}."
    )
    return Block(caption, header, lines)


def _spread(cells, part, rows, models, header):
    """Median and range over pairs, and from five seeds on the mean's interval over seeds."""
    lines = []
    for metric, label in rows.items():
        for when, name in (("delta", "change"), ("end", "end")):
            spread, seeds = [], []
            for model in models:
                keys = [f"{when}_{key}" for key in ("median", "min", "max", "seeds_low", "seeds_high")]
                median, *ends = (_statistic(cells, part, metric, key, model) for key in keys)
                spread.append(f"{number(median)} {interval(*ends[:2])}".strip())
                seeds.append(interval(*ends[2:]))
            lines.append([f"{label}, {name}: median [range]", *spread])
            if any(seeds):
                lines.append([f"{label}, {name}: 95 % of the mean over seeds", *seeds])
    return Block(f"The spread over pairs of seeds, {part} loss in nats.", header, lines)


def _runs(cells, models, header):
    """Each model's steps, pairs and accuracy."""
    rows = {
        "from_step": ("change from step", 0),
        "to_step": ("change to step", 0),
        "pairs": ("pairs of seeds", 0),
        "accuracy": ("test accuracy at the end, mean over seeds", 4),
        "majority": ("accuracy of the majority class", 4),
    }
    lines = [
        [label, *(number(cells["test", "", key][model], digits) for model in models)]
        for key, (label, digits) in rows.items()
    ]
    return Block("The runs.", header, lines)
