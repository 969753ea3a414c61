"""How fast fine-tuning is, side by side with Hugging Face's Trainer, and how much of the machine it uses.

    python tests/benchmarks/training.py [--threads 2] [--repeats 9] [--updates 2] [--variants 512:sdpa]

writes `training.csv` and `training.md` in `results/bench/`. The model is a real encoder on real pairs where
the environment names both, `ISTHMUS_MODEL` (its folder) and `ISTHMUS_DATA` (with `paws_qqp/train.tsv`);
else the toy BERT on the toy language.

All sides run in one process on the same batches, one after the other in each repeat, so that whatever else
the machine does meets all of them. A repeat's speed is that of its updates together; told are medians over
the repeats, with the lowest and the highest beside them. The Trainer runs with the settings that it has by
itself: fused AdamW, clipping, scaled-dot-product attention.

Useful work is what the whole model's matrix products of unpadded tokens take, as model utilization is
counted: 6 operations a weight and token for the linear layers; 12 a layer, squared length and width for
attention. What this trainer leaves out of it (the last layer beyond the first token) counts as done. The
machine's rate is measured in the same repeats, by the linear layers' own products, forward and backward, at
the token budget.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

from isthmus import hashing, stored
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.experiment.config import Training
from isthmus.machine import numerics
from isthmus.models import classifiers, hf_folders, tokenizing, weight_files
from isthmus.space import anchors, geometries
from isthmus.tasks.classification import Classification
from isthmus.training import pretraining
from isthmus.training.bends import Bends
from isthmus.training.embeddings import prepare
from isthmus.training.optimizer import AdamW
from isthmus.training.schedule import Recipe, batch_at
from isthmus.training.step import Objective, update

ROOT = Path(__file__).parents[2]
BATCH, DROPOUT, SEED = 32, 0.1, 7


# --------------------------------------------------------------------------------------- model and examples


@dataclass
class Subject:
    """What is trained: a folder with a model, its tokenizer, and tokens."""

    name: str
    folder: Path
    tokenizer: object
    examples: tokens.Tokens
    longest: int
    budget: int


def real_subject(model: Path, data: Path, folder: Path) -> Subject:
    with open(data / "paws_qqp" / "train.tsv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = np.array([int(row["label"]) for row in table], np.int64)
    texts = ([row[name] for row in table] for name in ("sentence1", "sentence2"))
    tokenizer = tokenizing.open_tokenizer(model)
    examples = tokens.tokenize(tokenizer, Rows(np.arange(len(table)), *texts, labels), [0, 1], 128)
    classifiers.initialize(model, ["no", "yes"], 0, 1, folder)
    return Subject(f"{model.resolve().parent.name} on paws_qqp", folder, tokenizer, examples, 128, 512)


def toy_subject(folder: Path) -> Subject:
    import torch
    from transformers import BertForSequenceClassification

    pairs = toy.examples("entailment", 4000, 0)
    labels = np.array([toy.TASKS["entailment"].index(label) for _, _, label in pairs], np.int64)
    rows = Rows(np.arange(len(pairs)), [a for a, _, _ in pairs], [b for _, b, _ in pairs], labels)
    tokenizer = pretraining.toy_tokenizer()
    longest = pretraining.MAX_LENGTH
    size = pretraining.Pretraining(layers=2, width=64, heads=4, rows=0, seed=0, masked=0.15)
    config = pretraining.architecture(size, attention="eager")
    config.num_labels, config.architectures = 3, ["BertForSequenceClassification"]
    torch.manual_seed(SEED)
    folder.mkdir()
    config.save_pretrained(folder)
    weight_files.save(
        weight_files.distinct(BertForSequenceClassification(config)), folder / hf_folders.WEIGHTS
    )
    examples = tokens.tokenize(tokenizer, rows, [0, 1, 2], longest)
    return Subject("toy BERT on the toy language", folder, tokenizer, examples, longest, 4096)


# -------------------------------------------------------------------------------------------------- the sides


def finished(device: str) -> None:
    """Wait for what was sent to a GPU."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


