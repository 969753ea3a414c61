"""Settings of measuring: on which examples, at which points, and how runs are grouped."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from isthmus.experiment.settings.base import Settings
from isthmus.experiment.values import Count, Real, Seed, Whole


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
