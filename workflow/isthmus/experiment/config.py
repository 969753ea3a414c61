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

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from isthmus.errors import ConfigError
from isthmus.experiment import clashes, labels, wording
from isthmus.experiment.values import (
    PLACES,
    Count,
    Delimiter,
    Dropout,
    Fraction,
    HubId,
    Label,
    LadderHubId,
    LadderRevision,
    Location,
    Name,
    PairTemplate,
    Real,
    Revision,
    Seed,
    Step,
    Whole,
    filled,
)


class Settings(BaseModel):
    """Base of every group of settings: unknown keys are errors, values are never changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


# ------------------------------------------------------------------------------------------------------- data


class HubSource(Settings):
    """A data set of the Hugging Face hub, fetched once where Snakemake runs."""

    kind: Literal["hub"]
    id: HubId = Field(description="the data set's id on the hub, such as `nyu-mll/glue`")
    config: str | None = Field(None, min_length=1, description="its configuration, such as `qqp`")
    split: str = Field("train", min_length=1, description="its split")
    revision: Revision | None = Field(None, description="a commit or tag; pin it, or the data may change")


class FilesSource(Settings):
    """Your own files: TSV, CSV, JSON lines or Parquet."""

    kind: Literal["files"]
    paths: list[Location] = Field(min_length=1, description="the files, read one after the other; each once")
    format: Literal["tsv", "csv", "jsonl", "parquet"] | None = Field(
        None,
        description="how all of them are read, whatever their endings; by default .tsv and .txt are `tsv`, "
        ".csv is `csv`, .jsonl and .json are `jsonl` (a .json may be one list of records), .parquet is "
        "`parquet`",
    )
    delimiter: Delimiter | None = Field(
        None,
        description="what separates columns; by default a tab for `tsv`, a comma for `csv`",
    )
    quoting: Literal["none", "minimal"] | None = Field(
        None,
        description="`none`: a quotation mark is a character of the text; `minimal`: it encloses fields. "
        "By default `none` for `tsv`, `minimal` for `csv`",
    )
    header: bool | list[str] = Field(
        True,
        description="`true`: the first line names the columns; else the list of their names (`tsv`, `csv`)",
    )


class ToySource(Settings):
    """The toy language that ships with Isthmus: nothing is downloaded."""

    kind: Literal["toy"]
    task: Literal["entailment", "paraphrase"] = Field(description="3-class entailment or 2-class paraphrase")
    rows: Annotated[Count, Field(le=10**7)] = Field(description="how many pairs to generate")
    seed: Seed = Field(0, description="the generator's seed")
    shifted: bool = Field(False, description="the out-of-distribution kind, on which word overlap misleads")


Source = Annotated[HubSource | FilesSource | ToySource, Field(discriminator="kind")]


class Columns(Settings):
    """Where rows come from and what their columns mean: what a data set and a further set share."""

    source: Source = Field(description="where the rows come from: `kind: hub`, `files` or `toy`")
    text: list[str] | None = Field(
        None, min_length=1, max_length=2, description="the columns of one text, or of the two texts of a pair"
    )
    label: str | None = Field(None, description="the label's column")
    labels: list[Label] | None = Field(
        None,
        min_length=2,
        description="the label names in the order of their ids; by default those found, sorted. The data "
        "hold these names, or numbers from 0 that stand for them by position where none of them is a label "
        "of the data; one or the other in all rows, and any other label is an error. Blanks around a label "
        'are no part of it; 1, `"1"` and, in JSON and Parquet, 1.0 are one label; labels that differ only in '
        "case, Unicode form or in how a number is written are an error. Rows with -1 have no label where -1 "
        "is not named here",
    )
    fraction: Fraction = Field(
        1.0, description="the part of the labelled rows to keep, drawn uniformly at random"
    )
    rows: Count | None = Field(None, description="how many rows to keep, instead of a fraction")
    seed: Seed = Field(0, description="the seed of the subset (and of the split)")
    by: str | None = Field(
        None,
        description="a column whose values break evaluations down: `evaluations.csv` and the tables have "
        "`<set>/<value>` beside each set (HANS: heuristic; CoLA: source)",
    )

    @model_validator(mode="after")
    def _one_size(self):
        if self.rows is not None and self.fraction != 1.0:
            raise ValueError("found both `fraction` and `rows`; allowed: one of them")
        if self.labels and len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels: found a name twice in {self.labels}; allowed: each once")
        labels.check_alike("labels", self.labels or ())
        _check_different(self.text, self.label)
        return self


def _check_different(text: list[str] | None, label: str | None) -> None:
    if text and len(set(text)) < len(text):
        raise ValueError(f"text: found {text[0]!r} twice; allowed: two different columns, or one")
    if text and label in text:
        raise ValueError(f"label: found {label!r}, which is a column of `text` too; allowed: another column")


def _each_once(mapping: Any) -> Any:
    """A mapping whose keys are labels, of which no two are one: 1 and "1" would be merged without a word."""
    names = [str(key).strip() for key in mapping] if isinstance(mapping, dict) else []
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"found the label(s) {labels.listed(twice)} twice; allowed: each once")
    return mapping


class FurtherSet(Columns):
    """A further evaluation set of a data set; its columns are those of the data set unless given."""

    label_map: Annotated[dict[Label, Label], BeforeValidator(_each_once)] | None = Field(
        None,
        description="from each label of the data set to a label of this set; the probabilities of those "
        "that share one are added (HANS: neutral and contradiction are both non-entailment)",
    )


class Dataset(Columns):
    """A labelled text or text-pair task."""

    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = Field(
        0.2, description="the part of the subset that becomes the test part"
    )
    max_length: Annotated[Whole, Field(ge=8, le=10**6)] = Field(
        128, description="tokens an example at most; longer ones are truncated, and counted"
    )
    sets: dict[Name, FurtherSet] = Field({}, description="further evaluation sets by name")
    training: "TrainingOverride | None" = Field(
        None, description="training settings that differ for this data set"
    )

    @model_validator(mode="after")
    def _named_columns(self):
        for key in ("text", "label"):
            if getattr(self, key) is None and self.source.kind != "toy":
                raise ValueError(f"`{key}` is missing; allowed: the name(s) of the source's {key} column(s)")
        for name, further in self.sets.items():
            try:
                _check_different(further.text or self.text, further.label or self.label)
            except ValueError as error:
                raise ValueError(f"sets.{name}.{error}") from None
        return self


# --------------------------------------------------------------------------------------------------- training

VARY = ("head", "order", "dropout")
# Adam divides by 1 - beta**step.
Beta = Annotated[Real, Field(ge=0, le=0.999999)]
# A checkpoint is a file of the model's size, and three jobs.
MOST_CHECKPOINTS = 10_000


class Training(Settings):
    """The fine-tuning recipe; its defaults are the source paper's (those of fairseq's RoBERTa)."""

    steps: Count = Field(160_000, description="the schedule's end: the learning rate reaches 0 there")
    every: Count | None = Field(None, description="a checkpoint each so many steps, up to `steps`")
    checkpoints: list[Step] | None = Field(
        None, description="the checkpoints' steps, instead of `every`; step 0 is always one"
    )
    batch_size: Annotated[Count, Field(le=100_000)] = Field(32, description="examples an update")
    learning_rate: Annotated[Real, Field(ge=1e-12, le=100)] = Field(
        1e-5, description="the highest learning rate"
    )
    warmup_steps: Step = Field(7_432, description="updates of linear warm-up")
    power: Annotated[Real, Field(gt=0, le=100)] = Field(
        1.0, description="the power of the polynomial decay to 0"
    )
    betas: tuple[Beta, Beta] = Field((0.9, 0.98), description="Adam's betas")
    eps: Annotated[Real, Field(ge=1e-30, le=1)] = Field(1e-6, description="Adam's epsilon")
    weight_decay: Annotated[Real, Field(ge=0, le=1000)] = Field(
        0.1, description="decoupled weight decay, on all parameters"
    )
    dropout: Dropout = Field(0.1, description="dropout")
    attention_dropout: Dropout = Field(0.1, description="dropout of attention weights")
    vary: list[Literal["head", "order", "dropout"]] = Field(
        list(VARY), description="what a seed varies: head initialisation, data order, dropout"
    )
    fork_at: Step = Field(
        0,
        description="updates that all seeds make as one, from one head, before what `vary` names sets them "
        "apart (the instability analysis of Frankle et al. 2020)",
    )
    token_budget: Annotated[Count, Field(le=10**7)] = Field(
        512, description="tokens a micro-batch at most, padding included; bounds memory. Part of the recipe"
    )
    save_minutes: Annotated[Real, Field(gt=0, le=10**6)] = Field(
        10.0, description="minutes between two saves of the training state (not part of the recipe)"
    )

    @model_validator(mode="after")
    def _schedule(self):
        if self.every is not None and self.checkpoints is not None:
            raise ValueError("found both `every` and `checkpoints`; allowed: one of them")
        if self.every is not None and self.steps > self.every * MOST_CHECKPOINTS:
            raise ValueError(
                f"every: found {self.every}, which makes {self.steps // self.every:,} checkpoints of "
                f"{self.steps:,} `steps`; allowed: {MOST_CHECKPOINTS:,} checkpoints at most, "
                f"{-(-self.steps // MOST_CHECKPOINTS)} or more"
            )
        if self.checkpoints is not None:
            if not 0 < len(self.checkpoints) <= MOST_CHECKPOINTS:
                raise ValueError(
                    f"checkpoints: found {len(self.checkpoints)} steps; allowed: 1 to {MOST_CHECKPOINTS:,} "
                    "(`[0]` for step 0 alone)"
                )
            if len(set(self.checkpoints)) < len(self.checkpoints):
                found = wording.short(self.checkpoints)
                raise ValueError(f"checkpoints: found a step twice in {found}; allowed: each once")
            if beyond := [step for step in self.checkpoints if step > self.steps]:
                raise ValueError(
                    f"checkpoints: found {wording.short(beyond)} beyond the schedule's end; "
                    f"allowed: 0 to {self.steps} (`steps`)"
                )
        if self.fork_at > self.steps:
            raise ValueError(
                f"fork_at: found {self.fork_at}; allowed: 0 to {self.steps}, the schedule's end (`steps`)"
            )
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps: found {self.warmup_steps}; "
                f"allowed: fewer than `steps`, which are {self.steps}"
            )
        return self

    @model_validator(mode="after")
    def _trains(self):
        """What would train, but not what is meant."""
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError(
                f"weight_decay: found {self.weight_decay}; allowed: less than 1 / `learning_rate`, which is "
                f"{1 / self.learning_rate:g}: an update shrinks weights by the product of the two"
            )
        if len(set(self.vary)) < len(self.vary):
            raise ValueError(f"vary: found {self.vary}; allowed: each once")
        alike = {"head"} if self.fork_at else set()
        if not self.dropout and not self.attention_dropout:
            alike.add("dropout")
        if not set(self.vary) - alike:
            raise ValueError(
                f"vary: found {self.vary}, with which all seeds would make one and the same run; "
                f"allowed: one or more of {', '.join(kind for kind in VARY if kind not in alike)}"
            )
        return self

    def checkpoint_steps(self) -> list[int]:
        """The steps that have a checkpoint, rising, 0 among them."""
        if self.checkpoints is not None:
            return sorted({0, *self.checkpoints})
        return [*range(0, self.steps, self.every or self.steps), self.steps]

    def recipe(self) -> dict[str, Any]:
        """What the bits of a fine-tuned model depend on: everything but when it is looked at or saved."""
        return self.model_dump(exclude={"every", "checkpoints", "save_minutes"})


TrainingOverride = create_model(
    "TrainingOverride",
    __base__=Settings,
    __doc__="The training settings that differ for one model or data set; the keys are those of `training`.",
    **{
        key: (
            # An annotation of no meaning, since some fields have no bounds beside their type.
            Annotated[(field.annotation, *field.metadata, None)] | None,
            Field(None, description=field.description),
        )
        for key, field in Training.model_fields.items()
    },
)
Dataset.model_rebuild()


# 40 GB, and four times as much while it is trained.
MOST_WEIGHTS = 10**10
POSITIONS = 64  # of the small BERT


class Pretraining(Settings):
    """A small BERT, pre-trained inside the workflow on the toy language: the rungs of a ladder."""

    layers: Annotated[Count, Field(le=1000)] = Field(2, description="transformer layers")
    width: Annotated[Count, Field(le=100_000)] = Field(64, description="hidden size")
    heads: Count = Field(4, description="attention heads")
    rows: Annotated[Count, Field(le=10**7)] = Field(20_000, description="sentence pairs of the corpus")
    seed: Seed = Field(0, description="the seed of body, corpus, order, masks and dropout")
    masked: Annotated[Real, Field(ge=0.01, le=0.99)] = Field(
        0.15, description="the part of the tokens to predict"
    )
    training: Training = Field(description="the recipe; `steps` is the schedule's end")

    @model_validator(mode="after")
    def _divides(self):
        if self.training.fork_at:
            raise ValueError("training.fork_at: only a fine-tuning has seeds that can part")
        if given := {"every", "checkpoints"} & self.training.model_fields_set:
            raise ValueError(
                f"training.{min(given)}: only a fine-tuning has checkpoints; allowed: rungs, by the "
                "`pretraining_steps` of models or the `steps` of a ladder"
            )
        if (weights := 12 * self.layers * self.width**2) > MOST_WEIGHTS:
            raise ValueError(
                f"width: found {self.width} with {self.layers} `layers`, some {weights:.0e} weights; "
                f"allowed: {MOST_WEIGHTS:.0e} at most"
            )
        if self.width % self.heads:
            raise ValueError(
                f"heads: found {self.heads}; allowed: a divisor of `width`, which is {self.width}"
            )
        return self


class Checkpoint(Settings):
    """A fine-tuned classifier that is there already: of the hub, or in a folder."""

    hub: HubId | None = Field(None, description="the model's id on the hub")
    revision: Revision | None = Field(
        None, description="a commit, tag or branch of the hub's repository; pin it"
    )
    folder: Location | None = Field(None, description="a folder in Hugging Face's layout, instead of `hub`")
    seed: Seed | None = Field(None, description="the seed of the run that it belongs to")
    name: Name | None = Field(None, description="the name of that run, where it has no seed")
    step: Step = Field(1, description="how many updates it has had; 1 stands for not known")

    @model_validator(mode="after")
    def _one_origin(self):
        _check_origin(self, ("hub", "folder"))
        return self


def _check_origin(settings: Settings, allowed: tuple[str, ...]) -> None:
    origins = [key for key in allowed if getattr(settings, key) is not None]
    if len(origins) != 1:
        raise ValueError(f"found {origins or 'no origin'}; allowed: exactly one of {', '.join(allowed)}")
    if settings.revision is not None and settings.hub is None:
        raise ValueError("revision: only a model from the hub has one")


class Model(Settings):
    """A pre-trained encoder or decoder: from the hub, from a folder, or pre-trained in the workflow.

    With `checkpoints` it stands for classifiers that are there already, and nothing is trained.
    """

    hub: HubId | None = Field(None, description="the model's id on the hub")
    revision: Revision | None = Field(
        None, description="a commit, tag or branch of the hub's repository; pin it"
    )
    folder: Location | None = Field(None, description="a folder in Hugging Face's layout, instead of `hub`")
    pretraining: Name | None = Field(None, description="a key of `pretraining`, instead of `hub`")
    checkpoints: list[Checkpoint] | None = Field(
        None,
        description="fine-tuned classifiers of one architecture, instead of `hub`, to be measured",
    )
    labels: list[Label] | None = Field(
        None,
        min_length=2,
        description="with `checkpoints`: the data set's label of each of their classes, in order; by default "
        "their own names, or the data set's order where they have none",
    )
    pretraining_steps: Step | None = Field(None, description="how much pre-training it has had, in updates")
    ladder: Name | None = Field(
        None, description="models that share this name form a ladder, by pretraining_steps"
    )
    seed: Seed = Field(0, description="draws what the body lacks (such as a pooler), once for all seeds")
    pair_template: PairTemplate | None = Field(
        None,
        description="how two texts are joined, such as `{a} [SEP] {b}`; by default as its tokenizer does, "
        "and for GPT-2, GPT-NeoX and Llama `{a}`, a new line, `{b}`",
    )
    training: TrainingOverride | None = Field(
        None, description="training settings that differ for this model"
    )

    @model_validator(mode="after")
    def _one_origin(self):
        _check_origin(self, ("hub", "folder", "pretraining", "checkpoints"))
        if self.labels is not None and self.checkpoints is None:
            raise ValueError("labels: only a model with `checkpoints` has them; others take the data set's")
        if self.training is not None and self.checkpoints is not None:
            raise ValueError("training: allowed: `training` or `checkpoints`, of which nothing is trained")
        if self.pretraining is not None and self.pretraining_steps is None:
            raise ValueError("pretraining_steps is missing; allowed: a number of updates, such as 600")
        if self.ladder is not None and self.pretraining_steps is None:
            raise ValueError("pretraining_steps is missing, and a ladder's models are ordered by it")
        return self

    @model_validator(mode="after")
    def _whole_runs(self):
        if self.checkpoints is None:
            return self
        named = [
            [key for key in ("seed", "name") if getattr(item, key) is not None] for item in self.checkpoints
        ]
        if any(keys != named[0] for keys in named) or named[:1] == [["seed", "name"]]:
            raise ValueError("checkpoints: allowed: a seed for each, or a name for each, or neither for any")
        runs = self.runs()
        if len(runs) < 2:
            raise ValueError(f"checkpoints: found {len(runs)} run; allowed: two or more (a path joins two)")
        if sum(map(len, runs.values())) < len(self.checkpoints):
            raise ValueError("checkpoints: found a run with one step twice; allowed: each step once")
        origins = Counter((c.hub, c.revision, c.folder) for c in self.checkpoints if c.step > 0)
        if twice := [key for key, count in origins.items() if count > 1]:
            raise ValueError(
                f"checkpoints: found {twice[0][0] or str(twice[0][2])!r} twice; allowed: each once "
                "(a step 0 may be shared)"
            )
        if differing := [name for name, steps in self.run_steps().items() if steps != self.steps()]:
            raise ValueError(
                f"checkpoints: the run {differing[0]} has the steps {self.run_steps()[differing[0]]}; "
                f"allowed: those of the first, {self.steps()}"
            )
        return self

    @property
    def origin(self) -> "Model | Checkpoint":
        """Where configuration and tokenizer come from."""
        return self.checkpoints[0] if self.checkpoints else self

    def runs(self) -> dict[int, dict[int, Checkpoint]]:
        """The checkpoints by the run's number (its seed, else counted from 1) and step."""
        runs: dict[int, dict[int, Checkpoint]] = {}
        numbers: dict[str, int] = {}
        for position, item in enumerate(self.checkpoints or [], start=1):
            number = item.seed if item.name is None else numbers.setdefault(item.name, len(numbers) + 1)
            runs.setdefault(position if number is None else number, {})[item.step] = item
        return runs

    def run_steps(self) -> dict[str, list[int]]:
        """The steps of each run, rising, by the run's name."""
        return {name: sorted(self.runs()[number]) for number, name in self.run_names().items()}

    def run_names(self) -> dict[int, str]:
        """The name of each run, its number where it has none."""
        return {
            number: next(iter(steps.values())).name or str(number) for number, steps in self.runs().items()
        }

    def steps(self) -> list[int]:
        """The steps that each run's checkpoints have, rising."""
        return next(iter(self.run_steps().values()))

    @property
    def ladder_name(self) -> str | None:
        return self.ladder or self.pretraining


