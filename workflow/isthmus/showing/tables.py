"""The tables: tidy frames in; CSV, Markdown and LaTeX out."""

from pathlib import Path

from isthmus.showing.formatting import Block, latex, markdown, number
from isthmus.showing.paper_tables import paper_blocks, paper_table
from isthmus.statistics.thresholds import learnt


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


def evaluations_table(evaluations):
    """Mean over seeds of loss, accuracy, F1 and MCC: a row a data set, model, set and step."""
    groups = evaluations.groupby(["dataset", "model", "set", "step"], sort=False)
    means = groups[["loss", "accuracy", "f1", "mcc", "majority"]].mean()
    means.insert(0, "n", groups["n"].first())
    means.insert(0, "seeds", groups["seed"].nunique())
    return means.reset_index()


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
