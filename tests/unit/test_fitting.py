"""Weights that fit are opened as they are, and what is drawn is named; all others are refused."""

import json
import shutil

import pytest
import torch
from isthmus.errors import ConfigError
from isthmus.experiment import folders
from isthmus.experiment.config import Checkpoint, Model
from isthmus.models import classifiers, fitting, hf_folders, origins, tokenizing
from safetensors.torch import load_file, save_file

from tests.unit import families, tiny

# What a classifier of each architecture has besides its body.
HEADS = {
    "bert": ["classifier.bias", "classifier.weight"],
    "roberta": [
        "classifier.dense.bias",
        "classifier.dense.weight",
        "classifier.out_proj.bias",
        "classifier.out_proj.weight",
    ],
    "distilbert": ["classifier.bias", "classifier.weight", "pre_classifier.bias", "pre_classifier.weight"],
    "deberta-v2": ["classifier.bias", "classifier.weight", "pooler.dense.bias", "pooler.dense.weight"],
    "gpt2": ["score.weight"],
    "gpt_neox": ["score.weight"],
    "llama": ["score.weight"],
}
HEADS["electra"] = HEADS["roberta"]
POOLER = ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
KINDS = ("", "ForMaskedLM", "ForCausalLM", "ForSequenceClassification", "ForQuestionAnswering")


@pytest.fixture(scope="module", params=families.SIZES)
def family(request, tmp_path_factory):
    """A family's name and its folder as pre-training leaves it."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, families.pretrained(folder / "source", request.param)


def saved_as(folder, kind, to):
    """A folder opened and saved again by plain Transformers with another head; None where there is none."""
    import transformers

    try:
        model = getattr(transformers, f"AutoModel{kind}").from_pretrained(folder)
    except ValueError:  # a masked decoder, say
        return None
    model.save_pretrained(to)
    for path in folder.glob("tokenizer*"):
        shutil.copy(path, to)
    return to


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_saved_with_any_head_is_opened_as_it_is(family, kind, tmp_path):
    name, source = family
    folder = saved_as(source, kind, tmp_path / "saved")
    if folder is None:
        pytest.skip(f"{name} has no {kind}")
    if (name, kind) == ("llama", "ForQuestionAnswering"):  # Transformers itself would not find its body again
        with pytest.raises(
            ConfigError, match=r"missing model\.embed_tokens\.weight, .*left over transformer"
        ):
            origins.fetch(Model(folder=folder), tmp_path / "copy")
        return
    origins.fetch(Model(folder=folder), tmp_path / "copy")
    record = json.loads((tmp_path / "copy" / "model.json").read_text())
    has_pooler = kind in ("", "ForSequenceClassification")
    lacks_pooler = name == "bert" and not has_pooler
    assert record["drawn"] == sorted(HEADS[name] + POOLER * lacks_pooler)
    classifiers.initialize(tmp_path / "copy", tiny.LABELS, 0, 1, tmp_path / "start")
    before, after = (load_file(place / hf_folders.WEIGHTS) for place in (source, tmp_path / "start"))
    shared = before.keys() & after.keys()
    assert all(torch.equal(before[key], after[key]) for key in shared)
    assert after.keys() - shared <= {*HEADS[name], *POOLER}


def reweighted(folder, change):
    path = folder / hf_folders.WEIGHTS
    state = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(change(state), path, {"format": "pt"})


def legacy(state):
    """Names and tensors as BERT's first weights had them."""
    named = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in state.items()
    }
    words = state["bert.embeddings.word_embeddings.weight"]
    return named | {
        "bert.embeddings.position_ids": torch.arange(512)[None],
        "cls.predictions.decoder.weight": words.clone(),
        "cls.seq_relationship.weight": torch.ones(2, 32),
    }


def test_names_and_constants_of_earlier_versions_are_known(tmp_path):
    source = families.pretrained(tmp_path / "source", "bert")
    expected = load_file(source / hf_folders.WEIGHTS)["bert.encoder.layer.1.output.LayerNorm.bias"] + 0.5

    def moved(state):
        state["bert.encoder.layer.1.output.LayerNorm.bias"] += 0.5
        return legacy(state)

    reweighted(source, moved)
    origins.fetch(Model(folder=source), tmp_path / "copy")
    classifiers.initialize(tmp_path / "copy", tiny.LABELS, 0, 1, tmp_path / "start")
    found = load_file(tmp_path / "start" / hf_folders.WEIGHTS)["bert.encoder.layer.1.output.LayerNorm.bias"]
    assert torch.equal(found, expected)


