"""The page: one HTML file that needs no other, no network and no server.

The template and its parts stand in `templates/`; the plotting library is taken from its package when the page
is made.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from isthmus import stored
from isthmus.experiment import outputs
from isthmus.showing import colours, missing, multiples, provenance, report, rising, tables, views
from isthmus.showing.formatting import Block, interval, latex, markdown, number, plain_csv
from isthmus.showing.glossary import Glossary
from isthmus.showing.paper_tables import paper_blocks, paper_table
from isthmus.showing.software import linked
from isthmus.statistics import tidy
from isthmus.statistics.thresholds import FLOOR

TEMPLATES = Path(__file__).parent / "templates"
PUBLISHED = Path(__file__).parents[3] / "experiments" / "paper_published.csv"
FILES = ("metrics", "deltas", "pairs", "averages", "layers", "along", "factors", "evaluations")
FILES += ("barriers", "detours")
SCRIPTS = (
    "page",
    "state",
    "saving",
    "course",
    "explorer",
    "pairs",
    "trends",
    "examples",
    "averages",
    "layers",
    "planes",
    "maps",
    "training",
    "distance",
    "start",
    "report",
)
SECTIONS = {
    "answer": "Answer",
    "numbers": "Numbers",
    "course": "Over fine-tuning",
    "explorer": "Path explorer",
    "pairs": "Pairs",
    "examples": "Examples",
    "averages": "Averages",
    "layers": "Layers",
    "barriers": "Barriers",
    "planes": "Planes",
    "map": "Map of runs",
    "along": "Along a run",
    "spaces": "Adapters",
    "training": "Training",
    "tables": "Tables",
    "distances": "How far",
    "methods": "Methods",
    "provenance": "Provenance",
    "missing": "Missing",
}


class Copies:
    """The texts behind the copy buttons; a table's place in them is what its buttons name."""

    def __init__(self):
        self.blocks = []

    def place(self, block: Block) -> int:
        self.blocks.append(block)
        return len(self.blocks) - 1

    def texts(self) -> list[dict[str, str]]:
        return [
            {"csv": plain_csv(block), "md": markdown("", [block]), "tex": latex([block])}
            for block in self.blocks
        ]


def write(
    experiment, frames: dict, page: Path, origins: dict, rows=(), histories=(), planes=(), maps=(),
    detours=(), lacking=(), examples=(), subsets=(), texts=(),
) -> None:  # fmt: skip
    """Write the report to `page`.

    Args:
        frames: the tidy files by their names, `FILES`.
        origins: what was used, by name: versions, hardware, hashes, times. Values may be nested.
        rows: the files of `paths/`.
        histories: `history.parquet` files.
        planes: the files of `planes/`.
        maps: the files of `map/`.
        detours: the files of other paths than lines.
        lacking: what else to name as missing.
        examples: the files of `examples/`.
        subsets: the records of data sets' subsets, which name their classes.
        texts: the test rows of data sets whose texts may be shown.
    """
    metrics, deltas, pairs, soups, layers, along, factors, evaluations, barriers, detoured = (
        frames[name] for name in FILES
    )
    found = report.cells(experiment, metrics, deltas, evaluations)
    basins, findings = (_optional(page.parent / f"{name}.csv") for name in ("basins", "findings"))
    shown = views.overview(experiment, frames, histories, basins)
    shown["planes"] = views.planes(experiment, planes)
    shown["maps"] = views.maps(experiment, maps)
    curves = views.curves(experiment, rows, metrics, detours, detoured)
    risen, classes = rising.read(experiment, examples), rising.class_names(subsets)
    shown["examples"] = rising.of_cells(experiment, risen, classes)
    points = {cell["cell"]: cell.pop("points") for cell in shown["examples"]}
    copies = Copies()
    # Sections that are absent where nothing was asked for.
    asked = {
        "examples": rising.tables(risen, classes, texts),
        "averages": tables.averages_blocks(tables.averages_table(soups)),
        "layers": len(layers) > 0,
        "planes": len(shown["planes"]) > 0,
        "map": len(shown["maps"]) > 0,
        "barriers": tables.barrier_blocks(barriers, findings),
        "along": tables.along_blocks(along),
        "spaces": tables.space_blocks(metrics, factors),
    }
    answers = _answers(experiment, found, findings, shown, curves)
    content = {
        "sections": [(place, name) for place, name in SECTIONS.items() if asked.get(place, True)],
        "values": report.values_in_words(found),
        "answers": answers,
        "ranges": any(answer["picture"] and answer["picture"].banded for answer in answers),
        "colours": {name: place for place, name in enumerate(shown["models"])},
        "top": _highest(found),
        "ladders": bool(shown["ladders"]),
        "language": any(experiment.datasets[name].language for _, name in experiment.cell_list()),
        "findings": _findings_block(findings),
        "basins": basins is not None,
        "papers": _papers(experiment, metrics, deltas, evaluations),
        **asked,
        "evaluations": tables.evaluation_blocks(tables.evaluations_table(evaluations)),
        "distances": distances(experiment, pairs),
        "missing": [*lacking, *missing.lines(experiment, metrics, evaluations)],
        "provenance": provenance.lines(origins),
        "linked": linked(experiment.experiment, origins["software"], stored.listed(page.parent)),
    }
    page.write_text(_render(experiment, content, shown, curves, points, copies), encoding="utf-8")


