"""Pre-training of a small BERT or GPT-2 on the toy language, by the same exact training."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from isthmus import hashing
from isthmus.caches import attempts, identity, states
from isthmus.caches.identity import Anchor, Task
from isthmus.data import blocks, toy
from isthmus.data.tokens import Tokens
from isthmus.experiment.config import POSITIONS
from isthmus.machine.numerics import Numerics
from isthmus.models import configurations, fitting, hf_folders, weight_files
from isthmus.models.architectures import ATTENTION_DROPOUT, DROPOUT, Architecture
from isthmus.tasks import masked_lm
from isthmus.tasks.language_modelling import LanguageModelling
from isthmus.tasks.masked_lm import MaskedLM
from isthmus.training.publishing import publish
from isthmus.training.run import Run, segment
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe
from isthmus.training.step import Objective

MAX_LENGTH = POSITIONS
# Wider than BERT's 0.02, which suits far more layers and width: a body this small would hardly learn.
INITIALIZER_RANGE = 0.05


@dataclass(frozen=True)
class Pretraining:
    """What is pre-trained on what.

    Attributes:
        architecture: `bert`, on masked tokens, or `gpt2`, on next tokens.
        layers, width, heads: of the small model.
        rows: sentence pairs of the corpus.
        seed: of the body, the corpus, masks, order and dropout.
        masked: the part of the tokens that is to be named.
    """

    layers: int
    width: int
    heads: int
    rows: int
    seed: int
    masked: float
    architecture: str = "bert"

    @property
    def decoder(self) -> bool:
        return self.architecture == "gpt2"


def toy_tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer of the toy language, joining texts as BERT does."""
    words = masked_lm.vocabulary()
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(word, words.index(word)) for word in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def architecture(settings: Pretraining, attention: str) -> PreTrainedConfig:
    """The configuration of the small model."""
    if settings.decoder:
        return GPT2Config(
            vocab_size=len(masked_lm.vocabulary()),
            n_embd=settings.width,
            n_layer=settings.layers,
            n_head=settings.heads,
            n_positions=MAX_LENGTH,
            pad_token_id=masked_lm.SPECIAL.index("[PAD]"),
            bos_token_id=masked_lm.SPECIAL.index("[CLS]"),
            eos_token_id=masked_lm.SPECIAL.index("[SEP]"),
            attn_implementation=attention,
        )
    return BertConfig(
        vocab_size=len(masked_lm.vocabulary()),
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.width,
        max_position_embeddings=MAX_LENGTH,
        attn_implementation=attention,
    )


def _drawn(model: nn.Module) -> Anchor:
    """A fresh model by content: what draws it (a seed, its spread, a library's version) may change."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in weight_files.distinct(model).items()}
    architecture = Architecture.of(configurations.stated_config(model.config))
    return Anchor(hashing.of_bytes(save(weights)), identity.key(architecture))


def _run(settings: Pretraining, recipe: Recipe, tokenizer, numerics: Numerics) -> Run:
    """The training whose checkpoints are the rungs."""
    seeds = {
        name: hashing.seed(name, "pretraining", settings.seed)
        for name in ("body", "order", "mask", "dropout")
    }
    config = architecture(settings, numerics.attention)
    config.initializer_range = INITIALIZER_RANGE
    for names, value in ((DROPOUT, recipe.dropout), (ATTENTION_DROPOUT, recipe.attention_dropout)):
        for name in names:
            if hasattr(config, name):
                setattr(config, name, value)

    def open_model() -> nn.Module:
        torch.manual_seed(seeds["body"])
        return (GPT2LMHeadModel if settings.decoder else BertForMaskedLM)(config).to(numerics.device)

    if settings.decoder:
        examples = _running_text(settings, tokenizer)
        task = LanguageModelling(examples.task, config.pad_token_id, numerics)
    else:
        examples = masked_lm.corpus(settings.rows, settings.seed, tokenizer, MAX_LENGTH)
        task = MaskedLM(settings.masked, seeds["mask"], numerics.device)
    counted = identity.counted_recipe(asdict(recipe))
    return Run(
        identity.Run(
            _drawn(open_model()),
            task.identity,
            examples.digest,
            counted,
            seeds,
            numerics,
        ),
        Objective(task, examples, recipe, seeds),
        open_model,
    )


def _running_text(settings: Pretraining, tokenizer) -> Tokens:
    """The corpus of a decoder: the pairs of sentences that an encoder reads, joined and cut into blocks."""
    pairs = [f"{a} {b}" for a, b in toy.corpus(settings.rows, settings.seed)]
    found = blocks.joined(tokenizer, pairs, np.arange(len(pairs)), MAX_LENGTH, "pretraining")
    return replace(found, task=Task(identity.CAUSAL_LM))


def pretrain(
    *, settings: Pretraining, recipe: Recipe, step: int, numerics: Numerics, cache: Cache, out: Path
) -> None:
    """One job: bring a pre-training to `step` and publish that rung as a model folder.

    Args:
        settings: model and corpus.
        recipe: how it is trained.
        step: updates of this rung; 0 is the body as drawn.
        numerics: how to compute.
        cache: where states are kept.
        out: the model's folder.

    Raises:
        As `segment`.
    """
    tokenizer = toy_tokenizer()
    run = _run(settings, recipe, tokenizer, numerics)
    out.mkdir(parents=True, exist_ok=True)
    if step == 0:
        weight_files.save(weight_files.distinct(run.open_model()), out / hf_folders.WEIGHTS)
        platforms = states.Platforms().and_then(numerics)
    else:
        with segment(run, step, cache) as state:
            publish(state, recipe, 0, step, out / hf_folders.WEIGHTS)
            platforms = states.platforms(state)
    published = architecture(settings, "eager")
    published.architectures = ["GPT2LMHeadModel" if settings.decoder else "BertForMaskedLM"]
    published.save_pretrained(out)
    tokenizer.save_pretrained(out)
    hf_folders.write_record(
        out / "model.json",
        {
            "origin": "pre-trained in the workflow",
            "pretraining_steps": step,
            "drawn": fitting.check_body(str(out), fitting.examine(str(out), out)),
            "sha256": hashing.of_file(out / hf_folders.WEIGHTS),
            "spent": attempts.spent(cache.folder, run.key),
        }
        | asdict(platforms),
    )
