"""Language modelling beside the habit: seconds an alpha, and seconds an update.

    python tests/benchmarks/language.py [--repeats 7] [--updates 2] [--threads 2] [--out results/bench]

A model of GPT-2's shape with random weights (14 M parameters, a vocabulary of 8,000 trained on the text), on
sentences that stand apart. The habit of paths rebuilds state dicts and pads each batch to its longest with
`DataCollatorForLanguageModeling`; that of training is the Trainer with the same collator. Both sides of each
take turns; mean losses must agree to 1e-5. Where ISTHMUS_DATA (a folder with paws_qqp/) is set, the sentences
are real, else the toy language's.
"""

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import numpy as np
import torch
import training
from isthmus.data import toy
from isthmus.data.blocks import Blocks
from isthmus.data.rows import Rows
from isthmus.data.tokens import Tokens
from isthmus.machine import numerics
from isthmus.measuring.live import LiveModel
from isthmus.models import hf_folders, language_models, weight_files
from isthmus.space.geometries import Line
from isthmus.tasks.language_modelling import LanguageModelling
from isthmus.training.embeddings import prepare
from isthmus.training.optimizer import AdamW
from isthmus.training.schedule import Recipe
from isthmus.training.step import Objective

LONGEST, BATCH, BUDGET = 64, training.BATCH, 2048
VOCABULARY = 8000