class Ours:
    """This project's trainer; `changes` are settings of the machine beside a CPU's."""

    def __init__(self, subject: Subject, budget: int, attention: str, threads: int, **changes):
        wanted = {"device": "cpu", "precision": "float32", "attention": attention, "deterministic": True}
        self.numerics = numerics.setup({**wanted, "threads": threads, **changes})
        settings = Training(
            steps=10_000, warmup_steps=100, learning_rate=1e-4, batch_size=BATCH, token_budget=budget
        )
        recipe = Recipe(**settings.recipe())
        task, seeds = Classification(0, self.numerics), {"order": SEED, "dropout": SEED}
        self.model = prepare(task.open(subject.folder, DROPOUT, DROPOUT))
        self.optimizer = AdamW(self.model, recipe)
        self.objective = Objective(task, subject.examples, recipe, seeds)

    def seconds(self, first: int, updates: int) -> float:
        """The time of the updates from step `first` on."""
        began = time.perf_counter()
        for t in range(first, first + updates):
            update(self.model, self.optimizer, self.objective, t, self.numerics)
        finished(self.numerics.device)
        return time.perf_counter() - began


class Bend(Ours):
    """The same for the bend of a curve from the subject's weights to others: two more weight sets, mapped."""

    def __init__(self, subject: Subject, folder: Path, threads: int):
        import torch

        super().__init__(subject, subject.budget, "eager", threads)
        live, file = self.model, subject.folder / hf_folders.WEIGHTS
        other = {name: own + 0.01 * torch.randn(own.shape) for name, own in weight_files.load(file).items()}
        weight_files.save(other, folder / "other.safetensors")
        ends = anchors.mapped(file), anchors.mapped(folder / "other.safetensors")
        self.model = Bends(live, ends, 1, lambda t: geometries.bezier(t, 1), SEED)
        self.optimizer = AdamW(self.model, self.objective.recipe)


class Theirs:
    """Hugging Face's Trainer, with the settings that it has by itself on a CPU, or others."""

    def __init__(self, subject: Subject, padding: str, folder: Path, **changes):
        from transformers import AutoConfig, AutoModelForSequenceClassification, DataCollatorWithPadding

        self.examples, self.folder, self.changes = subject.examples, folder, changes or {"use_cpu": True}
        config = AutoConfig.from_pretrained(subject.folder)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = DROPOUT
        self.model = AutoModelForSequenceClassification.from_pretrained(subject.folder, config=config)
        self.collate = DataCollatorWithPadding(subject.tokenizer, padding=padding, max_length=subject.longest)

    def rows(self, index: np.ndarray) -> list[dict]:
        """Examples as a tokenizer gives them."""
        kept = self.examples.select(index)
        spans = [slice(a, b) for a, b in zip(kept.offsets[:-1], kept.offsets[1:], strict=True)]
        rows = [{"input_ids": kept.ids[span].tolist()} for span in spans]
        for row, span, label in zip(rows, spans, kept.labels.tolist(), strict=True):
            row |= {"attention_mask": [1] * len(row["input_ids"]), "label": label}
            if len(kept.types):
                row["token_type_ids"] = kept.types[span].tolist()
        return rows

    def seconds(self, first: int, updates: int) -> float:
        """The time of the updates on the batches of the steps from `first` on."""
        from torch.utils.data import SequentialSampler
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

        class InOrder(Trainer):
            def _get_train_sampler(self, dataset=None):
                return SequentialSampler(dataset if dataset is not None else self.train_dataset)

        class Clock(TrainerCallback):
            of = self.changes

            def on_train_begin(self, *_, **__):
                self.began = time.perf_counter()

            def on_step_end(self, *_, **__):
                finished("cpu" if self.of.get("use_cpu") else "cuda")
                self.ended = time.perf_counter()

        n = len(self.examples)
        index = np.concatenate([batch_at(t, BATCH, n, SEED) for t in range(first, first + updates)])
        settings = TrainingArguments(
            output_dir=str(self.folder),
            per_device_train_batch_size=BATCH,
            max_steps=updates,
            learning_rate=1e-4,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            **self.changes,
        )
        clock, rows = Clock(), self.rows(index)
        trainer = InOrder(self.model, settings, self.collate, rows, callbacks=[clock])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return clock.ended - clock.began


