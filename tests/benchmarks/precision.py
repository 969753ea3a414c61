"""What a cheaper precision does to BH and CG: finished paths are measured again at the same alphas.

    python tests/benchmarks/precision.py results/mini [results/another ...]

Prints a Markdown table: per cell the largest difference of BH and CG from float32 over all paths, of the mean
test cross-entropy. `tf32` is float32 on a CPU, so it is measured where there is a GPU.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import torch
from isthmus import metrics
from isthmus.data import tokens
from isthmus.machine import numerics
from isthmus.measuring.live import LiveModel
from isthmus.models import classifiers, hf_folders
from isthmus.space.anchors import hold
from isthmus.space.geometries import Line
from isthmus.tasks.classification import Placed

BUDGET = 1024


def curve(
    checkpoints: Path, step: int, seeds: tuple[int, int], examples, alphas, precision: str
) -> list[float]:
    """The mean test loss at each alpha."""
    settings = {
        "device": "auto",
        "precision": precision,
        "attention": "auto",
        "threads": 2,
        "deterministic": True,
    }
    how = numerics.setup(settings)
    folders = [checkpoints / f"seed{seed}" / f"step{step}" for seed in seeds]
    live = LiveModel(classifiers.open_classifier(folders[0], attention=how.attention).to(how.device))
    weights = {folder: hold(folder / hf_folders.WEIGHTS, how) for folder in folders}
    line = Line(*folders)
    placed = Placed(examples, BUDGET, hf_folders.pad_token(folders[0]), how)
    return [float(placed.measure(live.move(line.at(alpha), weights))["losses"].mean()) for alpha in alphas]


def compare(results: Path, precisions: list[str]) -> list[dict]:
    """A row a cell and precision."""
    rows = []
    for cell in sorted((results / "connectivity").glob("*/*.parquet")):
        if cell.name.endswith((".deltas.parquet", ".means.parquet", ".basins.parquet")):
            continue
        model, dataset = cell.parent.name, cell.stem
        examples = tokens.read(results / "tokens" / model / dataset / "test.safetensors")
        differences = {precision: [] for precision in precisions}
        for path in sorted((results / "paths" / model / dataset).glob("step*/seed*.parquet")):
            if path.name.endswith((".pairs.parquet", ".gaps.parquet")):
                continue
            points = pd.read_parquet(path, columns=["seed_a", "seed_b", "set", "alpha"])
            points = points[points["set"] == "test"]
            for seeds, part in points.groupby(["seed_a", "seed_b"]):
                step = int(path.parent.name.removeprefix("step"))
                alphas = np.sort(part["alpha"].to_numpy())
                place = results / "checkpoints" / model / dataset
                curves = {p: curve(place, step, seeds, examples, alphas, p) for p in ["float32", *precisions]}
                for precision in precisions:
                    differences[precision].append(
                        [
                            abs(gap(alphas, curves[precision]).value - gap(alphas, curves["float32"]).value)
                            for gap in (metrics.barrier_height, metrics.convexity_gap)
                        ]
                    )
        for precision, found in differences.items():
            bh, cg = np.max(found, axis=0)
            row = {"experiment": results.name, "model": model, "dataset": dataset, "precision": precision}
            rows.append({**row, "paths": len(found), "max |BH error|": bh, "max |CG error|": cg})
    return rows


def main(argv: list[str]) -> None:
    precisions = ["bfloat16", "tf32"] if torch.cuda.is_available() else ["bfloat16"]
    rows = [row for folder in argv for row in compare(Path(folder), precisions)]
    print("| " + " | ".join(rows[0]) + " |")
    print("| " + " | ".join("---" for _ in rows[0]) + " |")
    for row in rows:
        print("| " + " | ".join(f"{v:.1e}" if isinstance(v, float) else str(v) for v in row.values()) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
