"""Masked-language-model pre-training of a small BERT on the toy language, by the same exact training."""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus import hashing
from isthmus.caches import identity, state
from isthmus.caches.identity import Anchor, Run, Task
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.data.tokens import Tokens
from isthmus.experiment.config import POSITIONS
from isthmus.machine.numerics import Numerics
from isthmus.models import configurations, fitting, hf_folders, weight_files
from isthmus.models.architectures import Architecture
from isthmus.training import training
from isthmus.training.training import Micro

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_LENGTH = POSITIONS
IGNORED = -100  # the target of a token that is not to be predicted


def toy_tokenizer():
    """A word-level tokenizer of the toy language, joining texts as BERT does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *toy.vocabulary()]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
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


def architecture(settings: dict[str, Any], attention: str):
    """The configuration of the small BERT."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(SPECIAL) + len(toy.vocabulary()),
        hidden_size=settings["width"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        intermediate_size=4 * settings["width"],
        max_position_embeddings=MAX_LENGTH,
        attn_implementation=attention,
    )


class MaskedLanguageModelling:
    """Mean cross-entropy of a batch's masked tokens.

    Of the chosen tokens 80 % become `[MASK]`, 10 % a random word and 10 % stay (Devlin et al., 2019); which,
    is a function of (seed, step).
    """

    def __init__(
        self, examples: Tokens, recipe: dict[str, Any], masked: float, seeds: dict[str, int], device: str
    ):
        self.examples, self.masked, self.seeds, self.device = examples, masked, seeds, device
        self.batch_size, self.budget = recipe["batch_size"], recipe["token_budget"]

    def _index(self, t: int) -> np.ndarray:
        return training.batch_at(t, self.batch_size, len(self.examples), self.seeds["order"])

    def ids(self, t: int) -> list[int]:
        return self._index(t).tolist()

    def _masked(self, ids: np.ndarray, t: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The ids that the model sees and those that it must name."""
        draw = np.random.Generator(np.random.Philox(key=[self.seeds["mask"], hashing.seed(t, number)]))
        chosen = (draw.random(ids.shape) < self.masked) & (ids >= len(SPECIAL))
        kind = draw.random(ids.shape)
        random = draw.integers(len(SPECIAL), len(SPECIAL) + len(toy.vocabulary()), ids.shape)
        seen = np.where(chosen & (kind < 0.8), SPECIAL.index("[MASK]"), ids)
        seen = np.where(chosen & (kind >= 0.9), random, seen)
        return seen, np.where(chosen, ids, IGNORED)

    def micro_batches(self, t: int) -> list[Micro]:
        index = self._index(t)
        lengths = self.examples.lengths[index]
        batch = []
        for number, cut in enumerate(tokens.batches(lengths, self.budget)):
            inputs = tokens.collate(self.examples, index[cut], SPECIAL.index("[PAD]"))
            inputs["input_ids"], targets = self._masked(inputs["input_ids"], t, number)
            batch.append((inputs, targets, int(lengths[cut].sum())))
        self.predicted = max(1, sum(int((targets != IGNORED).sum()) for _, targets, _ in batch))
        return [
            Micro(
                training.on_device(inputs, self.device),
                training.on_device({"targets": targets}, self.device)["targets"],
                count,
            )
            for inputs, targets, count in batch
        ]

    def loss(self, model, micro: Micro) -> Any:
        from torch.nn.functional import cross_entropy

        logits = model(**micro.inputs).logits.float()
        share = cross_entropy(
            logits.flatten(0, 1), micro.targets.flatten(), reduction="sum", ignore_index=IGNORED
        )
        return share / self.predicted


def _corpus(settings: dict[str, Any], tokenizer) -> Tokens:
    """The sentence pairs to pre-train on, without labels."""
    pairs = toy.corpus(settings["rows"], settings["seed"])
    none = np.zeros(len(pairs), np.int64)
    rows = Rows(np.arange(len(pairs)), [a for a, _ in pairs], [b for _, b in pairs], none)
    return tokens.tokenize(tokenizer, rows, [0], MAX_LENGTH)


def _drawn(model) -> Anchor:
    """A fresh model by content: what draws it (a seed, its spread, a library's version) may change."""
    from safetensors.torch import save

    weights = {name: tensor.cpu().contiguous() for name, tensor in weight_files.distinct(model).items()}
    architecture = Architecture.of(configurations.stated_config(model.config))
    return Anchor(hashing.of_bytes(save(weights)), identity.key(architecture))


def pretrain(
    *,
    settings: dict[str, Any],
    recipe: dict[str, Any],
    step: int,
    numerics: Numerics,
    cache: training.Cache,
    out: Path,
) -> None:
    """One job: bring a pre-training to `step` and publish that rung as a model folder.

    Args:
        settings: `layers, width, heads, rows, seed, masked` of the config's pre-training.
        recipe: its `Training.recipe()`.
        step: updates of this rung; 0 is the body as drawn.
        numerics: how to compute.
        cache: where states are kept.
        out: the model's folder.
    """
    import torch

    tokenizer = toy_tokenizer()
    seeds = {
        name: hashing.seed(name, "pretraining", settings["seed"])
        for name in ("body", "order", "mask", "dropout")
    }
    examples = _corpus(settings, tokenizer)
    config = architecture(settings, numerics.attention)
    # Wider than BERT's 0.02, which suits far more layers and width: a body this small would hardly start to
    # learn.
    config.initializer_range = 0.05
    config.hidden_dropout_prob, config.attention_probs_dropout_prob = (
        recipe["dropout"],
        recipe["attention_dropout"],
    )

    def open_model():
        from transformers import BertForMaskedLM

        torch.manual_seed(seeds["body"])
        return BertForMaskedLM(config).to(numerics.device)

    start, task = _drawn(open_model()), Task("masked_lm", settings["masked"])
    counted = identity.counted_recipe(recipe)
    key = identity.key(Run(start, task, examples.digest, counted, seeds, numerics))
    out.mkdir(parents=True, exist_ok=True)
    if step == 0:
        weight_files.save(weight_files.distinct(open_model()), out / hf_folders.WEIGHTS)
    else:
        task = MaskedLanguageModelling(examples, recipe, settings["masked"], seeds, numerics.device)
        with training.segment(open_model, task, recipe, seeds["dropout"], step, key, cache, numerics) as path:
            training.publish(path, recipe, 0, step, out)
    published = architecture(settings, "eager")
    published.architectures = ["BertForMaskedLM"]
    published.save_pretrained(out)
    tokenizer.save_pretrained(out)
    hf_folders.write_record(
        out / "model.json",
        {
            "origin": "pre-trained in the workflow",
            "pretraining_steps": step,
            "drawn": fitting.check_body(str(out), fitting.examine(str(out), out)),
            "sha256": hashing.of_file(out / hf_folders.WEIGHTS),
            "spent": state.spent(cache.folder, key),
        },
    )
