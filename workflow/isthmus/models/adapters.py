"""Adapters (LoRA, Hu et al. 2021) on a base, through PEFT: draw one, put one into a model, merge one.

A checkpoint of an adapter is PEFT's folder with a record that names the base's folder and its hash. Its
weights have two spaces: that of the base, with `W + s B A` in the place of each `W` (`Merged`), and that of
the factors `A` and `B` themselves, which are the tensors of its file.
"""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, PeftConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from torch import Tensor, nn
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

from isthmus import hashing, stored, tensor_header
from isthmus.caches.identity import CAUSAL_LM, CLASSIFICATION, key
from isthmus.errors import ConfigError
from isthmus.experiment import adapter_folders, folders, tensor_names
from isthmus.experiment.adapter_folders import CONFIG, PREFIX, WEIGHTS
from isthmus.experiment.folders import listed
from isthmus.models import fitting, hf_folders, weight_files

NAME = "default"  # PEFT's own, of the one adapter in a model
ALL = "all-linear"
TYPES = {CLASSIFICATION.name: "SEQ_CLS", CAUSAL_LM: "CAUSAL_LM"}  # PEFT has none for masked tokens
FACTORS = ("lora_A", "lora_B")
Hub = tuple[str, str | None] | None  # an id and its revision
HEAD = re.compile(r"\b(classifier|score|out_proj)\.weight$")  # of what a sequence classifier ends with


# --------------------------------------------------------------------------------------------------- opening


def put_into(model: nn.Module, folder: Path) -> nn.Module:
    """A model with an adapter's layers in it, whose own weights are fixed; returns it.

    Args:
        model: the base, as Transformers opens it.
        folder: the adapter's.
    """
    settings = PeftConfig.from_pretrained(folder)
    settings.inference_mode = False
    inject_adapter_in_model(settings, model, NAME)
    model.trained = partial(state_of, model)
    weights = weight_files.load(folder / WEIGHTS)
    with torch.no_grad():
        for name, tensor in weight_files.trained(model).items():
            tensor.copy_(weights[name])
    return model.eval()


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model's adapter, with what is trained beside it, by their names in PEFT's files."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {f"{PREFIX}{name}": tensor for name, tensor in state.items()}


class Merged(Mapping[str, Tensor]):
    """The weights of a base with an adapter merged into them, one tensor at a time, when it is asked for.

    Args:
        base: the base's weights by name.
        folder: the adapter's.
        place: what is done with what an adapter has whole, such as sending it to a device. Products of
            factors are computed on the CPU wherever the base is, so that they have the same bits.
    """

    def __init__(self, base: Mapping[str, Tensor], folder: Path, place: Callable[[Tensor], Tensor]):
        self._base, self._folder = base, folder
        self._own = weight_files.load(folder / WEIGHTS)
        # Such as a head.
        whole = {n.removeprefix(PREFIX): t for n, t in self._own.items() if not _is_factor(n)}
        self._whole = {name: place(tensor) for name, tensor in whole.items()}

    @cached_property
    def _layers(self) -> dict[str, LoraLayer]:
        """PEFT's layer for each tensor that is adapted.

        Made at the first use, on the thread that uses it: libraries that make modules patch PyTorch for all
        threads meanwhile.
        """
        layers = {}
        for name, layer in skeleton(hf_folders.base_of(self._folder), self._folder).named_modules():
            if isinstance(layer, LoraLayer):
                for factor in FACTORS:
                    tensor = self._own[f"{PREFIX}{name}.{factor}.weight"]
                    getattr(layer, factor)[NAME].weight = nn.Parameter(tensor, requires_grad=False)
                layers[f"{name}.weight"] = layer
        return layers

    def __getitem__(self, name: str) -> Tensor:
        if name in self._whole:
            return self._whole[name]
        if name in self._layers:
            change = self._layers[name].get_delta_weight(NAME)
            return self._base[name] + change.to(self._base[name].device)
        return self._base[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)


def skeleton(base: Path, folder: Path | None = None) -> nn.Module:
    """The modules of a base, without memory, and an adapter's layers among them."""
    config = AutoConfig.from_pretrained(base)
    with torch.device("meta"):
        model = getattr(transformers, config.architectures[0])(config)
        if folder is not None:
            inject_adapter_in_model(PeftConfig.from_pretrained(folder), model, NAME)
    return model


# -------------------------------------------------------------------------------------------------- beginning


