"""Models on disk: fetched without pickles, one body for all seeds, opened in float32 by anybody."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from isthmus import hashing, stored
from isthmus.errors import ConfigError, Damaged
from isthmus.experiment import folders
from isthmus.experiment.config import Model
from isthmus.models import class_labels, classifiers, hf_folders, origins, tokenizing, weight_files
from isthmus.tasks.classification import Placed
from safetensors.torch import load_file, save_file

from tests.unit import tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=["bert", "roberta"])
def started(request, tmp_path_factory):
    """A model folder of each family, and the step-0 checkpoints of head seeds 1, 2 and 1 again."""
    folder = tmp_path_factory.mktemp(request.param)
    tiny.pretrained(folder / "model", request.param)
    for name, seed in (("one", 1), ("two", 2), ("again", 1)):
        classifiers.initialize(folder / "model", tiny.LABELS, 0, seed, folder / name)
    return folder


def weights(folder):
    return load_file(folder / hf_folders.WEIGHTS)


def test_seeds_differ_in_the_head_only(started):
    one, two = weights(started / "one"), weights(started / "two")
    assert one.keys() == two.keys()
    differing = {name for name in one if not torch.equal(one[name], two[name])}
    assert differing == {name for name in one if name.startswith("classifier") and name.endswith("weight")}


@pytest.mark.parametrize("labels", [tiny.LABELS, ["no", "yes"]])
def test_a_head_that_the_folder_brings_along_is_not_used(started, tmp_path, labels):
    brought = weights(started / "one")
    for seed in (3, 4):
        classifiers.initialize(started / "one", labels, 0, seed, tmp_path / str(seed))
    three, four = weights(tmp_path / "3"), weights(tmp_path / "4")
    drawn = {name for name in three if not torch.equal(three[name], four[name])}
    assert drawn == {name for name in three if name.startswith("classifier") and name.endswith("weight")}
    body = [name for name in three if not name.startswith("classifier")]
    assert all(torch.equal(three[name], brought[name]) for name in body)


def test_body_is_the_pretrained_one(started):
    before, after = weights(started / "model"), weights(started / "one")
    shared = before.keys() & after.keys()
    assert len(shared) > 30
    assert all(torch.equal(before[name], after[name]) for name in shared)
    assert all("pooler" in name or "classifier" in name for name in after.keys() - shared)


def test_what_the_body_lacks_is_drawn_once_a_model(tmp_path):
    model = tiny.pretrained(tmp_path / "model")
    assert not any("pooler" in name for name in weights(model))
    for seed in (0, 1):
        classifiers.initialize(model, tiny.LABELS, seed, 7, tmp_path / f"seed{seed}")
    one, two = weights(tmp_path / "seed0"), weights(tmp_path / "seed1")
    differing = {name for name in one if not torch.equal(one[name], two[name])}
    assert differing == {"bert.pooler.dense.weight"}


def test_same_seed_gives_the_same_bytes_again(started):
    assert (started / "one" / hf_folders.WEIGHTS).read_bytes() == (
        started / "again" / hf_folders.WEIGHTS
    ).read_bytes()


@pytest.mark.long
def test_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    model = tiny.pretrained(tmp_path / "model")
    expected = classifiers.initialize(model, tiny.LABELS, 0, 1, tmp_path / "here")
    code = (
        "import sys; from pathlib import Path; from isthmus.models import classifiers; "
        f"print(classifiers.initialize(Path(sys.argv[1]), {tiny.LABELS}, 0, 1, Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, model, tmp_path / "elsewhere"]
    environment = {"PYTHONPATH": ROOT / "workflow", "PYTHONHASHSEED": "77", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == expected


def test_a_checkpoint_opens_with_transformers_and_gives_the_same_logits(started):
    from transformers import AutoModelForSequenceClassification

    theirs = AutoModelForSequenceClassification.from_pretrained(started / "one").eval()
    ours = classifiers.open_classifier(started / "one", attention="eager")
    assert ours.config.id2label == theirs.config.id2label == dict(enumerate(tiny.LABELS))
    assert theirs.config.hidden_dropout_prob == 0.1  # dropout belongs to the recipe, not to the checkpoint
    family = "roberta" if "roberta" in type(ours).__name__.lower() else "bert"
    placed = Placed(tiny.examples(10, family), 100, hf_folders.pad_token(started / "one"), tiny.cpu())
    with torch.inference_mode():
        for inputs in placed.batches:
            assert torch.allclose(ours(**inputs).logits, theirs(**inputs).logits, atol=1e-6)


def fetched(source, folder, **settings):
    origins.fetch(Model(folder=source, **settings), folder)
    return json.loads((folder / "model.json").read_text())


def test_a_folder_is_copied_as_it_is(tmp_path):
    source = tiny.pretrained(tmp_path / "source")
    record = fetched(source, tmp_path / "copy")
    assert not record["converted"]
    assert record["sha256"] == hashing.of_file(source / hf_folders.WEIGHTS)
    assert record["sha256"] == hashing.of_file(tmp_path / "copy" / hf_folders.WEIGHTS)
    assert tokenizing.open_tokenizer(tmp_path / "copy").vocab_size > 50


def pickled(source, *parts):
    """Turn a folder's weights into pickles, as old models have them; tied tensors share memory there."""
    state = weights(source)
    (source / hf_folders.WEIGHTS).unlink()
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    names = sorted(state)
    for number, name in enumerate(parts):
        torch.save({key: state[key] for key in names[number :: len(parts)]}, source / name)
    return state


