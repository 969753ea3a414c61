"""Updates and alphas a second on a GPU, beside the Trainer and the habit: what `gpu.sh` calls.

    python tests/benchmarks/gpu.py [--shapes bert-base roberta-large] [--out results/bench]

Models have random weights, examples random tokens with the lengths of PAWS's question pairs (median 39,
5 % under 21 and over 69). Each precision is measured on all sides in turn: an update with dropout against
Hugging Face's Trainer (padded to 128, and to a batch's longest), an alpha against today's habit (a state
dict rebuilt and loaded into a model opened anew, batches of 32 padded to 128) and against the same with one
model and dynamic padding. Shares are of the card's rate at a product of 8192 x 8192 matrices, by the
operations that useful tokens need. Writes `gpu.md` and `gpu.csv`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine import computing, numerics
from isthmus.measuring.live import LiveModel
from isthmus.models import hf_folders, weight_files
from isthmus.space.anchors import hold
from isthmus.space.geometries import Line
from isthmus.tasks.classification import Classification
from isthmus.training.pretraining import toy_tokenizer
from torch.nn import functional
from training import BATCH, Ours, Subject, Theirs, Work, finished, machine
from transformers import AutoModelForSequenceClassification, BertConfig, RobertaConfig

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
SHAPES = {
    "bert-base": BertConfig(),
    "roberta-large": RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, **LARGE),
    "tiny": BertConfig(vocab_size=500, **TINY),  # to try this script
}
PRECISIONS = {"float32": False, "tf32": False, "bfloat16": True}  # what the Trainer calls bf16
# What shares of examples are at most how long (PAWS's question pairs, BERT's tokens).
LENGTHS = ([0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1], [13, 21, 25, 29, 39, 51, 63, 69, 128])
PADDED = 128


def examples(count: int, vocabulary: int, types: bool) -> Tokens:
    """Random tokens in examples of such lengths."""
    draw = np.random.default_rng(0)
    lengths = np.interp(draw.random(count), *LENGTHS).round().astype(np.int64)
    ids = draw.integers(5, vocabulary, lengths.sum()).astype(np.int32)
    return Tokens(
        ids=ids,
        types=np.zeros(len(ids) if types else 0, np.uint8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        labels=draw.integers(2, size=count),
        rows=np.arange(count),
        groups=np.arange(2),
    )


def checkpoints(config, folder: Path) -> list[Path]:
    """Two models of that shape, some way apart."""
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    ends = [folder / name for name in ("a", "b")]
    for end in ends:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=1e-3)
        model.save_pretrained(end)
        weight_files.save(weight_files.distinct(model), end / hf_folders.WEIGHTS)
    return ends


def timed(ways: dict[str, Callable[[int], float]], repeats: int) -> Iterator[tuple[str, list[float]]]:
    """Each way's seconds over interleaved repeats; the first warms up and does not count."""
    found = [{name: way(repeat) for name, way in ways.items()} for repeat in range(repeats + 1)][1:]
    for name in ways:
        yield name, [seconds[name] for seconds in found]


def matrix_rate(how: numerics.Numerics, size: int) -> float:
    """Operations a second of a square product in that precision."""
    kind = torch.bfloat16 if how.precision == "bfloat16" else torch.float32
    a, b = (torch.randn(size, size, dtype=kind, device=how.device) for _ in range(2))
    for times in (2, 8):
        finished(how.device)
        began = time.perf_counter()
        for _ in range(times):
            a @ b
        finished(how.device)
    return times * 2 * size**3 / (time.perf_counter() - began)


def updates(subject: Subject, precision: str, asked: argparse.Namespace, folder: Path) -> list[dict]:
    """Rows of the table on training: per side the seconds of an update."""
    own = {"device": asked.device, "precision": precision}
    sides = {
        f"this trainer, {budget:,} tokens a micro-batch": Ours(subject, budget, asked.attention, 2, **own)
        for budget in asked.budgets
    }
    theirs = {"bf16": PRECISIONS[precision]} if asked.device == "cuda" else {"use_cpu": True}
    for name, padding in (("padded to 128", "max_length"), ("dynamic padding", "longest")):
        sides[f"Trainer, {name}"] = Theirs(subject, padding, folder / padding, **theirs)
    work = Work(sides["Trainer, dynamic padding"].model.cpu(), subject.examples, 8)
    rate = matrix_rate(sides[next(iter(sides))].numerics, asked.matrix)

    def run(side, repeat: int) -> float:
        torch.use_deterministic_algorithms(isinstance(side, Ours))  # the Trainer's are not by themselves
        return side.seconds(repeat * asked.updates, asked.updates)

    ways = {name: lambda repeat, side=side: run(side, repeat) for name, side in sides.items()}
    operations, _ = work.useful(asked.updates, asked.updates * asked.repeats)
    return [
        {"what": "update", "way": name, "seconds": np.array(seconds) / asked.updates}
        | {"share": operations / sum(seconds) / rate}
        for name, seconds in timed(ways, asked.repeats)
    ]


def plain_batches(made: Tokens, pad: int, device: str, longest: int | None) -> list[dict]:
    """Batches in the data's order, padded to their longest or to a length."""
    batches = []
    for cut in range(0, len(made), BATCH):
        arrays = tokens.collate(made, np.arange(cut, min(cut + BATCH, len(made))), pad)
        for name, array in arrays.items():
            short = (longest or array.shape[1]) - array.shape[1]
            filled = np.pad(array, ((0, 0), (0, short)), constant_values=pad if name == "input_ids" else 0)
            arrays[name] = torch.from_numpy(filled).to(device)
        batches.append(arrays)
    return batches