def test_masks_that_gpt2_kept_among_its_weights_are_known(tmp_path):
    source = families.pretrained(tmp_path / "source", "gpt2")
    masks = {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool) for i in (0, 1)}
    masks |= {f"transformer.h.{i}.attn.masked_bias": torch.tensor(-float("inf")) for i in (0, 1)}
    reweighted(source, lambda state: state | masks)
    origins.fetch(Model(folder=source), tmp_path / "copy")


def test_more_rows_than_words_are_fine(tmp_path):
    source = families.pretrained(tmp_path / "source", "bert")
    words = "bert.embeddings.word_embeddings.weight"

    def padded(state):
        rows = torch.cat([state[words], torch.zeros(10, 32)])
        return {name: tensor for name, tensor in state.items() if "cls." not in name} | {words: rows}

    reweighted(source, padded)
    settings = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(settings | {"vocab_size": settings["vocab_size"] + 10}))
    origins.fetch(Model(folder=source), tmp_path / "copy")


def test_nothing_of_a_checkpoint_is_drawn(tmp_path):
    source = saved_as(
        families.pretrained(tmp_path / "source", "bert"), "ForSequenceClassification", tmp_path / "saved"
    )
    origins.fetch(Checkpoint(folder=source), tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "model.json").read_text())["drawn"] == []
    classifiers.adopt(tmp_path / "copy", "run", tmp_path / "own")
    before, after = (load_file(place / hf_folders.WEIGHTS) for place in (source, tmp_path / "own"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_another_error_s_advice_is_not_passed_on():
    error = ValueError("It has code.\n\nPass trust_remote_code=True to run it.\nDone")
    assert fitting.plainly(error) == "It has code. Done"
    assert fitting.plainly(ValueError("set `weights_only=False`")) == "ValueError"


@pytest.mark.parametrize("max_length", [0, 1])
def test_as_many_tokens_as_positions_and_no_more(family, max_length, tmp_path):
    """The architecture itself computes a text of `positions` tokens, and fails with one more."""
    name, source = family
    limit = folders.positions(json.loads((source / "config.json").read_text()))
    if name in ("gpt_neox", "llama"):
        assert limit is None
        return
    classifiers.initialize(source, tiny.LABELS, 0, 1, tmp_path / "start")
    model = classifiers.open_classifier(tmp_path / "start", attention="eager")
    model.config.pad_token_id = 1
    ids = torch.full((1, limit + max_length), 5)
    if not max_length:
        assert model(input_ids=ids).logits.isfinite().all()
        return
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=ids)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
        ({"model_type": "llama", "max_position_embeddings": 2048}, None),
        ({"model_type": "gpt_neox", "max_position_embeddings": 2048, "rotary_pct": 0.25}, None),
        ({"model_type": "new", "max_position_embeddings": 2048, "rope_parameters": {}}, None),
        ({"model_type": "new", "max_position_embeddings": 2048, "properties": {}}, 2048),
        (
            {"model_type": "deberta-v2", "max_position_embeddings": 512, "position_biased_input": False},
            None,
        ),
        ({"model_type": "t5"}, None),
    ],
)
def test_positions_of_published_configurations(settings, expected):
    assert folders.positions(settings) == expected


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "spiece.model",
        "sentencepiece.bpe.model",
        "entity_vocab.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ],
)
def test_a_file_that_the_copy_is_made_of_re_makes_it(tmp_path, name):
    (tmp_path / name).write_text("")
    (tmp_path / "README.md").write_text("")
    (tmp_path / "trainer_state.json").write_text("{}")
    assert folders.files(tmp_path) == [str(tmp_path / name)]
    assert folders.files(None) == []


def test_words_of_a_vocabulary_s_file_reach_the_copy(tmp_path):
    """A folder without tokenizer.json: what `files` names is what the copy is made of."""
    source = families.pretrained(tmp_path / "source", "bert")
    for path in source.glob("tokenizer*"):
        path.unlink()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(20))]
    (source / "vocab.txt").write_text("\n".join(words) + "\n")
    origins.fetch(Model(folder=source), tmp_path / "copy")
    assert tokenizing.open_tokenizer(tmp_path / "copy")("w3 w4")["input_ids"] == [2, 8, 9, 3]
    assert str(source / "vocab.txt") in folders.files(source)
