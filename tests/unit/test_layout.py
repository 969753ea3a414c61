"""Names of files, made and read back."""

from pathlib import Path

import pytest
from isthmus.experiment import layout

VALUES = {
    "model": "bert-base.v2",
    "dataset": "qqp_1.0",
    "seed": 42,
    "other": 43,
    "curve": "bezier",
    "bend": 2,
    "plane": "42.0-42.100-43.100",
    "part": 5,
    "step": 1000,
    "set": "hans",
    "name": "metrics",
    "format": "csv",
    "pretraining": "mlm",
}
TEMPLATES = {
    name: value
    for name, value in vars(layout).items()
    if name.isupper() and isinstance(value, str) and "{" in value
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_made_is_read_back(name):
    template = TEMPLATES[name]
    made = layout.filled(template, **VALUES)
    assert "{" not in made
    wanted = {key: value for key, value in VALUES.items() if f"{{{key}}}" in template}
    for path in (made, Path("/some/where/results/seed1") / made):
        assert layout.parsed(template, path) == wanted


def test_no_two_templates_make_one_file():
    files = {layout.filled(template, **VALUES) for template in TEMPLATES.values()}
    assert len(files) == len(TEMPLATES)


@pytest.mark.parametrize(
    "path",
    [
        "evaluations/m/d/seedx/step1.parquet",
        "evaluations/m/d/seed1/step1.parquet.tmp",
        "evaluations/m/d/extra/seed1/step1.csv",
        "xevaluations/m/d/seed1/step1.parquet",
    ],
)
def test_another_file_is_refused(path):
    with pytest.raises(ValueError, match="is no file of evaluations/"):
        layout.parsed(layout.EVALUATION, path)


def test_what_is_there_is_found_in_order(tmp_path):
    for model, seed in (("b", 2), ("a", 10), ("a", 2)):
        path = tmp_path / layout.filled(layout.EVALUATION, model=model, dataset="d", seed=seed, step=0)
        path.parent.mkdir(parents=True)
        path.touch()
    stray = tmp_path / "evaluations/a/d/seed2/step0-old.parquet"
    stray.touch()
    found = [(key["model"], key["seed"]) for key, _ in layout.found(tmp_path, layout.EVALUATION)]
    assert found == [("a", 10), ("a", 2), ("b", 2)]
    assert [key["seed"] for key, _ in layout.found(tmp_path, layout.EVALUATION, model="b")] == [2]
    assert all(path.exists() and path != stray for _, path in layout.found(tmp_path, layout.EVALUATION))


def test_some_wildcards_may_stay():
    assert layout.partly(layout.TOKENS, set="train") == "tokens/{model}/{dataset}/train.safetensors"