class Ladder(Settings):
    """Models that differ in the amount of pre-training only, written once for all rungs.

    A rung is a model `<ladder>-<step>`; a model of that name sets what differs for it.
    """

    steps: list[Step] = Field(min_length=2, description="the rungs: the pre-training of each, in updates")
    hub: LadderHubId | None = Field(
        None,
        description="their ids on the hub; `{step}` is the rung's number, `{thousands}` its thousands",
    )
    revision: LadderRevision | None = Field(None, description="their revisions, with the same places to fill")
    folder: Location | None = Field(None, description="their folders, with the same places, instead of `hub`")
    pretraining: Name | None = Field(None, description="a key of `pretraining`, instead of `hub`")
    seed: Seed = Field(0, description="as a model's")
    pair_template: PairTemplate | None = Field(None, description="as a model's")
    training: TrainingOverride | None = Field(None, description="training settings that differ for it")

    @model_validator(mode="after")
    def _rungs_differ(self):
        _check_origin(self, ("hub", "folder", "pretraining"))
        if len(set(self.steps)) < len(self.steps):
            raise ValueError(
                f"steps: found a number twice in {wording.short(self.steps)}; allowed: each once"
            )
        places = " ".join(map(str, (self.hub, self.revision, self.folder)))
        if self.pretraining is None and not PLACES.search(places):
            raise ValueError(
                "found one model for all rungs; allowed: {step} or {thousands} in hub, revision or folder"
            )
        if "{thousands}" in places and any(step % 1000 for step in self.steps):
            raise ValueError(
                f"steps: found {wording.short(self.steps)}; allowed: whole thousands, for {{thousands}}"
            )
        return self

    def rungs(self, name: str) -> dict[str, dict[str, Any]]:
        """The raw settings of each rung's model, by its name."""
        common = self.model_dump(exclude={"steps"}, exclude_unset=True)
        return {
            f"{name}-{step}": {key: filled(value, step) for key, value in common.items()}
            | {"ladder": name, "pretraining_steps": step}
            for step in self.steps
        }