# ------------------------------------------------------------------------------------------------- the work


def whole_model(folder: Path):
    """The model as Transformers has it."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(folder)


class Work:
    """The matrix products of a model: what its useful tokens take, and how fast the machine does them."""

    def __init__(self, model, examples: tokens.Tokens, budget: int):
        import torch

        self.examples, self.budget = examples, budget
        self.of_tokens: list[tuple[int, int]] = []
        self.of_examples: list[tuple[int, int]] = []

        def note(layer, inputs, _):
            kind = self.of_tokens if inputs[0].dim() == 3 else self.of_examples
            kind.append((layer.in_features, layer.out_features))

        layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
        hooks = [layer.register_forward_hook(note) for layer in layers]
        with torch.no_grad():
            model(torch.from_numpy(np.array(examples.ids[: examples.offsets[1]], np.int64))[None])
        for hook in hooks:
            hook.remove()
        self.depth, self.width = model.config.num_hidden_layers, model.config.hidden_size
        self.operands = [
            (torch.randn(budget, i), torch.randn(o, i), torch.randn(budget, o)) for i, o in self.of_tokens
        ]

    def useful(self, first: int, updates: int) -> tuple[float, int]:
        """Operations and tokens of the updates from step `first` on."""
        n = len(self.examples)
        index = np.concatenate([batch_at(t, BATCH, n, SEED) for t in range(first, first + updates)])
        lengths = self.examples.lengths[index]
        linear = 6 * sum(i * o for i, o in self.of_tokens) * lengths.sum()
        heads = 6 * sum(i * o for i, o in self.of_examples) * len(index)
        attention = 12 * self.depth * self.width * (lengths**2).sum()
        return float(linear + heads + attention), int(lengths.sum())

    def rate(self) -> float:
        """Operations a second of the linear layers' products."""
        import torch

        operations = 6 * self.budget * sum(i * o for i, o in self.of_tokens)
        rounds, began = 0, time.perf_counter()
        while time.perf_counter() - began < 0.7:
            for x, weight, gradient in self.operands:
                torch.mm(x, weight.t())
                torch.mm(gradient, weight)
                torch.mm(gradient.t(), x)
            rounds += 1
        return rounds * operations / (time.perf_counter() - began)


# -------------------------------------------------------------------------------------- start-up and memory

ONE_JOB = """
import json, resource, sys, time
parts, last = {}, time.perf_counter()

def part(name):
    global last
    parts[name], last = time.perf_counter() - last, time.perf_counter()

def peak():
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells begins with the peak of the process that started this one
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

sys.path.insert(0, sys.argv[1])
start, examples, threads, budget, out = sys.argv[2:]
from pathlib import Path
from isthmus.data import tokens
from isthmus.machine import numerics
from isthmus.models import classifiers, hf_folders, tokenizing, weight_files
from isthmus.training import run
from isthmus.training.finetuning import finetune
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe
from isthmus.experiment.config import Training
part("the library, with its settings")
import torch
part("PyTorch")
from transformers import AutoConfig, AutoModelForSequenceClassification
part("Transformers")
settings = {"device": "cpu", "precision": "float32", "attention": "auto", "threads": int(threads)}
numeric = numerics.setup({**settings, "deterministic": True})
classifiers.open_classifier(Path(start), attention=numeric.attention)
part("the model's code, and opening it")
before, update, ended = peak(), run.update, []

def timed(*arguments):
    done = update(*arguments)
    ended.append(time.perf_counter())
    return done

run.update = timed
recipe = Recipe(**Training(steps=100, warmup_steps=10, token_budget=int(budget)).recipe())
finetune(start=Path(start), examples=Path(examples), recipe=recipe, seed=1, previous=0, step=6,
    numerics=numeric, cache=Cache(Path(out, "state"), frozenset(), 1.0), out=Path(out, "out"))
parts["tokens, hashes, opening it again, and the first update"] = ended[0] - last
model = classifiers.open_classifier(Path(start), attention="eager")
weights = sum(p.numel() * p.element_size() for p in model.parameters())
print(json.dumps({"parts": parts, "peak": peak(), "before": before, "weights": weights / 2**20}))
"""


