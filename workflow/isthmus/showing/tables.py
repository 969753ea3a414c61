"""The tables: tidy frames in; CSV, Markdown and LaTeX out."""

from pathlib import Path

from isthmus.showing.formatting import Block, interval, latex, markdown, number
from isthmus.showing.paper_tables import paper_blocks, paper_table
from isthmus.statistics.barriers import BODIES
from isthmus.statistics.thresholds import learnt
from isthmus.statistics.tidy import of_cell

SPACES = ("merged", "factors")


def write(names: list[str], frames: dict, folder: Path) -> None:
    """Write tables in every format of `outputs.TABLE_FORMATS` into `folder`.

    Args:
        names: as in `outputs.tables`: those of data sets, `evaluations` and `averages`.
        frames: from `tidy.load`.
    """
    metrics, deltas, evaluations = (frames[key] for key in ("metrics", "deltas", "evaluations"))
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name == "evaluations":
            frame = evaluations_table(evaluations)
            blocks = evaluation_blocks(frame)
        elif name == "averages":
            frame = averages_table(frames["averages"])
            blocks = averages_blocks(frame)
        else:
            frame = paper_table(metrics, deltas, evaluations, name)
            blocks = paper_blocks(frame, name)
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g", lineterminator="\n")
        (folder / f"{name}.md").write_text(markdown(name, blocks), encoding="utf-8")
        (folder / f"{name}.tex").write_text(latex(blocks), encoding="utf-8")


def evaluations_table(evaluations):
    """Mean over seeds of loss and scores: a row a data set, model, set and step."""
    groups = evaluations.groupby(["dataset", "model", "set", "step"], sort=False)
    means = groups[["loss", "accuracy", "f1", "mcc", "perplexity", "majority"]].mean()
    means.insert(0, "n", groups["n"].first())
    means.insert(0, "seeds", groups["seed"].nunique())
    return means.reset_index()


def evaluation_blocks(table) -> list[Block]:
    """The evaluations as blocks of text: one a data set and set."""
    blocks = []
    for (dataset, part), group in table.groupby(["dataset", "set"], sort=False):
        language = bool(group["perplexity"].notna().any())
        others = {"perplexity": "perplexity"} if language else {"f1": "F1", "mcc": "MCC"}
        names = ["loss", f"{'token ' * language}accuracy", *others.values()]
        rows = []
        for row in group.itertuples():
            accuracy = number(row.accuracy) + ("" if learnt(row.accuracy, row.majority) else "†")
            scores = [number(row.loss), accuracy, *(number(getattr(row, name)) for name in others)]
            rows.append([row.model, str(row.step), str(row.seeds), *scores, number(row.majority)])
        units = "blocks" if language else "examples"
        caption = (
            f"{dataset}, set {part} ({int(group['n'].iloc[0])} {units}): mean over seeds, loss in nats"
            f"{' a token' * language}."
        )
        baseline = (
            "Not above step 0 and the commonest token" if language else "Not above the majority baseline"
        )
        notes = (f"† {baseline}.",) if any("†" in row[4] for row in rows) else ()
        header = ["model", "step", "seeds", *names, "baseline" if language else "majority"]
        blocks.append(Block(caption, header, rows, notes))
    return blocks


# What stands in the table of averages: each kind at its largest size.
AVERAGES = {
    "pair": "two models",
    "uniform": "uniform soup",
    "greedy": "greedy soup",
    "ensemble": "ensemble",
}


def averages_table(averages):
    """The averages of all models of a cell, and of two: a row a data set, model, set, step, quantity, kind.

    Of several averages of a kind and size their mean, as in `averages.csv`.
    """
    keys = ["dataset", "model", "set", "step", "quantity", "kind"]
    whole = averages[averages["seeds"].isna() | ~averages.duplicated([*keys, "size"], keep=False)]
    averaged = averages[averages["kind"] == "uniform"][["dataset", "model", "step"]].drop_duplicates()
    largest = whole.sort_values("size").groupby(keys, sort=False).tail(1)
    shown = largest.merge(averaged, on=["dataset", "model", "step"])
    columns = ["size", "seeds", "value", "mean_of_members", "best_member", "gain", "low", "high"]
    columns += ["low_both", "high_both", "gain_over_best", "low_best", "high_best", "predicted"]
    order = {"group": shown.groupby(keys[:-1], sort=False).ngroup()}
    order["kind_order"] = shown["kind"].map(list(AVERAGES).index)
    table = shown[[*keys, *columns]].assign(**order).sort_values([*order])
    return table.drop(columns=[*order])


def along_blocks(along) -> list[Block]:
    """The lines along runs as blocks of text: one a data set.

    Args:
        along: the frame of `metrics.csv`, its lines along one run.
    """
    header = ["model", "from step", "to step", "runs", "CG", "gain of the middle"]
    blocks = []
    for dataset, group in along[(along["set"] == "test") & (along["quantity"] == "loss")].groupby(
        "dataset", sort=False
    ):
        rows = []
        for (model, start, end), lines in group.groupby(["model", "step_a", "step_b"], sort=False):
            values = {metric: lines.loc[lines["metric"] == metric, "value"] for metric in ("CG", "gain")}
            ranges = [
                f"{number(each.mean())} ({number(each.min())} to {number(each.max())})"
                for each in values.values()
            ]
            rows.append([model, f"{int(start):,}", f"{int(end):,}", str(len(values["CG"])), *ranges])
        caption = (
            f"{dataset}: the lines from the checkpoints of a run to its last, test loss (nats). "
            "Mean over runs (range)."
        )
        blocks.append(Block(caption, header, rows))
    return blocks


