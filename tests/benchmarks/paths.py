"""Seconds an alpha: the path engine beside what users have today, in one process, on the same weights.

    python tests/benchmarks/paths.py [--pairs 400] [--repeats 9] [--threads 2] [--out results/bench]

Three ways take turns, each repeat at another alpha: (i) today's habit, a state dict rebuilt and loaded into a
freshly loaded model, batches of 32 in the data's order padded to 128 tokens; (ii) the state dict loaded into
one model, batches padded to their longest example; (iii) the engine. In each repeat the matrix products of
the whole model are timed alone, on useful tokens only: what the machine's arithmetic costs. What (iii) leaves
out of it (the last layer beyond the first token) counts as done.
Where ISTHMUS_MODEL (a model folder) and ISTHMUS_DATA (a folder with paws_qqp/dev.tsv) are set, the weights
and pairs are real; else a small model of the toy language. Writes Markdown and CSV.
"""

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import torch
from isthmus.bootstrap import Bootstrap
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.machine import numerics
from isthmus.measuring.live import LiveModel
from isthmus.models import classifiers, hf_folders, tokenizing, weight_files
from isthmus.space.geometries import Line
from isthmus.tasks.classification import Placed
from isthmus.training import pretraining
from torch.nn import functional

LABELS = ["different", "paraphrase"]
BATCH, PADDED, BUDGET, REPLICATES = 32, 128, 1024, 1000
WAYS = {
    "habit": "(i) state dict, model loaded anew, padded to 128",
    "dynamic": "(ii) state dict, dynamic padding, data's order",
    "engine": "(iii) the path engine",
    "products": "matrix products of the model alone",
    "replicates": f"{REPLICATES:,} replicates of loss and error",
}


def toy_model(folder: Path) -> Path:
    """An untrained BERT of the embedded experiment's size, with its tokenizer."""
    from transformers import BertForMaskedLM

    torch.manual_seed(0)
    size = pretraining.Pretraining(layers=2, width=64, heads=4, rows=0, seed=0, masked=0.15)
    config = pretraining.architecture(size, attention="eager")
    BertForMaskedLM(config).save_pretrained(folder)
    pretraining.toy_tokenizer().save_pretrained(folder)
    return folder