def one_job(subject: Subject, threads: int, folder: Path, times: int) -> dict:
    """Where a job's time goes before its first update ends (medians over processes), and its peak memory."""
    tokens.write(subject.examples, folder / "train.safetensors")
    record = {
        "model": "m",
        "dataset": "d",
        "seed": 1,
        "sha256": hashing.of_file(subject.folder / hf_folders.WEIGHTS),
    }
    stored.write_json(subject.folder / "checkpoint.json", record)
    found = []
    for number in range(times):
        arguments = (ROOT / "workflow", subject.folder, folder / "train.safetensors", threads, subject.budget)
        out = folder / f"job{number}"
        done = subprocess.run(
            [sys.executable, "-c", ONE_JOB, *map(str, arguments), str(out)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    parts = {part: float(np.median([one["parts"][part] for one in found])) for part in found[0]["parts"]}
    return {**{key: max(one[key] for one in found) for key in ("peak", "before", "weights")}, "parts": parts}


# ------------------------------------------------------------------------------------------------------ all


def machine(threads: int) -> str:
    """One line on what this was measured with."""
    from importlib.metadata import version

    info = Path("/proc/cpuinfo")
    names = [
        line.partition(": ")[2] for line in info.read_text().splitlines() if line.startswith("model name")
    ]
    processor = (names or [platform.processor() or platform.machine()])[0]
    software = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    hardware = f"{processor}, {os.cpu_count()} cores, {threads} threads"
    return f"{hardware}; Python {platform.python_version()}, {software}"


def spread(values: list[float], digits: int) -> str:
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Measure, write the tables, and return the medians: the speed-ups over the Trainer, and the share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--updates", type=int, default=2, help="updates a repeat")
    parser.add_argument(
        "--variants", nargs="*", default=[], help="further token budgets and kernels: 512:sdpa"
    )
    parser.add_argument("--alone", action="store_true", help="leave the Trainer out")
    parser.add_argument("--jobs", type=int, default=3, help="processes to measure the start-up with")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench")
    asked = parser.parse_args(argv)
    os.environ["HF_HUB_OFFLINE"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"
    model, data = os.environ.get("ISTHMUS_MODEL"), os.environ.get("ISTHMUS_DATA")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        real = model and data
        subject = (
            real_subject(Path(model), Path(data), folder / "start") if real else toy_subject(folder / "start")
        )
        sides = {"this trainer": Ours(subject, subject.budget, "eager", asked.threads)}
        for variant in asked.variants:
            budget, attention = variant.split(":")
            sides[f"this trainer, budget {budget}, {attention}"] = Ours(
                subject, int(budget), attention, asked.threads
            )
        sides["bend of a curve"] = Bend(subject, folder, asked.threads)
        if not asked.alone:
            sides |= trainers(subject, folder)
        work = Work(whole_model(subject.folder), subject.examples, subject.budget)
        rows = measure(sides, work, asked.repeats, asked.updates)
        job = one_job(subject, asked.threads, folder, asked.jobs) if asked.jobs else None
    return write(subject, rows, job, machine(asked.threads), asked)


def trainers(subject: Subject, folder: Path) -> dict[str, Theirs]:
    """The Trainer's two sides; none where it cannot run."""
    try:
        import accelerate  # noqa: F401 - the Trainer asks for it
    except ImportError:
        print("the Trainer is left out: it needs the package `accelerate`", file=sys.stderr)
        return {}
    return {
        f"Trainer, padded to {subject.longest}": Theirs(subject, "max_length", folder / "padded"),
        "Trainer, dynamic padding": Theirs(subject, "longest", folder / "dynamic"),
    }


def measure(sides: dict, work: Work, repeats: int, updates: int) -> list[dict]:
    """Interleaved repeats; the first, in which memory is allocated, does not count."""
    rows = []
    for repeat in range(-1, repeats):
        first = (repeat + 1) * updates
        operations, count = work.useful(first, updates)
        rate = work.rate()
        for name, side in sides.items():
            seconds = side.seconds(first, updates)
            rate, before = work.rate(), rate
            share = operations / seconds / ((rate + before) / 2)
            if repeat >= 0:
                row = {"side": name, "repeat": repeat, "seconds_per_update": seconds / updates}
                row |= {"tokens_per_second": count / seconds, "share_of_matrix_rate": share}
                rows.append(row | {"matrix_rate_gflops": (rate + before) / 2e9})
    return rows


def write(subject: Subject, rows: list[dict], job: dict | None, described: str, asked) -> dict[str, float]:
    """The tables, as files and on standard output."""
    asked.out.mkdir(parents=True, exist_ok=True)
    with open(asked.out / "training.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "subject", "machine"])
        writer.writeheader()
        writer.writerows(row | {"subject": subject.name, "machine": described} for row in rows)
    of = {
        name: [row for row in rows if row["side"] == name]
        for name in dict.fromkeys(row["side"] for row in rows)
    }
    seconds = {name: np.array([row["seconds_per_update"] for row in own]) for name, own in of.items()}
    lines = [
        "# Speed of fine-tuning",
        "",
        f"{subject.name}, batch {BATCH}, {np.mean(subject.examples.lengths):.1f} tokens an example, token "
        f"budget {subject.budget}. {described}. Medians of {asked.repeats} interleaved repeats of "
        f"{asked.updates} updates (lowest to highest).",
        "",
        "| | seconds an update | useful tokens a second | share of matrix rate | this trainer is faster |",
        "| --- | --- | --- | --- | --- |",
    ]
    medians = {}
    for name, own in of.items():
        ratios = (seconds[name] / seconds["this trainer"]).tolist()
        medians[name] = float(np.median(ratios))
        shares = [100 * row["share_of_matrix_rate"] for row in own]
        speeds = [row["tokens_per_second"] for row in own]
        faster = "" if name == "this trainer" else f"{spread(ratios, 2)} x"
        cells = [name, spread(seconds[name].tolist(), 3), spread(speeds, 0), f"{spread(shares, 0)} %", faster]
        lines.append(f"| {' | '.join(cells)} |")
    medians["share"] = float(np.median([row["share_of_matrix_rate"] for row in of["this trainer"]]))
    rates = [row["matrix_rate_gflops"] for row in rows]
    lines += ["", f"The machine's matrix rate at these shapes: {spread(rates, 0)} Gflop/s.", ""]
    if job:
        needed = 4 * job["weights"]
        lines += ["| a job before its first update has ended | seconds |", "| --- | --- |"]
        lines += [f"| {part} | {value:.2f} |" for part, value in job["parts"].items()]
        lines += [f"| together | {sum(job['parts'].values()):.2f} |", ""]
        lines += ["| peak memory of a job | MiB |", "| --- | --- |"]
        lines += [f"| all of it | {job['peak']:.0f} |"]
        lines += [f"| weights, gradients and two moments | {needed:.0f} |"]
        lines += [f"| beside these | {job['peak'] - needed:.0f} |"]
        lines += [
            f"| (where libraries and the model are loaded, and nothing is trained) | {job['before']:.0f} |",
            "",
        ]
    text = "\n".join(lines)
    (asked.out / "training.md").write_text(text, encoding="utf-8")
    print(text)
    return medians


if __name__ == "__main__":
    main()
