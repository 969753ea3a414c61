"""Tiny models of two families, their tokenizers, token sets and checkpoints, for the tests that compute."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from isthmus import hashing, stored
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.machine import numerics
from isthmus.measuring.ends import End
from isthmus.measuring.interpolation import interpolate
from isthmus.measuring.rows import Resampling, Row
from isthmus.models import classifiers, hf_folders, weight_files
from isthmus.space.sampling import Adaptive
from isthmus.training import pretraining

LABELS = ["entailment", "neutral", "contradiction"]
SAMPLER = Adaptive(intervals=4, tolerance=1e-3, max_alphas=9)
RESAMPLING = Resampling(replicates=20, seed=0)
BUDGET = 128


def cpu(**changes) -> numerics.Numerics:
    """One thread, float32, eager attention, unless told otherwise."""
    settings = {
        "device": "cpu",
        "precision": "float32",
        "attention": "eager",
        "threads": 1,
        "deterministic": True,
    }
    return numerics.setup(settings | changes)


def roberta_tokenizer():
    """A word-level tokenizer of the toy language that joins texts as RoBERTa does, without segments."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers import models as inner_models
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = {word: i for i, word in enumerate([*special, *toy.vocabulary()])}
    inner = Tokenizer(inner_models.WordLevel(words, unk_token="<unk>"))
    inner.normalizer, inner.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        **names,
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    )


def tokenizer(family: str):
    return roberta_tokenizer() if family == "roberta" else pretraining.toy_tokenizer()


def architecture(family: str):
    from transformers import BertConfig, RobertaConfig

    size = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 80,
        "initializer_range": 0.2,  # so that an untrained model says something
    }
    if family == "roberta":
        return RobertaConfig(vocab_size=4 + len(toy.vocabulary()), type_vocab_size=1, **size)
    return BertConfig(vocab_size=5 + len(toy.vocabulary()), **size)


def pretrained(folder: Path, family: str = "bert") -> Path:
    """A model folder as masked-language pre-training leaves it: a body without a pooler, and a tokenizer."""
    from transformers import BertForMaskedLM, RobertaForMaskedLM

    torch.manual_seed(0)
    model = {"bert": BertForMaskedLM, "roberta": RobertaForMaskedLM}[family](architecture(family))
    model.save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    return folder


def rows(n: int, pairs: bool = True, seed: int = 0) -> Rows:
    first, second, labels = zip(*toy.examples("entailment", n, seed), strict=True)
    ids = np.arange(n, dtype=np.int64) + 100
    return Rows(
        ids, list(first), list(second) if pairs else None, np.array([LABELS.index(x) for x in labels])
    )


def examples(
    n: int, family: str = "bert", pairs: bool = True, seed: int = 0, groups=(0, 1, 2)
) -> tokens.Tokens:
    """`n` tokenized examples; labels are mapped by `groups`."""
    made = rows(n, pairs, seed)
    made = made._replace(labels=np.asarray(groups)[made.labels])
    return tokens.tokenize(tokenizer(family), made, list(groups), 64)


def checkpoint(folder: Path, model: Path, seed: int, moved: float = 0.0) -> Path:
    """A checkpoint folder: the seeded head, and weights moved at random by `moved` as training would."""
    classifiers.initialize(model, LABELS, 0, seed, folder)
    path = folder / hf_folders.WEIGHTS
    state = weight_files.load(path)
    generator = torch.Generator().manual_seed(seed)
    for tensor in state.values():
        tensor += moved * torch.randn(tensor.shape, generator=generator)
    weight_files.save(state, path)
    stored.write_json(folder / "checkpoint.json", {"seed": seed, "sha256": hashing.of_file(path)})
    return folder


class Cell:
    """Checkpoints of some seeds at one step, their start, two evaluation sets and a journal, in one folder.

    What stands in the folder already is not made again.
    """

    def __init__(self, folder: Path, seeds=(1, 2), family: str = "bert", moved: float = 0.1, n: int = 40):
        self.folder = folder
        folders = {s: folder / f"seed{s}" for s in seeds}
        if not folder.exists():
            model = pretrained(folder / "model", family)
            checkpoint(folder / "start", model, seeds[-1])
            for seed, path in folders.items():
                checkpoint(path, model, seed, moved)
        self.start = End.read(seeds[-1], folder / "start")
        self.ends = [End.read(seed, path) for seed, path in folders.items()]
        self.sets = {"train": examples(n, family, seed=1), "test": examples(n, family, seed=2)}

    def row(self, journal: str = "journal", **changes) -> Row:
        arguments = {
            "end": self.ends[-1],
            "start": self.start,
            "sets": self.sets,
            "budget": BUDGET,
            "numerics": changes.pop("numerics", None) or cpu(),
            "resampling": RESAMPLING,
            "journal": self.folder / journal,
        }
        return Row(**arguments | changes)

    def interpolate(
        self, out: str = "row", sampler=SAMPLER, others=None, starts=None, **changes
    ) -> "Measured":
        """Run the job, with `changes` to the row's arguments."""
        row = self.row(**changes)
        files = [self.folder / f"{out}{ending}.parquet" for ending in ("", ".pairs", ".gaps")]
        interpolate(
            row=row,
            others=self.ends[:-1] if others is None else others,
            sampler=sampler,
            labels={"model": "tiny", "dataset": "toy", "step": 100},
            out=files[0],
            pairs=files[1],
            gaps=files[2],
            starts=starts,
        )
        return Measured(row.engine.measured, *files)


@dataclass(frozen=True)
class Measured:
    """How many measurements a job made, and its three files."""

    count: int
    points_file: Path
    pairs_file: Path
    gaps_file: Path

    @property
    def bytes(self) -> tuple[bytes, bytes, bytes]:
        return tuple(file.read_bytes() for file in (self.points_file, self.pairs_file, self.gaps_file))

    @property
    def points(self) -> pd.DataFrame:
        return pd.read_parquet(self.points_file)

    @property
    def pairs(self) -> pd.DataFrame:
        return pd.read_parquet(self.pairs_file)

    @property
    def gaps(self) -> pd.DataFrame:
        return pd.read_parquet(self.gaps_file)
