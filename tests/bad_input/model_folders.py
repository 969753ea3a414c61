"""Model folders and checkpoints that are damaged or do not fit."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isthmus.experiment import folders, inputs
from isthmus.experiment.config import Checkpoint, Model, load
from isthmus.models import classifiers, origins, tokenizing

from tests.bad_input import good_folders as good
from tests.bad_input.case import Case, refusal
from tests.workflow.lab import NANO, changed

Damage = Callable[[Path], Any]
EMBEDDING = "bert.embeddings.word_embeddings.weight"
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


# ---------------------------------------------------------------------------------------------------- doors


def before_anything_runs(files: dict[str, str], folder: Path) -> str:
    """A folder with some files (None: no folder), looked at when the workflow is read."""
    place = folder / "model"
    for name, text in (files or {}).items():
        place.mkdir(exist_ok=True)
        (place / name).write_text(text)
    return refusal(lambda: folders.check("models.m.folder", place))


def reading(damage: Damage, folder: Path) -> str:
    """A damaged folder, looked at when the workflow is read."""
    place = good.copied(folder / "model")
    damage(place)
    message = refusal(lambda: folders.check("models.m.folder", place))
    assert message.startswith(f"models.m.folder: {place}")
    return message


def fetching(damage: Damage, folder: Path) -> str:
    """A damaged folder of a model that is to be fine-tuned, copied into the results."""
    place = good.copied(folder / "model")
    damage(place)
    message = refusal(lambda: origins.fetch(Model(folder=place), folder / "copy"))
    assert "weights_only" not in message
    assert "trust_remote_code" not in message
    assert not (folder / "copy" / "model.json").exists()
    return message


def adopting(damage: Damage, folder: Path) -> str:
    """A damaged folder of a classifier that is to be measured."""
    place = good.copied(folder / "model", "BertForSequenceClassification")
    damage(place)

    def adopted():
        origins.fetch(Checkpoint(folder=place), folder / "copy")
        return classifiers.adopt(folder / "copy", "run1", folder / "out")

    message = refusal(adopted)
    assert not (folder / "out").exists()
    return message


def another_tokenizer(damage: Damage, folder: Path) -> str:
    """A list of checkpoints of which one brings another tokenizer than the first."""
    first = good.copied(folder / "first", "BertForSequenceClassification")
    place = good.copied(folder / "model", "BertForSequenceClassification")
    damage(place)
    return refusal(lambda: tokenizing.check_tokenizer(place, "run2", first))


def starting(damage: Damage, folder: Path) -> str:
    """A damaged body that a fine-tuning is to start from, such as a rung's."""
    place = good.copied(folder / "model")
    damage(place)
    message = refusal(lambda: classifiers.initialize(place, ["no", "yes"], 0, 1, folder / "out"))
    assert not (folder / "out").exists()
    return message


def measuring(damage: Damage, folder: Path) -> str:
    """A damaged checkpoint that is to be trained or measured."""
    place = good.copied(folder / "model", "BertForSequenceClassification")
    damage(place)
    return refusal(lambda: classifiers.open_classifier(place, attention="eager"))


def lengths(given: tuple[int, dict[str, Any]], folder: Path) -> str:
    """A `max_length` in an experiment with a folder of some configuration (none: a pre-training)."""
    max_length, settings = given
    change: dict[str, Any] = {"datasets.toy.max_length": max_length}
    if settings:
        (folder / "config.json").write_text(json.dumps(settings))
        change["models.tiny"] = {"folder": str(folder)}
    return refusal(lambda: inputs.check_lengths(load(changed(NANO, change), "nano.yaml")))


# --------------------------------------------------------------------------------------------------- damages


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle was run')",))


def text(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content)


def raw(change: Callable[[bytes], bytes]) -> Damage:
    """Change the bytes of the weights."""
    return lambda folder: (folder / good.WEIGHTS).write_bytes(change((folder / good.WEIGHTS).read_bytes()))


def configured(**changes: Any) -> Damage:
    return lambda folder: good.configured(folder, **changes)


def renamed(change: Callable[[str], str | None]) -> Damage:
    """Other names for tensors; those without a name go."""

    def damage(folder: Path) -> None:
        state = {change(name): tensor for name, tensor in good.weights(folder).items()}
        state.pop(None, None)
        good.write(state, folder / good.WEIGHTS)

    return damage


def changed_tensor(name: str, change: Callable[[Any], Any]) -> Damage:
    def damage(folder: Path) -> None:
        state = good.weights(folder)
        state[name] = change(state[name])
        good.write(state, folder / good.WEIGHTS)

    return damage