def initialize(
    base: Path, where: str, settings: Mapping[str, Any], task: str, drawn: Path, head: Sequence[str],
    seed: int, out: Path,
) -> str:  # fmt: skip
    """Write the adapter that a run begins with: A drawn, B zero, so that the function is the base's.

    Args:
        base: the folder of the base, with a head.
        where: the model's key in the config, for messages.
        settings: `models.<name>.adapter`.
        task: what is asked of the model.
        drawn: a folder of the whole model with the run's own head.
        head: the tensors that pre-training has not made; none of language models.
        seed: draws A.
        out: the checkpoint's folder.

    Returns:
        The SHA-256 of the adapter's file.

    Raises:
        ConfigError: a target that matches no layer, or a rank above a layer's width.
    """
    model, own = skeleton(base), weight_files.load(drawn / hf_folders.WEIGHTS)
    fixed = [name for name, _ in model.named_modules() if _within(name, _modules(model, head))]
    if task != CLASSIFICATION.name:  # a language model's head stays as it is
        fixed = [n for n, _ in model.named_modules() if not _within(n, [model.base_model_prefix])]
    whole = _modules(model, head) if settings["train_head"] else []
    targets, layers = _targets(model, f"{where}.targets", settings["targets"], fixed)
    widths = {name: min(layer.weight.shape) for name, layer in layers.items()}
    tensor_names.check_rank(f"{where}.rank", settings["rank"], widths)
    lora = LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        use_rslora=settings["rslora"],
        target_modules=targets,
        exclude_modules=[name for name in fixed if name] or None if not whole else None,
        modules_to_save=whole or None,
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers.values()),
        task_type=TYPES.get(task),
    )
    with torch.device("meta"):
        inject_adapter_in_model(lora, model, NAME)
    torch.manual_seed(seed)
    state = {
        name: _drawn(name, tensor.shape) if _is_factor(name) else own[name.removeprefix(PREFIX)]
        for name, tensor in state_of(model).items()
    }
    return _write(lora.to_dict(), state, base, out)


def _modules(model: nn.Module, head: Sequence[str]) -> list[str]:
    """The modules that hold a head's tensors: the classifier, and a pooler that pre-training has not made."""
    prefix = f"{model.base_model_prefix}."
    names = {(name.removeprefix(prefix).partition(".")[0], name.startswith(prefix)) for name in head}
    return sorted(f"{prefix}{name}" if inner else name for name, inner in names)


