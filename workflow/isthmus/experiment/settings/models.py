"""Settings of models: pre-trained ones, ladders of them, and others' that are there already."""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from isthmus.experiment import wording
from isthmus.experiment.settings.base import Settings
from isthmus.experiment.settings.training import TrainingOverride
from isthmus.experiment.values import (
    PLACES,
    Count,
    Dropout,
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
    TargetName,
    filled,
)


class Checkpoint(Settings):
    """A model that somebody else has trained: of the hub, or in a folder."""

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


class Base(Settings):
    """The model that adapters were trained on."""

    hub: HubId | None = Field(None, description="the model's id on the hub")
    revision: Revision | None = Field(
        None, description="a commit, tag or branch of the hub's repository; pin it"
    )
    folder: Location | None = Field(None, description="a folder in Hugging Face's layout, instead of `hub`")

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


class Adapter(Settings):
    """Low-rank adapters (LoRA, Hu et al. 2021) beside fixed weights, through PEFT."""

    kind: Literal["lora"] = Field(
        "lora", description="`lora`, which adds `alpha / rank * B A` to a layer's weights"
    )
    rank: Annotated[Count, Field(le=100_000)] = Field(8, description="columns of B and rows of A")
    alpha: Annotated[Real, Field(gt=0, le=10**6)] = Field(
        16.0, description="the adapter's scale is `alpha / rank`"
    )
    dropout: Dropout = Field(0.0, description="dropout of what enters the adapters")
    targets: Literal["all-linear"] | list[TargetName] | None = Field(
        None,
        min_length=1,
        description="the layers that get one, by the ends of their names, such as `[query, value]`, or "
        "`all-linear`; by default PEFT's for the architecture",
    )
    rslora: bool = Field(False, description="whether the scale is `alpha / sqrt(rank)` (Kalajdzievski 2023)")
    train_head: bool = Field(
        True,
        description="whether a classifier's head (and a pooler that pre-training did not make) is trained "
        "whole; a language model's own head stays as it is",
    )


class Model(Settings):
    """A pre-trained encoder or decoder: from the hub, from a folder, or pre-trained in the workflow.

    With `checkpoints` it stands for models that are there already, and nothing is trained.
    """

    hub: HubId | None = Field(None, description="the model's id on the hub")
    revision: Revision | None = Field(
        None, description="a commit, tag or branch of the hub's repository; pin it"
    )
    folder: Location | None = Field(None, description="a folder in Hugging Face's layout, instead of `hub`")
    pretraining: Name | None = Field(None, description="a key of `pretraining`, instead of `hub`")
    bodies: list[Name] | None = Field(
        None,
        min_length=2,
        description="other `models` of one architecture and tokenizer, instead of `hub`: the first run "
        "begins from the first of them, the second from the second, and so on in turn",
    )
    checkpoints: list[Checkpoint] | None = Field(
        None,
        description="models of one architecture that others trained, instead of `hub`, to be measured",
    )
    base: Base | None = Field(
        None, description="with `checkpoints` that are adapters in PEFT's layout: the model that they adapt"
    )
    adapter: Adapter | None = Field(
        None, description="train adapters and a head, and keep the model's own weights as they are"
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
        _check_origin(self, ("hub", "folder", "pretraining", "bodies", "checkpoints"))
        if self.bodies and len(set(self.bodies)) < len(self.bodies):
            raise ValueError(f"bodies: found {self.bodies}; allowed: each model once")
        if self.bodies and self.adapter:
            raise ValueError("adapter: allowed: with one body, which is what adapters adapt")
        if self.labels is not None and self.checkpoints is None:
            raise ValueError("labels: only a model with `checkpoints` has them; others take the data set's")
        for key in ("base", "adapter"):
            if getattr(self, key) is not None and (key == "base") != (self.checkpoints is not None):
                allowed = "`base` with `checkpoints`, `adapter` with a model that is trained here"
                raise ValueError(f"{key}: allowed: {allowed}")
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
    def origin(self) -> "Model | Checkpoint | Base":
        """Where configuration and tokenizer come from."""
        return self.base or (self.checkpoints[0] if self.checkpoints else self)

    def origins(self) -> "dict[str, Model | Checkpoint | Base]":
        """All that it is made of, by what begins their keys."""
        named = {f"checkpoints.{number}.": own for number, own in enumerate(self.checkpoints or [])}
        return ({"base.": self.base} if self.base else {}) | (named or {"": self})

    @property
    def adapted(self) -> bool:
        """Whether its checkpoints are adapters."""
        return self.adapter is not None or self.base is not None

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
    adapter: Adapter | None = Field(None, description="as a model's")
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