def sharded(*, index: Any = None, keep: int = 2, twice: bool = False) -> Damage:
    """Two shards of which the first `keep` are there; `index` makes the index of each tensor's shard."""

    def damage(folder: Path) -> None:
        state = good.weights(folder)
        (folder / good.WEIGHTS).unlink()
        place = {name: SHARDS[i % 2] for i, name in enumerate(sorted(state))}
        for shard in SHARDS[:keep]:
            part = {name: tensor for name, tensor in state.items() if twice or place[name] == shard}
            good.write(part, folder / shard)
        if index is not None:
            (folder / f"{good.WEIGHTS}.index.json").write_text(index(place))

    return damage


def mapped(place: dict[str, str]) -> str:
    return json.dumps({"metadata": {}, "weight_map": place})


def pickled(content: Any, cut: int = 0) -> Damage:
    """`pytorch_model.bin` instead of the weights, with what `content` makes of them."""

    def damage(folder: Path) -> None:
        import torch

        path = folder / "pytorch_model.bin"
        torch.save(content(good.weights(folder)), path)
        path.write_bytes(path.read_bytes()[: -cut or None])
        (folder / good.WEIGHTS).unlink()

    return damage


def emptied(folder: Path) -> None:
    pickled(dict)(folder)
    (folder / "pytorch_model.bin").write_bytes(b"")


def of_two_models(folder: Path) -> None:
    sharded()(folder)
    (folder / "model-00001-of-00003.safetensors").write_bytes((folder / SHARDS[0]).read_bytes())


def smaller_vocabulary(folder: Path) -> None:
    """Weights and configuration agree on 20 words; the tokenizer has 35."""
    good.configured(folder, vocab_size=20)
    renamed(lambda name: None if name.startswith("cls.") else name)(folder)
    changed_tensor(EMBEDDING, lambda tensor: tensor[:20].clone())(folder)


def half_a_pooler(folder: Path) -> None:
    import torch

    good.reweighted(folder, bert__pooler__dense__bias=torch.zeros(16))


def foreign(folder: Path) -> None:
    import torch

    good.write({"foo": torch.ones(2)}, folder / good.WEIGHTS)


def extra(folder: Path) -> None:
    import torch

    good.reweighted(folder, adapter__weight=torch.ones(2))


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def shuffled_words(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    words["w1"], words["w2"] = words["w2"], words["w1"]
    path.write_text(json.dumps(content))


def nan(tensor):
    tensor[0, 0] = float("nan")
    return tensor


def infinite(tensor):
    tensor[0, 0] = float("inf")
    return tensor


# ----------------------------------------------------------------------------------------------------- table

WRONG_LENGTH = (10**9).to_bytes(8, "little")
LAYER = "bert.encoder.layer.2.attention.output.LayerNorm.bias"
UNFIT = "the weights do not fit its config.json"

READING: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "a configuration that is a list": (
        text("config.json", "[1]"),
        ("config.json holds a list; allowed: a JSON",),
    ),
    "a configuration that is no JSON": (text("config.json", '{"a": '), ("config.json is no JSON", "allowed")),
    "a configuration that is no text": (
        lambda folder: (folder / "config.json").write_bytes(b"\x80\x81"),
        ("config.json is no JSON", "allowed"),
    ),
    "heads that do not divide the width": (
        configured(num_attention_heads=3),
        ("config.json: found 3 attention heads; allowed: a divisor of the width, which is 16",),
    ),
    "key-value heads that do not divide the heads": (
        configured(num_attention_heads=8, num_key_value_heads=3),
        ("config.json: found 3 key-value heads; allowed: a divisor of the 8 heads",),
    ),
    "empty weights": (raw(lambda old: b""), ("model.safetensors is empty; allowed",)),
    "truncated weights": (
        raw(lambda old: old[:-100]),
        ("model.safetensors is truncated: found ", "bytes; allowed: "),
    ),
    "weights that are truncated in their header": (
        raw(lambda old: old[:100]),
        ("model.safetensors is no safetensors file, or a damaged one; allowed",),
    ),
    "a wrong length of the header": (
        raw(lambda old: WRONG_LENGTH + old[8:]),
        ("model.safetensors is no safetensors file, or a damaged one",),
    ),
    "a header that is no JSON": (
        raw(lambda old: old[:9] + b"!" + old[10:]),
        ("model.safetensors is no safetensors file, or a damaged one",),
    ),
    "weights with bytes after their end": (
        raw(lambda old: old + b"more"),
        ("model.safetensors has bytes that belong to no tensor: found ",),
    ),
    "a pickle that is called safetensors": (
        lambda folder: (folder / good.WEIGHTS).write_bytes(pickle.dumps(Harmful())),
        ("model.safetensors is no safetensors file",),
    ),
    "an empty pickle": (emptied, ("pytorch_model.bin is empty; allowed",)),
    "a shard that is missing from the index's": (
        sharded(index=mapped, keep=1),
        (f"lacks {SHARDS[1]} of the 2 shards that model.safetensors.index.json names; allowed: all",),
    ),
    "a shard that is missing from the count": (
        sharded(keep=1),
        (f"lacks {SHARDS[1]} of the 2 shards that their names count; allowed: all",),
    ),
    "a truncated shard": (
        lambda folder: [
            sharded(index=mapped)(folder),
            (folder / SHARDS[1]).write_bytes((folder / SHARDS[1]).read_bytes()[:-9]),
        ],
        (f"{SHARDS[1]} is truncated: found ",),
    ),
    "shards of two models": (of_two_models, ("has shards of 00002 and of 00003 files; allowed",)),
    "an index that is no JSON": (
        sharded(index=lambda place: "{"),
        ("model.safetensors.index.json is no JSON",),
    ),
    "an index without a map": (
        sharded(index=lambda place: "{}"),
        ("model.safetensors.index.json has no `weight_map`",),
    ),
    "an index of other shards": (
        sharded(index=lambda place: mapped({**place, "bert.foo": SHARDS[0]})),
        ("lacks bert.foo, which its index names; allowed: shards of one model",),
    ),
}

