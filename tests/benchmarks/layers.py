"""Seconds for the lines in each group of tensors alone, beside evaluating the whole model at each point.

    python tests/benchmarks/layers.py [--pairs 100] [--alphas 11] [--threads 2] [--out results/bench]

Both take turns, group by group, on the same points; losses must agree to 1e-5. Where ISTHMUS_MODEL (a model
folder) and ISTHMUS_DATA (a folder with paws_qqp/dev.tsv) are set, the weights and pairs are real.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import pandas as pd
import paths
from isthmus import hashing, stored
from isthmus.data import tokens
from isthmus.machine import numerics
from isthmus.measuring.ends import End
from isthmus.measuring.layering import LayeredPair, parts
from isthmus.models import hf_folders, tokenizing
from isthmus.space.groups import in_order
from isthmus.space.sampling import uniform

KEPT, WHOLE = "what does not move computed once", "the whole model at each point"


def measure(asked: argparse.Namespace, folder: Path) -> tuple[pd.DataFrame, float]:
    """Seconds of each group's two lines in both ways, and the largest difference of two mean losses."""
    how = numerics.setup({"device": "cpu", "precision": "float32", "attention": "eager",
                          "threads": asked.threads, "deterministic": True})  # fmt: skip
    source, rows, _ = paths.subject(folder, asked.pairs)
    ends = []
    for seed in (1, 2):
        end = paths.checkpoint(source, seed, folder / f"seed{seed}")
        record = {"seed": seed, "sha256": hashing.of_file(end / hf_folders.WEIGHTS)}
        stored.write_json(end / "checkpoint.json", record)
        ends.append(End.read(seed, end))
    made = tokens.tokenize(tokenizing.open_tokenizer(source), rows, [0, 1], paths.PADDED)
    sides = {
        name: LayeredPair(*ends, {"test": made}, paths.BUDGET, how, folder / name, cache)
        for name, cache in ((KEPT, 2**31), (WHOLE, 0))
    }
    alphas, found, apart = uniform(asked.alphas)[1:], [], 0.0  # the ends are known from evaluations
    for part in parts(in_order(sides[KEPT].engine.live.moving), cumulative=False):
        losses: dict[str, list[float]] = {}
        spent = {"group": part.group}
        for name, side in sides.items():
            said = losses[name] = []
            began = time.perf_counter()
            for start in (side.a, side.b):
                side.curve(part, start, alphas, lambda _, alpha, record, said=said: said.append(record.loss))
            spent[name] = time.perf_counter() - began
        apart = max(apart, float(np.abs(np.subtract(*losses.values())).max()))
        found.append(spent)
        print(spent, flush=True)
    return pd.DataFrame(found), apart


def main(argv: list[str] | None = None) -> float:
    """Measure and write `layers.md`; how many times faster all groups together are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--alphas", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        table, apart = measure(asked, Path(temporary))
    if apart > 1e-5:
        raise SystemExit(f"mean losses of the two ways differ by {apart:.1e}; allowed: 1e-5")
    faster = table[WHOLE].sum() / table[KEPT].sum()
    said = f"All groups: {table[WHOLE].sum():.1f} s and {table[KEPT].sum():.1f} s, {faster:.2f} times faster."
    asked.out.mkdir(parents=True, exist_ok=True)
    text = (
        f"{table.to_markdown(index=False, floatfmt='.2f')}\n\n{said} Losses differ by {apart:.1e} at most.\n"
    )
    (asked.out / "layers.md").write_text(text, encoding="utf-8")
    print(text)
    return float(faster)


if __name__ == "__main__":
    main()
