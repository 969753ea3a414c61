"""What an experiment shows: its tidy files, tables and figures, by name, as its settings alone say."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # readers of the files need their names alone
    from isthmus.experiment.config import Experiment

# CSV files: of all numbers, and of what is said of them.
TIDY = ("metrics", "deltas", "means", "differences", "averages", "layers", "barriers", "pairs", "evaluations")
TIDY += ("concentration",)
STATEMENTS = ("findings", "basins", "generalisation")
TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("png", "svg")
# Runs of a cell from which on it is asked whether connected ones generalise alike: of five, the most extreme
# order has a p-value of 2 / 120.
FEWEST = 6


class Figure(NamedTuple):
    """A figure: its kind, and the data set and model that it is of where it is of one."""

    kind: str
    dataset: str | None = None
    model: str | None = None

    @property
    def name(self) -> str:
        return "-".join(filter(None, self))


def tables(experiment: "Experiment") -> list[str]:
    """The tables' base names: the data sets that have a cell, then `evaluations`, and `averages`."""
    return [*datasets(experiment), "evaluations", *(["averages"] if averaged(experiment) else [])]


def datasets(experiment: "Experiment") -> list[str]:
    """The data sets that have a cell."""
    return list(dict.fromkeys(dataset for _, dataset in experiment.cell_list()))


def labelled(experiment: "Experiment") -> list[str]:
    """The data sets that have a cell, and labels."""
    return [name for name in datasets(experiment) if not experiment.datasets[name].language]


def models_on(experiment: "Experiment", dataset: str) -> list[str]:
    """The models that have a cell on a data set."""
    return [model for model, name in experiment.cell_list() if name == dataset]


def averaged(experiment: "Experiment") -> list[str]:
    """The data sets on which all runs are averaged."""
    cells = experiment.cell_list()
    return list(dict.fromkeys(cell[1] for cell in cells if experiment.cell_averaged(*cell)))


def adapted(experiment: "Experiment") -> list[str]:
    """The data sets on which some model's checkpoints are adapters."""
    cells = experiment.cell_list()
    return list(dict.fromkeys(dataset for model, dataset in cells if experiment.models[model].adapted))


def detoured(experiment: "Experiment") -> bool:
    """Whether other paths than lines are measured."""
    return bool(experiment.curves or experiment.alignment)


def figures(experiment: "Experiment") -> list[Figure]:
    """All figures, in the order in which they are shown."""
    figures = [
        *([Figure("training")] if training_runs(experiment) else []),
        Figure("cg-over-finetuning"),
        *([Figure("cg-over-pretraining")] if ladder_panels(experiment) else []),
        *([Figure("cg-over-fork")] if fork_panels(experiment) else []),
        *([Figure("cg-over-perturbation")] if perturbation_panels(experiment) else []),
    ]
    figures += [Figure("pairs", dataset) for dataset in datasets(experiment)]
    figures += [
        Figure("generalisation", dataset)
        for dataset in datasets(experiment)
        if models_with_many_runs(experiment, dataset)
    ]
    figures += [Figure("averages", dataset) for dataset in averaged(experiment)]
    figures += [Figure("planes", dataset) for dataset in datasets(experiment) if experiment.planes]
    figures += [Figure("map", dataset) for dataset in datasets(experiment) if experiment.map]
    figures += [Figure("along", dataset) for dataset in datasets(experiment) if experiment.paths.along]
    figures += [Figure("barriers", dataset) for dataset in datasets(experiment) if detoured(experiment)]
    figures += [Figure("adapters", dataset) for dataset in adapted(experiment)]
    figures += [Figure("layers", dataset) for dataset in datasets(experiment) if experiment.layers]
    return figures + [Figure("curves", dataset, model) for model, dataset in experiment.cell_list()]


def training_run(experiment: "Experiment") -> tuple[str, int]:
    """The model and seed of the training figure: as set, else the last model and the first seed.

    Of models that are trained here; `training_runs` has no run where there are none.
    """
    with_cell = {model for model, _ in experiment.cell_list() if experiment.models[model].checkpoints is None}
    if not with_cell:
        return "", 0
    last = [model for model in experiment.models if model in with_cell][-1]
    seed = experiment.figures.training_seed
    return experiment.figures.training_model or last, experiment.seeds[0] if seed is None else seed


def training_runs(experiment: "Experiment") -> list[tuple[str, str, int]]:
    """The runs of the training figure, (model, data set, seed), whose histories it is drawn from."""
    model, seed = training_run(experiment)
    return [(model, dataset, seed) for name, dataset in experiment.cell_list() if name == model]


def ladder_panels(experiment: "Experiment") -> list[tuple[str, str, list[str]]]:
    """(data set, ladder, models by amount of pre-training) where two or more rungs share a data set."""
    rungs: dict[tuple[str, str], list[str]] = {}
    for model, dataset in experiment.cell_list():
        if ladder := experiment.models[model].ladder_name:
            rungs.setdefault((dataset, ladder), []).append(model)

    def amount(model):
        return experiment.models[model].pretraining_steps

    return [
        (*key, sorted(models, key=amount))
        for key, models in rungs.items()
        if len(set(map(amount, models))) > 1
    ]


def fork_panels(experiment: "Experiment") -> list[tuple[str, list[str]]]:
    """(data set, models by fork) where two or more models of one origin differ in when their seeds part."""

    def fork(training):
        return None if training.perturb else training.fork_at

    return _differing(experiment, fork)


def perturbation_panels(experiment: "Experiment") -> list[tuple[str, list[str]]]:
    """(data set, models by push) where two or more models of one origin differ in what pushes seeds apart."""

    def push(training):
        return (training.perturb.at, training.perturb.scale) if training.perturb else None

    return _differing(experiment, push)


def _differing(experiment, trait):
    """(data set, models by trait) where models of one origin differ in a trait of their training.

    Args:
        trait: what is looked at; None for training that has none.
    """
    alike: dict[tuple, list[str]] = {}
    for model, dataset in experiment.cell_list():
        settings = experiment.models[model]
        if settings.checkpoints is None and trait(experiment.cell_training(model, dataset)) is not None:
            origin = settings.model_dump_json(exclude={"training", "ladder"})
            alike.setdefault((dataset, origin), []).append(model)

    def of(model, dataset):
        return trait(experiment.cell_training(model, dataset))

    panels = [(key[0], sorted(models, key=lambda m: of(m, key[0]))) for key, models in alike.items()]
    return [(name, models) for name, models in panels if len({of(m, name) for m in models}) > 1]


def models_with_many_runs(experiment: "Experiment", dataset: str) -> list[str]:
    """The models with enough runs on a data set to ask whether connected ones generalise alike."""
    cells = [cell for cell in experiment.cell_list() if cell[1] == dataset]
    return [cell[0] for cell in cells if len(experiment.cell_runs(*cell)) >= FEWEST]
