"""A key is the hash of all fields; an architecture is all of a configuration that changes the function."""

import json
import subprocess
import sys
from dataclasses import fields, make_dataclass, replace

import numpy as np
import pytest
import torch
from isthmus import hashing, stored
from isthmus.caches import identity
from isthmus.caches.identity import (
    CLASSIFICATION,
    Adapter,
    Anchor,
    Distances,
    Fork,
    Measurement,
    Run,
    Task,
)
from isthmus.errors import Damaged
from isthmus.machine.numerics import NOT_COUNTED, Numerics, not_counted
from isthmus.models import architectures, classifiers, hf_folders, weight_files
from isthmus.models.architectures import Architecture
from isthmus.space.geometries import Layers

from tests.conftest import ROOT
from tests.unit import families, tiny

A, B = Anchor("a" * 64, "e" * 64), Anchor("b" * 64, "e" * 64)
HOW = Numerics("cpu", "float32", "eager", 1, True)
RUN = Run(
    A, Task("classification"), "d" * 64, {"steps": 10}, {"order": 1, "dropout": 2}, HOW, Fork(4, "f" * 64)
)
ONE = Measurement(Layers(A, B, ("head",)).at(0.25), Task("classification"), "d" * 64, 512, HOW)
APART = Distances(A, B, (A, B), HOW)
ALL = [A, HOW, RUN, RUN.task, RUN.fork, ONE.point, ONE, APART]
ALL += [Architecture({"heads": 4}), Adapter("a" * 64, "e" * 64, "b" * 64, "c" * 64)]
# Another value of each type that a field has.
OTHER = {
    str: lambda x: f"{x}x",
    int: lambda x: x + 1,
    float: lambda x: x / 2,
    bool: lambda x: not x,
    dict: lambda x: {**x, "more": 1},
    tuple: lambda x: x[::-1],
    type(None): lambda _: 0.5,
}


def changes(thing):
    """The same thing with one field changed, for each field and each of the fields of its parts."""
    for field in fields(thing):
        value = getattr(thing, field.name)
        inner = [OTHER[type(value)](value)] if type(value) in OTHER else [new for _, new in changes(value)]
        yield from ((field, replace(thing, **{field.name: new})) for new in inner)


@pytest.mark.parametrize("thing", ALL, ids=lambda thing: type(thing).__name__)
def test_another_value_of_any_field_is_another_key_unless_it_is_declared_not_to_count(thing):
    found = list(changes(thing))
    assert {field.name for field, _ in found} == {field.name for field in fields(thing)}
    for field, changed in found:
        only = identity.plain(changed) == identity.plain(thing)  # a part's field that does not count
        assert (identity.key(changed) == identity.key(thing)) == only
        assert only <= (NOT_COUNTED in field.metadata or field.name == "numerics")


def test_what_does_not_count_is_said_with_a_reason():
    reasons = {
        (type(thing).__name__, field.name): field.metadata[NOT_COUNTED]
        for thing in ALL
        for field in fields(thing)
        if NOT_COUNTED in field.metadata
    }
    assert set(reasons) == {("Numerics", name) for name in ("hardware", "torch", "anchors")}
    assert all(reasons.values())
    assert all(architectures.INERT.values())


def test_a_new_field_counts_by_itself():
    wider = make_dataclass("Anchor", [("head", str)], bases=(Anchor,), frozen=True)
    keys = {
        identity.key(thing) for thing in (A, wider("a" * 64, "e" * 64, "x"), wider("a" * 64, "e" * 64, "y"))
    }
    assert len(keys) == 3
    quiet = make_dataclass("Anchor", [("seen", str, not_counted("only seen"))], bases=(Anchor,), frozen=True)
    assert identity.key(quiet("a" * 64, "e" * 64, "x")) == identity.key(A)


def test_what_came_later_leaves_the_keys_of_what_was_there_before():
    """Written down when the type of the weights was no field: what is in caches by then is still known."""
    how = Numerics("cpu", "float32", "eager", 1, True, engine=2, hardware="h", torch="t")
    assert identity.key(how) == "d2f92902298cebda4b122e707216fdf464712bedd2cd378c2f2306cad4bbd27a"
    known = "f4657c33144a71b7206c6bfebe4a78f2cd3afe3955b677d064391defff85f51d"
    assert identity.key(Measurement(Anchor("w", "a"), CLASSIFICATION, "e", 7, how)) == known
    assert identity.key(replace(how, weights="bfloat16")) != identity.key(how)


def test_no_two_kinds_of_thing_share_a_key():
    assert len({identity.key(thing) for thing in ALL}) == len(ALL)
    assert identity.key(Distances(A, B, (None, B), HOW)) != identity.key(APART)
    assert identity.key(Distances(A, B, (B, A), HOW)) != identity.key(APART)
    assert identity.key(replace(ONE, point=Layers(B, A, ("head",)).at(0.25))) != identity.key(ONE)


