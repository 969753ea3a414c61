"""Lines between two checkpoints whose configurations make two functions of the same weights."""

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bad_input.case import Case, refusal

KEPT = TemporaryDirectory()  # the two good checkpoints, made once


@cache
def checkpoints() -> tuple[Path, Path]:
    """Two checkpoints of one very small BERT, with two heads."""
    import torch
    from isthmus import hashing
    from isthmus.models import hf_folders
    from transformers import BertConfig, BertForSequenceClassification

    size = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 8}
    config = BertConfig(**size, num_attention_heads=2, max_position_embeddings=16)
    folders = Path(KEPT.name, "a"), Path(KEPT.name, "b")
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        BertForSequenceClassification(config).save_pretrained(folder)
        sha256 = hashing.of_file(folder / hf_folders.WEIGHTS)
        hf_folders.write_record(folder / "checkpoint.json", {"sha256": sha256})
    return folders


def joined(change: dict[str, Any], folder: Path) -> str:
    """A row of two such checkpoints, one of them with some settings of its config.json changed."""
    import numpy as np
    from isthmus import hashing
    from isthmus.data import tokens
    from isthmus.machine import numerics
    from isthmus.measuring.ends import End
    from isthmus.measuring.interpolation import interpolate
    from isthmus.measuring.rows import Resampling, Row
    from isthmus.models import hf_folders
    from isthmus.space.sampling import Uniform

    one, other = checkpoints()
    changed = shutil.copytree(other, folder / "other")
    settings = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(settings | change))
    hf_folders.write_record(
        changed / "checkpoint.json", {"sha256": hashing.of_file(changed / hf_folders.WEIGHTS)}
    )
    ends = End.read(1, one), End.read(2, changed)
    none = np.empty(0, np.uint8)
    two = np.arange(2)
    examples = tokens.Tokens(np.full(8, 7, np.int32), none, np.array([0, 4, 8]), two, two, two)
    settings = {"device": "cpu", "precision": "float32", "attention": "eager"}
    computing = numerics.setup(settings | {"threads": 1, "deterministic": True})
    row = Row(ends[1], None, {"test": examples}, 64, computing, Resampling(2, 0), folder / "journal")
    sampler = Uniform(3)
    out = [folder / f"row{kind}.parquet" for kind in ("", ".pairs", ".gaps")]
    return refusal(
        lambda: interpolate(
            row=row, others=[ends[0]], sampler=sampler, labels={}, out=out[0], pairs=out[1], gaps=out[2]
        )
    )


# What is changed in one of two good checkpoints, and the value that the other one has.
DIFFERENT = {
    "heads": ({"num_attention_heads": 4}, 2),
    "an activation": ({"hidden_act": "relu"}, "gelu"),
    "an epsilon": ({"layer_norm_eps": 1e-5}, 1e-12),
    "a padding token": ({"pad_token_id": 3}, 0),
    "a decoder's mask": ({"is_decoder": True}, False),
    "a setting that nobody knows yet": ({"turned": 90}, None),
}

CASES = [
    Case(
        f"a line between two architectures: {name}",
        joined,
        change,
        (
            "no line joins ",
            "/a and ",
            "/other: their architectures differ in config.json, in ",
            *(
                f"{key}: found {own!r} and {value!r}; allowed: the same values"
                for key, value in change.items()
            ),
        ),
    )
    for name, (change, own) in DIFFERENT.items()
]


def listed(change: dict[str, Any], folder: Path) -> str:
    """An experiment that lists two such folders, looked at when the workflow is read."""
    from isthmus.experiment import inputs

    from tests.workflow.lab import NANO

    one, other = checkpoints()
    changed = shutil.copytree(other, folder / "other")
    settings = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(settings | change))
    for place in (folder / "one", changed):
        if place != changed:
            shutil.copytree(one, place)
        (place / "tokenizer.json").write_text("{}")
    own = {key: NANO[key] for key in ("datasets", "evaluation", "paths", "device")}
    given = {"checkpoints": [{"folder": str(folder / "one")}, {"folder": str(changed)}]}
    return refusal(
        lambda: inputs.checked({"experiment": "own", "models": {"given": given}, **own}, "own.yaml")
    )


CASES.append(
    Case(
        "checkpoints of two shapes",
        listed,
        {"num_attention_heads": 4},
        (
            "models.given.checkpoints.1.folder: found ",
            "has num_attention_heads 4 where that of",
            "has 2; allowed: models of one architecture",
        ),
    )
)
