"""The typed settings: what an experiment is.

One source for validation, defaults, the documented table of settings and the editor's schema. `load` turns
the raw mapping that Snakemake read into an `Experiment`, or raises one `ConfigError` that lists every mistake
by its key's path, with what was found and what is allowed.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from isthmus.errors import ConfigError
from isthmus.experiment import clashes, wording
from isthmus.experiment.settings.base import Settings
from isthmus.experiment.settings.data import (
    PLAIN,
    Columns,
    Dataset,
    FilesSource,
    FurtherSet,
    HubSource,
    ToySource,
    plain,
)
from isthmus.experiment.settings.measuring import (
    Alignment,
    Averages,
    Basins,
    Curve,
    Evaluation,
    Layers,
    Paths,
    Plane,
)
from isthmus.experiment.settings.models import Adapter, Base, Checkpoint, Ladder, Model
from isthmus.experiment.settings.pretraining import POSITIONS, Pretraining
from isthmus.experiment.settings.running import Plan, Resources
from isthmus.experiment.settings.showing import Figures, Negligible, Report
from isthmus.experiment.settings.training import MOST_CHECKPOINTS, Training, TrainingOverride
from isthmus.experiment.values import Count, Name, Run, Seed, Step

# The door of all settings: their groups stand in `settings`.
__all__ = [
    "PLAIN",
    "POSITIONS",
    "Adapter",
    "Alignment",
    "Averages",
    "Base",
    "Basins",
    "Checkpoint",
    "Columns",
    "Curve",
    "Dataset",
    "Evaluation",
    "Experiment",
    "Figures",
    "FilesSource",
    "FurtherSet",
    "HubSource",
    "Ladder",
    "Layers",
    "Model",
    "Negligible",
    "Paths",
    "Plan",
    "Plane",
    "Pretraining",
    "Report",
    "Resources",
    "Settings",
    "ToySource",
    "Training",
    "TrainingOverride",
    "load",
    "plain",
]

Pairs = Literal["all", "first"] | list[tuple[Run, Run]]
# More jobs than Snakemake can hold, and more paths than can be listed.
MOST_RUNS_AND_STEPS, MOST_PATHS = 100_000, 10_000_000


class Experiment(Settings):
    """An experiment: everything that `results/<experiment>/` follows from."""

    experiment: Name = Field(
        description="the experiment's name: its results stand in `results/<experiment>/`"
    )
    seeds: list[Seed] = Field(
        [],
        description="the seeds of the fine-tunings, two or more; append to add runs. Not needed where all "
        "models have `checkpoints`",
    )
    pairs: Pairs = Field(
        "all",
        description="the pairs of runs whose paths are measured: `all`, each with the `first`, or a list "
        "such as `[[42, 43], [42, 44]]` (of seeds, or of the names of own checkpoints)",
    )
    models: dict[Name, Model] = Field(min_length=1, description="the pre-trained models by name")
    ladders: dict[Name, Ladder] = Field(
        {}, description="models at several amounts of pre-training, each ladder written once, by name"
    )
    datasets: dict[Name, Dataset] = Field(min_length=1, description="the data sets by name")
    cells: list[tuple[str, str]] | None = Field(
        None,
        description="the [model, data set] pairs to run, by default every one; a ladder stands for its rungs",
    )
    pretraining: dict[Name, Pretraining] = Field({}, description="pre-trainings inside the workflow, by name")
    training: Training = Field(Training(), description="the fine-tuning recipe")
    keep: Literal["all", "last"] = Field(
        "all",
        description="weights to keep once everything that needs them is done: of all checkpoints, or of the "
        "first (step 0) and the last of each run",
    )
    keep_states: Literal["last", "all"] = Field(
        "last", description="training states to keep: the newest of a run, or one at each checkpoint"
    )
    evaluation: Evaluation = Field(Evaluation(), description="how weights are measured")
    paths: Paths = Field(Paths(), description="which points of a path are measured")
    averages: Averages = Field(Averages(), description="means of the runs' weights")
    layers: Layers | None = Field(None, description="lines in some tensors alone; by default none")
    curves: list[Curve] = Field(
        [], description="curved paths between runs, of which each bend is trained as long as a fine-tuning"
    )
    alignment: Alignment | None = Field(
        None,
        description="lines to the second of two runs with its units in the order of the first's; by default "
        "none",
    )
    planes: list[Plane] = Field([], description="planes through three checkpoints of each cell")
    map: bool = Field(
        False,
        description="whether all checkpoints of each cell are drawn in two dimensions, by their distances",
    )
    basins: Basins = Field(Basins(), description="groups of connected runs")
    delta_from: Step | None = Field(
        None, description="the step that deltas start from; by default the first checkpoint after 0"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where models run; `auto`: a GPU if there is one"
    )
    threads: Annotated[Count, Field(le=1024)] = Field(
        1, description="CPU threads of a job that runs a model. Part of the recipe: changes bits"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32", description="of matrix products; bfloat16 is autocast over float32 weights"
    )
    attention: Literal["auto", "eager", "sdpa"] = Field(
        "auto", description="the attention kernel; `auto`: eager on a CPU, sdpa on a GPU, as measured"
    )
    anchors: Literal["device", "host"] = Field(
        "device",
        description="where a GPU finds the weights between which it measures: its own memory, or the host's "
        "(`host`: one model on the GPU, not four). Changes no bits; a CPU reads them from the files",
    )
    deterministic: bool = Field(
        True,
        description="deterministic GPU algorithms; `false` is faster on some GPUs and gives up equal bits",
    )
    negligible: Negligible = Field(Negligible(), description="the sizes from which on gaps matter")
    figures: Figures = Field(Figures(), description="settings of the figures")
    report: Report = Field(Report(), description="settings of the page")
    resources: Resources = Field(Resources(), description="what jobs ask for")
    plan: Plan = Field(Plan(), description="what `make plan` counts with")

    @model_validator(mode="before")
    @classmethod
    def _with_rungs(cls, raw: Any) -> Any:
        """The raw settings with each ladder's rungs among the models and in the cells."""
        if not isinstance(raw, dict) or not isinstance(raw.get("ladders"), dict):
            return raw
        rungs = {name: rungs for name, given in raw["ladders"].items() if (rungs := _rungs(name, given))}
        models = raw.get("models") or {}
        if isinstance(models, dict):
            pretrained = {rung: settings for part in rungs.values() for rung, settings in part.items()}
            own = {rung: models[rung] for rung in pretrained if isinstance(models.get(rung), dict)}
            raw = raw | {
                "models": models | {rung: pretrained[rung] | own.get(rung, {}) for rung in pretrained}
            }
        if isinstance(cells := raw.get("cells"), list):
            raw = raw | {"cells": [named for cell in cells for named in _rung_cells(cell, rungs)]}
        return raw

    @model_validator(mode="after")
    def _whole(self):
        if "seeds" in self.model_fields_set:
            _check_seeds(self.seeds)
        elif any(model.checkpoints is None for model in self.models.values()):
            raise ValueError("seeds: missing; allowed: two or more, a list of numbers")
        for model, dataset in self.cells or []:
            _known("cells", model, self.models)
            _known("cells", dataset, self.datasets)
        if self.cells is not None and (not self.cells or len(set(self.cells)) < len(self.cells)):
            raise ValueError(
                f"cells: found {wording.short(self.cells)}; allowed: one or more [model, data set], each once"
            )
        self._check_pretraining()
        self._check_bodies()
        self._check_size()
        for key, place in self._places():
            if set("{}") & set(str(place)):
                raise ValueError(
                    f"{key}: found '{place}'; allowed: a path without {{ and }}, which Snakemake reads as "
                    "places to fill; rename it, or make a link to it"
                )
        for name, dataset in self.datasets.items():
            source = dataset.source
            if source.kind == "files" and source.format == "document" and len(source.paths) < 2:
                raise ValueError(
                    f"datasets.{name}.source.paths: found one file, which `format: document` makes one "
                    "document; allowed: two or more, of which some become the test part, or `format: lines`"
                )
        sets = {name: list(dataset.sets) for name, dataset in self.datasets.items()}
        if clashing := clashes.mistakes(self.models, sets, self.cell_list()):
            raise ValueError(wording.lines(clashing))
        for model, dataset in self.cell_list():
            steps = self.cell_steps(model, dataset)
            if self.delta_from is not None and self.delta_from not in steps:
                raise ValueError(
                    f"delta_from: found {self.delta_from}, which is no checkpoint of {model} on {dataset}; "
                    f"allowed: one of {wording.short(steps)}"
                )
            groups = {"averages": self.averages, "layers": self.layers}
            groups |= {"alignment": self.alignment}
            groups |= {f"curves.{number}": curve for number, curve in enumerate(self.curves)}
            for key, group in groups.items():
                for step in group.at if group and isinstance(group.at, list) else ():
                    if step not in steps:
                        raise ValueError(
                            f"{key}.at: found {step}, which is no checkpoint of {model} on {dataset}; "
                            f"allowed: `last`, `all`, or some of {wording.short(steps)}"
                        )
        self._check_pairs("pairs", self.pairs)
        if self.layers:
            self._check_layers(self.layers)
        self._check_detours()
        self._check_planes()
        if self.figures.training_model is not None:
            trained = {name: model for name, model in self.models.items() if model.checkpoints is None}
            _known("figures.training_model", self.figures.training_model, trained)
        if self.figures.training_seed is not None and self.figures.training_seed not in self.seeds:
            raise ValueError(
                f"figures.training_seed: found {self.figures.training_seed}; "
                f"allowed: one of {wording.short(self.seeds)}"
            )
        return self

    def _places(self) -> Iterator[tuple[str, Path]]:
        """The user's files and folders, which are inputs of rules, each with its key."""
        for name, model in self.models.items():
            for key, origin in model.origins().items():
                if origin.folder is not None:
                    yield f"models.{name}.{key}folder", origin.folder
        for name, dataset in self.datasets.items():
            whole = {f"datasets.{name}": dataset}
            whole |= {f"datasets.{name}.sets.{further}": columns for further, columns in dataset.sets.items()}
            for key, columns in whole.items():
                for path in columns.source.paths if columns.source.kind == "files" else ():
                    yield f"{key}.source.paths", path

    def _check_pretraining(self) -> None:
        for name, model in self.models.items():
            if model.pretraining is not None:
                _known(f"models.{name}.pretraining", model.pretraining, self.pretraining)
                end = self.pretraining[model.pretraining].training.steps
                if model.pretraining_steps > end:
                    raise ValueError(
                        f"models.{name}.pretraining_steps: found {model.pretraining_steps}; "
                        f"allowed: 0 to {end} (pretraining.{model.pretraining}.training.steps)"
                    )

    def _check_bodies(self) -> None:
        for name, model in self.models.items():
            whole = {
                other: own
                for other, own in self.models.items()
                if own.bodies is None and own.checkpoints is None and own.adapter is None
            }
            for body in model.bodies or []:
                _known(f"models.{name}.bodies", body, whole)
        for model, dataset in self.cell_list():
            if self.models[model].bodies and (fork := self.cell_training(model, dataset).shared_steps):
                raise ValueError(
                    f"models.{model}.bodies: found on {dataset} beside `fork_at` or `perturb` ({fork} "
                    "updates that all seeds make as one); allowed: without, since their bodies differ"
                )

    def _check_size(self) -> None:
        """Numbers of jobs and paths that can be held: counted, before any of them is listed."""
        cells = len(self.models) * len(self.datasets) if self.cells is None else len(self.cells)
        if cells > MOST_CHECKPOINTS:
            raise ValueError(f"cells: found {cells:,} of them; allowed: {MOST_CHECKPOINTS:,} at most")
        checkpoints = paths = 0
        for cell in self.cell_list():
            runs, steps = len(self.cell_runs(*cell)), len(self.cell_steps(*cell))
            pairs = {"all": runs * (runs - 1) // 2, "first": runs}
            checkpoints += runs * steps
            paths += steps * (pairs[self.pairs] if isinstance(self.pairs, str) else len(self.pairs))
        for name, count, most in (
            ("checkpoints", checkpoints, MOST_RUNS_AND_STEPS),
            ("paths between them", paths, MOST_PATHS),
        ):
            if count > most:
                raise ValueError(
                    f"seeds, training, cells: found {count:,} {name} (runs x steps x cells); "
                    f"allowed: {most:,} at most. Take fewer seeds or steps, or `pairs: first`"
                )

    def _check_pairs(self, key: str, pairs: Pairs) -> None:
        if isinstance(pairs, str):
            return
        known = {name for cell in self.cell_list() for name in self.cell_runs(*cell).values()}
        for pair in pairs:
            if not {str(end) for end in pair} <= known or pair[0] == pair[1]:
                allowed = wording.short(sorted(known))
                raise ValueError(f"{key}: found {list(pair)}; allowed: two different ones of {allowed}")
        if len({frozenset(map(str, pair)) for pair in pairs}) < len(pairs):
            found = wording.short(pairs)
            raise ValueError(f"{key}: found a pair twice in {found}; allowed: each once, in either order")
        for cell in self.cell_list():
            if not self._chosen_pairs(*cell, pairs):
                raise ValueError(
                    f"{key}: none of them is of {' on '.join(cell)}; allowed: one or more a cell"
                )

    def _check_layers(self, layers: Layers) -> None:
        self._check_pairs("layers.pairs", layers.pairs)
        memory = self.resources.layers.mem_mb
        if self.device == "cpu" and memory and layers.cache_mb >= memory:
            raise ValueError(
                f"layers.cache_mb: found {layers.cache_mb}; allowed: less than the {memory} of "
                "resources.layers.mem_mb"
            )

    def _check_detours(self) -> None:
        known: dict[str, int] = {}
        for number, curve in enumerate(self.curves):
            key = f"curves.{number}"
            if (first := known.setdefault(curve.name, number)) < number:
                raise ValueError(f"{key}: found {curve.name}, as curves.{first}; allowed: each once")
            self._check_beside_lines(key, curve, "a bend is a whole model")
            given = {"steps": curve.steps, "learning_rate": curve.learning_rate}
            missing = [name for name, value in given.items() if value is None]
            for model, dataset in self.cell_list():
                if self.models[model].checkpoints and "training" not in self.model_fields_set and missing:
                    raise ValueError(
                        f"{key}.{missing[0]}: missing, and {model} on {dataset} has no recipe to take it "
                        "from; allowed: a number, or `training`"
                    )
        if self.alignment:
            why = "units of factors are not reordered"
            self._check_beside_lines("alignment", self.alignment, why)

    def _check_beside_lines(self, key: str, paths: Curve | Alignment, why: str) -> None:
        """Paths between runs whose line is measured too.

        Args:
            why: adapters have none.
        """
        self._check_pairs(f"{key}.pairs", paths.pairs)
        if isinstance(paths.at, list) and len(set(paths.at)) < len(paths.at):
            raise ValueError(f"{key}.at: found {wording.short(paths.at)}; allowed: each step once")
        for cell in self.cell_list():
            if self.models[cell[0]].adapted:
                raise ValueError(
                    f"{key}: found {' on '.join(cell)}, whose checkpoints are adapters; allowed: cells "
                    f"of whole models (`cells` chooses them): {why}"
                )
            chosen = self._chosen_pairs(*cell, paths.pairs)
            for pair in chosen:
                if isinstance(paths.pairs, list) and pair not in self.cell_pairs(*cell):
                    raise ValueError(
                        f"{key}.pairs: found {list(pair)}, whose line is not measured; allowed: some of "
                        "the experiment's `pairs`"
                    )
            if not set(chosen) & set(self.cell_pairs(*cell)):
                raise ValueError(
                    f"{key}.pairs: found {paths.pairs!r}, of which no line of {' on '.join(cell)} is "
                    "measured; allowed: some of the experiment's `pairs`"
                )

    def _check_planes(self) -> None:
        curves = [curve.name for curve in self.curves]
        for number, plane in enumerate(self.planes):
            if plane.curve and plane.curve not in curves:
                raise ValueError(
                    f"planes.{number}.curve: found {plane.curve}, which is none of `curves`; allowed: "
                    f"{wording.short(', '.join(name for name in curves if '-' not in name)) or 'none'}"
                )
            for cell in self.cell_list():
                runs, steps = list(self.cell_runs(*cell).values()), self.cell_steps(*cell)
                for run, step in plane.corners(runs):
                    for key, found, known in (
                        ("run", str(run), runs),
                        ("step", step, ["last", *steps]),
                    ):
                        if found not in known:
                            raise ValueError(
                                f"planes.{number}: found the {key} {found}, which is none of "
                                f"{' on '.join(cell)}; allowed: one of {wording.short(known)}"
                            )
        for model, dataset in self.cell_list():
            if self.models[model].adapter and self.cell_training(model, dataset).perturb:
                raise ValueError(
                    f"models.{model}.adapter: found beside `perturb`; allowed: pushes of whole models. A "
                    "step among factors depends on how they happen to be written, and B begins at 0"
                )
        for cell in self.cell_list():
            known: dict[str, int] = {}
            for number, plane in enumerate(self.planes):
                corners = [self._apart(*cell, *corner) for corner in self._corners(*cell, plane)]
                found = f"found {wording.short([list(corner) for corner in corners])} on {' on '.join(cell)}"
                if corners and len(set(corners)) < 3:
                    raise ValueError(f"planes.{number}: {found}; allowed: three different checkpoints")
                if corners and (first := known.setdefault(str(corners), number)) < number:
                    raise ValueError(f"planes.{number}: {found}, as planes.{first}; allowed: each once")

    def cell_list(self) -> list[tuple[str, str]]:
        """The cells, (model, data set), in the config's order."""
        if self.cells is not None:
            return list(self.cells)
        return [(model, dataset) for dataset in self.datasets for model in self.models]

    def cell_runs(self, model: str, dataset: str) -> dict[int, str]:
        """The runs of a cell: their seeds (or numbers), in order, and their names."""
        own = self.models[model].run_names()
        return own or {seed: str(seed) for seed in self.seeds}

    def cell_bodies(self, model: str, dataset: str) -> dict[int, str]:
        """The model whose body each run of a cell begins from."""
        bodies = self.models[model].bodies or [model]
        return {run: bodies[i % len(bodies)] for i, run in enumerate(self.cell_runs(model, dataset))}

    def cell_pairs(self, model: str, dataset: str) -> list[tuple[int, int]]:
        """The pairs of runs of a cell whose paths are measured; of each, the earlier run first."""
        return self._chosen_pairs(model, dataset, self.pairs)

    def _chosen_pairs(self, model: str, dataset: str, pairs: Pairs) -> list[tuple[int, int]]:
        runs = self.cell_runs(model, dataset)
        every = list(combinations(runs, 2))
        if pairs == "all":
            return every
        if pairs == "first":
            return every[: len(runs) - 1]
        named = {frozenset(map(str, pair)) for pair in pairs}
        return [pair for pair in every if frozenset(runs[run] for run in pair) in named]

    def cell_rows(self, model: str, dataset: str) -> dict[int, list[int]]:
        """The rows of a cell: the runs that end a path, each with those before it that its paths begin at."""
        rows: dict[int, list[int]] = {}
        for begin, end in self.cell_pairs(model, dataset):
            rows.setdefault(end, []).append(begin)
        return {run: rows[run] for run in self.cell_runs(model, dataset) if run in rows}

    def cell_steps(self, model: str, dataset: str) -> list[int]:
        """The steps of a cell's checkpoints, rising."""
        if self.models[model].checkpoints is not None:
            return self.models[model].steps()
        return self.cell_training(model, dataset).checkpoint_steps()

    def cell_delta_from(self, model: str, dataset: str) -> int:
        """The step that deltas of a cell start from."""
        if self.delta_from is not None:
            return self.delta_from
        steps = self.cell_steps(model, dataset)
        return next((step for step in steps if step > 0), steps[0])

    def cell_averaged(self, model: str, dataset: str) -> list[int]:
        """The steps at which all runs of a cell are averaged, rising."""
        return self._chosen_steps(model, dataset, self.averages.at)

    def _chosen_steps(self, model: str, dataset: str, at: str | list[int]) -> list[int]:
        steps = self.cell_steps(model, dataset)
        return {"last": steps[-1:], "all": steps}[at] if isinstance(at, str) else sorted(set(at))

    def cell_layers(self, model: str, dataset: str) -> list[tuple[int, int, int]]:
        """The steps and pairs of runs of a cell between which single layers are moved."""
        if self.layers is None:
            return []
        steps = self._chosen_steps(model, dataset, self.layers.at)
        return [
            (step, *pair) for step in steps for pair in self._chosen_pairs(model, dataset, self.layers.pairs)
        ]

    def cell_curves(self, model: str, dataset: str) -> list[tuple[int, int, int, Curve]]:
        """The steps and pairs of runs of a cell between which there is a curve, and its settings."""
        pairs = self.cell_pairs(model, dataset)
        return [
            (step, *pair, curve)
            for curve in self.curves
            for step in self._chosen_steps(model, dataset, curve.at)
            for pair in self._chosen_pairs(model, dataset, curve.pairs)
            if pair in pairs
        ]

    def cell_aligned(self, model: str, dataset: str) -> list[tuple[int, int, int]]:
        """The steps and pairs of runs of a cell of which the second is aligned to the first."""
        if self.alignment is None:
            return []
        pairs = self.cell_pairs(model, dataset)
        return [
            (step, *pair)
            for step in self._chosen_steps(model, dataset, self.alignment.at)
            for pair in self._chosen_pairs(model, dataset, self.alignment.pairs)
            if pair in pairs
        ]

    def cell_planes(self, model: str, dataset: str) -> dict[str, tuple[list[tuple[int | str, int]], Plane]]:
        """The planes of a cell by their names: the three corners as (run, step), and the settings."""
        found = {}
        for plane in self.planes:
            if not (corners := self._corners(model, dataset, plane)):
                continue
            found["-".join(f"{run}.{step}" for run, step in corners)] = corners, plane
        return found

    def _corners(self, model: str, dataset: str, plane: Plane) -> list[tuple[int | str, int]]:
        """The three corners of a plane of a cell, as (run, step); a bend's run is its curve's name."""
        if plane.curve:
            curves = [own for own in self.cell_curves(model, dataset) if own[-1].name == plane.curve]
            *_, (step, a, b, _) = [own for own in curves if own[1:3] == curves[0][1:3]]
            return [(a, step), (b, step), (plane.curve, step)]
        last = self.cell_steps(model, dataset)[-1]
        numbers = {name: run for run, name in self.cell_runs(model, dataset).items()}
        return [
            (numbers[str(run)], last if step == "last" else step)
            for run, step in plane.corners(list(numbers))
        ]

    def _apart(self, model: str, dataset: str, run: int | str, step: int) -> tuple[int | str, int]:
        """A checkpoint as (run, step); the run is `all` where all runs have the same weights."""
        own = self.models[model]
        if own.checkpoints is not None or own.bodies or isinstance(run, str):
            return run, step
        training = self.cell_training(model, dataset)
        parted = step > training.shared_steps if training.shared_steps else step or "head" in training.vary
        return run if parted else "all", step

    def cell_training(self, model: str, dataset: str) -> Training:
        """The recipe of one cell: that of the experiment, then the data set's, then the model's settings."""
        merged = self.training.model_dump()
        for where, override in (
            (f"datasets.{dataset}", self.datasets[dataset].training),
            (f"models.{model}", self.models[model].training),
        ):
            if override is None:
                continue
            given = override.model_dump(exclude_unset=True)
            if "every" in given:
                merged["checkpoints"] = None
            if "checkpoints" in given:
                merged["every"] = None
            try:
                merged = Training(**{**merged, **given}).model_dump()
            except ValidationError as error:
                raise ValueError(f"{where}.training: {wording.messages(error, Training)[0]}") from error
        return self._of_its_task(model, dataset, merged)

    def _of_its_task(self, model: str, dataset: str, merged: dict[str, Any]) -> Training:
        """A recipe; of language modelling, whose head is the model's own, without the seeds of heads.

        But a seed draws an adapter, of any task.
        """
        if not self.datasets[dataset].language or self.models[model].adapter:
            return Training(**merged)
        vary = [kind for kind in merged["vary"] if kind != "head"]
        try:
            return Training(**{**merged, "vary": vary})
        except ValidationError as error:
            found = wording.messages(error, Training)[0]
            raise ValueError(
                f"datasets.{dataset}: the head of a language model is its own and does not vary: {found}"
            ) from error


def _rung_cells(cell: Any, rungs: dict[str, dict[str, Any]]) -> list[Any]:
    """A cell of the raw settings, one for each rung where it names a ladder."""
    if isinstance(cell, list | tuple) and cell and isinstance(cell[0], str) and cell[0] in rungs:
        return [[rung, *cell[1:]] for rung in rungs[cell[0]]]
    return [cell]


def _rungs(name: str, given: Any) -> dict[str, dict[str, Any]]:
    """The rungs of a ladder's raw settings; none where these are wrong: the ladder's own check says so."""
    try:
        return Ladder.model_validate(given).rungs(name)
    except ValidationError:
        return {}


def _check_seeds(seeds: list[int]) -> None:
    if len(seeds) < 2:
        raise ValueError(f"seeds: found {seeds}; allowed: two or more (a path joins two seeds)")
    if twice := sorted(seed for seed, count in Counter(seeds).items() if count > 1):
        raise ValueError(f"seeds: found {wording.short(twice)} twice; allowed: each seed once")


def _known(key: str, name: str, allowed: dict[str, Any]) -> None:
    if name not in allowed:
        raise ValueError(
            f"{key}: found {name!r}{wording.nearest(name, allowed)}; "
            f"allowed: {wording.short(', '.join(allowed)) or 'none'}"
        )


# ---------------------------------------------------------------------------------------------------- loading


def load(raw: dict[str, Any], source: str = "the config") -> Experiment:
    """Validate a raw mapping.

    Args:
        raw: what the YAML file held, with `--config` changes applied.
        source: the file's name, for messages.

    Raises:
        ConfigError: with one line for each mistake: the key's path, what was found, what is allowed.
    """
    try:
        return Experiment.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(
            f"{source} cannot be used:\n  {wording.lines(wording.messages(error, Experiment))}"
        ) from None