def _answers(experiment, found, findings, shown, curves):
    """What the first screen says, with its pictures."""
    return [
        answer | {"picture": multiples.multiples(experiment, answer["dataset"], shown["cells"], curves)}
        for answer in report.answers(experiment, found, findings)
    ]


def environment() -> jinja2.Environment:
    """Where the templates of pages stand, and how they are filled."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["number"] = number
    found.globals["explained"] = found.filters["explained"] = Glossary()
    return found


def parts(scripts: Iterable[str]) -> dict[str, Any]:
    """What a page needs beside its content: `style`, `script` (of these parts) and `library`, packed."""
    return {
        "style": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "script": Markup("\n".join((TEMPLATES / "js" / f"{name}.js").read_text("utf-8") for name in scripts)),
        "library": views.packed(get_plotlyjs()),
    }


def _render(experiment, content, shown, curves, points, copies):
    def data():  # called at the page's end: the tables have taken their places by then
        return Markup(views.as_json(shown | {"tables": copies.texts()}))

    content["linked"] = Markup(views.as_json(content["linked"]))
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            **content,
            **parts(SCRIPTS),
            experiment=experiment,
            copies=copies,
            k=experiment.paths.intervals,
            floor=f"{FLOOR:g}",
            negligible=experiment.negligible,
            essentials=essentials(experiment),
            settings=yaml.safe_dump(experiment.model_dump(mode="json", exclude_none=True), sort_keys=False),
            colour_rules=Markup(colours.variables(shown["models"])),
            blocks=[
                (f"{name}-{place}", views.packed(views.as_json(cell)))
                for name, cells in (("curves", curves), ("examples", points))
                for place, cell in sorted(cells.items())
            ],
            data=data,
        )
    )


def essentials(experiment) -> Block:
    """The settings that matter most, as a table; all of them stand below it on the page."""
    training, paths = experiment.training, experiment.paths
    alphas = (
        f"{paths.points} equally spaced"
        if paths.grid == "uniform"
        else f"adaptive, {paths.max_alphas} at most, until CG is known to {paths.tolerance:g}"
    )
    own = sum(bool(part.training) for part in [*experiment.models.values(), *experiment.datasets.values()])
    seeds, varied = (", ".join(map(str, values)) for values in (experiment.seeds, training.vary))
    count = len(experiment.seeds)
    parting = f", from step {training.fork_at:,} on" if training.fork_at else ""
    if push := training.perturb:
        varied = f"a Gaussian step of relative size {push.scale:g} at step {push.at:,}"
    pairs = experiment.pairs if isinstance(experiment.pairs, str) else f"{len(experiment.pairs)} listed"
    warmup = f"{training.warmup_steps:,} updates of warm-up, decay of power {training.power:g}"
    numerics = (experiment.device, f"precision {experiment.precision}", f"attention {experiment.attention}")
    rows = {
        "seeds": f"{count} ({seeds}); they vary {varied}{parting}" if count else "those of the checkpoints",
        "pairs": {"all": "all", "first": "each seed with the first"}.get(pairs, pairs),
        "updates": f"{training.steps:,}, batches of {training.batch_size}",
        "learning rate": f"{training.learning_rate:g}, {warmup}",
        "regularisation": f"weight decay {training.weight_decay:g}, dropout {training.dropout:g}",
        "exceptions": f"{own} models or data sets have training settings of their own" if own else "none",
        "alphas": alphas,
        "bootstrap": f"{experiment.evaluation.replicates:,} replicates over evaluation units",
        "computing": ", ".join(numerics),
    }
    rows = [list(row) for row in rows.items()]
    return Block("The same for all cells, but for exceptions.", ["setting", "value"], rows)


def distances(experiment, pairs) -> list[Block]:
    """How far the ends of a path are apart, a block a data set: what tells connected from hardly moved."""
    blocks = []
    for dataset in dict.fromkeys(name for _, name in experiment.cell_list()):
        mine = pairs[pairs["dataset"] == dataset]
        disagreements = [
            name for name in mine if name.startswith("disagreement_") and mine[name].notna().any()
        ]
        columns = ["distance", "distance_a", "distance_b", "cosine", *disagreements]
        rows = [
            [model, f"{step:,}", *(_mean_of_known(group[column]) for column in columns)]
            for (model, step), group in mine.groupby(["model", "step"], sort=False)
        ]
        header = [
            "model",
            "step",
            "between the ends",
            "start to first end",
            "start to second end",
            "cosine of the updates",
        ]
        header += [f"disagreement, {name.removeprefix('disagreement_')}" for name in disagreements]
        blocks.append(Block(f"{dataset}: mean over pairs of seeds.", header, rows))
    return blocks


def _mean_of_known(values):
    """A mean over pairs; of how many, where not all have a value."""
    known = values.notna().sum()
    return number(values.mean(), 3) + (f" ({known} of {len(values)})" if 0 < known < len(values) else "")


def _papers(experiment, metrics, deltas, evaluations):
    """The tables in the source's layout, and its published values where the cells are the source's."""
    papers = []
    for dataset in outputs.datasets(experiment):
        if not (metrics["dataset"] == dataset).any():
            continue
        table = paper_table(metrics, deltas, evaluations, dataset)
        blocks = paper_blocks(table, dataset)
        published = _published(dataset, list(table.columns[4:]))
        papers.append({"dataset": dataset, "blocks": blocks, "published": published})
    return papers


def _published(dataset, models):
    """The source's own table of a data set, for those of its models that are here, or None."""
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
    return Block(caption, ["", *table.columns], rows)


