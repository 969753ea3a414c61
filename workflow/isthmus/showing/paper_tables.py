"""The source paper's tables: how far each metric changed over fine-tuning, a column a model.

A value of a cell is the mean over its pairs. The numbers stay as computed in `metrics.csv`; here, where they
are shown, a loss under `thresholds.FLOOR` is 0: rounding is no gap.
"""

import pandas as pd

from isthmus.showing.formatting import Block, interval, no_skill, number
from isthmus.statistics import tidy
from isthmus.statistics.pair_statistics import STATISTICS, over_pairs
from isthmus.statistics.thresholds import floored, learnt

METRICS = {"BH_nested": "BH", "CG_nested": "CG", "ICG_nested": "ICG", "CG": "CG, exact"}


def paper_table(metrics, deltas, evaluations, dataset: str):
    """The source paper's table of a data set: a row a set, metric and statistic, a column a model; numbers.

    Rows `delta_*` speak of the signed change from step `from_step` to `to_step`, `delta_magnitude` and
    `delta_sign` of its mean; rows `step0_*`, `start_*` and `end_*` of the values behind it. The last rows, of
    no metric, are each model's steps, pairs, mean test accuracy at the end, majority baseline, perplexity.
    """
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
    scores = tidy.of_cell(evaluations, model, dataset)
    end = scores[(scores["set"] == "test") & (scores["step"] == ends[1])]
    pairs = metrics.loc[
        (metrics["model"] == model) & (metrics["step"] == ends[1]), ["seed_a", "seed_b"]
    ].drop_duplicates()
    facts = {"from_step": ends[0], "to_step": ends[1], "pairs": len(pairs)}
    facts |= {"accuracy": end["accuracy"].mean(), "majority": end["majority"].mean()}
    if end["perplexity"].notna().any():
        facts["perplexity"] = end["perplexity"].mean()
    return {("test", "", None, key): float(value) for key, value in facts.items()}


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
        f"{', and the 95 % interval of the signed change over evaluation units' if known else ''}."
    )
    scores = {model: _scores(cells, model) for model in models}
    language = ("test", "", "perplexity") in cells
    notes = [f"† {model}: {no_skill(*pair, language)}" for model, pair in scores.items() if not learnt(*pair)]
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
        f"{' and 95 % interval over evaluation units' if known else ''}."
    )
    return Block(caption, header, lines)


def _spread(cells, part, rows, models, header):
    """Median and range over pairs, and the mean's interval over seeds and evaluation units."""
    lines = []
    for metric, label in rows.items():
        for when, name in (("delta", "change"), ("end", "end")):
            spread, seeds = [], []
            for model in models:
                keys = [f"{when}_{key}" for key in ("median", "min", "max", "both_low", "both_high")]
                median, *ends = (_statistic(cells, part, metric, key, model) for key in keys)
                spread.append(f"{number(median)} {interval(*ends[:2])}".strip())
                seeds.append(interval(*ends[2:]))
            lines.append([f"{label}, {name}: median [range]", *spread])
            if any(seeds):
                lines.append([f"{label}, {name}: 95 % of the mean over seeds and units", *seeds])
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
    if ("test", "", "perplexity") in cells:
        rows["accuracy"] = ("test token accuracy at the end, mean over seeds", 4)
        rows["majority"] = ("the better of step 0 and the commonest token", 4)
        rows["perplexity"] = ("test perplexity at the end, mean over seeds", 2)
    lines = [
        [label, *(number(cells["test", "", key][model], digits) for model in models)]
        for key, (label, digits) in rows.items()
    ]
    return Block("The runs.", header, lines)
