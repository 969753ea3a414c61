"""What every group of settings shares."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of every group of settings: unknown keys are errors, values are never changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
