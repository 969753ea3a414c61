"""Language models with the head that they were pre-trained with: open one, start one, adopt one of others."""

from pathlib import Path

from torch import nn
from transformers import AutoConfig
from transformers.activations import NewGELUActivation

from isthmus import hashing
from isthmus.caches.identity import CAUSAL_LM, MASKED_LM
from isthmus.errors import ConfigError
from isthmus.models import fitting, weight_files
from isthmus.models.checkpoint_files import architecture_key, write_config
from isthmus.models.hf_folders import WEIGHTS
from isthmus.models.opening import MAPPINGS, opened

# GPT-2's activation, which Transformers writes out in eight operations, as the one of PyTorch.
_TANH_GELU = nn.GELU(approximate="tanh")


def open_language_model(
    folder: Path, task: str, *, attention: str, dropout: float = 0.0, attention_dropout: float = 0.0
):
    """Open a checkpoint as a language model in float32, in evaluation mode.

    Args:
        folder: a checkpoint in Hugging Face's layout.
        task: `causal_lm` or `masked_lm`.
        attention, dropout, attention_dropout: as of `opening.opened`.

    Raises:
        ConfigError: the weights are not those of a whole language model of this kind.
    """
    model, fit = opened(folder, task, attention, dropout, attention_dropout)
    fitting.check_language_model(str(folder), fit)
    for layer in model.modules():
        if isinstance(layer, NewGELUActivation):
            layer.forward = _TANH_GELU.forward
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
    out.mkdir(parents=True, exist_ok=True)
    write_config(folder, {}, model, out / "config.json")
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
