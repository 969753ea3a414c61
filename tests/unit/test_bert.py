"""BERT in plain PyTorch against Transformers: the same bits, forward, backward and in what is dropped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from isthmus.models import bert, classifiers, weight_files
from isthmus.models.first_token import compute_all

from tests.unit import families, tiny

ROOT = Path(__file__).parents[2]
RATES = {"dropout": 0.2, "attention_dropout": 0.3}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    classifiers.initialize(tiny.pretrained(folder / "model"), tiny.LABELS, 0, 1, folder / "step0")
    return folder / "step0"


def inputs(padded: bool, segments: bool) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = {"input_ids": torch.randint(5, 60, (3, 7), generator=generator)}
    if segments:
        found["token_type_ids"] = (torch.arange(7) > 3).long().expand(3, 7)
    if padded:
        found["attention_mask"] = torch.ones(3, 7, dtype=torch.int64)
        found["attention_mask"][1, 4:] = 0
        found["input_ids"][1, 4:] = 0
    return found


def both(folder: Path, attention: str, **settings):
    return (
        bert.opened(folder, attention, **settings),
        classifiers.open_classifier(folder, attention=attention, **settings),
    )


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("segments", [True, False])
@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
@pytest.mark.parametrize("whole", [True, False])
def test_logits_have_the_bits_of_transformers(checkpoint, attention, padded, segments, weights, whole):
    ours, theirs = both(checkpoint, attention, weights=weights)
    if whole:
        ours, theirs = compute_all(ours), compute_all(theirs)
    with torch.inference_mode():
        found, expected = (model(**inputs(padded, segments)).logits for model in (ours, theirs))
    assert found.dtype == expected.dtype == getattr(torch, weights)
    assert torch.equal(found, expected)
    assert found.std() > 0.01


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_and_dropout_have_the_bits_of_transformers(checkpoint, attention, padded, precision):
    found = []
    for model in both(checkpoint, attention, **RATES):
        torch.manual_seed(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model.train()(**inputs(padded, True)).logits
        logits.float().square().sum().backward()
        found.append({name: own.grad for name, own in model.named_parameters()})
    ours, theirs = found
    assert list(ours) == list(theirs)
    for name, gradient in theirs.items():
        assert torch.equal(ours[name], gradient), name


def test_tensors_have_the_names_and_memory_of_their_own(checkpoint):
    ours, theirs = both(checkpoint, "eager")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    file = weight_files.load(checkpoint / "model.safetensors")
    assert all(torch.equal(own, file[name]) for name, own in ours.state_dict().items())
    with torch.no_grad():
        ours.classifier.weight.add_(1)
    assert torch.equal(bert.opened(checkpoint, "eager").classifier.weight, file["classifier.weight"])
    assert all(own.requires_grad for own in ours.parameters())


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"model_type": "roberta"},
        {"something": "new"},
        {"hidden_size": None},
        {"id2label": None},
        {"id2label": {str(label): str(label) for label in range(5)}},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
    ],
)
def test_what_is_not_known_in_every_setting_is_left_to_transformers(checkpoint, tmp_path, change):
    settings = json.loads((checkpoint / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "model.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes())
    assert bert.opened(tmp_path, "eager") is not None
    (tmp_path / "config.json").write_text(json.dumps(settings | change))
    assert bert.opened(tmp_path, "eager") is None


@pytest.mark.parametrize("family", [name for name in families.SIZES if name not in ("bert", "deberta-v2")])
def test_other_architectures_are_left_to_transformers(tmp_path, family):
    folder = families.fetched(tmp_path, family)
    assert bert.opened(folder, "eager") is None


def test_a_head_that_is_missing_is_not_drawn(checkpoint, tmp_path):
    (tmp_path / "config.json").write_text((checkpoint / "config.json").read_text())
    state = weight_files.load(checkpoint / "model.safetensors")
    weight_files.save(
        {n: own for n, own in state.items() if n != "classifier.bias"}, tmp_path / "model.safetensors"
    )
    assert bert.opened(tmp_path, "eager") is None


def test_neither_transformers_nor_the_compiler_is_imported(checkpoint):
    code = (
        "import sys, torch; from pathlib import Path; from isthmus.models import bert;"
        f"model = bert.opened(Path({str(checkpoint)!r}), 'eager');"
        "model(torch.ones(2, 3, dtype=torch.int64)).logits.sum().backward(); print(*sys.modules)"
    )
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert {"transformers", "torch._dynamo", "sympy"} & set(done.stdout.split()) == set()