# ------------------------------------------------------------------------------------------------ measurement


class Evaluation(Settings):
    """How a set of weights is measured."""

    train_examples: Count | None = Field(
        None,
        description="examples of the train part to evaluate on, drawn once; by default as many as test has",
    )
    token_budget: Annotated[Count, Field(le=10**7)] = Field(
        1024, description="tokens a batch at most, padding included"
    )
    replicates: Annotated[Whole, Field(ge=0, le=100_000)] = Field(
        1000, description="bootstrap replicates over the evaluation examples; 0 for no intervals"
    )
    seed: Seed = Field(0, description="the seed of the train part's sample and of the bootstrap")


class Paths(Settings):
    """Which alphas of a path are measured."""

    grid: Literal["adaptive", "uniform"] = Field("adaptive", description="how the alphas are chosen")
    intervals: Annotated[Whole, Field(ge=2, le=100)] = Field(
        10, description="K: intervals of the start grid, and of each level of the nested estimators"
    )
    points: Annotated[Whole, Field(ge=3, le=10_001)] = Field(
        11, description="alphas of a uniform grid; one more than a multiple of `intervals`"
    )
    tolerance: Annotated[Real, Field(gt=0, le=1000)] = Field(
        1e-3, description="adaptive: stop when the estimated error of CG is under this, in nats"
    )
    max_alphas: Annotated[Whole, Field(ge=3, le=10_001)] = Field(41, description="adaptive: alphas at most")

    @model_validator(mode="after")
    def _grids(self):
        if self.grid == "uniform" and (self.points - 1) % self.intervals:
            raise ValueError(
                f"points: found {self.points}; "
                f"allowed: one more than a multiple of `intervals` ({self.intervals}), "
                f"such as {self.intervals + 1} or {2 * self.intervals + 1}"
            )
        if self.grid == "adaptive" and self.max_alphas <= self.intervals:
            raise ValueError(
                f"max_alphas: found {self.max_alphas}; "
                f"allowed: more than `intervals`, which are {self.intervals}"
            )
        return self

    def sampler(self) -> dict[str, Any]:
        """What the choice of alphas depends on, and nothing else."""
        if self.grid == "uniform":
            return {"grid": "uniform", "points": self.points}
        return self.model_dump(exclude={"points"})