def alphas(ends: list[Path], made: Tokens, pad: int, precision: str, asked: argparse.Namespace) -> list[dict]:
    """Rows of the table on paths: per way the seconds of an alpha; fails where their losses differ."""
    settings = {"device": asked.device, "precision": precision, "attention": asked.attention}
    how = numerics.setup(settings | {"threads": 2, "deterministic": True})
    a, b = (weight_files.load(end / hf_folders.WEIGHTS) for end in ends)
    labels = torch.from_numpy(made.labels).to(how.device)
    padded, dynamic = (plain_batches(made, pad, how.device, longest) for longest in (PADDED, None))
    kept = AutoModelForSequenceClassification.from_pretrained(ends[0]).to(how.device).eval()
    mapped, line, task = {}, Line(*ends), Classification(pad, how)
    live = LiveModel(task.open(ends[0]))
    losses: dict[str, float] = {}

    def plain(model, batches, alpha) -> float:
        model.load_state_dict({key: (1 - alpha) * a[key] + alpha * b[key] for key in a}, strict=False)
        with torch.no_grad(), computing.autocast(how):
            logits = torch.cat([model(**batch).logits for batch in batches])
        return functional.cross_entropy(logits.float(), labels).item()

    def habit(alpha):
        model = AutoModelForSequenceClassification.from_pretrained(ends[0]).to(how.device).eval()
        return plain(model, padded, alpha)

    def engine(budget):
        placed = task.place(made, budget)
        return lambda alpha: placed.measure(live.move(line.at(alpha), mapped["device"]))["losses"].mean()

    def moved(anchors):
        return lambda alpha: live.move(line.at(alpha), mapped[anchors])

    for anchors in ("device", "host"):
        own = numerics.setup(settings | {"threads": 2, "deterministic": True, "anchors": anchors})
        mapped[anchors] = {end: hold(end / hf_folders.WEIGHTS, own) for end in ends}
    ways = {f"engine, {budget:,} tokens a batch": engine(budget) for budget in asked.budgets}
    ways |= {"habit": habit, "one model, dynamic padding": lambda alpha: plain(kept, dynamic, alpha)}
    ways |= {f"moving alone, anchors: {anchors}": moved(anchors) for anchors in mapped}

    def run(name: str, repeat: int) -> float:
        # no two ways at one place, or the second would find the model there already
        alpha = (repeat + 1 + 1e-3 * [*ways].index(name)) / (asked.repeats + 2)
        finished(how.device)
        began = time.perf_counter()
        found = ways[name](alpha)
        finished(how.device)
        if isinstance(found, float):
            losses[name] = float(found)
        return time.perf_counter() - began

    rate, work = matrix_rate(how, asked.matrix), Work(kept.cpu(), made, 8)
    kept.to(how.device)
    linear = 2 * sum(i * o for i, o in work.of_tokens) * made.lengths.sum()
    operations = float(linear + 4 * work.depth * work.width * (made.lengths**2).sum())
    rows = [
        {"what": "alpha", "way": name, "seconds": np.array(seconds)}
        | {"share": operations / np.median(seconds) / rate if "moving" not in name else np.nan}
        for name, seconds in timed({n: lambda r, n=n: run(n, r) for n in ways}, asked.repeats)
    ]
    apart = max(losses.values()) - min(losses.values())
    if apart > (1e-2 if precision == "bfloat16" else 1e-3):
        raise SystemExit(f"{precision}: mean losses of the ways differ by {apart:.1e}: {losses}")
    return rows


def measured(name: str, precision: str, asked: argparse.Namespace, folder: Path) -> list[dict]:
    """All rows of a shape in a precision."""
    config = SHAPES[name]
    config.num_labels = 2
    ends = checkpoints(config, folder)
    made = examples(asked.pairs, config.vocab_size, config.model_type == "bert")
    subject = Subject(name, ends[0], toy_tokenizer(), made, PADDED, asked.budgets[0])
    if asked.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rows = updates(subject, precision, asked, folder)
    few = made.select(np.arange(asked.pairs_of_a_path))
    rows += alphas(ends, few, config.pad_token_id, precision, asked)
    best = {
        what: min(np.median(row["seconds"]) for row in rows if row["way"].startswith(own))
        for what, own in {"update": "this trainer", "alpha": "engine"}.items()
    }
    return [
        {"shape": name, "precision": precision, "what": row["what"], "way": row["way"]}
        | {"milliseconds": 1e3 * np.median(row["seconds"]), "lowest": 1e3 * min(row["seconds"])}
        | {"highest": 1e3 * max(row["seconds"]), "share of the card": row["share"]}
        | {"times ours": np.median(row["seconds"]) / best[row["what"]]}
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", default=["bert-base", "roberta-large"], choices=SHAPES)
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--budgets", nargs="+", type=int, default=[4096, 32768], help="tokens a batch")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    parser.add_argument("--updates", type=int, default=10, help="a repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=4000, help="examples to train on")
    parser.add_argument("--pairs-of-a-path", type=int, default=1000, help="examples of an alpha")
    parser.add_argument("--matrix", type=int, default=8192)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    card = torch.cuda.get_device_name() if asked.device == "cuda" else "no GPU"
    rows: list[dict] = []
    for name in asked.shapes:
        for precision in asked.precisions:
            with tempfile.TemporaryDirectory() as folder:
                new = measured(name, precision, asked, Path(folder))
            print(pd.DataFrame(new).to_string(), flush=True)
            rows += new
            frame = pd.DataFrame(rows)
            frame.to_csv(asked.out / "gpu.csv", index=False)
            head = f"{card}; {machine(2)}. Batches of {BATCH}; an alpha has {asked.pairs_of_a_path} examples."
            table = frame.to_markdown(index=False, floatfmt=".3g")
            (asked.out / "gpu.md").write_text(f"{head}\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
