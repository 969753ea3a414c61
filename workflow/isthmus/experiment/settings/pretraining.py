"""Settings of pre-training inside the workflow."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from isthmus.experiment.settings.base import Settings
from isthmus.experiment.settings.training import Training
from isthmus.experiment.values import Count, Real, Seed

# 40 GB, and four times as much while it is trained.
MOST_WEIGHTS = 10**10
POSITIONS = 64  # of the small models


class Pretraining(Settings):
    """A small BERT or GPT-2, pre-trained inside the workflow on the toy language: the rungs of a ladder."""

    architecture: Literal["bert", "gpt2"] = Field(
        "bert", description="an encoder, on masked tokens, or a decoder, on next tokens"
    )
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
        for key in ("fork_at", "perturb"):
            if getattr(self.training, key):
                raise ValueError(f"training.{key}: only a fine-tuning has seeds that can part")
        if given := {"every", "checkpoints"} & self.training.model_fields_set:
            raise ValueError(
                f"training.{min(given)}: only a fine-tuning has checkpoints; allowed: rungs, by the "
                "`pretraining_steps` of models or the `steps` of a ladder"
            )
        if self.architecture == "gpt2" and "masked" in self.model_fields_set:
            raise ValueError(f"masked: found {self.masked} for `gpt2`; allowed: only for `bert`")
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
