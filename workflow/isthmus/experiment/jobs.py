"""All jobs of an experiment: each rule with its wildcards, and a file that is there once the job is done."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.experiment import data_files, layout, outputs
from isthmus.experiment.cells import Cell, cells
from isthmus.experiment.config import Columns, Experiment

Wildcards = dict[str, Any]
WildcardsOf = Callable[["Experiment", list[Cell]], Iterable[Wildcards]]
# What a data set's own rows are called beside its further sets, whose names begin with no underscore.
MAIN = "_main"
PLANE_ROWS = 5  # of a plane's grid, that one job measures


class Job(NamedTuple):
    """A job: its rule, its wildcards, and a file that is there when it is done."""

    rule: str
    wildcards: Wildcards
    file: Path


def jobs(experiment: Experiment) -> list[Job]:
    """All jobs that the results of an experiment need; what no cell needs has none."""
    folder, every = Path(layout.results(experiment.experiment)), list(cells(experiment).values())
    return [
        Job(rule, wildcards, folder / layout.filled(template, **wildcards))
        for rule, (template, wildcards_of) in RULES.items()
        for wildcards in wildcards_of(experiment, every)
    ]


def files(experiment: Experiment, cells: Iterable[Cell], rule: str, template: str = "") -> list[str]:
    """A file of each job of a rule.

    Args:
        cells: whose jobs are meant.
        template: which file; by default the one that is there when a job is done.
    """
    done, wildcards_of = RULES[rule]
    return [layout.filled(template or done, **w) for w in wildcards_of(experiment, list(cells))]


def detours(experiment: Experiment, cells: Iterable[Cell], template: str = layout.DETOUR) -> list[str]:
    """A file of each path that is no line of the DAG's rows: of curves, and of aligned lines."""
    aligned = layout.partly(template, curve=layout.ALIGNED)
    return files(experiment, cells, "curve", template) + files(experiment, cells, "aligned", aligned)


def columns(experiment: Experiment, dataset: str, name: str) -> Columns:
    """The settings of a data set's own rows (`MAIN`) or of one of its further sets."""
    whole = experiment.datasets[dataset]
    return whole if name == MAIN else data_files.inherit(whole, whole.sets[name])


def rungs_before(experiment: Experiment, model: str) -> list[str]:
    """The rungs of the same pre-training that a rung goes on from, the nearest last."""
    rung = experiment.models[model]
    before = [
        (other.pretraining_steps, name)
        for name, other in experiment.models.items()
        if other.pretraining == rung.pretraining is not None
        and 0 < other.pretraining_steps < rung.pretraining_steps
    ]
    return [name for _, name in sorted(before)]


# ---------------------------------------------------------------------------- the wildcards of a rule's jobs