def _within(name: str, modules: Sequence[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _targets(
    model: nn.Module, where: str, targets: list[str] | str | None, fixed: Sequence[str]
) -> tuple[list[str] | str, dict[str, nn.Module]]:
    """The targets (by default PEFT's for the architecture), and the layers that they match, by name."""
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name not in fixed
        and module is not model.get_output_embeddings()
    }  # fmt: skip
    kind = model.config.model_type
    found = targets or TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(kind)
    if found is None:
        names = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
        raise ConfigError(
            f"{where}: missing, and PEFT has none for the architecture {kind!r}; allowed: {ALL}, or some "
            f"of {names}"
        )
    if found == ALL:
        return found, layers
    chosen = tensor_names.matched(where, found, layers, layers)
    return list(found), {name: layers[name] for name in chosen}


def _is_factor(name: str) -> bool:
    return any(f".{factor}." in name for factor in FACTORS)


def _drawn(name: str, shape: torch.Size) -> Tensor:
    """A factor as PEFT draws it: A as a linear layer's weights, B zero."""
    tensor = torch.zeros(shape)
    return nn.init.kaiming_uniform_(tensor, a=5**0.5) if ".lora_A." in name else tensor


def adopt(folder: Path, origin: str, base: Path, out: Path, hub: Hub = None) -> str:
    """Write the float32 weights of an adapter that others trained.

    Args:
        folder: a copy of its two files.
        origin: its name, for messages.
        base: the folder of the base that it is to adapt.
        out: the checkpoint's folder.
        hub: the base's id and revision, where it is the hub's.

    Returns:
        The SHA-256 of the adapter's file.

    Raises:
        ConfigError: it is of a kind that is not supported, or does not fit the base.
    """
    settings = adapter_folders.read(origin, folder)
    check_base(origin, settings, base, hub)
    fitting.check_numbers(origin, folder / WEIGHTS)
    try:
        expected = state_of(skeleton(base, folder))
    except Exception as error:  # of any kind: it comes of a file that somebody else wrote
        raise ConfigError(
            f"{origin}: {CONFIG} does not fit the base: {fitting.plainly(error)}; allowed: an adapter of it"
        ) from error
    state = weight_files.load(folder / WEIGHTS)
    if embeddings := [name for name in state if ".lora_embedding_" in name]:
        raise ConfigError(
            f"{origin}: found {listed(embeddings)}; allowed: adapters that leave embeddings as they are"
        )
    wrong = {
        "missing": expected.keys() - state.keys(),
        "left over": state.keys() - expected.keys(),
        "of another shape": {
            n for n in expected.keys() & state.keys() if expected[n].shape != state[n].shape
        },
    }
    if clauses := [f"{problem} {listed(sorted(names))}" for problem, names in wrong.items() if names]:
        raise ConfigError(
            f"{origin}: the adapter does not fit its base: {'; '.join(clauses)}; allowed: an adapter of this "
            "base, whose embeddings and layers are the base's own"
        )
    _check_free(origin, state, base)
    own = {name.removeprefix(PREFIX) for name in state}
    if lacking := [name for name in hf_folders.read_record(base)["drawn"] if name not in own]:
        raise ConfigError(
            f"{origin}: neither the adapter nor its base has {listed(lacking)}; allowed: an adapter that was "
            "saved with the head that was trained with it (PEFT's `modules_to_save`)"
        )
    return _write(settings, {name: tensor.float() for name, tensor in state.items()}, base, out)


def classes(folder: Path) -> int | None:
    """How many classes the head of an adapter has; None where it brings no head along."""
    header, _ = tensor_header.read(folder / WEIGHTS)
    heads = [entry["shape"][0] for name, entry in header.items() if HEAD.search(name)]
    return heads[0] if heads else None


def _check_free(origin: str, state: Mapping[str, Tensor], base: Path) -> None:
    """Raise a ConfigError where an adapter has its own in the place of what the base ties to another tensor.

    Merged, it would move both, or neither; so does PEFT with some of them, and not with others.
    """
    known, _ = tensor_header.read(base / hf_folders.WEIGHTS)
    named = list(skeleton(base).named_parameters(remove_duplicate=False))
    uses = Counter(id(tensor) for _, tensor in named)
    tied = {name for name, tensor in named if uses[id(tensor)] > 1}
    own = {name.removeprefix(PREFIX).partition(".lora_")[0] + ".weight" * _is_factor(name) for name in state}
    if wrong := sorted(name for name in own if name not in known or name in tied):
        raise ConfigError(
            f"{origin}: found {listed(wrong)} in the adapter, which the base ties to another tensor; "
            "allowed: adapters that leave embeddings, and the heads that share their weights, as they are"
        )


def check_base(origin: str, settings: Mapping[str, Any], base: Path, hub: Hub) -> None:
    """Raise a ConfigError where an adapter says that it was trained on another model.

    Args:
        origin: the adapter's name, for messages.
        settings: the adapter's.
        base: the folder of the base that it is to adapt.
        hub: the base's id and revision, where it is the hub's.
    """
    named, revision = settings.get("base_model_name_or_path"), settings.get("revision") or "main"
    if not named:
        return
    if (Path(named) / "config.json").is_file():
        files = folders.weight_files(origin, Path(named))
        if any(path.suffix != ".safetensors" for path in files):
            raise ConfigError(
                f"{origin}: found an adapter of {named}, whose weights are pickled ({files[0].name}) and "
                "cannot be compared with the base's; allowed: a folder with safetensors files"
            )
        if not _same_body(files, base):
            raise ConfigError(
                f"{origin}: found an adapter of {named}, whose weights are others than those of the base; "
                "allowed: adapters of the base"
            )
        return
    if hub is None or named.startswith((".", "/", "~")) or named.count("/") > 1:
        return  # a place on another machine: what is there nobody knows
    # An organisation's name came later: `bert-base-uncased` is `google-bert/bert-base-uncased`.
    same = named == hub[0] or (named.count("/") == 0 and named == hub[0].rpartition("/")[2])
    if not same or revision != (hub[1] or "main"):
        raise ConfigError(
            f"{origin}: found an adapter of {named} (revision {revision}); allowed: one of the base, "
            f"{hub[0]} (revision {hub[1] or 'main'})"
        )


def _same_body(files: Sequence[Path], base: Path) -> bool:
    """Whether the tensors of a model's body are those of a base; heads may differ."""
    prefix, body = f"{skeleton(base).base_model_prefix}.", weight_files.load(base / hf_folders.WEIGHTS)
    body = {name.removeprefix(prefix): tensor for name, tensor in body.items() if name.startswith(prefix)}
    own = {name: tensor for path in files for name, tensor in weight_files.load(path).items()}
    pairs = [(own.get(f"{prefix}{name}", own.get(name)), tensor) for name, tensor in body.items()]
    known = [(found, tensor) for found, tensor in pairs if found is not None]  # a pooler may be drawn
    return bool(known) and all(u.shape == v.shape and torch.equal(u.float(), v) for u, v in known)


def _write(settings: Mapping[str, Any], state: Mapping[str, Tensor], base: Path, out: Path) -> str:
    """Write an adapter's files, and its base's configuration beside them; returns the hash of the weights."""
    plain = {name: sorted(v) if isinstance(v, set) else v for name, v in settings.items()}
    plain |= {"base_model_name_or_path": str(base), "revision": None, "inference_mode": True}
    out.mkdir(parents=True, exist_ok=True)
    stored.write_text(out / CONFIG, json.dumps(plain, indent=2, sort_keys=True) + "\n")
    shutil.copyfile(base / "config.json", out / "config.json")
    # The DAG knows a checkpoint by its weights, so these carry what else a training begins with.
    begun = {"settings": adapter_folders.counted(plain), "dropout": plain["lora_dropout"]}
    base_weights = hf_folders.read_record(base)["sha256"]
    weight_files.save(dict(state), out / WEIGHTS, adapter=hashing.of_data(begun), base=base_weights)
    return hashing.of_file(out / WEIGHTS)


def described(out: Path, base: Path) -> dict[str, Any]:
    """What `checkpoint.json` says of an adapter: its settings' key, its base, and the base's architecture."""
    record = hf_folders.read_record(base)
    return {
        "architecture": record["architecture"],
        "base": {"folder": os.path.relpath(base, out), "sha256": record["sha256"]},
        "adapter": key(adapter_folders.counted(stored.read_json(out / CONFIG))),
    }