FETCHING: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "weights of something else": (
        foreign,
        (UNFIT, "missing bert.embeddings.LayerNorm.bias, ", " and ", " more; left over foo; allowed: "),
    ),
    "fewer layers than the configuration says": (
        configured(num_hidden_layers=4),
        (UNFIT, f"missing {LAYER}, ", " and 29 more; allowed: "),
    ),
    "more layers than the configuration says": (
        configured(num_hidden_layers=1),
        (UNFIT, f"left over {LAYER.replace('2', '1')}, ", " and 13 more; allowed: "),
    ),
    "more layers, saved without the body's prefix": (
        lambda folder: [
            configured(num_hidden_layers=1)(folder),
            renamed(lambda name: name.removeprefix("bert."))(folder),
        ],
        (UNFIT, "left over encoder.layer.1.attention.output.LayerNorm.bias, "),
    ),
    "another width than the configuration says": (
        configured(hidden_size=32),
        (UNFIT, "of another shape bert.embeddings.LayerNorm.bias ([16] for [32]), "),
    ),
    "another vocabulary than the configuration says": (
        configured(vocab_size=20),
        (UNFIT, f"of another shape {EMBEDDING} ([35, 16] for [20, 16]); allowed: "),
    ),
    "half a pooler": (half_a_pooler, (UNFIT, "missing bert.pooler.dense.weight; allowed")),
    "a tensor that nothing has a place for": (extra, (UNFIT, "left over adapter.weight; allowed")),
    "names with a prefix of another program": (
        renamed(lambda name: f"module.{name}"),
        (UNFIT, "missing bert.embeddings.LayerNorm.bias, ", "left over module.bert."),
    ),
    "a weight that is NaN": (
        changed_tensor(EMBEDDING, nan),
        (f"found NaN or infinity in {EMBEDDING}; allowed",),
    ),
    "a weight that is infinite": (
        changed_tensor(EMBEDDING, infinite),
        (f"found NaN or infinity in {EMBEDDING}; allowed",),
    ),
    "half-precision weights that are NaN": (
        changed_tensor(EMBEDDING, lambda tensor: nan(tensor.half())),
        (f"found NaN or infinity in {EMBEDDING}; allowed",),
    ),
    "weights in whole numbers": (
        changed_tensor(EMBEDDING, lambda tensor: tensor.char()),
        (f"found whole numbers in {EMBEDDING}; allowed: floating-point",),
    ),
    "a vocabulary beyond the embedding": (
        smaller_vocabulary,
        ("its tokenizer has the id 34 ('w29'), its embedding 20 rows; allowed: ids from 0 to 19",),
    ),
    "a harmful pickle": (
        pickled(lambda state: state | {"more": Harmful()}),
        ("pytorch_model.bin is damaged, or holds more than tensors, and is not opened; allowed",),
    ),
    "a truncated pickle": (
        pickled(dict, cut=500),
        ("pytorch_model.bin is damaged, or holds more than tensors, and is not opened; allowed",),
    ),
    "a pickle of a whole training": (
        pickled(lambda state: {"epoch": 3, "model": state}),
        ("pytorch_model.bin holds other things than tensors (epoch, model); allowed",),
    ),
    "a tensor in two shards": (sharded(twice=True), (f"{SHARDS[1]} holds ", ", as another shard does")),
    "no tokenizer": (without_tokenizer, ("has no tokenizer", "allowed: ")),
    "a tokenizer that is no JSON": (text("tokenizer.json", '{"version": '), ("tokenizer.json is no JSON",)),
    "a tokenizer that is a list": (text("tokenizer.json", "[]"), ("tokenizer.json holds a list; allowed",)),
    "a tokenizer without a model": (
        text("tokenizer.json", '{"version": "1.0"}'),
        ("has no tokenizer that Transformers can open (", "allowed: the model's own tokenizer.json"),
    ),
    "a configuration without an architecture": (
        configured(model_type=None),
        ("of the architecture None, which is not supported; allowed: ",),
    ),
    "an architecture with code of its own": (
        configured(model_type="mine", auto_map={"AutoConfig": "configuration_mine.MyConfig"}),
        ("of the architecture 'mine', which is not supported; allowed: ",),
    ),
    "a number of layers that is a text": (
        configured(num_hidden_layers="two"),
        ("config.json describes no model: ", "num_hidden_layers", "allowed: "),
    ),
    "an activation that there is not": (
        configured(hidden_act="gelux"),
        ("config.json and the weights make no classifier: 'gelux'; allowed: ",),
    ),
}

