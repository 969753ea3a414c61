"""Settings of fine-tuning: the recipe, and what differs for one model or data set."""

from typing import Annotated, Any, Literal

from pydantic import Field, create_model, model_validator

from isthmus.experiment import wording
from isthmus.experiment.settings.base import Settings
from isthmus.experiment.values import Count, Dropout, Real, Step

VARY = ("head", "order", "dropout")
# Adam divides by 1 - beta**step.
Beta = Annotated[Real, Field(ge=0, le=0.999999)]
# A checkpoint is a file of the model's size, and three jobs.
MOST_CHECKPOINTS = 10_000


class Perturbation(Settings):
    """A Gaussian step in weight space that sets apart seeds that are one run up to there."""

    at: Step = Field(description="updates that all seeds make as one before it")
    scale: Annotated[Real, Field(ge=1e-7, le=10)] = Field(
        description="the step's norm over that of the weights, tensor by tensor"
    )


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
        list(VARY),
        description="what a seed varies: head initialisation (and of an adapter, its A), data order, dropout",
    )
    fork_at: Step = Field(
        0,
        description="updates that all seeds make as one, from one head, before what `vary` names sets them "
        "apart (the instability analysis of Frankle et al. 2020)",
    )
    perturb: Perturbation | None = Field(
        None,
        description="instead of `fork_at`: seeds that are the same but for a Gaussian step in weight space "
        "(Altintas et al. 2025); it wants `vary: []`",
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
        if self.perturb and self.perturb.at >= self.steps:
            raise ValueError(
                f"perturb.at: found {self.perturb.at}; allowed: 0 to {self.steps - 1}, before the schedule's "
                "end (`steps`)"
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
        if self.perturb and (self.vary or self.fork_at):
            found = f"vary: found {self.vary}" if self.vary else f"fork_at: found {self.fork_at}"
            raise ValueError(
                f"{found} beside `perturb`, whose seeds are the same up to its step and but for its step; "
                "allowed: `vary: []`, and no `fork_at`"
            )
        alike = {"head"} if self.fork_at else set()
        if not self.dropout and not self.attention_dropout:
            alike.add("dropout")
        if not set(self.vary) - alike and not self.perturb:
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

    @property
    def shared_steps(self) -> int:
        """The updates that all seeds make as one."""
        return self.perturb.at if self.perturb else self.fork_at

    def recipe(self) -> dict[str, Any]:
        """What the bits of a fine-tuned model depend on: everything but when it is looked at or saved.

        Without a perturbation its key is absent, as it was before there were any: nothing trains again.
        """
        unseen = {"every", "checkpoints", "save_minutes"} | ({"perturb"} if self.perturb is None else set())
        return self.model_dump(exclude=unseen)


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
