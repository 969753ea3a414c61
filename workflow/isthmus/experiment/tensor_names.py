"""Names of tensors that are known when the workflow is read, for what the user names: groups, and targets.

Of a pre-training of the workflow they follow from its architecture, of a folder they stand in its files.
What a hub's model has is known once it is fetched: the first job of a cell checks them against the names
themselves.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from isthmus.errors import ConfigError
from isthmus.experiment import folders
from isthmus.experiment.config import Adapter, Experiment, Model
from isthmus.experiment.settings.pretraining import Pretraining

LINEAR = ("weight", "bias")
# Of a layer, by architecture; norms and dense layers have both of `LINEAR`.
LAYERS = {
    "bert": [
        *(f"bert.encoder.layer.{{i}}.attention.self.{part}" for part in ("query", "key", "value")),
        *(f"bert.encoder.layer.{{i}}.attention.output.{part}" for part in ("dense", "LayerNorm")),
        *(f"bert.encoder.layer.{{i}}.{part}.dense" for part in ("intermediate", "output")),
        "bert.encoder.layer.{i}.output.LayerNorm",
    ],
    "gpt2": [
        *(f"transformer.h.{{i}}.{part}" for part in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2")),
        *(f"transformer.h.{{i}}.mlp.{part}" for part in ("c_fc", "c_proj")),
    ],
}
OTHERS = {
    "bert": [
        *(f"bert.embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")),
        *(f"bert.embeddings.LayerNorm.{part}" for part in LINEAR),
        *(f"{layer}.{part}" for layer in ("bert.pooler.dense", "classifier") for part in LINEAR),
    ],
    "gpt2": ["transformer.wte.weight", "transformer.wpe.weight", "score.weight"]
    + [f"transformer.ln_f.{part}" for part in LINEAR],
}
# What a fine-tuning adds to a folder's own tensors, and what begins the names of those saved without it.
ADDED = ("classifier", "classifier.dense", "classifier.out_proj", "score", "pre_classifier", "pooler.dense")
HEADS = [f"{layer}.{part}" for layer in ADDED for part in LINEAR]
PREFIXES = ("bert", "roberta", "distilbert", "electra", "deberta", "transformer", "gpt_neox", "model")


def pretrained(settings: Pretraining) -> list[str]:
    """Those of a classifier of a pre-training of the workflow."""
    layers = LAYERS[settings.architecture]
    return OTHERS[settings.architecture] + [
        f"{layer.format(i=i)}.{part}" for i in range(settings.layers) for layer in layers for part in LINEAR
    ]


EMBEDDING = re.compile(r"(embeddings?|embed_tokens|embed_in|wte|wpe|relative_attention_bias)$|[Nn]orm|ln_")
IN_A_BLOCK = re.compile(r"\.\d+\.")


def layers(experiment: Experiment, model: Model) -> dict[str, int]:
    """What may be a layer with an adapter, as far as it is known, each with the less of its two widths."""
    if model.pretraining:
        settings = experiment.pretraining[model.pretraining]
        found = dict.fromkeys(pretrained(settings), [settings.width] * 2)
    elif folder := model.origin.folder:
        files = [path for path in folders.weight_files("adapter", folder) if path.suffix == ".safetensors"]
        found = {n: t["shape"] for path in files for n, t in folders.header("adapter", path).items()}
    else:
        return {}
    return {
        name.removesuffix(".weight"): min(shape)
        for name, shape in found.items()
        if name.endswith(".weight") and len(shape) == 2 and not EMBEDDING.search(name.removesuffix(".weight"))
    }


def known(experiment: Experiment, model: Model) -> list[str]:
    """Those that a model may have, as far as they are known; none where nothing is."""
    if model.bodies:
        model = experiment.models[model.bodies[0]]
    if model.pretraining:
        return pretrained(experiment.pretraining[model.pretraining])
    if not (folder := model.origin.folder):
        return []
    files = folders.weight_files("layers.groups", folder)
    if any(path.suffix != ".safetensors" for path in files):
        return []
    own = [name for path in files for name in folders.header("layers.groups", path)]
    own += HEADS
    return own + [f"{prefix}.{name}" for prefix in PREFIXES for name in own]


def check(experiment: Experiment) -> None:
    """Raise a ConfigError where what the user names is not there.

    That is a group of patterns that has no tensor of some model, or leaves none over, and a target of
    adapters that matches no layer, or only ones that are narrower than their rank.
    """
    for name, model in experiment.models.items():
        if model.adapter and (known_layers := layers(experiment, model)):
            _check_adapter(f"models.{name}.adapter", model.adapter, known_layers)
    groups = experiment.layers.groups if experiment.layers else {}
    for name, patterns in groups.items() if isinstance(groups, dict) else ():
        for model in dict.fromkeys(model for model, _ in experiment.cell_list()):
            names = known(experiment, experiment.models[model])
            inside = [n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)]
            if names and (not inside or len(inside) == len(names)):
                raise ConfigError(
                    f"layers.groups.{name}: found {patterns}, which match {'all' if inside else 'none'} "
                    f"of the tensors of {model}; allowed: patterns that match some, such as '{names[0]}'"
                )


def _check_adapter(where: str, adapter: Adapter, layers: dict[str, int]) -> None:
    inside = [name for name in layers if IN_A_BLOCK.search(name)]
    if isinstance(adapter.targets, list):
        chosen = matched(f"{where}.targets", adapter.targets, layers, inside)
    else:  # which layers PEFT chooses by itself is known once the model is there: one as wide as any at least
        chosen = inside if adapter.targets else sorted(inside, key=layers.get)[-1:]
    check_rank(f"{where}.rank", adapter.rank, {name: layers[name] for name in chosen})


def matched(where: str, targets: Iterable[str], layers: Iterable[str], offered: Iterable[str]) -> list[str]:
    """The layers that targets match, each by its whole name or by its end.

    Args:
        where: the key, for messages.
        layers: their names.
        offered: those whose ends a message names.

    Raises:
        ConfigError: a target matches none.
    """
    found = {target: [n for n in layers if n == target or n.endswith(f".{target}")] for target in targets}
    if unmatched := [target for target, names in found.items() if not names]:
        allowed = ", ".join(sorted({name.rpartition(".")[2] for name in offered}))
        raise ConfigError(
            f"{where}: found {unmatched[0]!r}, which matches no layer; allowed: all-linear, or some "
            f"of {allowed}"
        )
    return [name for names in found.values() for name in names]


def check_rank(where: str, rank: int, widths: Mapping[str, int]) -> None:
    """Raise a ConfigError where a rank is above a layer's width, the less of its two."""
    for name, width in widths.items():
        if rank > width:
            raise ConfigError(f"{where}: found {rank}; allowed: 1 to {width}, the width of {name}")
