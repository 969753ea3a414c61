"""What jobs ask for, and what a plan counts with: no result depends on it."""

from typing import Annotated

from pydantic import Field

from isthmus.experiment.settings.base import Settings
from isthmus.experiment.values import Count, Real, Whole


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
    """What the jobs of the rules that run or read models ask for."""

    pretrain: RuleResources = Field(RuleResources(), description="one rung of a ladder")
    initialize: RuleResources = Field(RuleResources(), description="the step-0 checkpoint of a run")
    finetune: RuleResources = Field(RuleResources(), description="one segment")
    evaluate: RuleResources = Field(RuleResources(), description="one checkpoint")
    interpolate: RuleResources = Field(RuleResources(), description="one row")
    layers: RuleResources = Field(RuleResources(), description="all layers of a pair of runs")
    along: RuleResources = Field(RuleResources(), description="the lines along one run")
    plane: RuleResources = Field(RuleResources(), description="five rows of a plane's grid")
    bend: RuleResources = Field(RuleResources(), description="the bends of a curve")
    curve: RuleResources = Field(RuleResources(), description="the measurements of a curve")
    align: RuleResources = Field(RuleResources(), description="the orders of a run's units")
    aligned: RuleResources = Field(RuleResources(), description="the measurements of an aligned line")
    map: RuleResources = Field(RuleResources(), description="the distances between all checkpoints of a cell")
    average: RuleResources = Field(RuleResources(), description="all averages of a cell at a step")
    examples: RuleResources = Field(
        RuleResources(), description="what each example adds to the gaps of a cell"
    )


class Plan(Settings):
    """What `make plan` counts with. Results do not depend on it."""

    gpus: Annotated[Count, Field(le=10**6)] = Field(1, description="GPUs that run at the same time")
    cores: Annotated[Count, Field(le=10**6)] | None = Field(
        None,
        description="with `device: cpu`, cores that jobs run on, each on `threads` of them; by default those "
        "of this machine",
    )
    tflops: Annotated[Real, Field(ge=1e-6, le=10**6)] | None = Field(
        None,
        description="TFLOP/s that one job really reaches; what was measured in this experiment so far counts "
        "more, what was measured in others less, and a guess least",
    )
