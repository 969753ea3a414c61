"""Running text, and language models with their own heads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from isthmus.data import subsets
from isthmus.data.blocks import Blocks
from isthmus.data.rows import Rows
from isthmus.experiment.config import Dataset, load
from isthmus.models import classifiers, language_models, tokenizing

from tests.bad_input import connecting
from tests.bad_input.case import Case, refusal
from tests.unit import families, tiny
from tests.workflow.lab import NANO, changed

STORIES = {"task": "causal_lm", "source": {"kind": "toy", "task": "stories", "rows": 50}}
PROMPTS = {"kind": "files", "paths": ["prompts.tsv"]}


def loading(change: dict[str, Any], _: Path) -> str:
    """A good experiment with some keys changed."""
    return refusal(lambda: load(changed(NANO, change), "nano.yaml"))


def cutting(given: dict[str, Any], _: Path) -> str:
    """Texts and how they are cut into blocks."""
    texts, tokenizer = given.pop("texts"), families.tokenizer(given.pop("family", "gpt2"))
    for name, value in given.pop("tokenizer", {}).items():
        setattr(tokenizer, name, value)
    answers = given.pop("answers", None)
    rows = Rows(np.arange(len(texts)), texts, answers, np.zeros(len(texts), np.int64))
    return refusal(lambda: Blocks(**given).of(tokenizer, rows, "datasets.own"))


# Architectures that the project does not know.
OTHERS = {
    "opt": {
        "hidden_size": 16,
        "ffn_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 16,
    },
    "xlnet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16},
}


def made(folder: Path, family: str) -> Path:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family, vocab_size=60, init_std=0.5, initializer_range=0.5, **OTHERS[family]
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def starting(given: tuple[str, str, Any], folder: Path) -> str:
    """A model of some architecture, as the start of runs of some task."""
    family, task, damage = given
    copy = made(folder / family, family) if family in OTHERS else families.fetched(folder, family)
    if damage:
        copy = damage(copy)
    message = refusal(lambda: language_models.write_checkpoint(copy, "models.m", task, folder / "out"))
    assert not (folder / "out").exists()
    return message


def reading(lines: list[str], folder: Path) -> str:
    """A file of plain text, made into a subset."""
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    source = {"kind": "files", "paths": [str(folder / "text.txt")]}
    dataset = Dataset(task="causal_lm", source=source)
    return refusal(lambda: subsets.write("own", dataset, None, folder / "out"))


def classifying(copy: Path) -> Path:
    classifiers.initialize(copy, tiny.LABELS, 0, 1, copy.parent / "classifier")
    tokenizing.open_tokenizer(copy).save_pretrained(copy.parent / "classifier")
    return copy.parent / "classifier"


def decoding(copy: Path) -> Path:
    settings = json.loads((copy / "config.json").read_text()) | {"is_decoder": True}
    (copy / "config.json").write_text(json.dumps(settings))
    return copy


def beheaded(copy: Path) -> Path:
    from isthmus.models import hf_folders, weight_files

    state = weight_files.load(copy / hf_folders.WEIGHTS)
    body = {name: tensor for name, tensor in state.items() if not name.startswith(("cls.", "lm_head."))}
    weight_files.save(body, copy / hf_folders.WEIGHTS)
    return copy


MISTAKES = {
    "a label column on running text": (
        {"datasets.toy": {**STORIES, "label": "label"}},
        "datasets.toy: label: found 'label' for running text (`task: causal_lm`); allowed: only for "
        "`task: classification`",
    ),
    "a length of examples on running text": (
        {"datasets.toy": {**STORIES, "max_length": 64}},
        "datasets.toy: max_length: found 64 for running text",
    ),
    "a block of labelled examples": (
        {"datasets.toy.block_size": 64},
        "datasets.toy: block_size: found 64 for classification; allowed: only for `task: causal_lm` or",
    ),
    "labelled examples as running text": (
        {"datasets.toy.task": "causal_lm"},
        "datasets.toy: source.task: found 'paraphrase' for `task: causal_lm`; allowed: stories",
    ),
    "running text as labelled examples": (
        {"datasets.toy.source.task": "stories"},
        "source.task: found 'stories' for `task: classification`; allowed: entailment, paraphrase",
    ),
    "labels of a further set of running text": (
        {"datasets.toy": {**STORIES, "sets": {"far": {"source": STORIES["source"], "label": "l"}}}},
        "datasets.toy: sets.far.label: found for running text; allowed: no labels",
    ),
    "a prompt without an answer": (
        {"datasets.toy": {"task": "causal_lm", "source": PROMPTS, "prompt": "q"}},
        "datasets.toy: prompt: found prompt; allowed: `text`, or both `prompt` and `answer`",
    ),
    "a prompt beside a text": (
        {
            "datasets.toy": {
                "task": "causal_lm",
                "source": PROMPTS,
                "prompt": "q",
                "answer": "a",
                "text": ["t"],
            }
        },
        "datasets.toy: text: found text, prompt, answer; allowed:",
    ),
    "masks on prompts": (
        {"datasets.toy": {"task": "masked_lm", "source": PROMPTS, "prompt": "q", "answer": "a"}},
        "prompt: found 'q' for `task: masked_lm`; allowed: `text`",
    ),
    "one file that is one document": (
        {
            "datasets.toy": {
                "task": "causal_lm",
                "source": {"kind": "files", "paths": ["a.md"], "format": "document"},
            }
        },
        "source.paths: found one file, which `format: document` makes one document; allowed: two or more",
    ),
    "masks on next tokens": (
        {"datasets.toy": {**STORIES, "masked": 0.3}},
        "masked: found 0.3 for `task: causal_lm`; allowed: for `masked_lm`",
    ),
    "two columns of running text": (
        {"datasets.toy": {"task": "causal_lm", "source": PROMPTS, "text": ["a", "b"]}},
        "text: found ['a', 'b']; allowed: one column of running text",
    ),
    "no column of running text": (
        {"datasets.toy": {"task": "causal_lm", "source": PROMPTS}},
        "text: missing; allowed: the name of the text column, or `prompt` and `answer`",
    ),
    "seeds of heads alone": (
        {"datasets.toy": STORIES, "training.vary": ["head"]},
        "datasets.toy: the head of a language model is its own and does not vary: vary: found []",
    ),
    "a decoder's masks": (
        {"pretraining.small": {**NANO["pretraining"]["small"], "architecture": "gpt2", "masked": 0.2}},
        "pretraining.small: masked: found 0.2 for `gpt2`; allowed: only for `bert`",
    ),
}
CUTS = {
    "a text shorter than a block": (
        {"texts": ["a cat"], "task": "causal_lm", "block_size": 500},
        "datasets.own.block_size: found 500; allowed:",
        "at most, the tokens of all of the text",
    ),
    "a prompt that fills its block": (
        {"texts": ["a cat " * 9], "answers": ["b"], "task": "causal_lm", "block_size": 5, "prompted": True},
        "datasets.own.block_size: found 5, which the prompt of row 0 fills",
        "allowed: more than each prompt has",
    ),
    "a tokenizer without an end of text": (
        {"texts": ["a"], "tokenizer": {"eos_token": None}, "task": "causal_lm", "block_size": 2},
        "datasets.own: found a tokenizer without an end of text (`eos_token`, `sep_token`)",
    ),
    "a text of another language": (
        {"texts": ["xx yy zz"], "family": "bert", "task": "causal_lm", "documents": "apart", "block_size": 9},
        "datasets.own: found 75 % of the text's tokens unknown to the tokenizer ([UNK])",
        "allowed: 50 % at most",
    ),
    "no token that can be masked": (
        {
            "texts": ["zzz"],
            "family": "bert",
            "task": "masked_lm",
            "block_size": 9,
            "documents": "apart",
            "masked": 0.1,
        },
        "datasets.own: found no block of the text with a token to ask for",
    ),
    "a tokenizer without a mask": (
        {"texts": ["a cat " * 9], "task": "masked_lm", "block_size": 2, "masked": 0.15},
        "datasets.own.task: found 'masked_lm' for a tokenizer without a mask (`mask_token`)",
    ),
}
STARTS = {
    "masks on a decoder": (
        ("gpt2", "masked_lm", None),
        "models.m: found the architecture 'gpt2' for `task: masked_lm`; allowed for it: causal_lm",
    ),
    "a head that does not read its body": (
        ("opt", "causal_lm", None),
        "models.m: found the architecture 'opt', whose head does not read what its body gives",
    ),
    "a decoder that sees what comes": (
        ("xlnet", "causal_lm", None),
        "models.m: found a model ('xlnet') that sees the tokens that come after, for `task: causal_lm`",
    ),
    "an encoder that was made a decoder": (
        ("bert", "masked_lm", decoding),
        "models.m: found a model ('bert') that does not see the tokens that come after, for `task: ",
    ),
    "next tokens of an encoder": (
        ("bert", "causal_lm", None),
        "models.m: found the architecture 'bert' for `task: causal_lm`; allowed for it: masked_lm",
    ),
    "a classifier asked for next tokens": (
        ("gpt2", "causal_lm", classifying),
        "models.m: found a classifier (GPT2ForSequenceClassification) for `task: causal_lm`",
    ),
    "a classifier asked for masked tokens": (
        ("bert", "masked_lm", classifying),
        "models.m: found a classifier (BertForSequenceClassification) for `task: masked_lm`",
    ),
    "a language model without its head": (
        ("bert", "masked_lm", beheaded),
        "models.m is no language model: it has no cls.predictions",
    ),
}
TEXTS = {
    "no text at all": (["", " "], "datasets.own: found no row with a text (2 rows); allowed: one or more"),
    "one text again and again": (
        ["a cat", "A cat "],
        "datasets.own: found a subset of 1 row; allowed: two or more, one each for train and test",
    ),
}
LANGUAGE = {"--task": "masked_lm", "--label": None, "--text": "first", "--max-length": None}
COMMANDS = {
    "connect with a length of running text": (
        LANGUAGE | {"--max-length": "64"},
        "--max-length: found 64 for running text (`--task masked_lm`); allowed: only for classification",
    ),
    "connect without labels": ({"--label": None}, "--label: missing; allowed: the label's column"),
    "connect without a text": ({"--text": None}, "--text: missing; allowed: the column of the text"),
    "connect classifiers by masked tokens": (
        LANGUAGE,
        "found a classifier (BertForSequenceClassification) for `task: masked_lm`",
    ),
    "connect with labels of running text": (
        LANGUAGE | {"--label": "gold"},
        "--label: found 'gold' for running text",
    ),
}
CASES = [
    Case(name, door, given, said)
    for door, table in (
        (loading, MISTAKES),
        (cutting, CUTS),
        (starting, STARTS),
        (reading, TEXTS),
        (connecting.command, COMMANDS),
    )
    for name, (given, *said) in table.items()
]
