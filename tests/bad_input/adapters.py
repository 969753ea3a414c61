"""Adapters: as settings, and as folders that others made."""

import copy
import json
from pathlib import Path
from typing import Any

from isthmus import hashing, stored
from isthmus.experiment import adapter_folders, folders, inputs
from isthmus.measuring.ends import End
from isthmus.measuring.reading import Reader
from isthmus.models import hf_folders, weight_files

from tests.bad_input import good_folders as good
from tests.bad_input.case import Case, refusal
from tests.unit import lora
from tests.workflow.lab import NANO, changed

LORA = {"models.tiny": {"pretraining": "small", "pretraining_steps": 10, "adapter": {"rank": 2}}}
OWN = {"checkpoints": [{"folder": "a", "seed": 1}, {"folder": "b", "seed": 2}]}
PLAIN = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["query"], "bias": "none"}


def loading(change: dict[str, Any], _: Path) -> str:
    """An experiment with adapters and some keys changed, when the workflow is read."""
    return refusal(lambda: inputs.checked(changed(NANO, copy.deepcopy(LORA | change)), "nano.yaml"))


def of_a_folder(change: dict[str, Any], folder: Path) -> str:
    """The same, of a model in a folder."""
    model = {"folder": str(good.copied(folder / "model")), "adapter": change}
    return refusal(lambda: inputs.checked(changed(NANO, {"models.tiny": model}), "nano.yaml"))


def reading(settings: dict[str, Any] | None, folder: Path) -> str:
    """A folder of an adapter; without `settings` there is none in it."""
    if settings is not None:
        (folder / adapter_folders.CONFIG).write_text(json.dumps(settings))
    return refusal(lambda: adapter_folders.read("models.m.checkpoints.0.folder", folder))


def whole(settings: dict[str, Any], folder: Path) -> str:
    """The folder of an adapter where a whole model is wanted."""
    (folder / adapter_folders.CONFIG).write_text(json.dumps(settings))
    (folder / adapter_folders.WEIGHTS).write_bytes(b"")
    return refusal(lambda: folders.check("models.m.checkpoints.0.folder", folder))


def empty(settings: dict[str, Any], folder: Path) -> str:
    """The folder of an adapter whose weights are empty."""
    (folder / adapter_folders.WEIGHTS).write_bytes(b"")
    return reading(settings, folder)


def on_another_base(_: Any, folder: Path) -> str:
    """An adapter that was trained on one model, on another with one tensor changed."""
    first, second = (lora.base(folder / name, "bert") for name in ("first", "second"))
    state = weight_files.load(first / hf_folders.WEIGHTS)
    state["bert.embeddings.word_embeddings.weight"] += 1e-3
    weight_files.save(state, first / hf_folders.WEIGHTS)
    own = lora.by_peft(folder / "own", first, 1)
    return refusal(lambda: lora.adopted(folder / "out", own, second))


def with_another_base(_: Any, folder: Path) -> str:
    """A checkpoint of an adapter whose base was made anew with other weights, at the first measurement."""
    base = lora.base(folder, "bert")
    end = lora.adopted(folder / "end", lora.by_peft(folder / "own", base, 1), base)
    record = stored.read_json(base / "checkpoint.json")
    state = weight_files.load(base / hf_folders.WEIGHTS)
    state["bert.embeddings.word_embeddings.weight"] += 1e-3
    weight_files.save(state, base / hf_folders.WEIGHTS)
    sha256 = hashing.of_file(base / hf_folders.WEIGHTS)
    hf_folders.write_record(base / "checkpoint.json", record | {"sha256": sha256})
    return refusal(lambda: Reader(None).weights(End.read(1, end)))


KEY = "models.m.checkpoints.0.folder: "
# fmt: off
CASES = [
    Case("a target that matches no layer", loading, {"models.tiny.adapter.targets": ["q_proj"]},
         ("models.tiny.adapter.targets: found 'q_proj'",
          "allowed: all-linear, or some of dense, key, query, value")),
    Case("no targets", loading, {"models.tiny.adapter.targets": []},
         ("models.tiny.adapter.targets", "found []")),
    Case("a rank above a layer's width", loading, {"models.tiny.adapter.rank": 17},
         ("models.tiny.adapter.rank: found 17; allowed: 1 to 16, the width of bert.encoder.layer.0",)),
    Case("a rank of 0", loading, {"models.tiny.adapter.rank": 0}, ("models.tiny.adapter.rank", "found 0")),
    Case("a target that a folder's model lacks", of_a_folder, {"targets": ["c_attn"]},
         ("models.tiny.adapter.targets: found 'c_attn'", "query")),
    Case("a rank above the width of a folder's model", of_a_folder, {"rank": 5000},
         ("models.tiny.adapter.rank: found 5000; allowed: 1 to ",)),
    Case("another kind of adapter", loading, {"models.tiny.adapter.kind": "ia3"},
         ("models.tiny.adapter.kind: found 'ia3'", "lora")),
    Case("a push among factors", loading,
         {"training.perturb": {"at": 0, "scale": 0.1}, "training.vary": []},
         ("models.tiny.adapter: found beside `perturb`; allowed: pushes of whole models",)),
    Case("factors without merged", loading, {"paths.spaces": ["factors"]},
         ("paths.spaces: found ['factors']", "allowed: `[merged]` or `[merged, factors]`")),
    Case("an adapter of models that are there", loading, {"models.tiny": OWN | {"adapter": {}}},
         ("models.tiny", "adapter: allowed: `base` with `checkpoints`, `adapter` with a model that is")),
    Case("a base of a model that is trained", loading, {"models.tiny.base": {"hub": "a/b"}},
         ("models.tiny", "base: allowed: `base` with `checkpoints`")),
    Case("a base from two places", loading, {"models.tiny": OWN | {"base": {"hub": "a/b", "folder": "c"}}},
         ("models.tiny.base", "found ['hub', 'folder']; allowed: exactly one of hub, folder")),
    Case("a folder without an adapter", reading, None,
         (KEY, "has no adapter_config.json; allowed: a folder in PEFT's layout")),
    Case("an adapter without weights", reading, PLAIN, (KEY, "has no adapter_model.safetensors")),
    Case("an adapter whose weights are empty", empty, PLAIN, (KEY, "adapter_model.safetensors is empty")),
    Case("an adapter of another base", on_another_base, None,
         ("own: found an adapter of ", "first/base, whose weights are others than those of the base")),
    Case("a base that differs by its hash", with_another_base, None,
         ("adapts another model than", "base: found the hash", "allowed: ")),
    Case("DoRA", empty, PLAIN | {"use_dora": True},
         (KEY, "use_dora: found True", "allowed: plain LoRA, without it")),
    Case("prompt tuning", empty, {"peft_type": "PROMPT_TUNING"},
         (KEY, "found an adapter of the kind PROMPT_TUNING; allowed: LORA")),
    Case("PiSSA", empty, PLAIN | {"init_lora_weights": "pissa"},
         (KEY, "found 'pissa', which changes the base, too")),
    Case("an adapter in the place of a whole model", whole, PLAIN,
         (KEY, "is an adapter and no whole model", "adapters as `checkpoints` of a model with a `base`")),
]
# fmt: on