def test_a_key_is_a_function_of_the_content():
    """Pinned: were keys to move by accident, all caches would be lost."""
    text = '{"architecture":"' + "e" * 64 + '","is":"Anchor","weights":"' + "a" * 64 + '"}'
    assert identity.key(A) == hashing.of_bytes(text.encode())
    assert identity.key(replace(RUN, recipe={"b": 1, "a": 2})) == identity.key(
        replace(RUN, recipe={"a": 2, "b": 1})
    )


@pytest.mark.parametrize("value", [np.zeros(2), np.float64(1), {1, 2}, ROOT, b"x", object()])
def test_what_has_no_plain_content_is_no_part_of_a_key(value):
    with pytest.raises(TypeError, match="no content that can be part of a key"):
        identity.key(replace(RUN, recipe={"x": value}))


# ---------------------------------------------------------------------------------------------- architectures


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A pre-trained folder of each family."""
    folder = tmp_path_factory.mktemp("families")
    return {name: families.pretrained(folder / name, name) for name in families.SIZES}


def with_settings(folder, target, change, without=()):
    """A folder with nothing but another's config.json, some of its settings changed or left out."""
    target.mkdir()
    settings = json.loads((folder / "config.json").read_text()) | change
    kept = {name: value for name, value in settings.items() if name not in without}
    (target / "config.json").write_text(json.dumps(kept))
    return target


# A change of config.json, by family, that makes another function of the same weights, or shapes.
COUNTS = {
    "bert": [
        {"num_attention_heads": 1},
        {"hidden_act": "relu"},
        {"layer_norm_eps": 1e-5},
        {"pad_token_id": 3},
        {"vocab_size": 9},
        {"type_vocab_size": 3},
        {"max_position_embeddings": 99},
        {"is_decoder": True},
        {"chunk_size_feed_forward": 1},
        {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}},
        {"position_embedding_type": "relative_key"},
        {"nobody_knows_this_yet": 1},
    ],
    "roberta": [{"num_attention_heads": 1}, {"pad_token_id": 0}],
    "electra": [{"summary_activation": "tanh"}, {"hidden_act": "relu"}],
    "deberta-v2": [
        {"position_buckets": 4},
        {"pos_att_type": ["p2c"]},
        {"pooler_dropout": 0.3},
        {"norm_rel_ebd": "x"},
    ],
    "distilbert": [{"n_heads": 1}, {"activation": "relu"}, {"sinusoidal_pos_embds": True}],
    "gpt2": [{"n_head": 1}, {"scale_attn_weights": False}, {"pad_token_id": 5}],
    "gpt_neox": [{"num_attention_heads": 1}, {"use_parallel_residual": False}],
    "llama": [{"rms_norm_eps": 1e-3}, {"rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}}],
}
INERT = [
    {"hidden_dropout_prob": 0.4, "attention_probs_dropout_prob": 0.4, "classifier_dropout": 0.4},
    {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}},
    {"transformers_version": "4.0.0", "_name_or_path": "/somewhere", "finetuning_task": "mnli"},
    {"architectures": ["BertModel"], "torch_dtype": "float16"},
    {"dtype": "bfloat16"},
    {"use_cache": False, "problem_type": "single_label_classification", "gradient_checkpointing": True},
    {"position_embedding_type": "absolute", "pruned_heads": {}},
    {"initializer_range": 0.5},
]


@pytest.mark.parametrize(
    ("family", "change"), [(name, change) for name in COUNTS for change in COUNTS[name]], ids=str
)
def test_what_changes_the_function_is_another_architecture(folders, tmp_path, family, change):
    own, other = (
        architectures.architecture(folder)
        for folder in (folders[family], with_settings(folders[family], tmp_path / "other", change))
    )
    assert identity.key(own) != identity.key(other)
    expected = {"num_labels"} if "id2label" in change else set(change)
    assert set(own.differences(other)) == expected


@pytest.mark.parametrize("change", INERT, ids=str)
def test_what_changes_no_function_is_the_same_architecture(folders, tmp_path, change):
    changed = with_settings(folders["bert"], tmp_path / "other", change)
    assert (
        architectures.described(changed)["architecture"]
        == architectures.described(folders["bert"])["architecture"]
    )


@pytest.mark.parametrize("family", COUNTS)
def test_a_stated_default_is_the_same_as_none(folders, tmp_path, family):
    from transformers import AutoConfig

    defaults = AutoConfig.for_model(family).to_dict()
    stated = AutoConfig.from_pretrained(folders[family]).to_dict()
    same = {name for name, value in stated.items() if defaults.get(name) == value} - {"model_type"}
    assert len(same) > 10
    short = with_settings(folders[family], tmp_path / "short", {}, without=same)
    long = with_settings(folders[family], tmp_path / "long", stated)
    assert architectures.architecture(short).differences(architectures.architecture(long)) == {}
    assert (
        len({architectures.described(folder)["architecture"] for folder in (short, long, folders[family])})
        == 1
    )


def test_one_number_is_one_number_however_it_is_written(folders, tmp_path):
    pair = [
        architectures.architecture(
            with_settings(folders["llama"], tmp_path / name, {"rope_parameters": rope})
        )
        for name, theta in (("a", 5000), ("b", 5000.0))
        for rope in [{"rope_type": "default", "rope_theta": theta}]
    ]
    assert identity.key(pair[0]) == identity.key(pair[1])


