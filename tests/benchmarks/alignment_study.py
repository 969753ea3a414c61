"""How much of the barrier between two pre-trainings is the order of their units, by width and by method.

    python tests/benchmarks/alignment_study.py [--widths 64 128 256] [--seeds 4] [--figure FILE.png]

trains the runs of `experiments/toy_basins.yaml` (two bodies, several fine-tunings) at each width, and
measures CG of the test loss of each pair on the line, and aligned: by activations, by weights and learned
after the fine-tuning, and by activations of the two bodies before it. Some forty minutes on two cores.
Everything is kept in results/bench/alignment/, so that a second call goes on.
"""

import argparse
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from isthmus import metrics
from isthmus.data import tokens
from isthmus.machine import numerics
from isthmus.measuring.aligning import align, write_orders
from isthmus.measuring.detours import Detour
from isthmus.measuring.ends import End
from isthmus.measuring.rows import Resampling
from isthmus.space.sampling import Uniform

ROOT = Path(__file__).resolve().parents[2]
BUDGET, EXAMPLES, ALPHAS, UPDATES = 4096, 1000, 11, 100
# Which checkpoints' units are matched, and by what.
WAYS = {
    "activations": ("activations", "last"),
    "weights": ("weights", "last"),
    "learned": ("learned", "last"),
    "activations, before fine-tuning": ("activations", "first"),
}


def trained(width: int, seeds: int, folder: Path) -> tuple[Path, dict]:
    """The results of the experiment at a width, trained, and its settings."""
    settings = yaml.safe_load((ROOT / "experiments" / "toy_basins.yaml").read_text())
    for pretraining in settings["pretraining"].values():
        pretraining |= {"width": width, "heads": width // 16}
    settings |= {"experiment": f"width{width}", "seeds": list(range(1, seeds + 1))}
    for key in ("curves", "alignment", "planes", "map"):
        settings.pop(key)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"width{width}.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    results = Path("results", settings["experiment"])
    last = settings["training"]["checkpoints"][-1]
    targets = [
        results / f"checkpoints/both/entailment/seed{seed}/step{last}/model.safetensors"
        for seed in settings["seeds"]
    ]
    call = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    call += ["--directory", str(folder), *map(str, targets), "--configfile", str(file)]
    subprocess.run(call, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    return folder / results, settings


def gap(a: End, b: End, examples: tokens.Tokens, computing, journal: Path) -> float:
    """CG of the line from one checkpoint to another."""
    detour = Detour("polychain", [a, b], {"test": examples}, BUDGET, computing, Resampling(0, 0), journal)
    curve = detour.curve(Uniform(ALPHAS))
    return float(metrics.convexity_gap(list(curve), [at["test"].loss for at in curve.values()]).value)


def measured(width: int, seeds: int, folder: Path) -> list[dict]:
    """A row a pair and way."""
    results, settings = trained(width, seeds, folder)
    computing = numerics.setup(
        {"device": "cpu", "precision": "float32", "attention": "auto", "threads": 2, "deterministic": True}
    )
    train, test = (
        tokens.read(results / f"tokens/both/entailment/{part}.safetensors") for part in ("train", "test")
    )
    last, rows = settings["training"]["checkpoints"][-1], []

    def end(seed: int, step: int) -> End:
        return End.read(seed, results / f"checkpoints/both/entailment/seed{seed}/step{step}")

    for a, b in combinations(settings["seeds"], 2):
        own = {"width": width, "seed_a": a, "seed_b": b, "bodies": 1 if (b - a) % 2 == 0 else 2}
        journal = folder / "journal" / f"{width}-{a}-{b}"
        plain = gap(end(a, last), end(b, last), test, computing, journal)
        rows.append(own | {"way": "line", "gap": plain, "moved": {}})
        for way, (method, when) in WAYS.items():
            step = last if when == "last" else 0
            found = align(end(a, step), end(b, step), train, EXAMPLES, method, 0, computing, BUDGET, UPDATES)
            orders = folder / f"{width}-{a}-{b}-{method}-{step}.safetensors"
            write_orders(found.orders, orders)
            value = gap(end(a, last), end(b, last).aligned(orders), test, computing, journal)
            rows.append(own | {"way": way, "gap": value, "moved": found.moved})
        print(*(f"{row['way']} {row['gap']:.3f}" for row in rows[-len(WAYS) - 1 :]), own, flush=True)
    return rows


def draw(frame: pd.DataFrame, path: Path) -> None:
    """A panel for pairs of one body and one for pairs of two: CG against the width, a line a way."""
    import matplotlib
    from isthmus.showing import drawing

    matplotlib.use("Agg")
    with matplotlib.rc_context(drawing.RC):
        figure, axes = drawing.panels(2)
        for axis, (bodies, part) in zip(axes, frame.groupby("bodies"), strict=True):
            for index, (way, own) in enumerate(part.groupby("way", sort=False)):
                stats = own.groupby("width")["gap"].agg(["mean", "min", "max"])
                look = drawing.look(drawing.MODEL_COLOURS, index)
                axis.plot(stats.index, stats["mean"], **look, label=way)
                axis.fill_between(stats.index, stats["min"], stats["max"], color=look["color"], alpha=0.15)
            axis.set(title=f"pairs of {'one body' if bodies == 1 else 'two bodies'}")
            axis.set(xlabel="width of the residual stream", ylabel="CG, test loss (nats)")
            axis.set_xscale("log", base=2)
            widths = sorted(frame["width"].unique())
            axis.set_xticks(widths, [str(width) for width in widths])
        drawing.finish(figure)
        figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", nargs="+", type=int, default=[64, 128, 256])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench" / "alignment")
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    rows = [row for width in asked.widths for row in measured(width, asked.seeds, asked.out)]
    frame = pd.DataFrame(rows)
    frame.assign(moved=frame["moved"].map(json.dumps)).to_csv(asked.out / "alignment.csv", index=False)
    print(frame.groupby(["width", "bodies", "way"], sort=False)["gap"].agg(["mean", "min", "max"]).round(3))
    moved = pd.DataFrame(list(frame["moved"])).assign(**frame[["width", "bodies", "way"]])
    print(moved.groupby(["width", "bodies", "way"], sort=False).mean().round(2).to_string())
    if asked.figure:
        draw(frame, asked.figure)


if __name__ == "__main__":
    main()