def _highest(found):
    """The right end of the answer's scale: the largest value or interval's end; never 0."""
    values = [v for cell in found for gap in (cell.start, cell.end) for v in (gap.mean, gap.high) if v == v]
    return max([*values, 1e-6])


def _optional(path):
    """A CSV file that not every experiment has, or None."""
    return tidy.read(path) if path.exists() else None


def _findings_block(frame):
    """The findings as a table to look at; the row over all of a kind names no data set."""
    if frame is None or not len(frame):
        return None

    def whole(value):
        return "–" if value != value else f"{int(value):,}"

    header = [
        "claim",
        "data set",
        "model or ladder",
        "verdict",
        "change (nats)",
        "interval over",
        "p, adjusted",
    ]
    caption = (
        "The source paper’s two claims, judged on these results. Supported: the change is negative, and its "
        "p-value over seeds and evaluation units, adjusted (Holm) for all claims of its kind, is under 0.05; "
        "contradicted: positive, likewise; cannot be told: neither. Not tested over seeds: with two seeds, "
        "or where not all pairs are measured. Not judged: a run behind it has not clearly learnt its task. "
        "The row over all of a kind is one test. From and to are updates; since, of what is supported: from "
        "there on each step’s fall to the last is clear, with as many claims as there are of its kind."
    )
    rows = [
        [
            report.CLAIMS.get(row.hypothesis, row.hypothesis),
            *("all" if name != name else name for name in (row.dataset, row.subject)),
            row.verdict,
            f"{number(row.estimate, 3)} {interval(row.low, row.high, 3)}".strip(),
            "–" if row.over != row.over else row.over,
            "–" if row.p_holm != row.p_holm else f"{row.p_holm:.2g}",
            *map(whole, (row.from_, row.to, row.since)),
            "" if row.note != row.note else row.note,
        ]
        for row in frame.rename(columns={"from": "from_"}).itertuples()
    ]
    return Block(caption, [*header, "from", "to", "since", "note"], rows)
