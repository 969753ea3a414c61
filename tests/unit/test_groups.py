"""The groups of tensors: planted by hand for each architecture that is tested."""

import pytest
from isthmus.models import classifiers, weight_files
from isthmus.space.groups import ATTENTION, FEED_FORWARD, block, groups_of, in_order

from tests.unit import families

# By family: parts of names that say attention within a block, and how many tensors are outside of all blocks.
ATTENTION_PARTS = {
    "bert": ["attention"],
    "roberta": ["attention"],
    "electra": ["attention"],
    "deberta-v2": ["attention"],
    "distilbert": ["attention", "sa_layer_norm"],
    "gpt2": ["attn", "ln_1"],
    "gpt_neox": [".attention", "input_layernorm"],
    "llama": ["self_attn", "input_layernorm"],
}
EMBEDDINGS = {
    "bert": {
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.position_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.embeddings.LayerNorm.weight",
        "bert.embeddings.LayerNorm.bias",
    },
    "gpt2": {"transformer.wte.weight", "transformer.wpe.weight"},
    "gpt_neox": {"gpt_neox.embed_in.weight"},
    "llama": {"model.embed_tokens.weight"},
}
HEAD = {
    "bert": {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"},
    "gpt2": {"transformer.ln_f.weight", "transformer.ln_f.bias", "score.weight"},
    "gpt_neox": {"gpt_neox.final_layer_norm.weight", "gpt_neox.final_layer_norm.bias", "score.weight"},
    "llama": {"model.norm.weight", "score.weight"},
    "distilbert": {"pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias"},
    "deberta-v2": {"pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"},
}


@pytest.mark.parametrize("family", families.SIZES)
def test_every_tensor_of_an_architecture_is_in_its_groups(tmp_path, family):
    classifiers.initialize(families.fetched(tmp_path, family), ["no", "yes"], 0, 0, tmp_path / "step0")
    names = list(weight_files.load(tmp_path / "step0" / "model.safetensors"))
    found = {name: groups_of(name) for name in names}
    assert {groups[0] for groups in found.values()} == {"all"}
    assert in_order(reversed(names)) == ["embeddings", "block 0", "block 1", "head"]
    for number in (0, 1):
        for half in (ATTENTION, FEED_FORWARD):
            inside = {name for name, groups in found.items() if block(number, half) in groups}
            assert inside
            for name in inside:
                assert f".{number}." in name
                assert any(part in name for part in ATTENTION_PARTS[family]) == (half == ATTENTION)
    for group, planted in (("embeddings", EMBEDDINGS), ("head", HEAD)):
        if family in planted:
            assert {name for name, groups in found.items() if group in groups} == planted[family]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert.encoder.layer.11.attention.output.LayerNorm.bias", ("block 11", "block 11 attention")),
        ("bert.encoder.layer.3.output.LayerNorm.bias", ("block 3", "block 3 feed-forward")),
        ("bert.encoder.layer.3.intermediate.dense.weight", ("block 3", "block 3 feed-forward")),
        ("distilbert.transformer.layer.0.ffn.lin1.weight", ("block 0", "block 0 feed-forward")),
        ("distilbert.transformer.layer.0.output_layer_norm.bias", ("block 0", "block 0 feed-forward")),
        ("model.layers.21.post_attention_layernorm.weight", ("block 21", "block 21 feed-forward")),
        ("transformer.h.7.ln_2.weight", ("block 7", "block 7 feed-forward")),
        ("deberta.encoder.rel_embeddings.weight", ("embeddings",)),
        ("deberta.encoder.LayerNorm.weight", ("embeddings",)),
        ("electra.embeddings_project.weight", ("embeddings",)),
        ("classifier.out_proj.weight", ("head",)),
        ("unheard.of", ("head",)),
    ],
)
def test_planted_names(name, expected):
    assert groups_of(name) == ("all", *expected)
