"""Settings of what is shown."""

from typing import Annotated

from pydantic import Field

from isthmus.experiment.settings.base import Settings
from isthmus.experiment.values import Name, Real, Seed, Whole


class Negligible(Settings):
    """The gaps that do not matter: seeds whose gap surely lies below are called connected."""

    loss: Annotated[Real, Field(ge=0, le=100)] = Field(
        0.02, description="in nats; 0.02 take 2 % off the probability of the right label"
    )
    error: Annotated[Real, Field(ge=0, le=1)] = Field(
        0.02, description="a share; 2 % of error is where Frankle et al. (2020) put instability"
    )


class Figures(Settings):
    """What the figures show."""

    training_model: Name | None = Field(None, description="the model of Figure 1; by default the last one")
    training_seed: Seed | None = Field(None, description="the seed of Figure 1; by default the first one")
    dpi: Annotated[Whole, Field(ge=50, le=600)] = Field(300, description="dots an inch of the PNG files")


class Report(Settings):
    """What the page shows."""

    texts: bool = Field(
        True, description="whether the examples that make the barriers stand on the page with their texts"
    )
