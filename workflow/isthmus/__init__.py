"""Isthmus: how linearly connected are fine-tuned language models?

The library knows nothing of Snakemake. Each module is one concept; see `docs/design.md` for the map. Those
that other programs are meant to use are its doors (docs/building_on.md):

- `isthmus.metrics`: barrier height, convexity gap and the nested estimator of a measured curve
- `isthmus.sampling`: where to measure next, for a loss function of your own
- `isthmus.results`: the results of an experiment as frames, checked
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"
DOORS = ("metrics", "results", "sampling")


def __getattr__(name: str) -> ModuleType:
    """A door is imported when it is asked for: reading the workflow must not wait for NumPy and pandas."""
    if name in DOORS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; allowed: {', '.join(DOORS)}")
