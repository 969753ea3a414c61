"""Many seeds of the embedded experiment's cells with a smaller model: a population for `seeds_study.py`.

    python tests/benchmarks/population.py results/population [--seeds 40]

All in one process, since a job's start would cost more than its work; interrupted, it goes on from what the
caches and the journal hold. Writes `metrics.csv` into the folder: CG of the test loss and error for each pair
of seeds at the one step, with the columns that the study reads.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from isthmus import metrics
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.experiment.config import Pretraining as Settings
from isthmus.experiment.config import Training
from isthmus.machine import numerics
from isthmus.measuring.ends import End
from isthmus.measuring.paths import SAMPLER_SET, MeasuredPath
from isthmus.measuring.rows import Resampling, Row
from isthmus.models import architectures, classifiers, hf_folders
from isthmus.space.sampling import Uniform
from isthmus.training.finetuning import finetune
from isthmus.training.pretraining import Pretraining, pretrain, toy_tokenizer
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe, run_seeds

CELLS = [("small-0", "entailment"), ("small-400", "entailment"), ("small-400", "paraphrase")]
LABELS = {
    "entailment": ["entailment", "neutral", "contradiction"],
    "paraphrase": ["not_paraphrase", "paraphrase"],
}
STEPS, TRAIN, TEST = 300, 3000, 400
RECIPE = {"steps": STEPS, "learning_rate": 2e-3, "warmup_steps": 30, "token_budget": 4096}
HOW = numerics.setup(
    {"device": "cpu", "precision": "float32", "attention": "eager", "deterministic": True, "threads": 1}
)


def model(folder: Path, name: str) -> Path:
    """A rung of a small ladder, pre-trained for as many updates as its name says."""
    out, steps = folder / "models" / name, int(name.rpartition("-")[2])
    if not (out / hf_folders.WEIGHTS).exists():
        training = {"steps": 400, "learning_rate": 1e-3, "warmup_steps": 40, "token_budget": 4096}
        settings = Settings(layers=1, width=32, heads=2, rows=4000, training=Training(**training))
        pretrain(
            settings=Pretraining(**settings.model_dump(exclude={"training"})),
            recipe=Recipe(**settings.training.recipe()),
            step=steps,
            numerics=HOW,
            cache=Cache(folder / "state" / "pretraining", frozenset({400}), 10.0),
            out=out,
        )
    return out


def examples(task: str, rows: int, seed: int) -> tokens.Tokens:
    first, second, labels = zip(*toy.examples(task, rows, seed), strict=True)
    ids = np.array([LABELS[task].index(label) for label in labels])
    made = Rows(np.arange(rows), list(first), list(second), ids)
    return tokens.tokenize(toy_tokenizer(), made, list(range(len(LABELS[task]))), 64)


def run(folder: Path, body: Path, task: str, train: Path, seed: int) -> End:
    """The checkpoint of one fine-tuning."""
    start, out = folder / f"seed{seed}" / "step0", folder / f"seed{seed}" / f"step{STEPS}"
    recipe = Training(**RECIPE).recipe()
    if not (out / architectures.RECORD).exists():
        head = run_seeds(seed, recipe["vary"])["head"]
        sha256 = classifiers.initialize(body, LABELS[task], 0, head, start)
        record = {"model": body.name, "dataset": task, "seed": seed, "step": 0, "sha256": sha256}
        record |= architectures.described(start)
        hf_folders.write_record(start / architectures.RECORD, record)
        finetune(
            start=start,
            examples=train,
            recipe=Recipe(**recipe),
            seed=seed,
            previous=0,
            step=STEPS,
            numerics=HOW,
            cache=Cache(folder / "state" / str(seed), frozenset(), 10.0),
            out=out,
        )
    return End.read(seed, out)


def cell(folder: Path, name: str, task: str, seeds: range) -> list[dict]:
    """CG of each pair of seeds."""
    mine = folder / name / task
    train = mine / "train.safetensors"
    mine.mkdir(parents=True, exist_ok=True)
    tokens.write(examples(task, TRAIN, 1), train)
    ends = {seed: run(mine, model(folder, name), task, train, seed) for seed in seeds}
    sets = {SAMPLER_SET: examples(task, TEST, 2)}
    place, rows = {"model": name, "dataset": task, "step": STEPS, "set": SAMPLER_SET, "metric": "CG"}, []
    for b in seeds:
        row = Row(ends[b], None, sets, 8192, HOW, Resampling(0, 0), mine / "journal")
        for a in seeds[: seeds.index(b)]:
            curve = MeasuredPath(row, ends[a]).curve(Uniform(11))
            for quantity in ("loss", "error"):
                values = [getattr(at[SAMPLER_SET], quantity) for at in curve.values()]
                gap = metrics.convexity_gap(list(curve), values).value
                rows.append({**place, "seed_a": a, "seed_b": b, "quantity": quantity, "value": gap})
        print(f"{name} on {task}, seed {b}: {row.engine.measured} measurements", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=40)
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    rows = [row for name, task in CELLS for row in cell(arguments.folder, name, task, seeds)]
    assert len(rows) == 2 * len(CELLS) * len(list(combinations(seeds, 2)))
    pd.DataFrame(rows).to_csv(arguments.folder / "metrics.csv", index=False)


if __name__ == "__main__":
    main()
