"""Settings of what is shown."""

from typing import Annotated

from pydantic import Field

from isthmus.experiment.settings.base import Settings
from isthmus.experiment.values import Name, Seed, Whole


class Figures(Settings):
    """What the figures show."""

    training_model: Name | None = Field(None, description="the model of Figure 1; by default the last one")
    training_seed: Seed | None = Field(None, description="the seed of Figure 1; by default the first one")
    dpi: Annotated[Whole, Field(ge=50, le=600)] = Field(150, description="dots an inch of the PNG files")
