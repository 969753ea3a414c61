"""What jobs read: the files, under `results/<experiment>/` or the user's own, that are inputs of rules."""

from isthmus.experiment import jobs, layout, outputs
from isthmus.experiment.cells import Cell
from isthmus.experiment.config import Columns, Experiment


def source_files(columns: Columns) -> list[str]:
    """The user's own files that a set is read from; they re-run it when they change."""
    return [str(path) for path in columns.source.paths] if columns.source.kind == "files" else []


def fetched_rows(columns: Columns, dataset: str, name: str) -> list[str]:
    """The local copy of a set that comes from the hub."""
    fetched = layout.filled(layout.FETCHED_ROWS, dataset=dataset, name=name)
    return [fetched] if columns.source.kind == "hub" else []


def rows_broken_down(dataset: str, name: str) -> list[str]:
    """The rows of the sets that one source's breakdown is of."""
    sets = ("train", "test") if name == jobs.MAIN else (name,)
    return [layout.filled(layout.SET_ROWS, dataset=dataset, set=part) for part in sets]


def previous_rung(experiment: Experiment, model: str) -> list[str]:
    """The rung before one of the same pre-training: its states are where this one goes on."""
    return [
        layout.filled(layout.MODEL_WEIGHTS, model=rung) for rung in jobs.rungs_before(experiment, model)[-1:]
    ]


def sets(experiment: Experiment, dataset: str) -> list[str]:
    """The evaluation sets of a data set, its own parts first."""
    return ["train", "test", *experiment.datasets[dataset].sets]


def tokens(experiment: Experiment, cell: Cell) -> list[str]:
    """The tokens of all evaluation sets of a cell."""
    return [
        layout.filled(layout.TOKENS, model=cell.model, dataset=cell.dataset, set=name)
        for name in sets(experiment, cell.dataset)
    ]


def weights(cell: Cell, seed: int | str, step: int | str) -> str:
    """The weights of a checkpoint: the one file by which the DAG knows it."""
    template = layout.ADAPTER_WEIGHTS if cell.adapted else layout.WEIGHTS
    return layout.filled(template, model=cell.model, dataset=cell.dataset, seed=seed, step=step)


def base(cell: Cell) -> list[str]:
    """The weights that a cell's adapters adapt; none where its checkpoints are whole."""
    return [layout.filled(layout.BASE_WEIGHTS, **_names(cell))] if cell.adapted else []


def previous_weights(cell: Cell, seed: int | str, step: int) -> str:
    """The weights that a segment goes on from: those of the checkpoint before it."""
    return weights(cell, seed, cell.step_before(step))


def other_weights(cell: Cell, seed: int, step: int | str) -> list[str]:
    """The weights of the runs before one that its row's paths begin at."""
    return [weights(cell, other, step) for other in cell.rows[seed]]


def all_weights(cell: Cell, step: int | str) -> list[str]:
    """The weights of all runs at a step."""
    return [weights(cell, seed, step) for seed in cell.seeds]


def bends(cell: Cell, curve: str, step: int | str, seed: int | str, other: int | str) -> list[str]:
    """The weights of the bends of a curve between two runs."""
    return [
        layout.filled(
            layout.BEND_WEIGHTS, step=step, seed=seed, other=other, curve=curve, bend=bend, **_names(cell)
        )
        for bend in range(1, cell.curves[curve].bends + 1)
    ]


def pair(cell: Cell, step: int | str, *seeds: int | str) -> list[str]:
    """The weights of two runs at a step."""
    return [weights(cell, seed, step) for seed in seeds]


def corners(cell: Cell, plane: str) -> list[str]:
    """The weights of the three checkpoints of a plane."""
    (a, b, (run, step)), _ = cell.planes[plane]
    last = bends(cell, run, step, a[0], b[0]) if isinstance(run, str) else [weights(cell, run, step)]
    return [weights(cell, *a), weights(cell, *b), *last]


def body(cell: Cell, template: str, seed: int | str | None = None) -> str:
    """A file of the model that a run begins from, or of that of the first run, by which texts are read."""
    name = next(iter(cell.bodies.values())) if seed is None else cell.bodies[int(seed)]
    return layout.filled(template, model=name)


def first_tokenizer(cell: Cell) -> list[str]:
    """The tokenizer that reads the texts of a cell, where runs begin from several bodies."""
    return [body(cell, layout.TOKENIZER)] if len(set(cell.bodies.values())) > 1 else []


def start(cell: Cell, seed: int) -> list[str]:
    """The weights that a run began from; none where they are not known. Adapters begin from their base."""
    return [weights(cell, seed, 0)] if 0 in cell.steps else base(cell)


def other_starts(cell: Cell, seed: int) -> list[str]:
    """What the runs before one began from, where that may be another body: with checkpoints of others."""
    known = (cell.adopted or len(set(cell.bodies.values())) > 1) and 0 in cell.steps
    return [weights(cell, other, 0) for other in cell.rows[seed]] if known else []


def last_rows(cell: Cell) -> list[str]:
    """The rows of a cell's last step."""
    return [
        layout.filled(layout.ROW, model=cell.model, dataset=cell.dataset, step=cell.steps[-1], seed=seed)
        for seed in cell.rows
    ]


def last_weights(cell: Cell) -> list[str]:
    """The weights of each run's last checkpoint and of bends between these: of what is trained here."""
    last = cell.steps[-1]
    own = [] if cell.adopted else [weights(cell, seed, last) for seed in cell.seeds]
    return own + [
        file for step, a, b, name in cell.curved if step == last for file in bends(cell, name, step, a, b)
    ]


def shown_histories(experiment: Experiment, cells: dict[tuple[str, str], Cell]) -> list[str]:
    """The training histories of the run that the training figure shows, on each data set."""
    return [
        layout.filled(layout.HISTORY, model=model, dataset=dataset, seed=seed, step=step)
        for model, dataset, seed in outputs.training_runs(experiment)
        for step in cells[model, dataset].steps[1:]
    ]


def shown_subsets(experiment: Experiment) -> list[str]:
    """What is recorded of each data set with labels: the names of its classes."""
    return [layout.filled(layout.SUBSET, dataset=name) for name in outputs.labelled(experiment)]


def shown_texts(experiment: Experiment) -> list[str]:
    """The test rows of each data set with labels, where the page shows their texts."""
    names = outputs.labelled(experiment) if experiment.report.texts else []
    return [layout.filled(layout.TEST_ROWS, dataset=name) for name in names]


def _names(cell: Cell) -> dict[str, str]:
    return {"model": cell.model, "dataset": cell.dataset}