class Basins(Settings):
    """How runs are grouped by the gaps between them."""

    linkage: Literal["average", "complete", "single"] = Field(
        "average", description="how the clustering joins groups of runs"
    )
    cut: Annotated[Real, Field(gt=0, le=1000)] | None = Field(
        None,
        description="where the tree is cut, in nats; by default where the silhouette is largest and clear",
    )


class Figures(Settings):
    """What the figures show."""

    training_model: Name | None = Field(None, description="the model of Figure 1; by default the last one")
    training_seed: Seed | None = Field(None, description="the seed of Figure 1; by default the first one")
    dpi: Annotated[Whole, Field(ge=50, le=600)] = Field(150, description="dots an inch of the PNG files")


class RuleResources(Settings):
    """What one job of a rule asks for."""

    gpu: Annotated[Whole, Field(ge=0, le=1000)] | None = Field(
        None,
        description="GPUs; by default 1 with `device: auto` or `cuda` for rules that run a model, else 0",
    )
    mem_mb: Annotated[Count, Field(le=10**8)] | None = Field(
        None, description="memory in MB; half as much again at each retry, twice at most"
    )
    runtime: Annotated[Count, Field(le=527_040)] | None = Field(None, description="minutes, a year at most")


class Resources(Settings):
    """What the jobs of the rules that run a model ask for."""

    pretrain: RuleResources = Field(RuleResources(), description="one rung of a ladder")
    initialize: RuleResources = Field(RuleResources(), description="the step-0 checkpoint of a run")
    finetune: RuleResources = Field(RuleResources(), description="one segment")
    evaluate: RuleResources = Field(RuleResources(), description="one checkpoint")
    interpolate: RuleResources = Field(RuleResources(), description="one row")