def test_the_counted_settings_do_change_the_logits(folders, tmp_path):
    """Counted settings give other logits with the same weights, the inert ones the same bits."""
    torch.manual_seed(0)
    start = tmp_path / "start"
    classifiers.initialize(folders["bert"], ["no", "yes"], 0, 0, start)
    ids = torch.tensor([[2, 9, 3, 8, 3]])

    def logits(name, change):
        folder = with_settings(start, tmp_path / name, change)
        (folder / hf_folders.WEIGHTS).symlink_to(start / hf_folders.WEIGHTS)
        with torch.inference_mode():
            return classifiers.open_classifier(folder, attention="eager")(input_ids=ids).logits

    own = logits("own", {})
    counted = [{"num_attention_heads": 1}, {"hidden_act": "relu"}, {"layer_norm_eps": 0.1}]
    for number, change in enumerate([*counted, {"is_decoder": True}]):
        assert not torch.allclose(logits(f"c{number}", change), own)
    for number, change in enumerate(INERT):
        assert torch.equal(logits(f"i{number}", change), own)


# ------------------------------------------------------------------------------------------ a folder's anchor


@pytest.fixture
def checkpoint(folders, tmp_path):
    """A checkpoint as `initialize` leaves it."""
    sha256 = classifiers.initialize(folders["bert"], ["no", "yes"], 0, 0, tmp_path / "step0")
    hf_folders.write_record(
        tmp_path / "step0/checkpoint.json", {"sha256": sha256, **architectures.described(tmp_path / "step0")}
    )
    return tmp_path / "step0"


def test_weights_that_begin_a_chain_have_bytes_that_their_tensors_and_architecture_alone_decide(
    folders, tmp_path
):
    from safetensors import safe_open

    names = [f"again{number}" for number in range(6)]
    first = {classifiers.initialize(folders["bert"], ["no", "yes"], 0, 0, tmp_path / name) for name in names}
    assert len(first) == 1
    changed = with_settings(folders["bert"], tmp_path / "changed", {"num_attention_heads": 1})
    (changed / hf_folders.WEIGHTS).symlink_to(folders["bert"] / hf_folders.WEIGHTS)
    other = classifiers.initialize(changed, ["no", "yes"], 0, 0, tmp_path / "other")
    assert {other}.isdisjoint(first)
    for name in ("again0", "other"):
        with safe_open(tmp_path / name / hf_folders.WEIGHTS, "pt") as file:
            assert file.metadata()["format"] == "pt"
            assert file.metadata()["architecture"] == architectures.described(tmp_path / name)["architecture"]
    a, b = (weight_files.load(tmp_path / name / hf_folders.WEIGHTS) for name in ("again0", "other"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_edited_configuration_is_noticed(checkpoint):
    before = architectures.anchor(checkpoint)
    assert before == Anchor(
        hashing.of_file(checkpoint / hf_folders.WEIGHTS), identity.key(architectures.architecture(checkpoint))
    )
    path = checkpoint / "config.json"
    path.write_text(path.read_text().replace('"num_attention_heads": 2', '"num_attention_heads": 1'))
    with pytest.raises(Damaged, match=rf"{path} is damaged"):
        architectures.anchor(checkpoint)


def test_a_checkpoint_of_an_earlier_version_is_known_by_its_configuration_as_it_is(checkpoint):
    path, record = checkpoint / "config.json", checkpoint / "checkpoint.json"
    before = architectures.anchor(checkpoint)
    stored.write_json(record, {"sha256": before.weights})
    assert architectures.anchor(checkpoint) == before
    path.write_text(path.read_text().replace('"num_attention_heads": 2', '"num_attention_heads": 1'))
    assert architectures.anchor(checkpoint).architecture != before.architecture
    path.write_text("{")
    with pytest.raises(Damaged, match=r"config.json is damaged"):
        architectures.anchor(checkpoint)


def test_knowing_a_checkpoint_opens_no_transformers(checkpoint):
    code = f"""
import sys
from pathlib import Path
from isthmus.caches import identity
from isthmus.models import architectures
identity.key(architectures.anchor(Path({str(checkpoint)!r})))
assert not {{"transformers", "torch"}} & set(sys.modules), "heavy"
from isthmus.measuring import evaluation, interpolation
assert "transformers" not in sys.modules, "heavy"
"""
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_layers_are_never_computed_anew_for_the_backward_pass(folders, tmp_path):
    """They would draw other dropout masks than the forward pass had."""
    classifiers.initialize(folders["bert"], ["no", "yes"], 0, 0, tmp_path / "step0")
    changed = with_settings(tmp_path / "step0", tmp_path / "other", {"gradient_checkpointing": True})
    (changed / hf_folders.WEIGHTS).symlink_to(tmp_path / "step0" / hf_folders.WEIGHTS)
    model = classifiers.open_classifier(changed, attention="eager", dropout=0.5, attention_dropout=0.5)
    assert not any(getattr(layer, "gradient_checkpointing", False) for layer in model.modules())
    assert tiny.cpu().torch == torch.__version__
