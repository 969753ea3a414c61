"""The results of an experiment as frames: the tidy files and the measured paths, checked as they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from isthmus import stored
from isthmus.bootstrap import percentile_interval
from isthmus.errors import ConfigError
from isthmus.experiment import layout, outputs
from isthmus.statistics import tidy

_POINTS = ["model", "dataset", "step", "seed_a", "seed_b", "set", "alpha", "loss", "error", "n"]
_FOLDER = "the folder of an experiment that was run, such as results/mini"


@dataclass(frozen=True)
class Results:
    """What `read` found.

    Attributes:
        folder: of the results.
        frames: the tidy files by their names without `.csv`; README.md says what their columns mean. Losses
            are in nats, errors are shares.
    """

    folder: Path
    frames: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        """A tidy file, such as `metrics` or `means`. KeyError: there is none of that name."""
        if name not in self.frames:
            raise KeyError(f"{self.folder}: found no {name}.csv; allowed: {', '.join(self.frames)}")
        return self.frames[name]

    def paths(self) -> pd.DataFrame:
        """Every measured point of every line between two seeds, without intervals.

        Columns: `model, dataset, step, seed_a, seed_b, set, alpha, loss, error, n`; `n` counts evaluation
        units. Sorted by all of these, up to `alpha`.

        Raises:
            errors.Damaged: a file is not what was written.
        """
        frames = [stored.read_frame(file, columns=_POINTS) for file in self._rows()]
        points = pd.concat(frames) if frames else pd.DataFrame(columns=_POINTS)
        return _plain(points).sort_values(_POINTS[:7], ignore_index=True)

    def path(
        self, model: str, dataset: str, step: int, seeds: tuple[int, int], set: str = "test"
    ) -> pd.DataFrame:
        """The line between two seeds' checkpoints at one step, on one set, with rising `alpha`.

        Columns: `alpha, loss, error, n`, and the ends of the 95 % intervals over evaluation units, `loss_low,
        loss_high, error_low, error_high`. At alpha 0 stands the first seed, at 1 the second.

        Raises:
            ConfigError: no such path was measured; the message says which were.
            errors.Damaged: the file is not what was written.
        """
        first, second = seeds
        row = layout.filled(layout.ROW, model=model, dataset=dataset, step=step, seed=second)
        if self.folder / row not in self._rows():
            raise ConfigError(self._no_path(row))
        points = _plain(stored.read_frame(self.folder / row, filters=[("seed_a", "==", first)]))
        if points.empty:
            raise ConfigError(f"seeds: found {seeds}; allowed: {self._pairs(row)} of {self.folder / row}")
        chosen = points[points["set"] == set].sort_values("alpha", ignore_index=True)
        if chosen.empty:
            known = ", ".join(dict.fromkeys(points["set"]))
            raise ConfigError(f"set: found {set!r}; allowed: {known}, as in {self.folder / row}")
        kept = chosen[["alpha", "loss", "error", "n"]].copy()
        for name in ("loss", "error"):
            replicates = np.stack(chosen[f"{name}_replicates"].to_list())
            known = np.isfinite(replicates).all()  # errors may not be: see `tasks.record`
            ends = percentile_interval(replicates) if known else (np.nan, np.nan)
            kept[f"{name}_low"], kept[f"{name}_high"] = ends
        return kept

    def _rows(self) -> list[Path]:
        """The files of the rows that `metrics.csv` is of; those of earlier settings may lie beside them."""
        of = self["metrics"][["model", "dataset", "step", "seed_b"]].drop_duplicates()
        names = of.rename(columns={"seed_b": "seed"}).to_dict("records")
        files = {self.folder / layout.filled(layout.ROW, **row) for row in names}
        return sorted(file for file in files if file.is_file())

    def _no_path(self, row: str) -> str:
        """What is said where the file of a row is not there: those that are."""
        known = [str(path.relative_to(self.folder)) for path in self._rows()]
        more = f" and {len(known) - 20} more" if len(known) > 20 else ""
        return f"{self.folder}: found no {row}; allowed: {', '.join(known[:20]) or 'none is there'}{more}"

    def _pairs(self, row: str) -> str:
        pairs = stored.read_frame(self.folder / row, columns=["seed_a", "seed_b"]).drop_duplicates()
        return ", ".join(f"({a}, {b})" for a, b in pairs.itertuples(index=False))


def read(folder: str | Path) -> Results:
    """The results of an experiment, each tidy file checked against `SHA256SUMS` beside it.

    Args:
        folder: `results/<experiment>` of a run that has ended.

    Raises:
        ConfigError: the folder holds no results, or a file that is not listed.
        errors.Damaged: a file is not what was written: damaged, or saved by another program.
    """
    folder = Path(folder)
    names = [name for name in (*outputs.TIDY, *outputs.STATEMENTS) if (folder / f"{name}.csv").is_file()]
    if "metrics" not in names:
        found = "no metrics.csv in it" if folder.is_dir() else "no such folder"
        raise ConfigError(f"{folder}: found {found}; allowed: {_FOLDER}")
    listed = stored.listed(folder)
    if unlisted := [f"{name}.csv" for name in names if f"{name}.csv" not in listed]:
        raise ConfigError(
            f"{folder / stored.SUMS}: found nothing of {', '.join(unlisted)}, which cannot be checked; "
            f"allowed: {_FOLDER}"
        )
    return Results(folder, {name: tidy.read(folder / f"{name}.csv") for name in names})


def _plain(points: pd.DataFrame) -> pd.DataFrame:
    """Names as text: the files have them as categories."""
    return points.astype(dict.fromkeys(("model", "dataset", "set"), str))