@pytest.mark.parametrize(
    "parts", [["pytorch_model.bin"], ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]]
)
def test_pickles_are_converted_once_and_that_is_recorded(tmp_path, parts):
    state = pickled(tiny.pretrained(tmp_path / "source"), *parts)
    assert fetched(tmp_path / "source", tmp_path / "copy")["converted"]
    found = weights(tmp_path / "copy")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert not list((tmp_path / "copy").glob("*.bin"))


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("harmed"),))


def test_nothing_in_a_pickle_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tiny.pretrained(tmp_path / "source")
    (source / hf_folders.WEIGHTS).unlink()
    torch.save({"weight": Harmful()}, source / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin is damaged, or holds more than tensors"):
        fetched(source, tmp_path / "copy")
    assert not Path("harmed").exists()


def test_shards_become_one_file(tmp_path):
    source = tiny.pretrained(tmp_path / "source")
    state = weights(source)
    (source / hf_folders.WEIGHTS).unlink()
    for number in (0, 1):
        part = {name: state[name] for name in sorted(state)[number::2]}
        save_file(part, source / f"model-0000{number + 1}-of-00002.safetensors")
    assert not fetched(source, tmp_path / "copy")["converted"]
    found = weights(tmp_path / "copy")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_half_precision_is_opened_and_written_in_float32(tmp_path):
    source = tiny.pretrained(tmp_path / "source")
    half = {name: tensor.half() for name, tensor in weights(source).items()}
    save_file(half, source / hf_folders.WEIGHTS, {"format": "pt"})
    settings = json.loads((source / "config.json").read_text()) | {"dtype": "float16"}
    (source / "config.json").write_text(json.dumps(settings))
    classifiers.initialize(source, tiny.LABELS, 0, 1, tmp_path / "start")
    found = weights(tmp_path / "start")
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(found[name], half[name].float())
    assert classifiers.open_classifier(tmp_path / "start", attention="eager").dtype == torch.float32


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    folder = tiny.checkpoint(tmp_path / "seed1", tiny.pretrained(tmp_path / "model"), 1)
    sha256 = stored.read_json(folder / "checkpoint.json")["sha256"]
    path = folder / hf_folders.WEIGHTS
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content if damage == "flipped" else content[:-100])
    with pytest.raises(Damaged, match=r"seed1/model.safetensors is damaged.*rm -r "):
        weight_files.load(path, sha256)


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "checkpoint.json").write_text('{"sha256": "12')
    with pytest.raises(Damaged, match=r"checkpoint.json is damaged"):
        stored.read_json(tmp_path / "checkpoint.json")


