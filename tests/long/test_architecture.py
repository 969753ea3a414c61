"""Another architecture under the same weights: everything from the step-0 checkpoint on is made again."""

import json
import shutil

import pandas as pd
import pytest
from safetensors import safe_open

from tests.workflow.lab import NANO, Lab

pytestmark = pytest.mark.rare

STEPS = (0, 20)
CELLS = {f"dataset=toy model=own seed={seed} step={step}" for seed in (1, 2) for step in STEPS}
RECIPE = {"steps": 40, "checkpoints": [20], "learning_rate": 1e-2, "warmup_steps": 4}
OWN = {key: value for key, value in NANO.items() if key != "pretraining"} | {
    "experiment": "own",
    "training": RECIPE,
}
FILES = ("metrics.csv", "evaluations.csv")


def set_heads(folder, heads):
    path = folder / "config.json"
    settings = json.loads(path.read_text()) | {"num_attention_heads": heads}
    path.write_text(json.dumps(settings))


def evaluations(lab):
    found = pd.read_csv(lab.results / "evaluations.csv")
    return found.set_index(["seed", "step", "set"])["loss"].sort_index()


def weights(lab, seed, step):
    """Names and values of a checkpoint's tensors."""
    path = lab.results / f"checkpoints/own/toy/seed{seed}/step{step}/model.safetensors"
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118 - it is no dict


@pytest.fixture(scope="module")
def edited(nano, repository, tmp_path_factory):
    """An experiment on a folder's model, run; then its heads are 2 and no longer 4, and a call that got no
    further than to the step-0 checkpoints."""
    folder = shutil.copytree(nano.results / "models/tiny", tmp_path_factory.mktemp("model") / "own")
    set_heads(folder, 4)
    config = OWN | {"models": {"own": {"folder": str(folder)}}}
    lab = Lab(repository, tmp_path_factory.mktemp("own"), config)
    lab.run(None, *FILES)
    before = evaluations(lab), weights(lab, 1, 0)
    set_heads(folder, 2)
    planned = lab.dry_run()
    lab.run(None, *(f"checkpoints/own/toy/seed{seed}/step0/checkpoint.json" for seed in (1, 2)))
    return lab, before, planned


def test_other_heads_make_everything_again(edited):
    lab, _, planned = edited
    assert planned["fetch_model"] == {"model=own"}
    assert planned["initialize"] == {"dataset=toy model=own seed=1", "dataset=toy model=own seed=2"}
    again = lab.dry_run()  # nothing of it is forgotten by the call that was cut off
    assert "initialize" not in again
    for plan in (planned, again):
        assert plan["finetune"] == {cell for cell in CELLS if "step=20" in cell}
        assert plan["evaluate"] == CELLS
        assert plan["interpolate"] == {cell for cell in CELLS if "seed=2" in cell}


def test_nothing_of_the_other_heads_is_used(edited):
    lab, (losses, body), _ = edited
    lab.run(None, *FILES)
    assert weights(lab, 1, 0) == body  # the weights are the same, what they stand for is not
    now = evaluations(lab)
    assert list(now.index) == list(losses.index)
    assert (now != losses).all()
    for seed in (1, 2):
        log = (lab.results / f"logs/finetune/own-toy-seed{seed}-step20.log").read_text()
        assert "holds states of other settings or of an earlier version; they are not used" in log
        assert "training goes on from step 0 to 20" in log
        for step in STEPS:
            folder = lab.results / f"checkpoints/own/toy/seed{seed}/step{step}"
            assert json.loads((folder / "config.json").read_text())["num_attention_heads"] == 2
    log = (lab.results / "logs/interpolate/own-toy-step0-seed2.log").read_text()
    assert " 0 measurements made" not in log
