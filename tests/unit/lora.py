"""Adapters made by plain PEFT on tiny models, and what plain PEFT says of them."""

import copy
from pathlib import Path

import numpy as np
import torch
from isthmus import stored
from isthmus.caches.identity import CAUSAL_LM, CLASSIFICATION
from isthmus.models import adapters, architectures, classifiers, hf_folders, language_models

from tests.unit import families, tiny

TARGETS = {"bert": ["query", "value"], "roberta": ["query", "dense"], "gpt2": ["c_attn", "c_proj"]}
TARGETS["llama"] = ["q_proj", "v_proj"]
TYPES = {CLASSIFICATION.name: "SEQ_CLS", CAUSAL_LM: "CAUSAL_LM"}


def plain_model(base: Path, task: str):
    """The base as Transformers opens it."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification

    known = {CLASSIFICATION.name: AutoModelForSequenceClassification, CAUSAL_LM: AutoModelForCausalLM}
    return known.get(task, AutoModelForMaskedLM).from_pretrained(base).eval()


def base(folder: Path, family: str, task: str = CLASSIFICATION.name) -> Path:
    """What adapters adapt, as the workflow's first job of a cell leaves it."""
    families.pretrained(folder / "pretrained", family)
    source, out = folder / "pretrained", folder / "base"
    drawn = []
    if task == CLASSIFICATION.name:
        settings = stored.read_json(source / "config.json")
        if settings.get("pad_token_id") is None:
            stored.write_text(
                source / "config.json",
                str(settings | {"pad_token_id": 0})
                .replace("'", '"')
                .replace("None", "null")
                .replace("True", "true")
                .replace("False", "false"),
            )
        sha256, drawn = classifiers.write_base(source, tiny.LABELS, 0, False, out)
    else:
        sha256 = language_models.write_checkpoint(source, "base", task, out)
    record = {"drawn": drawn, "sha256": sha256, **architectures.described(out)}
    hf_folders.write_record(out / architectures.RECORD, record)
    return out


def by_peft(folder: Path, base: Path, seed: int, task: str = CLASSIFICATION.name, **changes) -> Path:
    """An adapter with random factors (and a random head), saved by PEFT."""
    from peft import LoraConfig, get_peft_model

    model = plain_model(base, task)
    drawn = hf_folders.read_record(base)["drawn"]
    heads = sorted({name.removeprefix(f"{model.base_model_prefix}.").partition(".")[0] for name in drawn})
    settings = {"r": 3, "lora_alpha": 7, "target_modules": TARGETS[model.config.model_type]}
    settings |= {"modules_to_save": heads or None, "task_type": TYPES.get(task)}
    settings["fan_in_fan_out"] = model.config.model_type == "gpt2"
    wrapped = get_peft_model(model, LoraConfig(**settings | changes))
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn(parameter.shape)
    wrapped.save_pretrained(folder)
    return folder


def adopted(folder: Path, own: Path, base: Path, seed: int = 0) -> Path:
    """A checkpoint of an adapter, as the workflow leaves it."""
    sha256 = adapters.adopt(own, own.name, base, folder)
    record = {"seed": seed, "step": 1, "sha256": sha256, **adapters.described(folder, base)}
    hf_folders.write_record(folder / architectures.RECORD, record)
    return folder


def merged(own: Path, base: Path, task: str = CLASSIFICATION.name):
    """The whole model that PEFT makes of an adapter."""
    from peft import PeftModel

    return PeftModel.from_pretrained(plain_model(base, task), own).merge_and_unload().eval()


def between(models, alpha: float):
    """The model whose weights are those between two others'."""
    a, b = (model.state_dict() for model in models)
    found = copy.deepcopy(models[0])
    found.load_state_dict({name: torch.lerp(a[name], b[name], alpha) for name in a})
    return found


def between_factors(
    owns: list[Path], base: Path, folder: Path, alpha: float, task: str = CLASSIFICATION.name
):
    """The model that PEFT makes of the factors between two adapters' own."""
    from safetensors.torch import load_file, save_file

    a, b = (load_file(own / "adapter_model.safetensors") for own in owns)
    folder.mkdir(exist_ok=True)
    save_file({name: torch.lerp(a[name], b[name], alpha) for name in a}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text((owns[0] / "adapter_config.json").read_text())
    return merged(folder, base, task)


def mean_loss(model, examples) -> float:
    """The mean cross-entropy of a plain classifier, an example at a time."""
    losses = []
    for i, label in enumerate(examples.labels):
        part = slice(examples.offsets[i], examples.offsets[i + 1])
        inputs = {"input_ids": torch.from_numpy(examples.ids[part].astype(np.int64))[None]}
        if len(examples.types):
            inputs["token_type_ids"] = torch.from_numpy(examples.types[part].astype(np.int64))[None]
        with torch.no_grad():
            logits = model(**inputs).logits
        losses.append(float(torch.nn.functional.cross_entropy(logits, torch.tensor([int(label)]))))
    return float(np.mean(losses))
