"""Curves of finished experiments, measured finely: for the studies, and to judge the alphas of real paths.

    python tests/benchmarks/measured.py curves results/mini [results/another ...] [--points 201]
    python tests/benchmarks/measured.py population results/mini [--examples 40000]

`curves` measures each path after step 0 at equally spaced alphas on its test set. It writes an npz file a
cell for `sampler_study.py --curves` and prints how many alphas the workflow took, beside the smallest uniform
grid from which on all are right. `population` makes that many examples of each cell of the toy language and
writes their losses at the alphas of the last step's first path, for `coverage_study.py --losses`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from isthmus import metrics
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.machine import numerics
from isthmus.measuring.live import LiveModel
from isthmus.models import classifiers, hf_folders, tokenizing
from isthmus.space import sampling
from isthmus.space.anchors import mapped
from isthmus.space.geometries import Line
from isthmus.tasks.classification import Placed

KEYS = ["model", "dataset", "step", "seed_a", "seed_b"]
GRIDS, TOLERANCE, BUDGET = (11, 21, 51, 101, 201), 1e-3, 1024


@dataclass(frozen=True)
class Measured:
    """A path of finished results: its ends and the alphas at which the workflow measured it."""

    results: Path
    model: str
    dataset: str
    step: int
    seeds: tuple[int, int]
    curve: dict[float, float]

    @property
    def ends(self) -> list[Path]:
        runs = self.results / "checkpoints" / self.model / self.dataset
        return [runs / f"seed{seed}" / f"step{self.step}" for seed in self.seeds]

    def mover(self, how: numerics.Numerics) -> Callable[[float], Any]:
        """Gives the model at an alpha."""
        live = LiveModel(classifiers.open_classifier(self.ends[0], attention=how.attention))
        weights = {end: mapped(end / hf_folders.WEIGHTS) for end in self.ends}
        line = Line(*self.ends)
        return lambda alpha: live.move(line.at(alpha), weights)


def finished(results: Path) -> Iterator[Measured]:
    """All paths after step 0."""
    for file in sorted((results / "paths").glob("*/*/step*/seed*.parquet")):
        if file.name.endswith((".pairs.parquet", ".gaps.parquet")) or file.parent.name == "step0":
            continue
        points = pd.read_parquet(file, columns=[*KEYS, "set", "alpha", "loss"])
        points = points[points["set"] == "test"].sort_values("alpha")
        for (model, dataset, step, *seeds), part in points.groupby(KEYS):
            curve = dict(zip(part["alpha"], part["loss"], strict=True))
            yield Measured(results, model, dataset, step, tuple(seeds), curve)


def losses(path: Measured, examples: tokens.Tokens, alphas, how: numerics.Numerics) -> np.ndarray:
    """Each example's loss at each alpha, shape (alphas, examples)."""
    move = path.mover(how)
    placed = Placed(examples, BUDGET, hf_folders.pad_token(path.ends[0]), how)
    return np.array([placed.measure(move(alpha))["losses"] for alpha in alphas])


def enough(fine: dict[float, float], adaptive: dict[float, float]) -> tuple[float, float]:
    """The smallest uniform grid from which on all are right (or infinity), and the adaptive alphas' error."""
    both = fine | adaptive

    def gap(alphas) -> float:
        return metrics.convexity_gap(alphas, [both[alpha] for alpha in alphas]).value

    truth = gap(sorted(both))
    right = [abs(gap(sampling.uniform(points)) - truth) <= TOLERANCE for points in GRIDS]
    smallest = next((points for i, points in enumerate(GRIDS) if all(right[i:])), np.inf)
    return smallest, abs(gap(sorted(adaptive)) - truth)


def curves(results: list[Path], points: int, out: Path, how: numerics.Numerics) -> pd.DataFrame:
    """A row a path; an npz file a cell."""
    grid, rows, columns = sampling.uniform(points), [], {}
    for path in (path for folder in results for path in finished(folder)):
        examples = tokens.read(path.results / "tokens" / path.model / path.dataset / "test.safetensors")
        found = losses(path, examples, grid, how).mean(axis=1)
        smallest, error = enough(dict(zip(grid, found.tolist(), strict=True)), path.curve)
        name = f"{path.results.name}, {path.model} on {path.dataset}"
        columns.setdefault(name, []).append(found)
        row = {"cell": name, "step": path.step, "seeds": "{} {}".format(*path.seeds)}
        row |= {"alphas": len(path.curve), "enough": smallest, "over": len(path.curve) - smallest}
        rows.append(row | {"CG error": f"{error:.1e}"})
        print(rows[-1], file=sys.stderr, flush=True)
    for name, found in columns.items():
        file = out / f"{name.replace(', ', '-').replace(' on ', '-')}.npz"
        np.savez(file, alphas=np.array(grid), losses=np.array(found).T)
    return pd.DataFrame(rows)


def population(results: Path, examples: int, out: Path, how: numerics.Numerics) -> None:
    """The losses of many examples on one path of each cell whose data set is the toy language."""
    last: dict[tuple[str, str], Measured] = {}
    for path in finished(results):
        cell = path.model, path.dataset
        if cell not in last or path.step > last[cell].step:
            last[cell] = path
    for (model, dataset), path in last.items():
        record = json.loads((results / "data" / dataset / "subset.json").read_text())
        if record["source"]["kind"] != "toy":
            continue
        task = record["source"]["task"]
        first, second, labels = zip(*toy.examples(task, examples, 10_000), strict=True)
        numbers = json.loads((path.ends[0] / "config.json").read_text())["label2id"]
        names = sorted(numbers, key=numbers.get)
        rows = Rows(np.arange(examples), list(first), list(second), np.array([*map(names.index, labels)]))
        tokenizer = tokenizing.open_tokenizer(results / "models" / model)
        made = tokens.tokenize(tokenizer, rows, [*range(len(names))], 128)
        alphas = np.array(sorted(path.curve))
        found = losses(path, made, alphas, how)
        np.savez(out / f"population-{model}-{dataset}.npz", alphas=alphas, losses=found)


def markdown(frame: pd.DataFrame) -> str:
    """The table of real paths, and their median beside it."""
    lines = [list(frame), ["---"] * len(frame.columns), *frame.astype(str).to_numpy().tolist()]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    over = frame["over"]
    return (
        f"{table}\n\nMedian of alphas less enough: {over.median():.0f} (allowed 2); paths above: "
        f"{(over > 2).sum()} of {len(over)}; most alphas on a path: {frame['alphas'].max()}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["curves", "population"])
    parser.add_argument("results", type=Path, nargs="+", help="folders of finished experiments")
    parser.add_argument("--points", type=int, default=201, help="of the fine grid")
    parser.add_argument("--examples", type=int, default=40_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    asked = parser.parse_args()
    settings = {"device": "cpu", "precision": "float32", "attention": "auto", "deterministic": True}
    how = numerics.setup({**settings, "threads": asked.threads})
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.what == "curves":
        text = markdown(curves(asked.results, asked.points, asked.out, how))
        (asked.out / "real_paths.md").write_text(text + "\n", encoding="utf-8")
        print(text)
    for folder in asked.results if asked.what == "population" else []:
        population(folder, asked.examples, asked.out, how)


if __name__ == "__main__":
    main()
