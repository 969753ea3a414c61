"""What becomes of a barrier off the straight line: the gaps on other paths beside those of the lines.

A barrier of a line may be one between basins, or one of the line alone, round which a curve leads. The means
over the pairs that have another path are compared pair by pair: `barriers.csv`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isthmus import stored
from isthmus.experiment import layout
from isthmus.statistics import connectivity, seeds
from isthmus.statistics.pair_means import MEAN_COLUMNS, CrossFitted, OverPairs, frame_of, mean_over_pairs
from isthmus.statistics.thresholds import FLOOR
from isthmus.statistics.verdicts import OPEN

# What a row is of: the lines of the pairs that have the path, the path itself, the path less the line.
LINE, PATH, CHANGE = "line", "path", "change"
COLUMNS = ["path", "of", "bodies", *MEAN_COLUMNS, "relative_length"]
# The bodies that the two runs of a pair began from; of what others trained that is not known.
SAME, DIFFERENT, UNKNOWN = "same", "different", "not known"
BODIES = {SAME: "one body", DIFFERENT: "two bodies", UNKNOWN: "bodies not known"}
METRICS = ("BH", "CG")
KEYS = ["step", "set", "quantity", "metric"]
NONE, GONE, SMALLER, STAYS = "no barrier on the line", "gone", "smaller", "stays"
WHERE = {layout.ALIGNED: "when aligned"}  # and else: on a curve


@dataclass
class Detours:
    """The other paths of a cell.

    Attributes:
        k: intervals a level of the nested estimators.
        bodies: the model whose body each run began from, where that is known.
        rows: of `metrics.csv`.
    """

    k: int
    bodies: Mapping[int, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    means: dict[tuple, OverPairs] = field(default_factory=lambda: defaultdict(OverPairs))
    lengths: dict[tuple, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, points: pd.DataFrame, gaps: pd.DataFrame, line: pd.DataFrame, line_gaps: pd.DataFrame):
        """Add a path, and the line between the same two checkpoints, as jobs wrote them."""
        name = str(points["path"].iloc[0])
        own = {"path": name, "relative_length": float(points["relative_length"].iloc[0])}
        pair = tuple(int(points[name].iloc[0]) for name in ("seed_a", "seed_b"))
        bodies = self._bodies(*pair)
        self.lengths[name, bodies, int(points["step"].iloc[0])].append(own["relative_length"])
        straight = {_key(row): row for row in connectivity.curve_metrics(line, self.k, line_gaps)}
        for row in connectivity.curve_metrics(points, self.k, gaps):
            samples, gap, before = row.pop("samples"), row.pop("gap"), straight.get(_key(row))
            self.rows.append(row | own)
            if row["metric"] not in METRICS or before is None:  # in a partial report the line may lack a set
                continue
            at = tuple(row[key] for key in KEYS)
            difference = tuple(a - b for a, b in zip(gap, before["gap"], strict=True))
            parts: dict[str, tuple[float, np.ndarray, CrossFitted]] = {
                LINE: (before["value"], before["samples"], before["gap"]),
                PATH: (row["value"], samples, gap),
                CHANGE: (row["value"] - before["value"], samples - before["samples"], difference),
            }
            for of, values in parts.items():
                self.means[(name, of, bodies, *at)].add(pair, *values)
        self.rows += [row | own for row in connectivity.gains(points)]

    def _bodies(self, a: int, b: int) -> str:
        if not {a, b} <= self.bodies.keys():
            return UNKNOWN
        return SAME if self.bodies[a] == self.bodies[b] else DIFFERENT

    def frame(self) -> pd.DataFrame:
        """A row a path, what it is of, which pairs of bodies, step, set, quantity and metric."""
        keys = ["path", "of", "bodies", *KEYS]
        rows = [dict(zip(keys, key, strict=True)) | mean.row() for key, mean in self.means.items()]
        for row in rows:
            row["relative_length"] = float(np.mean(self.lengths[row["path"], row["bodies"], row["step"]]))
        return frame_of(rows, COLUMNS)


def _key(row: Mapping[str, Any]) -> tuple:
    return tuple(row[name] for name in connectivity.GAP_KEYS)


def cell(
    detours: Iterable[tuple[Path, Path]], lines: Mapping[tuple[int, int], tuple[Path, Path]], k: int,
    bodies: Mapping[int, str],
) -> Detours:  # fmt: skip
    """The other paths of a cell.

    Args:
        detours: of each the files of its points and of its cross-fitted gaps.
        lines: the same of the rows of the cell, by step and later seed.
        k, bodies: as of `Detours`.
    """
    found = Detours(k, bodies)
    for files in detours:
        if not all(file.exists() for file in files):  # of a partial report, here and below
            continue
        points, gaps = map(stored.read_frame, files)
        step, a, b = (int(points[name].iloc[0]) for name in ("step", "seed_a", "seed_b"))
        if (step, b) not in lines or not lines[step, b][1].exists():
            continue
        line, line_gaps = map(stored.read_frame, lines[step, b])
        found.add(points, gaps, line[line["seed_a"] == a], line_gaps[line_gaps["seed_a"] == a])
    return found


# --------------------------------------------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Barrier:
    """The gap (CG, test loss) of some pairs on the line and on another path, and what that says.

    Attributes:
        line, path, change: the three as estimates.
        line_above, path_above: the low ends of the cross-fitted gaps' intervals on both.
    """

    line: seeds.Estimate
    path: seeds.Estimate
    change: seeds.Estimate
    line_above: float
    path_above: float

    def in_words(self) -> str:
        """The gap on both, with the widest intervals that are known."""
        shown = {"on the line": self.line, "on the path": self.path}
        said = []
        for where, estimate in shown.items():
            low, high, over = estimate.interval
            ends = f" [{low:.3f}, {high:.3f}] over {over}" if over else ""
            said.append(f"CG {estimate.value:.3f}{ends} {where}")
        return ", ".join(said)

    def verdict(self, negligible: float, path: str) -> str:
        """Whether there is a barrier on the line, and whether it stays on the path.

        Args:
            path: its name.
            negligible: the size from which on a gap matters, in nats.
        """
        (line_low, line_high, _), (path_low, path_high, _) = self.line.interval, self.path.interval
        _, high, _ = self.change.interval
        if line_high < negligible:
            return NONE
        if not (line_low > negligible and self.line_above > negligible):
            return OPEN
        where = WHERE.get(path, "on a curve")
        falls = high < 0 and self.change.value < -FLOOR
        if path_high < negligible and falls:
            return f"{GONE} {where}"
        if not (path_low > negligible and self.path_above > negligible):
            return f"{SMALLER} {where}" if falls else OPEN
        return f"{SMALLER} {where}, but {STAYS}" if falls else STAYS


def barriers(frame: pd.DataFrame) -> dict[tuple[int, str, str], Barrier]:
    """Those of a cell by step, path and bodies.

    Args:
        frame: of `Detours.frame`.
    """
    wanted = (frame["metric"] == "CG") & (frame["set"] == "test") & (frame["quantity"] == "loss")
    found = {}
    for place, rows in frame[wanted].groupby(["step", "path", "bodies"], sort=False):
        by = {row["of"]: row for row in rows.to_dict("records")}
        estimates = [seeds.combined([mean_over_pairs(by[of])], [1.0]) for of in (LINE, PATH, CHANGE)]
        found[place] = Barrier(*estimates, *(by[of]["cross_fitted_low"] for of in (LINE, PATH)))
    return found
