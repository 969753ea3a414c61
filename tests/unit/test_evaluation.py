"""Losses and predictions are those of a plain evaluation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus.data import tokens
from isthmus.errors import Damaged
from isthmus.machine import numerics
from isthmus.measuring import evaluation
from isthmus.models import architectures, classifiers, hf_folders
from isthmus.tasks.classification import Classification, Placed

from tests.unit import tiny

ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow"), "PATH": ""}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A moved checkpoint of each family."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        family: tiny.checkpoint(folder / family, tiny.pretrained(folder / f"{family}-model", family), 1, 0.1)
        for family in ("bert", "roberta")
    }


def measure(checkpoint, examples, budget=tiny.BUDGET, **numerics):
    numerics = tiny.cpu(**numerics)
    model = classifiers.open_classifier(checkpoint, attention=numerics.attention)
    return Placed(examples, budget, hf_folders.pad_token(checkpoint), numerics).measure(model)


def plain_probabilities(checkpoint, family, rows):
    """The classes' probabilities of each example, one by one, with Transformers alone."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    tokenizer = tiny.tokenizer(family)
    texts = zip(*([rows.text_a] if rows.text_b is None else [rows.text_a, rows.text_b]), strict=True)
    with torch.inference_mode():
        logits = [model(**tokenizer(*text, return_tensors="pt")).logits[0] for text in texts]
    return torch.stack(logits).double().softmax(-1).numpy()


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("pairs", [True, False], ids=["pairs", "singles"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_losses_are_those_of_a_plain_evaluation(checkpoints, family, pairs, attention):
    rows = tiny.rows(30, pairs)
    expected = plain_probabilities(checkpoints[family], family, rows)
    found = measure(checkpoints[family], tiny.examples(30, family, pairs), attention=attention)
    assert found["losses"].dtype == np.float64
    assert found["losses"] == pytest.approx(-np.log(expected[np.arange(30), rows.labels]), abs=1e-5)
    assert found["predictions"].tolist() == expected.argmax(1).tolist()
    assert np.ptp(expected, axis=0).min() > 0.01  # the inputs matter to this model


@pytest.mark.parametrize("groups", [(0, 1, 1), (1, 0, 0), (0, 1, 0), (2, 0, 1), (1, 2, 0), (0, 0, 0)])
def test_probability_of_a_label_is_the_sum_over_its_classes(checkpoints, groups):
    probabilities = plain_probabilities(checkpoints["bert"], "bert", tiny.rows(30))
    grouped = np.stack(
        [probabilities[:, np.array(groups) == label].sum(1) for label in range(max(groups) + 1)], axis=1
    )
    examples = tiny.examples(30, groups=groups)
    found = measure(checkpoints["bert"], examples)
    assert found["losses"] == pytest.approx(-np.log(grouped[np.arange(30), examples.labels]), abs=1e-5)
    assert found["predictions"].tolist() == grouped.argmax(1).tolist()


def test_losses_hardly_depend_on_the_batches(checkpoints):
    examples = tiny.examples(40)
    one, many = (measure(checkpoints["bert"], examples, budget) for budget in (1, 5000))
    assert one["losses"] == pytest.approx(many["losses"], abs=1e-5)


def test_examples_keep_their_order(checkpoints):
    examples, order = tiny.examples(40), np.random.default_rng(0).permutation(40)
    straight = measure(checkpoints["bert"], examples)["losses"]
    assert measure(checkpoints["bert"], examples.select(order))["losses"] == pytest.approx(
        straight[order], abs=1e-5
    )


def test_bfloat16_is_coarser_and_leaves_the_weights_alone(checkpoints):
    examples = tiny.examples(40)
    exact, coarse = (measure(checkpoints["bert"], examples, precision=p) for p in ("float32", "bfloat16"))
    assert 1e-4 < np.abs(exact["losses"] - coarse["losses"]).max() < 0.5
    assert coarse["losses"].dtype == np.float64


# -------------------------------------------------------------------------------------------------- the job


def evaluate(checkpoint, sets, folder, out="out.parquet", **numerics):
    evaluation.evaluate(
        checkpoint=checkpoint,
        sets=sets,
        budget=tiny.BUDGET,
        numerics=tiny.cpu(**numerics),
        journal=folder / "journal",
        out=folder / out,
    )
    return pd.read_parquet(folder / out)


@pytest.fixture
def sets():
    further = tiny.examples(15, seed=3, groups=(0, 1, 1))
    return {"train": tiny.examples(20, seed=1), "test": tiny.examples(20, seed=2), "hans": further}


def test_rows_say_each_example_of_each_set(checkpoints, sets, tmp_path):
    found = evaluate(checkpoints["bert"], sets, tmp_path)
    assert found.columns.tolist() == ["set", "id", "loss", "prediction", "label", "classes"]
    for name, examples in sets.items():
        part = found[found["set"] == name]
        expected = measure(checkpoints["bert"], examples)
        assert part["id"].tolist() == examples.rows.tolist()
        assert part["loss"].tolist() == expected["losses"].tolist()
        assert part["prediction"].tolist() == expected["predictions"].tolist()
        assert part["label"].tolist() == examples.labels.tolist()
        assert set(part["classes"]) == {2 if name == "hans" else 3}


def test_what_the_journal_knows_needs_no_model(checkpoints, sets, tmp_path, monkeypatch):
    evaluate(checkpoints["bert"], sets, tmp_path, "first.parquet")
    monkeypatch.setattr(Classification, "open", lambda *_, **__: pytest.fail("a model was opened"))
    evaluate(checkpoints["bert"], sets, tmp_path, "again.parquet")
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


ANSWERED = """
import sys
from pathlib import Path
from isthmus.machine import numerics
from isthmus.measuring import evaluation
settings, checkpoint, files, folder = {given}
evaluation.evaluate(
    checkpoint=Path(checkpoint),
    sets=evaluation.read_sets({{name: Path(file) for name, file in files.items()}}, None, 1),
    budget={budget},
    numerics=numerics.resolved(settings),
    journal=Path(folder, "journal"),
    out=Path(folder, "answered.parquet"),
)
print(*(heavy for heavy in ("torch", "transformers", "scipy", "pandas") if heavy in sys.modules))
"""


def test_what_the_journal_knows_imports_nothing_that_computes(checkpoints, sets, tmp_path):
    """A process that starts takes seconds to import PyTorch, and most evaluations have nothing to compute."""
    checkpoint, files = checkpoints["bert"], {name: tmp_path / f"{name}.safetensors" for name in sets}
    for name, examples in sets.items():
        tokens.write(examples, files[name])
    evaluate(checkpoint, evaluation.read_sets(files, None, 1), tmp_path, "computed.parquet")
    how = {"device": "auto" if not torch.cuda.is_available() else "cpu"}
    how |= {"precision": "float32", "attention": "eager", "threads": 1, "deterministic": True}
    assert numerics.resolved(how) == tiny.cpu()
    assert numerics.resolved(how).torch == torch.__version__
    record = hf_folders.read_record(checkpoint) | architectures.described(checkpoint)
    hf_folders.write_record(checkpoint / architectures.RECORD, record)  # as jobs write it
    given = how, str(checkpoint), {name: str(path) for name, path in files.items()}, str(tmp_path)
    code = ANSWERED.format(given=given, budget=tiny.BUDGET)
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr
    assert (tmp_path / "answered.parquet").read_bytes() == (tmp_path / "computed.parquet").read_bytes()


def test_only_what_is_missing_is_measured(checkpoints, sets, tmp_path, monkeypatch):
    hans = sets.pop("hans")
    evaluate(checkpoints["bert"], sets, tmp_path)
    placed = []
    original = Placed.__init__
    monkeypatch.setattr(Placed, "__init__", lambda self, *a: placed.append(a[0]) or original(self, *a))
    evaluate(checkpoints["bert"], {**sets, "hans": hans}, tmp_path)
    assert placed == [hans]
    evaluate(checkpoints["bert"], sets, tmp_path, precision="bfloat16")
    assert len(placed) == 3


def test_a_damaged_checkpoint_is_named(checkpoints, sets, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in checkpoints["bert"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / hf_folders.WEIGHTS).write_bytes((folder / hf_folders.WEIGHTS).read_bytes()[:-1])
    with pytest.raises(Damaged, match=r"damaged/model\.safetensors is damaged"):
        evaluate(folder, sets, tmp_path)


def test_train_is_sampled_to_the_size_of_test_unless_told(tmp_path):
    made = {
        "train": tiny.examples(30, seed=1),
        "test": tiny.examples(12, seed=2),
        "more": tiny.examples(8, seed=3),
    }
    files = {}
    for name, examples in made.items():
        files[name] = tmp_path / f"{name}.safetensors"
        tokens.write(examples, files[name])
    for asked, expected in ((None, 12), (7, 7), (30, 30), (99, 30)):
        found = evaluation.read_sets(files, asked, 0)
        assert {name: len(examples) for name, examples in found.items()} == {
            "train": expected,
            "test": 12,
            "more": 8,
        }
        assert found["train"].digest == tokens.sample(made["train"], expected, 0).digest
        assert found["test"].digest == made["test"].digest


def test_the_sample_of_train_is_that_of_its_seed(tmp_path):
    tokens.write(tiny.examples(30, seed=1), tmp_path / "train")
    tokens.write(tiny.examples(8, seed=2), tmp_path / "test")
    files = {name: tmp_path / name for name in ("train", "test")}
    rows = [evaluation.read_sets(files, None, seed)["train"].rows.tolist() for seed in (0, 1, 0)]
    assert rows[0] == rows[2] != rows[1]


def test_records_stand_where_paths_look_for_them(checkpoints, sets, tmp_path):
    """A row of paths shares the ends' records with the evaluation: the same folder, the same kind."""
    evaluate(checkpoints["bert"], sets, tmp_path)
    files = sorted(tmp_path.glob("journal/*.journal"))
    assert [path.name.startswith("checkpoint-") for path in files] == [True]
