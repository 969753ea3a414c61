"""Tiny random models of each architecture that is tested, as pre-training leaves them, with tokenizers."""

from pathlib import Path

import torch
from isthmus.data import toy
from isthmus.experiment.config import Model
from isthmus.models import origins

from tests.unit import tiny

ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8}
SIZES = {
    "bert": ENCODER,
    "roberta": {**ENCODER, "type_vocab_size": 1},
    "electra": {**ENCODER, "embedding_size": 16},
    "deberta-v2": {**ENCODER, **DISENTANGLED, "type_vocab_size": 0, "pooler_hidden_size": 32},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 96},
    "gpt_neox": ENCODER,
    "llama": {**ENCODER, "num_key_value_heads": 1, "tie_word_embeddings": True},
}
DECODERS = ("gpt2", "gpt_neox", "llama")
END = "<|endoftext|>"


def byte_tokenizer(begin: bool):
    """Byte pairs of the toy language, without a padding token; Llama's kind begins each text with a mark."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
    from tokenizers import models as inner_models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(inner_models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[END, "<s>"], initial_alphabet=alphabet)
    trainer.show_progress = False
    texts = [text for pair in toy.corpus(100, 0) for text in pair]
    inner.train_from_iterator(texts, trainer)
    if begin:
        inner.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
        )
    # Its names of inputs are the library's default: segments are among them, which these models do not have.
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, bos_token="<s>")


def tokenizer(family: str):
    if family in DECODERS:
        return byte_tokenizer(begin=family == "llama")
    return tiny.tokenizer(family)


def pretrained(folder: Path, family: str, dtype=torch.float32) -> Path:
    """A folder as its pre-training leaves it: a language model's body and head, and a tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    names = tokenizer(family)
    special = {f"{name}_token_id": getattr(names, f"{name}_token_id") for name in ("bos", "eos")}
    config = AutoConfig.for_model(
        family, vocab_size=len(names), initializer_range=0.1, **SIZES[family], **special
    )
    torch.manual_seed(0)
    kind = AutoModelForCausalLM if family in DECODERS else AutoModelForMaskedLM
    kind.from_config(config).to(dtype).save_pretrained(folder)
    names.save_pretrained(folder)
    return folder


def fetched(folder: Path, family: str, **changes) -> Path:
    """The workflow's copy of such a folder."""
    origins.fetch(Model(folder=pretrained(folder / "source", family, **changes)), folder / "model")
    return folder / "model"
