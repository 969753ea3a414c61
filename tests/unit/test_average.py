"""The direct door to averages: fine-tunings that plain Transformers saved, one model out."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import __main__ as command
from isthmus.data import toy
from scipy.stats import binomtest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.unit import tiny
from tests.unit.test_connect import finetuned

ROWS = toy.examples("entailment", 60, 5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Three fine-tunings by another program, one of another kind, and examples."""
    folder = tmp_path_factory.mktemp("saved")
    tiny.cpu()  # one thread
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        finetuned(folder / name, folder / f"{name}-pretrained", "bert", seed)
    finetuned(folder / "gpt", folder / "gpt-pretrained", "gpt2", 1)
    pd.DataFrame(ROWS, columns=["premise", "hypothesis", "gold"]).to_csv(
        folder / "named.tsv", sep="\t", index=False
    )
    return folder


@pytest.fixture
def call(saved, tmp_path, monkeypatch, capsys):
    """Call the command in this process; what it prints, or the message of its failure."""

    def of(*models, out="average", more=()):
        options = ["--data", str(saved / "named.tsv"), "--text", "premise", "hypothesis", "--label", "gold"]
        paths = [str(saved / name) for name in models]
        call = ["isthmus", "average", *paths, *options, "--threads", "1", "--replicates", "50"]
        monkeypatch.setattr(sys, "argv", [*call, "--out", str(tmp_path / out), *more])
        try:
            command.main()
        except SystemExit as end:
            return str(end)
        return capsys.readouterr().out

    return of


def plain(folder):
    """Mean loss and accuracy by plain Transformers, from the folder alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first, second, labels = zip(*ROWS, strict=True)
    with torch.no_grad():
        logits = model(**tokenizer(list(first), list(second), padding=True, return_tensors="pt")).logits
    targets = torch.tensor([model.config.label2id[label] for label in labels])
    loss = torch.nn.functional.cross_entropy(logits, targets).item()
    return loss, (logits.argmax(1) == targets).float().mean().item()


def weights(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder).state_dict()


def test_the_folder_is_the_mean_and_scores_what_is_said(call, saved, tmp_path):
    said = call("a", "b", "c")
    out = tmp_path / "average"
    each = [weights(saved / name) for name in "abc"]
    for name, tensor in weights(out).items():
        if tensor.is_floating_point():
            wanted = sum(own[name].double() for own in each) / 3
            torch.testing.assert_close(tensor.double(), wanted, rtol=0, atol=1e-6)
    loss, accuracy = plain(out)
    line = next(line for line in said.splitlines() if line.startswith("average of 3"))
    found = [float(part.split()[-1]) for part in line.partition(": ")[2].split(", ")]
    assert found == pytest.approx([loss, accuracy], abs=6e-5)
    alone = np.mean([plain(saved / name)[0] for name in "abc"])
    gain = next(line for line in said.splitlines() if line.startswith("gain"))
    best = min(plain(saved / name)[0] for name in "abc")
    over = [float(part.split()[0].replace("−", "-")) for part in re.split(r"gain |members, ", gain)[1:]]
    assert over == pytest.approx([alone - loss, best - loss], abs=6e-5)
    # A tiny model that was hardly trained: Wilson's interval of its accuracy holds the majority's.
    labels = [label for _, _, label in ROWS]
    majority = max(map(labels.count, set(labels))) / len(labels)
    low = binomtest(round(accuracy * len(ROWS)), len(ROWS)).proportion_ci(method="wilson").low
    assert ("! average of 3 is not clearly above the majority class" in said) == (low <= majority)
    card = (out / "README.md").read_text()
    assert all(str(saved / name) in card for name in "abc")
    assert line in card


def test_a_greedy_average_is_no_worse_than_its_best_member(call, saved, tmp_path):
    said = call("a", "b", "c", more=["--greedy"])
    _, accuracy = plain(tmp_path / "average")
    assert accuracy >= max(plain(saved / name)[1] for name in "abc") - 1e-6
    assert "chosen by the other half of the examples" in said


@pytest.mark.parametrize(
    ("models", "found"),
    [
        (["a"], "MODEL: found one, .*; allowed: two or more to average"),
        (["a", "b", "a"], "found .*a and .*a, which have the same weights; allowed: different models"),
        (["a", "gpt"], "allowed: the same|turn the same texts into different tokens"),
        (["a", "nowhere/at/all"], "nowhere"),
    ],
)
def test_what_cannot_be_averaged_is_refused_in_a_line(call, tmp_path, models, found):
    message = call(*models)
    assert re.search(found, message)
    assert "\n" not in message.strip()
    assert not (tmp_path / "average").exists()


def test_a_folder_that_is_there_is_not_written_over(call, tmp_path):
    (tmp_path / "average").mkdir()
    assert "is there already" in call("a", "b")
    assert not any((tmp_path / "average").iterdir())


def test_a_refusal_leaves_no_folder(call, tmp_path):
    assert "nowhere" in call("a", "nowhere/at/all", out="new/average")
    assert not (tmp_path / "new").exists()