def test_weights_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / hf_folders.WEIGHTS
    weight_files.save({"a": torch.ones(2)}, path)
    before = path.read_bytes()

    def fail(tensors, temporary, metadata):
        Path(temporary).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weight_files, "save_file", fail)
    with pytest.raises(OSError, match="No space"):
        weight_files.save({"a": torch.zeros(2)}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [hf_folders.WEIGHTS]


def test_tied_tensors_are_written_once(tmp_path):
    from transformers import BartConfig, BartForSequenceClassification

    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 50}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16}
    model = BartForSequenceClassification(BartConfig(**size, **heads, decoder_ffn_dim=16))
    state = weight_files.distinct(model)
    assert sum(tensor.shape == (50, 16) for tensor in model.state_dict().values()) == 3
    assert sum(tensor.shape == (50, 16) for tensor in state.values()) == 1
    weight_files.save(state, tmp_path / hf_folders.WEIGHTS)


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"models\.a\.folder: found no folder"):
        folders.check("models.a.folder", tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        folders.check("models.a.folder", tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="has no weights"):
        folders.check("models.a.folder", tmp_path / "empty")
    source = tiny.pretrained(tmp_path / "source")
    (source / hf_folders.WEIGHTS).unlink()
    with pytest.raises(ConfigError, match="has no weights"):
        fetched(source, tmp_path / "copy")


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    source = tiny.pretrained(tmp_path / "source")
    for path in source.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ConfigError, match="source has no tokenizer"):
        fetched(source, tmp_path / "copy")


def test_a_hub_out_of_reach_is_said_clearly(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"the model nobody/nothing \(revision main\) could not be fetched"):
        origins.fetch(Model(hub="nobody/nothing"), tmp_path / "copy")


def test_padding_token_is_the_models_own(started):
    expected = json.loads((started / "model" / "config.json").read_text())["pad_token_id"]
    assert hf_folders.pad_token(started / "one") == expected
    assert np.isin(expected, [0, 1])


@pytest.mark.parametrize(
    ("own", "named", "labels", "order"),
    [
        (["no", "yes"], None, ["no", "yes"], [0, 1]),
        (["Yes", "NO"], None, ["no", "yes"], [1, 0]),
        (["LABEL_0", "LABEL_1"], None, ["no", "yes"], [0, 1]),
        (["LABEL_0", "LABEL_1"], ["yes", "no"], ["no", "yes"], [1, 0]),
        (["e", "n", "c"], ["e", "not e", "not e"], ["not e", "e"], [1, 0, 0]),
    ],
)
def test_classes_of_others_are_found_among_the_labels(tmp_path, own, named, labels, order):
    classified(tmp_path, own)
    assert class_labels.class_labels(class_labels.class_names(tmp_path), "models.m", named, labels) == order


@pytest.mark.parametrize(
    ("named", "labels"),
    [(None, ["no", "maybe"]), (["no", "yes", "yes"], ["no", "yes"]), (["no", "no"], ["no", "yes"])],
)
def test_classes_that_do_not_fit_the_labels_are_named(tmp_path, named, labels):
    classified(tmp_path, ["no", "yes"])
    with pytest.raises(ConfigError, match=r"models\.m\.labels: found .* for the classes \['no', 'yes'\]"):
        class_labels.class_labels(class_labels.class_names(tmp_path), "models.m", named, labels)


def classified(folder, classes):
    config = tiny.architecture("bert")
    config.id2label = dict(enumerate(classes))
    config.save_pretrained(folder)


def test_a_classifier_of_others_is_adopted_as_it_is_in_float32(started, tmp_path):
    from transformers import AutoModelForSequenceClassification

    theirs = AutoModelForSequenceClassification.from_pretrained(started / "one").half()
    theirs.save_pretrained(tmp_path / "theirs")
    sha256 = classifiers.adopt(tmp_path / "theirs", "theirs", tmp_path / "own")
    found = weight_files.load(tmp_path / "own" / hf_folders.WEIGHTS, sha256)
    expected = {name: tensor.float() for name, tensor in theirs.state_dict().items()}
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert {name for name, _ in theirs.named_parameters()} <= found.keys()
    assert class_labels.class_names(tmp_path / "own") == tiny.LABELS


def test_a_classifier_with_a_part_missing_is_named(started, tmp_path):
    state = weights(started / "one")
    name = next(key for key in state if "layer.1" in key)
    state.pop(name)
    save_file(state, tmp_path / hf_folders.WEIGHTS, {"format": "pt"})
    (tmp_path / "config.json").write_bytes((started / "one" / "config.json").read_bytes())
    with pytest.raises(ConfigError, match=f"theirs is no classifier: it has no {name}"):
        classifiers.adopt(tmp_path, "theirs", tmp_path / "own")