def sentences() -> tuple[str, list[str]]:
    """What they are called, and some thousand sentences."""
    data = os.environ.get("ISTHMUS_DATA")
    if not data:
        return "stories of the toy language", toy.stories(1300, 0)
    with open(Path(data, "paws_qqp", "dev.tsv"), encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return "sentences of paws_qqp dev", [row[n] for row in lines for n in ("sentence1", "sentence2")]


def tokenizer(texts: list[str]):
    """Byte pairs of the text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<end>", "<pad>"], show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<pad>")


def checkpoints(words, folder: Path) -> list[Path]:
    """Two models of GPT-2's shape, as far apart as a short fine-tuning moves them."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=384, n_layer=6, n_head=6, n_positions=LONGEST,
        pad_token_id=words.pad_token_id, bos_token_id=words.eos_token_id, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    GPT2LMHeadModel(config).save_pretrained(folder / "model")
    ends = []
    for seed in (1, 2):
        end = folder / f"seed{seed}"
        language_models.write_checkpoint(folder / "model", "the benchmark's model", "causal_lm", end)
        state = weight_files.load(end / hf_folders.WEIGHTS)
        draw = torch.Generator().manual_seed(seed)
        for tensor in state.values():
            tensor += 1e-3 * torch.randn(tensor.shape, generator=draw)
        weight_files.save(state, end / hf_folders.WEIGHTS)
        ends.append(end)
    return ends


def rows_of(examples: Tokens, index: np.ndarray) -> list[dict]:
    """Blocks as a script has them."""
    spans = [slice(examples.offsets[i], examples.offsets[i + 1]) for i in index]
    return [{"input_ids": examples.ids[span].tolist()} for span in spans]


class Ours(training.Ours):
    """This project's trainer."""

    def __init__(self, start: Path, examples: Tokens, how: numerics.Numerics):
        self.numerics = how
        settings = training.Training(
            steps=10_000, warmup_steps=100, learning_rate=1e-4, batch_size=BATCH, token_budget=BUDGET
        )
        recipe, seeds = Recipe(**settings.recipe()), {"order": training.SEED, "dropout": training.SEED}
        task = LanguageModelling(examples.task, hf_folders.pad_token(start), how)
        self.model = prepare(task.open(start, training.DROPOUT, training.DROPOUT))
        self.optimizer = AdamW(self.model, recipe)
        self.objective = Objective(task, examples, recipe, seeds)


class Theirs(training.Theirs):
    """The Trainer, with its own collator of language modelling."""

    def __init__(self, start: Path, examples: Tokens, words, folder: Path):
        from transformers import AutoModelForCausalLM, DataCollatorForLanguageModeling

        self.examples, self.folder, self.changes = examples, folder, {"use_cpu": True}
        dropout = {"resid_pdrop": training.DROPOUT, "embd_pdrop": training.DROPOUT}
        self.model = AutoModelForCausalLM.from_pretrained(start, attn_pdrop=training.DROPOUT, **dropout)
        self.collate = DataCollatorForLanguageModeling(words, mlm=False)

    def rows(self, index: np.ndarray) -> list[dict]:
        return rows_of(self.examples, index)


def habit(ends: list[Path], examples: Tokens, words):
    """Gives the mean loss at an alpha: state dicts rebuilt, batches in the data's order."""
    from transformers import AutoModelForCausalLM, DataCollatorForLanguageModeling

    collate, rows = DataCollatorForLanguageModeling(words, mlm=False), rows_of(examples, range(len(examples)))
    batches = [collate(rows[cut : cut + BATCH]) for cut in range(0, len(rows), BATCH)]
    a, b = (weight_files.load(end / hf_folders.WEIGHTS) for end in ends)

    def at(alpha: float) -> float:
        model = AutoModelForCausalLM.from_pretrained(ends[0]).eval()
        model.load_state_dict({key: (1 - alpha) * a[key] + alpha * b[key] for key in a}, strict=False)
        total = count = 0
        with torch.no_grad():
            for batch in batches:
                counted = int((batch["labels"][:, 1:] != -100).sum())
                total += float(model(**batch).loss) * counted
                count += counted
        return total / count

    return at


def engine(ends: list[Path], examples: Tokens, how: numerics.Numerics):
    """The same by the engine."""
    task = LanguageModelling(examples.task, hf_folders.pad_token(ends[0]), how)
    live, line = LiveModel(task.open(ends[0])), Line(*ends)
    weights = {end: weight_files.load(end / hf_folders.WEIGHTS) for end in ends}
    placed = task.place(examples, BUDGET)
    return lambda alpha: task.record(placed.measure(live.move(line.at(alpha), weights)), examples).loss


def timed(run, *arguments) -> tuple[float, float | None]:
    began = time.perf_counter()
    found = run(*arguments)
    return time.perf_counter() - began, found


def measure(
    asked: argparse.Namespace, folder: Path
) -> tuple[str, dict[str, list[tuple[float, float]]], float]:
    """What was measured, the seconds of both sides in each repeat, and how far losses are apart."""
    how = numerics.setup({"device": "cpu", "precision": "float32", "attention": asked.attention,
                          "threads": asked.threads, "deterministic": True})  # fmt: skip
    name, texts = sentences()
    words = tokenizer(texts)
    ends = checkpoints(words, folder)
    rows = Rows(np.arange(len(texts)), texts, None, np.zeros(len(texts), np.int64))
    examples = Blocks("causal_lm", LONGEST, documents="apart").of(words, rows, "the benchmark")
    sides = engine(ends, examples, how), habit(ends, examples, words)
    trainers = Ours(ends[0], examples, how), Theirs(ends[0], examples, words, folder / "trainer")
    seconds: dict[str, list[tuple[float, float]]] = {"an alpha": [], "an update": []}
    apart = 0.0
    for repeat in range(-1, asked.repeats):  # the first warms up and does not count
        (ours, loss), (theirs, other) = (timed(side, (repeat + 1.5) / (asked.repeats + 1)) for side in sides)
        apart = max(apart, abs(loss - other))
        first = (repeat + 1) * asked.updates
        each = tuple(trainer.seconds(first, asked.updates) / asked.updates for trainer in trainers)
        if repeat >= 0:
            seconds["an alpha"].append((ours, theirs))
            seconds["an update"].append(each)
    weights = sum(map(torch.numel, weight_files.load(ends[0] / hf_folders.WEIGHTS).values())) / 1e6
    described = (
        f"{len(examples)} {name}, {int(examples.lengths.sum()):,} tokens, {weights:.1f} M parameters, "
        f"{asked.threads} threads, {how.attention} attention"
    )
    return described, seconds, apart


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Measure and write `language.md`; how many times faster an alpha and an update are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--updates", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--attention", default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        described, seconds, apart = measure(asked, Path(temporary))
    if apart > 1e-5:
        raise SystemExit(f"mean losses of the two ways differ by {apart:.1e}; allowed: 1e-5")
    lines = [f"{described}; medians of {asked.repeats} interleaved repeats, range in brackets.", ""]
    lines += ["| seconds of | here | the habit | times faster |", "| --- | ---: | ---: | ---: |"]
    faster = {}
    for name, pairs in seconds.items():
        ratios = [theirs / ours for ours, theirs in pairs]
        faster[name] = statistics.median(ratios)
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        spread = f"{faster[name]:.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        lines.append(f"| {name} | {ours:.3f} | {theirs:.3f} | {spread} |")
    text = "\n".join([*lines, "", f"Losses differ by {apart:.1e} at most.\n"])
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "language.md").write_text(text, encoding="utf-8")
    print(text)
    return faster


if __name__ == "__main__":
    main()
