"""Pre-training by the same exact training: its rungs, and when it begins anew."""

from dataclasses import replace

import pytest
import torch
from isthmus import hashing
from isthmus.models import hf_folders
from isthmus.training.pretraining import Pretraining, pretrain
from isthmus.training.saving import Cache

from tests.unit.runs import numeric, recipe

WANTED = Pretraining(layers=1, width=16, heads=2, rows=60, seed=0, masked=0.2)


@pytest.mark.parametrize("change", [{}, {"heads": 4}, {"masked": 0.3}, {"seed": 1}, {"rows": 61}])
def test_a_pretraining_of_other_settings_begins_anew(tmp_path, capsys, change):
    for number, settings_of in enumerate((WANTED, replace(WANTED, **change))):
        pretrain(
            settings=settings_of,
            recipe=recipe(steps=6),
            step=2,
            numerics=numeric(),
            cache=Cache(tmp_path / "state", frozenset({2}), 10.0),
            out=tmp_path / str(number),
        )
    said = capsys.readouterr().out
    assert ("step 2 is in the cache" in said) == (change == {})
    assert ("holds states of other settings" in said) == (change != {})


def test_a_pretraining_whose_body_is_drawn_otherwise_begins_anew(tmp_path, capsys, monkeypatch):
    from transformers import BertForMaskedLM

    cache = Cache(tmp_path / "state", frozenset({2}), 10.0)
    arguments = {
        "settings": WANTED,
        "recipe": recipe(steps=6),
        "step": 2,
        "numerics": numeric(),
        "cache": cache,
    }
    pretrain(**arguments, out=tmp_path / "a")
    original = BertForMaskedLM.__init__

    def drawn_otherwise(self, config):
        original(self, config)
        with torch.no_grad():
            self.bert.embeddings.word_embeddings.weight.mul_(2)

    monkeypatch.setattr(BertForMaskedLM, "__init__", drawn_otherwise)
    pretrain(**arguments, out=tmp_path / "b")
    assert "step 2 is in the cache" not in capsys.readouterr().out


def test_pretraining_in_segments_gives_the_same_bits(tmp_path):
    hashes = []
    for name, steps in (("whole", [6]), ("cut", [0, 1, 4, 6])):
        cache = Cache(tmp_path / name / "state", frozenset(), 10.0)
        for step in steps:
            out = tmp_path / name / str(step)
            pretrain(
                settings=WANTED, recipe=recipe(steps=6), step=step, numerics=numeric(), cache=cache, out=out
            )
        hashes.append(hashing.of_file(out / hf_folders.WEIGHTS))
    assert hashes[0] == hashes[1]
