"""Language models with the head that they were pre-trained with: open one, start one, adopt one of others."""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig
from transformers.activations import NewGELUActivation

from isthmus import hashing
from isthmus.caches.identity import CAUSAL_LM, MASKED_LM
from isthmus.errors import ConfigError
from isthmus.models import fitting, token_losses, weight_files
from isthmus.models.checkpoint_files import architecture_key, write_config
from isthmus.models.hf_folders import WEIGHTS
from isthmus.models.opening import MAPPINGS, opened
from isthmus.models.tokenizing import TESTED

# GPT-2's activation, which Transformers writes out in eight operations, as the one of PyTorch.
_TANH_GELU = nn.GELU(approximate="tanh")


def open_language_model(folder: Path, task: str, *, attention: str, **settings):
    """Open a checkpoint as a language model, in evaluation mode.

    Args:
        folder: a checkpoint in Hugging Face's layout.
        task: `causal_lm` or `masked_lm`.
        attention, settings: as of `opening.opened`.

    Raises:
        ConfigError: the weights are not those of a whole language model of this kind.
    """
    model, fit = opened(folder, task, attention, **settings)
    fitting.check_language_model(str(folder), fit)
    for layer in model.modules():
        if isinstance(layer, NewGELUActivation):
            layer.forward = _TANH_GELU.forward
        elif isinstance(layer, nn.Embedding):
            # Where the end of text stands for padding, its row would get no gradient; batches have masks.
            layer.padding_idx = None
    return model


def write_checkpoint(folder: Path, origin: str, task: str, out: Path) -> str:
    """Write the float32 weights and the configuration of a language model: the first checkpoint of a run.

    Args:
        folder: a local copy, from `origins.fetch`, or of a pre-training.
        origin: its name, for messages.
        task: `causal_lm` or `masked_lm`.
        out: the checkpoint's folder.

    Returns:
        The SHA-256 of the weights.

    Raises:
        ConfigError: the architecture does not do this task, or the weights lack its head.
    """
    check_task(folder, origin, task)
    model, fit = opened(folder, task, "eager")
    fitting.check_language_model(origin, fit)
    _check_computing(model, origin, task)
    settings = {} if _tied_as_it_says(model) else {"tie_word_embeddings": False}
    out.mkdir(parents=True, exist_ok=True)
    write_config(folder, settings, model, out / "config.json")
    weight_files.save(weight_files.distinct(model), out / WEIGHTS, architecture=architecture_key(out))
    return hashing.of_file(out / WEIGHTS)


def check_task(folder: Path, origin: str, task: str) -> None:
    """Raise a ConfigError where an architecture does not do a task, or a model was trained for another."""
    config = AutoConfig.from_pretrained(folder)
    kinds = {name: type(config) in MAPPINGS[name] for name in (CAUSAL_LM, MASKED_LM)}
    # An encoder reads in both directions, unless it was made a decoder: it sees the token that it is to say.
    kinds[CAUSAL_LM] &= not kinds[MASKED_LM] or getattr(config, "is_decoder", False)
    if not kinds[task]:
        allowed = [name for name, can in kinds.items() if can]
        raise ConfigError(
            f"{origin}: found the architecture {config.model_type!r} for `task: {task}`; allowed for it: "
            f"{' or '.join(allowed) or 'classification'}"
        )
    other = [name for name in config.architectures or [] if name.endswith("ForSequenceClassification")]
    if other:
        raise ConfigError(
            f"{origin}: found a classifier ({other[0]}) for `task: {task}`; allowed: a language model with "
            "the head that it was pre-trained with"
        )


def _check_computing(model: nn.Module, origin: str, task: str) -> None:
    """Raise a ConfigError where a head reads something else than its body gives, or sees what it is to say.

    Which architectures do is not to be known from their names, so it is tried on a few tokens.
    """
    ids = torch.arange(2, 10)[None] % token_losses.vocabulary(model)
    other = ids.clone()
    other[0, -1] = 1
    with torch.no_grad():
        plain, changed = (model(input_ids=tokens).logits[0] for tokens in (ids, other))
        states = token_losses.states(model, {"input_ids": ids}, torch.ones_like(ids, dtype=torch.bool))
        found = token_losses.logits(model, states)
    kind = model.config.model_type
    if found.shape != plain.shape or not torch.allclose(found, plain, atol=1e-4, rtol=1e-4):
        raise ConfigError(
            f"{origin}: found the architecture {kind!r}, whose head does not read what its body gives; "
            f"allowed: one of those that are tested ({', '.join(TESTED)}), or alike"
        )
    looks_ahead = float((plain - changed)[:-1].abs().max()) > 1e-6 * float(plain.abs().max())
    if looks_ahead != (task == MASKED_LM):
        said = "sees the tokens that come after" if looks_ahead else "does not see the tokens that come after"
        raise ConfigError(
            f"{origin}: found a model ({kind!r}) that {said}, for `task: {task}`; allowed for it: "
            f"{MASKED_LM if looks_ahead else CAUSAL_LM}"
        )


def _tied_as_it_says(model: nn.Module) -> bool:
    """Whether head and embedding are one tensor where the configuration says so; equal ones are made one.

    A file may hold both, and then both are read.
    """
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if not getattr(model.config, "tie_word_embeddings", False) or head is None:
        return True
    if head.weight is not embedding.weight:
        if not torch.equal(head.weight, embedding.weight):
            return False
        head.weight = embedding.weight
    return True
