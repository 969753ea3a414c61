"""Checkpoints as models of Transformers, each with the head of a task.

Models are opened in float32, or to be measured also in another type: straight from the files, without a
float32 model on the way.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
)

from isthmus.caches.identity import CAUSAL_LM, CLASSIFICATION, MASKED_LM
from isthmus.experiment import adapter_folders
from isthmus.models import fitting, hf_folders
from isthmus.models.architectures import ATTENTION_DROPOUT, CLASSIFIER_DROPOUT, DROPOUT

MAPPINGS = {
    CLASSIFICATION.name: MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    CAUSAL_LM: MODEL_FOR_CAUSAL_LM_MAPPING,
    MASKED_LM: MODEL_FOR_MASKED_LM_MAPPING,
}


def opened(
    folder: Path,
    task: str,
    attention: str,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    weights: str = "float32",
    **extra,
) -> tuple[Any, fitting.Fit]:
    """A folder as a model of a task, in evaluation mode, whatever it lacks, and how its weights fit.

    Args:
        folder: in Hugging Face's layout, or an adapter's checkpoint, which is put into its base.
        task: one of `MAPPINGS`.
        attention: `eager` or `sdpa`; architectures that have no `sdpa` (DeBERTa) compute with `eager`.
        dropout, attention_dropout: what the model applies while in training mode.
        weights: their type.
        extra: settings of the configuration, such as `num_labels`.
    """
    if base := hf_folders.base_of(folder) if adapter_folders.is_adapter(folder) else None:
        from isthmus.models import adapters  # PEFT is of no use to whole models

        model, fit = opened(base, task, attention, dropout, attention_dropout, weights, **extra)
        return adapters.put_into(model, folder), fit
    config = AutoConfig.from_pretrained(folder, **extra)
    config.use_cache = False  # nothing is generated, and a decoder would copy all keys and values
    # Layers computed anew for the backward pass would draw other dropout masks than the forward pass had.
    config.gradient_checkpointing = False
    if not MAPPINGS[task][type(config)]._supports_sdpa:
        attention = "eager"
    for names, value in (
        (DROPOUT, dropout),
        (ATTENTION_DROPOUT, attention_dropout),
        (CLASSIFIER_DROPOUT, dropout),
    ):
        for name in names:
            if hasattr(config, name):
                setattr(config, name, value)
    kind = getattr(torch, weights)
    model, fit = fitting.load(folder, task, config=config, dtype=kind, attn_implementation=attention)
    # Memory of its own: mapped tensors stand at any address, and alignment can change the bits of a product.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model.eval(), fit
