"""What does not move is computed once, and the bits are those of computing it each time."""

import re

import numpy as np
import pytest
import torch
from isthmus.measuring.prefix import Prefix, blocks_of
from isthmus.models import classifiers
from isthmus.tasks.classification import Classification

from tests.unit import families, tiny

LAYERS = 2


def opened(folder, family):
    classifiers.initialize(families.fetched(folder, family), ["no", "yes", "maybe"], 0, 0, folder / "step0")
    return classifiers.open_classifier(folder / "step0", attention="eager")


def tokens_of(family):
    made = tiny.rows(30)
    return tiny.tokens.tokenize(families.tokenizer(family), made, [0, 1, 2], 64)


@pytest.mark.parametrize("family", families.SIZES)
def test_every_architecture_gives_the_same_bits(tmp_path, family):
    model = opened(tmp_path, family)
    assert len(blocks_of(model)) == LAYERS
    pad = model.config.pad_token_id or 0
    placed = Classification(pad, tiny.cpu()).place(tokens_of(family), 128)
    assert len(placed.batches) > 2
    prefix, base = Prefix(model, 2**30), placed.measure(model)["losses"]
    for count in range(LAYERS + 1):
        moved = [name for name, _ in model.named_parameters() if inside(name, count)]
        originals = {name: p.detach().clone() for name, p in model.named_parameters() if name in moved}
        with prefix.fixed(count):
            np.testing.assert_array_equal(placed.measure(model)["losses"], base)
            for scale in (0.9, 1.1):
                with torch.no_grad():
                    for name in moved:
                        model.get_parameter(name).copy_(scale * originals[name])
                found = placed.measure(model)["losses"]
                assert bool(prefix._kept) == (count > 0)
                with fresh(prefix):
                    np.testing.assert_array_equal(found, placed.measure(model)["losses"])
                assert not np.array_equal(found, base)
        with torch.no_grad():
            for name in moved:
                model.get_parameter(name).copy_(originals[name])
    np.testing.assert_array_equal(placed.measure(model)["losses"], base)


class fresh:
    """Computes all of it, with nothing kept."""

    def __init__(self, prefix):
        self.prefix, self.kept = prefix, prefix._kept

    def __enter__(self):
        self.prefix._kept, self.most, self.prefix.most = {}, self.prefix.most, 0

    def __exit__(self, *_):
        self.prefix._kept, self.prefix.most = self.kept, self.most


def inside(name, count):
    """Whether a tensor is in a block from `count` on, or in the head."""
    number = re.search(r"\.(?:layer|layers|h)\.(\d+)\.", name)
    if number:
        return int(number[1]) >= count
    before = ("embed", ".wte.", ".wpe.", ".encoder.LayerNorm.")
    return count == 0 or not any(word in name for word in before)


def test_no_more_is_kept_than_allowed(tmp_path):
    model = opened(tmp_path, "bert")
    placed = Classification(0, tiny.cpu()).place(tokens_of("bert"), 128)
    one = placed.batches[0]["input_ids"].numel() * 32 * 4
    prefix = Prefix(model, int(2.5 * one))
    with prefix.fixed(1):
        placed.measure(model)
        assert 0 < prefix._bytes <= 2.5 * one
        assert 0 < len(prefix._kept) < len(placed.batches)
    assert not prefix._kept


def test_blocks_compute_again_afterwards(tmp_path):
    model = opened(tmp_path, "bert")
    before = [block.forward for block in model.bert.encoder.layer]
    with Prefix(model, 2**30).fixed(2):
        assert [block.forward for block in model.bert.encoder.layer] != before
    assert [block.forward for block in model.bert.encoder.layer] == before
