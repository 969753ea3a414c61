"""Names of tensors that are said before there are any are those that models have."""

import pytest
from isthmus.errors import ConfigError
from isthmus.experiment import tensor_names
from isthmus.experiment.config import load
from isthmus.models import weight_files
from isthmus.training import pretraining
from transformers import AutoModelForSequenceClassification

from tests.unit import families
from tests.workflow.lab import NANO, changed


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_a_pretraining_s_are_those_of_its_classifier(architecture):
    chosen = load(
        changed(NANO, {"pretraining.small.architecture": architecture, "pretraining.small.layers": 2})
    )
    settings = chosen.pretraining["small"]
    size = pretraining.Pretraining(2, 16, 2, 0, 0, 0.15, architecture)
    model = AutoModelForSequenceClassification.from_config(pretraining.architecture(size, "eager"))
    assert sorted(tensor_names.pretrained(settings)) == sorted(weight_files.distinct(model))


@pytest.mark.parametrize("family", families.SIZES)
def test_a_folder_s_own_groups_are_accepted(tmp_path, family):
    folder = families.pretrained(tmp_path / "model", family)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    names = list(weight_files.distinct(model))

    def check(*patterns):
        groups = {"layers": {"groups": {"mine": list(patterns)}}, "models.tiny": {"folder": str(folder)}}
        tensor_names.check(load(changed(NANO, groups)))

    for name in names:  # whatever a classifier has may be named
        check(name)
    with pytest.raises(ConfigError, match="match none of the tensors of tiny"):
        check("*.nowhere.*")
