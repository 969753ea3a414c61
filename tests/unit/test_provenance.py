"""Which runs and cells mix kinds of device or versions of PyTorch is said; what is unknown mixes nothing."""

from dataclasses import replace

from isthmus import stored
from isthmus.caches import attempts
from isthmus.showing import provenance

from tests.unit import tiny
from tests.unit.synthetic import experiment

A100, H100 = "NVIDIA A100", "NVIDIA H100"


def plant(results, model, seed, step, **record):
    path = results / f"checkpoints/{model}/d/seed{seed}/step{step}/checkpoint.json"
    path.parent.mkdir(parents=True)
    stored.write_json(path, {"step": step, **record})


def mixtures(results):
    return provenance.read(experiment(), results)["hardware"].get("mixed", {})


def test_runs_of_one_kind_or_of_an_unknown_one_mix_nothing(tmp_path):
    for seed in (1, 2):
        plant(tmp_path, "a", seed, 0)
        plant(tmp_path, "a", seed, 10, hardware=["unknown", A100], torch=["unknown", "2.8.0"])
        plant(tmp_path, "b", seed, 10, hardware=[H100], torch=["2.9.0"])  # cells are not compared
    assert mixtures(tmp_path) == {}


def test_a_run_that_went_on_elsewhere_is_named(tmp_path):
    plant(tmp_path, "a", 1, 10, hardware=[A100], torch=["2.8.0"])
    plant(tmp_path, "a", 2, 5, hardware=[A100], torch=["2.8.0"])
    plant(tmp_path, "a", 2, 10, hardware=[A100, H100], torch=["2.8.0"])
    plant(tmp_path, "a", 3, 10, hardware=[A100], torch=["2.8.0"])
    assert mixtures(tmp_path) == {
        "a on d": "trained on several kinds of device (NVIDIA A100, NVIDIA H100; within seed 2): "
        "the same bits are promised on one of each only"
    }


def test_checkpoints_of_one_run_and_runs_of_one_cell_are_compared(tmp_path):
    plant(tmp_path, "a", 1, 5, hardware=[A100], torch=["2.8.0"])
    plant(tmp_path, "a", 1, 10, hardware=[A100], torch=["2.9.0"])
    plant(tmp_path, "a", 2, 10, hardware=[H100], torch=["2.9.0"])
    (sentence,) = mixtures(tmp_path).values()
    assert "kinds of device (NVIDIA A100, NVIDIA H100; between seeds)" in sentence
    assert "versions of PyTorch (2.8.0, 2.9.0; within seed 1)" in sentence
    lines = provenance.lines(provenance.read(experiment(), tmp_path))
    assert ("hardware, mixed, a on d", sentence) in lines


def test_a_rung_that_was_pretrained_on_two_kinds_is_named(tmp_path):
    (tmp_path / "models/a").mkdir(parents=True)
    stored.write_json(tmp_path / "models/a/model.json", {"hardware": [A100, H100], "torch": ["2.9.0"]})
    assert mixtures(tmp_path) == {
        "a": "pre-trained on several kinds of device (NVIDIA A100, NVIDIA H100): "
        "the same bits are promised on one of each only"
    }


def test_a_cell_that_was_measured_on_two_kinds_is_named(tmp_path):
    """A process that found all in the journal measured nothing, wherever it ran."""
    model, dataset = experiment().cell_list()[0]

    def measure(kind: str, measurements: int) -> None:
        folder = tmp_path / f"journal/{model}/{dataset}/step5/seed1"
        with attempts.measuring(
            folder, replace(tiny.cpu(), hardware=kind, torch="2.9.0"), lambda: measurements
        ):
            pass

    measure(A100, 3)
    measure(H100, 0)
    assert mixtures(tmp_path) == {}
    measure(H100, 1)
    (where, sentence), *others = mixtures(tmp_path).items()
    assert (where, others) == (f"{model} on {dataset}", [])
    assert sentence.startswith("measured on several kinds of device (NVIDIA A100, NVIDIA H100): ")
