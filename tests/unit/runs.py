"""Short runs of a very small model, for the tests that train."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from isthmus import hashing, stored
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.experiment.config import Training
from isthmus.machine import numerics
from isthmus.models import hf_folders, weight_files
from isthmus.training.finetuning import finetune
from isthmus.training.pretraining import Pretraining, architecture, toy_tokenizer
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe
from pyarrow import parquet

STEPS = 14


def recipe(**changes):
    """A short recipe: 2 epochs of the 50 examples below, with batches that straddle them."""
    base = {"steps": STEPS, "batch_size": 8, "learning_rate": 1e-3, "warmup_steps": 4, "token_budget": 40}
    loose = () if changes.get("perturb") else ("vary", "learning_rate")
    unchecked = {key: changes.pop(key) for key in loose if key in changes}
    return Recipe(**Training(**{**base, **changes}).recipe() | unchecked)


def numeric(threads=1, **changes):
    """Plain float32 on the CPU, unless told otherwise."""
    wanted = {"device": "cpu", "precision": "float32", "attention": "eager", "deterministic": True}
    return numerics.setup({**wanted, "threads": threads, **changes})


def pairs(rows=50, seed=0):
    """Sentence pairs of the toy language as tokens; their ids are not their positions."""
    examples = toy.examples("paraphrase", rows, seed)
    labels = np.array([label == "paraphrase" for _, _, label in examples], np.int64)
    texts = [a for a, _, _ in examples], [b for _, b, _ in examples]
    return tokens.tokenize(toy_tokenizer(), Rows(1000 + np.arange(rows), *texts, labels), [0, 1], 64)


def write_start(folder: Path, seed=0) -> Path:
    """A step-0 checkpoint of a very small BERT."""
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    size = Pretraining(layers=1, width=16, heads=2, rows=0, seed=0, masked=0.15)
    config = architecture(size, attention="eager")
    config.num_labels = 2
    model = BertForSequenceClassification(config)
    with torch.no_grad():  # zeros would hide what weight decay does to biases
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    model.config.architectures = ["BertForSequenceClassification"]
    folder.mkdir(parents=True)
    model.config.save_pretrained(folder)
    weight_files.save(weight_files.distinct(model), folder / hf_folders.WEIGHTS)
    record = {"model": "tiny", "dataset": "toy", "seed": seed, "step": 0}
    stored.write_json(
        folder / "checkpoint.json", {**record, "sha256": hashing.of_file(folder / hf_folders.WEIGHTS)}
    )
    return folder


class Run:
    """A run whose segments are trained one after the other, as the workflow's jobs do."""

    def __init__(self, folder: Path, start: Path, examples: Path, **changes):
        self.folder, self.start, self.examples = folder, start, examples
        self.keep = changes.pop("keep", frozenset())
        self.save_minutes = changes.pop("save_minutes", 10.0)
        self.seed = changes.pop("seed", 42)
        self.machine = {"threads": changes.pop("threads", 1), **changes.pop("machine", {})}
        self.trunk = changes.pop("trunk", folder / "trunk")
        self.recipe, self.at = recipe(**changes), 0

    @property
    def cache(self) -> Path:
        return self.folder / "state"

    def to(self, step: int) -> str:
        """Train to a step and return the SHA-256 of the published weights."""
        out = self.folder / f"step{step}"
        finetune(
            start=self.start,
            examples=self.examples,
            recipe=self.recipe,
            seed=self.seed,
            previous=self.at,
            step=step,
            numerics=numeric(**self.machine),
            cache=Cache(self.cache, self.keep, self.save_minutes),
            trunk=Cache(self.trunk, frozenset({self.recipe.shared_steps}), self.save_minutes),
            out=out,
        )
        self.at = step
        return hashing.of_file(hf_folders.weights_file(out))

    def states(self) -> list[int]:
        return sorted(int(path.name[4:12]) for path in self.cache.glob("step*"))

    def history(self, *steps: int) -> dict[str, list]:
        tables = [
            parquet.read_table(self.folder / f"step{step}" / "history.parquet").to_pydict() for step in steps
        ]
        return {name: [value for table in tables for value in table[name]] for name in tables[0]}


def damage(path: Path, truncate=False) -> None:
    """Flip one bit in the middle of a file, or cut off its last byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content[:-1] if truncate else content)


def make(folder: Path) -> SimpleNamespace:
    """The start and the examples of runs, and others, in a folder."""
    tokens.write(pairs(), folder / "train.safetensors")
    tokens.write(pairs(seed=1), folder / "other.safetensors")
    start = write_start(folder / "start")
    body = shutil.copytree(start, folder / "body")
    weights = weight_files.load(start / hf_folders.WEIGHTS)
    body_only = {name: tensor for name, tensor in weights.items() if name.startswith("bert.")}
    weight_files.save(body_only, body / hf_folders.WEIGHTS)
    other_heads = shutil.copytree(start, folder / "other_heads")  # the same weights, another function
    settings = json.loads((start / "config.json").read_text())
    (other_heads / "config.json").write_text(json.dumps(settings | {"num_attention_heads": 4}))
    return SimpleNamespace(
        start=start,
        body=body,
        other_start=write_start(folder / "other_start", seed=1),
        other_heads=other_heads,
        examples=folder / "train.safetensors",
        other_examples=folder / "other.safetensors",
    )