def subject(folder: Path, pairs: int) -> tuple[Path, Rows, str]:
    """A model folder, labelled pairs, and what they are called."""
    model, texts = os.environ.get("ISTHMUS_MODEL"), os.environ.get("ISTHMUS_DATA")
    if model and texts:
        with open(Path(texts, "paws_qqp", "dev.tsv"), encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            found = [(row["sentence1"], row["sentence2"], LABELS[int(row["label"])]) for row in lines][:pairs]
        source, name = Path(model), "pairs of paws_qqp dev"
    else:
        found = [
            (a, b, LABELS[label == "paraphrase"]) for a, b, label in toy.examples("paraphrase", pairs, 0)
        ]
        source, name = toy_model(folder / "toy"), "toy pairs"
    first, second, labels = map(list, zip(*found, strict=True))
    return (
        source,
        Rows(np.arange(len(found)), first, second, np.array([*map(LABELS.index, labels)])),
        name,
    )


def checkpoint(model: Path, seed: int, out: Path) -> Path:
    """A checkpoint whose weights were moved at random, as far as a short fine-tuning moves them."""
    classifiers.initialize(model, LABELS, 0, seed, out)
    state = weight_files.load(out / hf_folders.WEIGHTS)
    generator = torch.Generator().manual_seed(seed)
    for tensor in state.values():
        tensor += 1e-3 * torch.randn(tensor.shape, generator=generator)
    weight_files.save(state, out / hf_folders.WEIGHTS)
    return out


def plain_batches(tokenizer, rows: Rows, longest: int, padding: bool | str) -> list[dict[str, Any]]:
    """The tokenizer's own batches in the data's order."""
    cuts = range(0, len(rows.labels), BATCH)
    texts = [text for text in (rows.text_a, rows.text_b) if text is not None]
    options = {"truncation": True, "max_length": longest, "padding": padding, "return_tensors": "pt"}
    return [dict(tokenizer(*(text[cut : cut + BATCH] for text in texts), **options)) for cut in cuts]


def plain_losses(model, batches: list[dict[str, Any]], labels) -> np.ndarray:
    """Each example's cross-entropy, as a script computes it."""
    with torch.no_grad():
        logits = torch.cat([model(**batch).logits for batch in batches])
    return functional.cross_entropy(logits, labels, reduction="none").double().numpy()


def matrix_products(
    model, placed: Placed, lengths: np.ndarray, order: list[np.ndarray]
) -> Callable[[], None]:
    """What multiplies the matrices that one evaluation multiplies, on useful tokens alone, and no more."""
    weights: list[Any] = []

    def watch(module, inputs, output):
        if inputs[0].dim() == 3:  # of tokens, not of pooled vectors
            weights.append(module.weight)

    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [module.register_forward_hook(watch) for module in linear]
    with torch.inference_mode():
        model(**placed.batches[0])
    for hook in hooks:
        hook.remove()
    config = model.config
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    width = config.hidden_size // heads
    most = max(int(lengths[index].sum()) for index in order)
    tokens_in = {size: torch.randn(most, size) for size in {weight.shape[1] for weight in weights}}
    queries = [torch.randn(len(i) * heads, int(lengths[i].max()), width) for i in order]
    scores = [torch.randn(len(i) * heads, int(lengths[i].max()), int(lengths[i].max())) for i in order]

    def run() -> None:
        with torch.inference_mode():
            for index, query, score in zip(order, queries, scores, strict=True):
                useful = int(lengths[index].sum())
                for weight in weights:
                    functional.linear(tokens_in[weight.shape[1]][:useful], weight)
                for _ in range(layers):
                    torch.bmm(query, query.transpose(1, 2))
                    torch.bmm(score, query)

    return run


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[pd.DataFrame, str, float]:
    """Seconds of each way in each repeat, what was measured, the largest difference of two mean losses."""
    from transformers import AutoModelForSequenceClassification

    settings = {"device": "cpu", "precision": "float32", "attention": arguments.attention}
    how = numerics.setup(settings | {"threads": arguments.threads, "deterministic": True})
    source, rows, name = subject(folder, arguments.pairs)
    ends = [checkpoint(source, seed, folder / f"seed{seed}") for seed in (1, 2)]
    a, b = (weight_files.load(end / hf_folders.WEIGHTS) for end in ends)
    tokenizer, labels = tokenizing.open_tokenizer(source), torch.from_numpy(np.array(rows.labels))
    longest = min(PADDED, tokenizer.model_max_length)
    padded = plain_batches(tokenizer, rows, longest, padding="max_length")
    dynamic = plain_batches(tokenizer, rows, longest, padding=True)
    made = tokens.tokenize(tokenizer, rows, [0, 1], longest)

    def between(alpha: float) -> dict[str, Any]:
        return {key: (1 - alpha) * a[key] + alpha * b[key] for key in a}

    def habit(alpha: float) -> np.ndarray:
        model = AutoModelForSequenceClassification.from_pretrained(ends[0]).eval()
        model.load_state_dict(between(alpha))
        return plain_losses(model, padded, labels)

    kept = AutoModelForSequenceClassification.from_pretrained(ends[0]).eval()

    def dynamically(alpha: float) -> np.ndarray:
        kept.load_state_dict(between(alpha))
        return plain_losses(kept, dynamic, labels)

    line, weights = Line(*ends), dict(zip(ends, (a, b), strict=True))
    live = LiveModel(classifiers.open_classifier(ends[0], attention=how.attention))
    placed = Placed(made, arguments.budget, hf_folders.pad_token(ends[0]), how)
    products = matrix_products(kept, placed, made.lengths, tokens.batches(made.lengths, arguments.budget))
    bootstrap = Bootstrap(len(made), REPLICATES, 0)
    ways = {
        "habit": habit,
        "dynamic": dynamically,
        "engine": lambda alpha: placed.measure(live.move(line.at(alpha), weights))["losses"],
        "products": lambda alpha: products(),
        "replicates": lambda alpha: bootstrap.replicate_means(np.stack([losses, losses])),
    }
    seconds, apart = [], 0.0
    for repeat in range(-1, arguments.repeats):  # the first warms up and does not count
        alpha = (repeat + 1.5) / (arguments.repeats + 1)
        found, spent = {}, {}
        for way, run in ways.items():
            start = time.perf_counter()
            found[way] = run(alpha)
            spent[way] = time.perf_counter() - start
            if way == "habit":
                losses = found[way]
        apart = max(apart, *(abs(found[way].mean() - losses.mean()) for way in ("dynamic", "engine")))
        if repeat >= 0:
            seconds.append(spent)
    millions = sum(map(torch.numel, a.values())) / 1e6
    described = (
        f"{len(made)} {name}, {int(made.lengths.sum()):,} tokens, {millions:.1f} M parameters, "
        f"{arguments.threads} threads, {how.attention} attention"
    )
    return pd.DataFrame(seconds), described, apart


def summary(seconds: pd.DataFrame) -> pd.DataFrame:
    """Median and range of each way's seconds, and of the engine's advantage over it within a repeat."""
    ratios = seconds.div(seconds["engine"], axis=0)
    rows = [
        {
            "way": way,
            "seconds": statistics.median(seconds[way]),
            "seconds_low": seconds[way].min(),
            "seconds_high": seconds[way].max(),
            "of_engine": statistics.median(ratios[way]),
            "of_engine_low": ratios[way].min(),
            "of_engine_high": ratios[way].max(),
        }
        for way in WAYS
    ]
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame, described: str, apart: float, repeats: int) -> str:
    """The table for readers."""
    lines = [
        f"{described}; medians of {repeats} interleaved repeats, range in brackets.",
        "",
        "| way | seconds an alpha | times the engine's |",
        "| --- | ---: | ---: |",
    ]
    lines += [
        f"| {WAYS[row.way]} | {row.seconds:.3f} [{row.seconds_low:.3f}, {row.seconds_high:.3f}] "
        f"| {row.of_engine:.3f} [{row.of_engine_low:.3f}, {row.of_engine_high:.3f}] |"
        for row in table.itertuples()
    ]
    share = table.set_index("way")["of_engine"]["products"]
    lines += [
        "",
        f"The engine runs at {share:.0%} of the matrix rate. Mean losses differ by {apart:.1e} at most.",
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Measure, write `paths.md` and `paths.csv`; each way's median time as a multiple of the engine's."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=int, default=BUDGET, help="tokens a batch of the engine")
    parser.add_argument(
        "--attention", choices=["auto", "eager", "sdpa"], default="auto", help="of the engine"
    )
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    arguments = parser.parse_args(argv)
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as temporary:
        seconds, described, apart = measure(arguments, Path(temporary))
    if apart > 1e-5:
        raise SystemExit(f"mean losses of the three ways differ by {apart:.1e}; allowed: 1e-5")
    table = summary(seconds)
    text = markdown(table, described, apart, arguments.repeats)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "paths.md").write_text(text)
    table.to_csv(arguments.out / "paths.csv", index=False)
    print(text)
    return dict(zip(table["way"], table["of_engine"], strict=True))


if __name__ == "__main__":
    main()
