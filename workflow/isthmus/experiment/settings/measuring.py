"""Settings of measuring: on which examples, at which points, and how runs are grouped."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from isthmus.experiment import wording
from isthmus.experiment.settings.base import Settings
from isthmus.experiment.settings.training import Training
from isthmus.experiment.values import Count, Dropout, Name, Real, Run, Seed, Step, Whole

Corner = tuple[Run, Literal["last"] | Step]  # of a plane


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
        1000,
        description="bootstrap replicates over the evaluation examples; 0 for no intervals over them, "
        "and no word on whether runs are connected",
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
    weights: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="the type of the weights of the models that are measured, at checkpoints and between: "
        "`bfloat16` takes half the memory, and rounds each combination once",
    )
    spaces: list[Literal["merged", "factors"]] = Field(
        ["merged"],
        description="of models with adapters: the lines between the weights with adapters `merged`, "
        "and between the adapters' own `factors` A and B, another path between the same models",
    )
    along: bool = Field(
        False, description="whether the lines between each checkpoint of a run and its last are measured too"
    )

    @field_validator("spaces")
    @classmethod
    def _with_merged(cls, spaces):
        if "merged" not in spaces or len(set(spaces)) < len(spaces):
            raise ValueError(f"found {spaces}; allowed: `[merged]` or `[merged, factors]`")
        return spaces

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
        return self.model_dump(exclude={"points", "along", "spaces", "weights"})


class Averages(Settings):
    """Where runs of a cell are averaged: all of them, and choices of fewer."""

    at: Literal["last", "all"] | list[Step] = Field(
        "last", description="the steps: the `last` one, `all`, or a list; `[]` for none"
    )
    greedy: bool = Field(
        True,
        description="whether to make the greedy soup too: of N runs it costs 2 (N - 1) evaluations at most",
    )

    @model_validator(mode="after")
    def _once(self):
        if isinstance(self.at, list) and len(set(self.at)) < len(self.at):
            raise ValueError(f"at: found {wording.short(self.at)}; allowed: each step once")
        return self


class Layers(Settings):
    """Lines between two runs in some of their tensors: embeddings, each block, the head."""

    pairs: Literal["all", "first"] | list[tuple[Run, Run]] = Field(
        "first", description="the pairs of runs, as `pairs` of the experiment"
    )
    at: Literal["last", "all"] | list[Step] = Field("last", description="the steps, as in `averages`")
    groups: Literal["blocks", "halves"] | dict[Name, list[str]] = Field(
        "blocks",
        description="`blocks`, or `halves`: attention and feed-forward of each apart; or groups of your own, "
        "each with patterns of tensors' names, such as `{queries: ['*.query.*']}`",
    )
    alphas: Annotated[Whole, Field(ge=3, le=1001)] = Field(11, description="equally spaced ones of a line")
    cache_mb: Annotated[Whole, Field(ge=0, le=10**6)] = Field(
        2000,
        description="memory for activations that are computed before the first tensor that moves; changes "
        "no bits",
    )

    @field_validator("groups", mode="before")
    @classmethod
    def _lists(cls, groups):
        if isinstance(groups, dict):
            for name, patterns in groups.items():
                if isinstance(patterns, str):
                    raise ValueError(
                        f"{name}: found {patterns!r}; allowed: a list of patterns of tensors' names"
                    )
        return groups

    @model_validator(mode="after")
    def _patterns(self):
        if isinstance(self.groups, dict):
            if not self.groups:
                raise ValueError("groups: found {}; allowed: one or more groups, or `blocks`, or `halves`")
            known: dict[tuple, str] = {}
            for name, patterns in self.groups.items():
                if (other := known.setdefault(tuple(sorted(patterns)), name)) != name:
                    raise ValueError(
                        f"groups.{name}: found the patterns of {other}; allowed: groups that differ"
                    )
                if any(set(pattern) == {"*"} for pattern in patterns):
                    raise ValueError(
                        f"groups.{name}: found {wording.short(patterns)}, which match all tensors; allowed: "
                        "patterns that match some, such as '*.query.*'"
                    )
                if not patterns or not all(patterns) or "|" in "".join(patterns):
                    raise ValueError(
                        f"groups.{name}: found {wording.short(patterns)}; allowed: one or more patterns of "
                        "tensors' names, such as '*.query.*'"
                    )
        return self


class Curve(Settings):
    """A curved path between two runs, whose bends are trained: the loss along it is made small."""

    kind: Literal["bezier", "polychain"] = Field(
        "bezier",
        description="a Bézier curve, drawn towards its bends, or straight lines from bend to bend",
    )
    bends: Annotated[Whole, Field(ge=1, le=2)] = Field(1, description="trained points between the two ends")
    steps: Count | None = Field(None, description="updates; by default as many as the cell's recipe has")
    learning_rate: Annotated[Real, Field(ge=1e-12, le=100)] | None = Field(
        None, description="the highest learning rate; by default the recipe's"
    )
    dropout: Dropout | None = Field(
        None, description="dropout while bends are trained, also of attention; by default the recipe's"
    )
    pairs: Literal["all", "first"] | list[tuple[Run, Run]] = Field(
        "first", description="the pairs of runs, as `pairs` of the experiment and some of these"
    )
    at: Literal["last"] | list[Step] = Field("last", description="the steps, as in `averages`")

    @property
    def name(self) -> str:
        """What its paths are called."""
        return self.kind if self.bends == 1 else f"{self.kind}-{self.bends}"

    def recipe(self, training: Training) -> dict[str, Any]:
        """A cell's recipe as bends are trained with: its warm-up in proportion, and no seeds of its own."""
        recipe = training.recipe()
        steps = self.steps or recipe["steps"]
        own = {"steps": steps, "warmup_steps": recipe["warmup_steps"] * steps // recipe["steps"]}
        own |= {"vary": [], "fork_at": 0, "perturb": None}
        if self.learning_rate is not None:
            own["learning_rate"] = self.learning_rate
        if self.dropout is not None:
            own |= {"dropout": self.dropout, "attention_dropout": self.dropout}
        return recipe | own


class Alignment(Settings):
    """Orders of the units of the second of two runs, in which it is most like the first."""

    method: Literal["activations", "weights", "learned"] = Field(
        "activations",
        description="how alike two units are: how their `activations` correlate on training examples, or "
        "their `weights`; or `learned` from the first, so that the loss in the middle of the line is small",
    )
    examples: Count = Field(1000, description="training examples at most, of `activations` and `learned`")
    updates: Count = Field(100, description="of `learned`")
    seed: Seed = Field(0, description="of that draw, and of the order in which `weights` are matched")
    pairs: Literal["all", "first"] | list[tuple[Run, Run]] = Field(
        "first", description="the pairs of runs, as in `curves`"
    )
    at: Literal["last"] | list[Step] = Field("last", description="the steps, as in `averages`")


class Plane(Settings):
    """The plane through three checkpoints of a cell."""

    seeds: Literal["first"] | tuple[Run, Run, Run] | None = Field(
        None,
        description="three runs, at one step, or the `first` three of each cell that has three; or `through`",
    )
    step: Literal["last"] | Step = Field("last", description="that of the three runs")
    through: tuple[Corner, Corner, Corner] | None = Field(
        None,
        description="in the place of `seeds`: three `[run, step]`, where `last` is a step too",
    )
    curve: Literal["bezier", "polychain"] | None = Field(
        None,
        description="in the place of `seeds`: the ends and the bend of this one of the `curves`, of its "
        "first pair of each cell",
    )
    resolution: Annotated[Whole, Field(ge=3, le=501)] = Field(15, description="points along each axis")
    margin: Annotated[Real, Field(ge=0, le=10)] = Field(
        0.2, description="around the three, as a share of their span"
    )
    examples: Count = Field(1000, description="of the test part, at most")

    @model_validator(mode="after")
    def _three(self):
        if sum(given is not None for given in (self.seeds, self.through, self.curve)) != 1:
            raise ValueError(
                "allowed: one of `seeds` (three runs), `through` (three [run, step]) and `curve` (its ends "
                "and its bend)"
            )
        if self.seeds is None and "step" in self.model_fields_set:
            beside = "through" if self.through else "curve"
            raise ValueError(f"step: found beside `{beside}`, whose checkpoints have steps of their own")
        return self

    def corners(self, runs: list[str]) -> list[Corner]:
        """The three as (run, step), in a cell that has these runs; none where too few, or a curve's."""
        if self.curve:
            return []
        if self.through:
            return list(self.through)
        seeds = runs[:3] if self.seeds == "first" else self.seeds
        return [(seed, self.step) for seed in seeds] if len(seeds) == 3 else []


class Basins(Settings):
    """How runs are grouped by the gaps between them."""

    linkage: Literal["average", "complete", "single"] = Field(
        "average", description="how the clustering joins groups of runs"
    )
    cut: Annotated[Real, Field(gt=0, le=1000)] | None = Field(
        None,
        description="where the tree is cut, in nats; by default where the silhouette is largest and clear",
    )
