"""From a state to a checkpoint: its weights at the declared place, and its segment's history beside them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from torch import Tensor

from isthmus import hashing, stored
from isthmus.machine.failures import naming_full_disk
from isthmus.models import weight_files
from isthmus.training import snapshot
from isthmus.training.schedule import Recipe


def publish(
    state: Path, recipe: Recipe, previous: int, step: int, file: Path,
    of: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] = lambda weights: weights,
) -> str:  # fmt: skip
    """Write a state's weights, and its history from the checkpoint before it on.

    Args:
        state: the file of the run's state at `step`.
        recipe: the run's, for the learning rates.
        previous: the checkpoint before this one.
        step: this one.
        file: of its weights, in its folder.
        of: the checkpoint's weights, of those that the state holds.

    Returns:
        The SHA-256 of the weights.

    Raises:
        errors.DiskFull: there is no room for them.
    """
    (weights, history), out = snapshot.read(state), file.parent
    updates = slice(previous, step)
    columns = {
        "step": np.arange(previous + 1, step + 1),
        "loss": history["loss"][updates],
        "learning_rate": np.array([recipe.rate_at(t) for t in range(previous, step)]),
        "tokens": history["tokens"][updates],
        "seconds": history["seconds"][updates],
    }
    with naming_full_disk(
        f"step {step} could not be published in {out}; its state is kept. Make room, run again"
    ):
        out.mkdir(parents=True, exist_ok=True)
        for leftover in out.glob(f".{file.name}.*.tmp"):  # of killed processes: the run's lock is held
            leftover.unlink(missing_ok=True)
        weight_files.save(of(weights), file)
        stored.write_table(out / "history.parquet", pa.table(columns))
    return hashing.of_file(file)
