"""What a GPU must do as a CPU does: exact training however a run is cut, the same points, the same numbers.

Skipped where there is no GPU; `tests/benchmarks/gpu.sh` calls them.
"""

import numpy as np
import pytest
import torch
from isthmus.measuring.live import LiveModel
from isthmus.models import hf_folders
from isthmus.space.anchors import hold
from isthmus.space.geometries import Line
from isthmus.tasks.classification import Classification

from tests.unit import runs
from tests.unit.runs import STEPS, Run, numeric, pairs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
PRECISIONS = ["float32", "tf32", "bfloat16"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A start and examples."""
    return runs.make(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def ends(made, tmp_path_factory):
    """Two seeds, trained on the CPU."""
    folder = tmp_path_factory.mktemp("ends")
    for seed in (1, 2):
        Run(folder / str(seed), made.start, made.examples, seed=seed).to(STEPS)
    return [folder / str(seed) / f"step{STEPS}" for seed in (1, 2)]


def gpu(precision="float32", **changes):
    return {"device": "cuda", "precision": precision, "attention": "sdpa", **changes}


def losses(ends, alpha, **machine):
    """Each example's loss at a point of the line."""
    how = numeric(**machine)
    task = Classification(hf_folders.pad_token(ends[0]), how)
    live = LiveModel(task.open(ends[0]))
    weights = {end: hold(end / hf_folders.WEIGHTS, how) for end in ends}
    model = live.move(Line(*ends).at(alpha), weights)
    return task.place(pairs(), 128).measure(model)["losses"]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_ends_in_the_same_bits_however_it_is_cut(made, tmp_path, precision, attention):
    machine = gpu(precision, attention=attention)
    whole, cut = (Run(tmp_path / name, made.start, made.examples, machine=machine) for name in "ab")
    for step in (1, 5, 9):
        cut.to(step)
    assert cut.to(STEPS) == whole.to(STEPS)


def test_two_seeds_of_one_run_differ(made, tmp_path):
    one, other = (
        Run(tmp_path / str(s), made.start, made.examples, machine=gpu(), seed=s).to(STEPS) for s in (1, 2)
    )
    assert one != other


@pytest.mark.parametrize("alpha", [0.0, 0.37, 1.0])
@pytest.mark.parametrize(("precision", "within"), [("float32", 1e-5), ("tf32", 5e-3), ("bfloat16", 3e-2)])
def test_losses_are_those_of_the_cpu(ends, precision, within, alpha):
    found, wanted = losses(ends, alpha, **gpu(precision)), losses(ends, alpha)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=within)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_anchors_in_host_memory_give_the_same_bits(ends, precision):
    there, here = (losses(ends, 0.37, **gpu(precision, anchors=a)) for a in ("device", "host"))
    np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize(("anchors", "device"), [("device", "cuda"), ("host", "cpu")])
def test_anchors_are_held_where_the_setting_says(ends, anchors, device):
    held = hold(ends[0] / hf_folders.WEIGHTS, numeric(**gpu(anchors=anchors)))
    assert {tensor.device.type for tensor in held.values()} == {device}


def test_training_on_the_gpu_goes_where_it_goes_on_the_cpu(made, tmp_path):
    still = {"dropout": 0, "attention_dropout": 0}
    found = {}
    for name, machine in {"cpu": {}, "gpu": gpu()}.items():
        run = Run(tmp_path / name, made.start, made.examples, machine=machine, **still)
        run.to(STEPS)
        found[name] = run.history(STEPS)["loss"]
    np.testing.assert_allclose(found["gpu"], found["cpu"], rtol=0, atol=1e-4)


def test_a_set_measured_twice_has_the_same_bits(ends):
    first, second = (losses(ends, 0.5, **gpu("bfloat16")) for _ in range(2))
    np.testing.assert_array_equal(first, second)