class Plan(Settings):
    """What `make plan` counts with. Results do not depend on it."""

    gpus: Annotated[Count, Field(le=10**6)] = Field(
        1, description="GPUs that run at the same time (cores with `device: cpu`)"
    )
    tflops: Annotated[Real, Field(ge=1e-6, le=10**6)] | None = Field(
        None,
        description="TFLOP/s that one of them really reaches; by default as measured in this experiment so "
        "far, else a guess",
    )


Run = Annotated[int, Field(strict=True)] | str
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
    pairs: Literal["all", "first"] | list[tuple[Run, Run]] = Field(
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
    figures: Figures = Field(Figures(), description="settings of the figures")
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
            made = {rung: settings for part in rungs.values() for rung, settings in part.items()}
            own = {rung: models[rung] for rung in made if isinstance(models.get(rung), dict)}
            raw = raw | {"models": models | {rung: made[rung] | own.get(rung, {}) for rung in made}}
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
        self._check_size()
        for key, place in self._places():
            if set("{}") & set(str(place)):
                raise ValueError(
                    f"{key}: found '{place}'; allowed: a path without {{ and }}, which Snakemake reads as "
                    "places to fill; rename it, or make a link to it"
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
        self._check_pairs()
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
            for number, origin in enumerate(model.checkpoints or [model]):
                if origin.folder is not None:
                    key = f"checkpoints.{number}.folder" if model.checkpoints else "folder"
                    yield f"models.{name}.{key}", origin.folder
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
        for what, count, most in (
            ("checkpoints", checkpoints, MOST_RUNS_AND_STEPS),
            ("paths between them", paths, MOST_PATHS),
        ):
            if count > most:
                raise ValueError(
                    f"seeds, training, cells: found {count:,} {what} (runs x steps x cells); "
                    f"allowed: {most:,} at most. Take fewer seeds or steps, or `pairs: first`"
                )

    def _check_pairs(self) -> None:
        if isinstance(self.pairs, str):
            return
        known = {name for cell in self.cell_list() for name in self.cell_runs(*cell).values()}
        for pair in self.pairs:
            if not {str(end) for end in pair} <= known or pair[0] == pair[1]:
                allowed = wording.short(sorted(known))
                raise ValueError(f"pairs: found {list(pair)}; allowed: two different ones of {allowed}")
        if len({frozenset(map(str, pair)) for pair in self.pairs}) < len(self.pairs):
            found = wording.short(self.pairs)
            raise ValueError(f"pairs: found a pair twice in {found}; allowed: each once, in either order")
        for cell in self.cell_list():
            if not self.cell_pairs(*cell):
                raise ValueError(
                    f"pairs: none of them is of {' on '.join(cell)}; allowed: one or more a cell"
                )

    def cell_list(self) -> list[tuple[str, str]]:
        """The cells, (model, data set), in the config's order."""
        if self.cells is not None:
            return list(self.cells)
        return [(model, dataset) for dataset in self.datasets for model in self.models]

    def cell_runs(self, model: str, dataset: str) -> dict[int, str]:
        """The runs of a cell: their seeds (or numbers), in order, and their names."""
        own = self.models[model].run_names()
        return own or {seed: str(seed) for seed in self.seeds}

    def cell_pairs(self, model: str, dataset: str) -> list[tuple[int, int]]:
        """The pairs of runs of a cell whose paths are measured; of each, the earlier run first."""
        runs = self.cell_runs(model, dataset)
        every = list(combinations(runs, 2))
        if self.pairs == "all":
            return every
        if self.pairs == "first":
            return every[: len(runs) - 1]
        named = {frozenset(map(str, pair)) for pair in self.pairs}
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
        return Training(**merged)


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