def barrier_blocks(barriers, findings) -> list[Block]:
    """The gaps on lines and on other paths between the same runs as blocks of text: one a data set.

    Args:
        barriers: the frame of `barriers.csv`.
        findings: that of `findings.csv`, or None.
    """
    keys = ["model", "step", "path", "bodies"]
    header = [*keys, "pairs", "CG, line", "CG, path", "change", "BH, path", "length", "verdict"]
    wanted = barriers[(barriers["set"] == "test") & (barriers["quantity"] == "loss")]
    blocks = []
    for dataset, group in wanted.groupby("dataset", sort=False):
        rows = []
        for (model, step, path, bodies), own in group.groupby(keys, sort=False):
            by = own.set_index(["metric", "of"])
            values = [_with_interval(by.loc[place]) for place in BARRIER_COLUMNS]
            said = _verdict_on(findings, model, dataset, step, path, bodies)
            pairs, length = str(int(own["pairs"].iloc[0])), number(own["relative_length"].iloc[0], 2)
            rows.append([model, f"{step:,}", path, bodies, pairs, *values, length, said])
        caption = (
            f"{dataset}: test loss (nats), mean over the pairs that have the path [95 % interval over seeds "
            "and examples, or over examples alone where there are fewer than three seeds or not all their "
            "pairs]. Length: over that of the line. Bodies: whether both runs began from one model."
        )
        blocks.append(Block(caption, header, rows))
    return blocks


BARRIER_COLUMNS = [("CG", "line"), ("CG", "path"), ("CG", "change"), ("BH", "path")]


def _with_interval(row) -> str:
    """A value with the widest interval that is known."""
    both = row["low_both"] == row["low_both"]
    low, high = (row["low_both"], row["high_both"]) if both else (row["low"], row["high"])
    return f"{number(row['value'])} {interval(low, high)}".rstrip()


def _verdict_on(findings, model: str, dataset: str, step: int, path: str, bodies: str) -> str:
    if findings is None:
        return "–"
    mine = findings[(findings["hypothesis"] == f"barrier on {path}") & (findings["dataset"] == dataset)]
    mine = mine[(mine["to"] == step) & mine["subject"].isin([model, f"{model}, {BODIES[bodies]}"])]
    return mine["verdict"].iloc[0] if len(mine) else "–"


def space_blocks(metrics, factors) -> list[Block]:
    """The gaps of adapters in both of their spaces as blocks of text: one a data set.

    Args:
        metrics: the frame of `metrics.csv`, its lines between the merged weights.
        factors: the same, its lines between the factors.
    """
    header = [
        "model",
        "step",
        "pairs",
        *(f"{metric}, {space}" for metric in ("CG", "BH") for space in SPACES),
    ]
    spaces = [frame[(frame["set"] == "test") & (frame["quantity"] == "loss")] for frame in (metrics, factors)]
    blocks = []
    for dataset, group in spaces[1].groupby("dataset", sort=False):
        rows = []
        for (model, step), paths in group.groupby(["model", "step"], sort=False):
            row = [model, f"{step:,}", str(len(paths[["seed_a", "seed_b"]].drop_duplicates()))]
            merged = of_cell(spaces[0], model, dataset)
            if not (merged["step"] == step).any():  # of a partial report
                continue
            for metric in ("CG", "BH"):
                for frame in spaces:
                    own = of_cell(frame, model, dataset)
                    own = own[(own["step"] == step) & (own["metric"] == metric)]
                    ends = own[["mean_low", "mean_high"]].iloc[0]
                    row.append(f"{number(own['value'].mean())} {interval(*ends)}".rstrip())
            rows.append(row)
        caption = (
            f"{dataset}: test loss (nats), mean over pairs [95 % interval over examples]. Merged: the line "
            "between the weights with the adapters in them; factors: A and B interpolated by themselves."
        )
        blocks.append(Block(caption, header, rows))
    return blocks


def averages_blocks(table) -> list[Block]:
    """The averages as blocks of text: one a data set, set and step."""
    header = ["model", "average", "of", "loss", "gain over the mean [95 %, over units]", "[and seeds]"]
    header += ["over the best [units]", "if quadratic", "error", "gain"]
    blocks = []
    for (dataset, part, step), group in table.groupby(["dataset", "set", "step"], sort=False):
        rows = []
        for (model, kind), both in group.groupby(["model", "kind"], sort=False):
            # Of an ensemble of language models no error rate is known.
            of_each = both.set_index("quantity").reindex(["loss", "error"])
            loss, error = (row for _, row in of_each.iterrows())
            gain, best = (
                f"{number(loss[name])} {interval(loss[low], loss[high])}".rstrip()
                for name, low, high in (("gain", "low", "high"), ("gain_over_best", "low_best", "high_best"))
            )
            of = loss["seeds"] if kind == "greedy" else str(int(loss["size"]))
            row = [model, AVERAGES[kind], of, number(loss["value"]), gain]
            row += [interval(loss["low_both"], loss["high_both"]), best, number(loss["predicted"])]
            rows.append([*row, number(error["value"]), number(error["gain"])])
        caption = (
            f"{dataset}, set {part}, step {step:,}: averages of the runs. Gain: the mean of the runs' own "
            "loss (nats) or error rate less the average's; positive where averaging helps."
        )
        blocks.append(Block(caption, header, rows))
    return blocks