def _datasets(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [{"dataset": name} for name in dict.fromkeys(cell.dataset for cell in cells)]


def _row_sets(experiment: Experiment, cells: list[Cell]) -> Iterator[Wildcards]:
    """Data sets and their further sets, as files of rows name them."""
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        for name in (MAIN, *experiment.datasets[dataset].sets):
            yield {"dataset": dataset, "name": name}


def _fetched_sets(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [w for w in _row_sets(experiment, cells) if columns(experiment, **w).source.kind == "hub"]


def _broken_down_sets(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [w for w in _row_sets(experiment, cells) if columns(experiment, **w).by]


def _further_sets(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    sets = _row_sets(experiment, cells)
    return [{"dataset": w["dataset"], "set": w["name"]} for w in sets if w["name"] != MAIN]


def _bodies(cells: list[Cell]) -> set[str]:
    """The models whose bodies runs of some cells begin from."""
    return {body for cell in cells for body in cell.bodies.values()}


def _fetched_models(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    names = _bodies(cells)
    return [{"model": n} for n, m in experiment.models.items() if m.pretraining is None and n in names]


def _rungs(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    """Rungs that are pre-trained here, and those that they go on from."""
    names = {name for body in _bodies(cells) for name in (body, *rungs_before(experiment, body))}
    return [{"model": n} for n, m in experiment.models.items() if m.pretraining is not None and n in names]


def _cells(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [{"model": cell.model, "dataset": cell.dataset} for cell in cells]


def _labelled(experiment: Experiment, cells: list[Cell]) -> list[Cell]:
    """Those whose examples are classified."""
    return [cell for cell in cells if not experiment.datasets[cell.dataset].language]


def _running(experiment: Experiment, cells: list[Cell]) -> list[Cell]:
    """Those of language modelling."""
    return [cell for cell in cells if experiment.datasets[cell.dataset].language]


def _cell_sets(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "set": name}
        for cell in cells
        for name in experiment.datasets[cell.dataset].sets
    ]


def _runs(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "seed": seed} for cell in cells for seed in cell.seeds
    ]


def _checkpoints(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    steps = {cell.key: cell.steps for cell in cells}
    return [
        run | {"step": step}
        for run in _runs(experiment, cells)
        for step in steps[run["model"], run["dataset"]]
    ]


def _some(jobs: WildcardsOf, **traits: bool) -> WildcardsOf:
    """The jobs of the cells with some traits."""

    def of(experiment: Experiment, cells: list[Cell]) -> Iterable[Wildcards]:
        return jobs(experiment, [c for c in cells if all(getattr(c, k) == v for k, v in traits.items())])

    return of


def _segments(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [checkpoint for checkpoint in _checkpoints(experiment, cells) if checkpoint["step"]]


def _rows(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "step": step, "seed": seed}
        for cell in cells
        for step in cell.steps
        for seed in cell.rows
    ]


def _averaged_steps(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "step": step}
        for cell in cells
        for step in cell.averaged
    ]


def _layered_pairs(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "step": step, "seed": seed, "other": other}
        for cell in cells
        for step, seed, other in cell.layered
    ]


def _plane_parts(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "plane": name, "part": first}
        for cell in cells
        for name, (_, plane) in cell.planes.items()
        for first in range(0, plane.resolution, PLANE_ROWS)
    ]


def _curves(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "step": step, "seed": a, "other": b, "curve": name}
        for cell in cells
        for step, a, b, name in cell.curved
    ]


def _aligned(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [
        {"model": cell.model, "dataset": cell.dataset, "step": step, "seed": a, "other": b}
        for cell in cells
        for step, a, b in cell.aligned
    ]


def _bends(count: int) -> WildcardsOf:
    """The curves of so many bends."""

    def of(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
        names = [curve.name for curve in experiment.curves if curve.bends == count]
        return [w for w in _curves(experiment, cells) if w["curve"] in names]

    return of


def _runs_with_several_steps(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    several = [cell for cell in cells if len(cell.steps) > 1]
    return _runs(experiment, several) if experiment.paths.along else []


def _once(experiment: Experiment, cells: list[Cell]) -> list[Wildcards]:
    return [{}]


# For each rule a file that is there once a job is done, and its jobs.
RULES: dict[str, tuple[str, WildcardsOf]] = {
    "fetch_dataset": (layout.FETCHED_ROWS, _fetched_sets),
    "fetch_model": (layout.MODEL_RECORD, _fetched_models),
    "pretrain": (layout.MODEL_RECORD, _rungs),
    "subset": (layout.SUBSET, _datasets),
    "further_set": (layout.SET_SUMMARY, _further_sets),
    "tokenize": (layout.partly(layout.TOKENS, set="train"), lambda e, cells: _cells(e, _labelled(e, cells))),
    "tokenize_further": (layout.TOKENS, lambda e, cells: _cell_sets(e, _labelled(e, cells))),
    "blocks": (layout.partly(layout.TOKENS, set="train"), lambda e, cells: _cells(e, _running(e, cells))),
    "blocks_further": (layout.TOKENS, lambda e, cells: _cell_sets(e, _running(e, cells))),
    "breakdown": (layout.BREAKDOWN, _broken_down_sets),
    "base": (layout.BASE_RECORD, _some(_cells, adapted=True)),
    "adopt": (layout.RECORD, _some(_checkpoints, adopted=True, adapted=False)),
    "adopt_adapter": (layout.RECORD, _some(_checkpoints, adopted=True, adapted=True)),
    "initialize": (layout.partly(layout.RECORD, step=0), _some(_runs, adopted=False, adapted=False)),
    "initialize_adapter": (layout.partly(layout.RECORD, step=0), _some(_runs, adopted=False, adapted=True)),
    "finetune": (layout.RECORD, _some(_segments, adopted=False, adapted=False)),
    "finetune_adapter": (layout.RECORD, _some(_segments, adopted=False, adapted=True)),
    "interpolate": (layout.ROW, _rows),
    "interpolate_factors": (layout.FACTORS, _some(_rows, factors=True)),
    "evaluate": (layout.EVALUATION, _checkpoints),
    "average": (layout.AVERAGES, _averaged_steps),
    "bend": (layout.partly(layout.BEND_RECORD, bend=1), _bends(1)),
    "bend_two": (layout.partly(layout.BEND_RECORD, bend=2), _bends(2)),
    "curve": (layout.DETOUR, _curves),
    "align": (layout.ORDERS, _aligned),
    "aligned": (layout.partly(layout.DETOUR, curve=layout.ALIGNED), _aligned),
    "layers": (layout.LAYERS, _layered_pairs),
    "plane": (layout.PLANE, _plane_parts),
    "along": (layout.ALONG, _runs_with_several_steps),
    "map": (layout.MAP, lambda experiment, cells: _cells(experiment, cells if experiment.map else [])),
    "examples": (layout.EXAMPLES, _cells),
    "connectivity": (layout.METRICS, _cells),
    "basins": (layout.BASINS, _cells),
    "collect": (layout.partly(layout.TIDY, name=outputs.TIDY[0]), _once),
    "findings": (layout.partly(layout.TIDY, name=outputs.STATEMENTS[0]), _once),
    "tables": (layout.partly(layout.TABLE, name="evaluations", format=outputs.TABLE_FORMATS[0]), _once),
    "figures": (
        layout.partly(layout.FIGURE, name="cg-over-finetuning", format=outputs.FIGURE_FORMATS[0]),
        _once,
    ),
    "report": (layout.REPORT, _once),
}