ADOPTING: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "a classifier without a head": (
        renamed(lambda name: None if name.startswith("classifier") else name),
        ("run1 is no classifier: it has no classifier.bias, classifier.weight; allowed",),
    ),
    "a classifier without a pooler": (
        renamed(lambda name: None if "pooler" in name else name),
        ("run1 is no classifier: it has no bert.pooler.dense.bias, bert.pooler.dense.weight",),
    ),
    "a head of other classes than the configuration's": (
        configured(id2label={"0": "a", "1": "b", "2": "c"}, label2id={"a": 0, "b": 1, "c": 2}),
        (UNFIT, "of another shape classifier.bias ([2] for [3]), classifier.weight ([2, 16] for [3, 16])"),
    ),
    "a classifier with layers left over": (
        configured(num_hidden_layers=1),
        (UNFIT, "left over bert.encoder.layer.1.attention.output.LayerNorm.bias, "),
    ),
    "a classifier of several labels at once": (
        configured(problem_type="multi_label_classification"),
        ("run1: config.json: problem_type: found 'multi_label_classification'; allowed: ",),
    ),
}

STARTING: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "a body to start from that holds something else": (foreign, (UNFIT, "missing bert.", "left over foo")),
    "a body to start from with a NaN": (
        changed_tensor(EMBEDDING, nan),
        (f"found NaN or infinity in {EMBEDDING}; allowed",),
    ),
}

MEASURING: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "a checkpoint without a head": (
        renamed(lambda name: None if name.startswith("classifier") else name),
        ("is no classifier: it has no classifier.bias, classifier.weight; allowed",),
    ),
    "a checkpoint of another width": (configured(intermediate_size=8), (UNFIT, "([16] for [8])")),
}

TABLE_OF_64 = {"model_type": "bert", "max_position_embeddings": 64}
LENGTHS = {
    "texts longer than a folder's positions": (
        (65, TABLE_OF_64),
        "found 65; allowed: up to 64, the positions",
    ),
    "texts longer than a pre-training's positions": ((65, {}), "found 65; allowed: up to 64, the positions"),
    "texts longer than RoBERTa's positions": (
        (513, {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}),
        "found 513; allowed: up to 512, the positions of the model tiny",
    ),
    "texts longer than GPT-2's positions": (
        (1025, {"model_type": "gpt2", "n_positions": 1024}),
        "found 1025; allowed: up to 1024, the positions of the model tiny",
    ),
}

CASES = [
    Case(
        "a missing folder",
        before_anything_runs,
        None,
        ("models.m.folder: found no folder ", "allowed: a model folder"),
    ),
    Case(
        "a folder without a configuration",
        before_anything_runs,
        {"notes.txt": "none"},
        ("models.m.folder: ", "is no model: it has no config.json; allowed"),
    ),
    Case(
        "a folder without weights",
        before_anything_runs,
        {"config.json": "{}"},
        ("models.m.folder: ", "has no weights; allowed: model.safetensors"),
    ),
    *(
        Case(name, door, damage, said)
        for door, table in (
            (reading, READING),
            (fetching, FETCHING),
            (adopting, ADOPTING),
            (starting, STARTING),
            (measuring, MEASURING),
        )
        for name, (damage, said) in table.items()
    ),
    *(
        Case(name, lengths, given, (f"datasets.toy.max_length: {said}",))
        for name, (given, said) in LENGTHS.items()
    ),
    Case(
        "a checkpoint with another tokenizer than the first",
        another_tokenizer,
        shuffled_words,
        ("the tokenizer of run2 is another one than that of the model's first checkpoint or body; allowed:",),
    ),
]
