"""The direct door: two checkpoints that plain Transformers saved, a file of examples, BH and CG."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from isthmus import __main__ as command
from isthmus import metrics
from isthmus.data import toy

from tests.unit import families, tiny

ROOT = Path(__file__).resolve().parents[2]
ROWS = toy.examples("entailment", 60, 5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two fine-tunings by another program, and two files of the same examples."""
    folder = tmp_path_factory.mktemp("saved")
    tiny.cpu()  # one thread
    for name, seed in (("a", 1), ("b", 2)):
        finetuned(folder / name, folder / f"{name}-pretrained", "bert", seed)
        finetuned(folder / f"gpt_{name}", folder / f"gpt_{name}-pretrained", "gpt2", seed)
    named = pd.DataFrame(ROWS, columns=["premise", "hypothesis", "gold"])
    named.to_csv(folder / "named.tsv", sep="\t", index=False)
    numbered = named.assign(gold=named["gold"].map(tiny.LABELS.index))
    numbered.to_csv(folder / "numbered.csv", index=False)
    return folder


def finetuned(folder: Path, pretrained: Path, family: str, seed: int, labels=tuple(tiny.LABELS)) -> None:
    """Five updates with plain PyTorch and Transformers, saved by `save_pretrained`."""
    from transformers import AutoModelForSequenceClassification

    families.pretrained(pretrained, family)
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    tokenizer = families.tokenizer(family)
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        pretrained, num_labels=len(labels), pad_token_id=tokenizer.pad_token_id or 0, **names
    )
    tokenizer.pad_token = tokenizer.pad_token or families.END
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(5):
        first, second, labels = zip(*toy.examples("entailment", 16, 100 * seed + step), strict=True)
        inputs = tokenizer(list(first), list(second), padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None) if family == "gpt2" else None
        targets = torch.tensor([tiny.LABELS.index(label) for label in labels])
        model(**inputs, labels=targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():  # far enough apart for a gap
        for parameter in model.parameters():
            parameter += 0.15 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def arguments(saved, a="a", b="b", data="named.tsv", text=("premise", "hypothesis"), label="gold"):
    paths = [str(saved / name) for name in (a, b)]
    options = ["--data", str(saved / data), "--text", *text, "--label", label, "--replicates", "50"]
    return ["connect", *paths, *options, "--max-alphas", "15", "--threads", "1"]


@pytest.fixture
def call(saved, tmp_path, monkeypatch, capsys):
    """Call the command in this process; what it prints, or the message of its failure."""

    def of(*more, **changes):
        out = ["--out", str(tmp_path / "curve")]
        monkeypatch.setattr(sys, "argv", ["isthmus", *arguments(saved, **changes), *out, *more])
        try:
            command.main()
        except SystemExit as failure:
            return str(failure.code)
        captured = capsys.readouterr()
        of.drawn = captured.err
        return captured.out

    return of


def theirs(saved, a, b, alphas):
    """Losses on the line as anybody would compute them: state dicts mixed, one padded batch."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    models = [AutoModelForSequenceClassification.from_pretrained(saved / name).eval() for name in (a, b)]
    first, second = (model.state_dict() for model in models)
    tokenizer, mixed, losses = AutoTokenizer.from_pretrained(saved / a), models[0], []
    ends = [{k: v.clone() for k, v in state.items()} for state in (first, second)]
    premises, hypotheses, labels = zip(*ROWS, strict=True)
    inputs = tokenizer(list(premises), list(hypotheses), padding=True, return_tensors="pt")
    targets = torch.tensor([tiny.LABELS.index(label) for label in labels])
    for alpha in alphas:
        mixed.load_state_dict({k: torch.lerp(ends[0][k], ends[1][k], alpha) for k in ends[0]})
        with torch.inference_mode():
            losses.append(float(mixed(**inputs, labels=targets).loss))
    return losses


def test_two_checkpoints_that_another_program_saved(saved, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "HF_HUB_OFFLINE": "1"}
    call = [sys.executable, "-m", "isthmus", *arguments(saved), "--out", "out/curve"]
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar where there is no terminal, and no chatter of other libraries
    curve = pd.read_csv(tmp_path / "out" / "curve.csv")
    assert list(curve) == ["alpha", "loss", "error", "n", "loss_low", "loss_high"]
    np.testing.assert_allclose(curve["loss"], theirs(saved, "a", "b", curve["alpha"]), rtol=1e-4)
    gap = metrics.convexity_gap(curve["alpha"], curve["loss"])
    assert gap.value > 0.001
    printed = re.search(
        r"^CG ([\d.]+) \[([\d.]+), ([\d.]+)\] at alpha ([\d.]+), estimated error", done.stdout, re.M
    )
    assert float(printed[1]) == pytest.approx(gap.value, abs=1e-4)
    assert float(printed[2]) <= float(printed[1]) <= float(printed[3])
    assert float(printed[4]) == pytest.approx(gap.alpha, abs=1e-3)
    assert re.search(r"^BH .*; cross-fitted −?[\d.e−]+ \[", done.stdout, re.M)
    assert "\ntwo models: nothing is said of other seeds\n" in done.stdout
    assert f"{len(curve)} evaluations of 60 examples" in done.stdout
    assert f"accuracy {1 - curve['error'].iloc[0]:.4f}" in done.stdout
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_and_an_aligned_line_stand_beside_the_line(call, saved, tmp_path):
    """Their ends are those of the line, and the printed numbers those of the points that are written."""
    pd.DataFrame(toy.examples("entailment", 64, 9), columns=["premise", "hypothesis", "gold"]).to_csv(
        saved / "train.tsv", sep="\t", index=False
    )
    trained = ("--curve", "bezier", "--train", str(saved / "train.tsv"), "--steps", "30", "--learning-rate")
    said = call(*trained, "3e-3", "--align", "weights")
    line = pd.read_csv(tmp_path / "curve.csv")
    assert re.search(
        r"^on a bezier curve, [\d.]+ times as long as the line \(30 updates of batches of 32", said, re.M
    )
    assert re.search(r"^on the line to B aligned by its weights, [\d.]+ times as long \(moved: ", said, re.M)
    assert "\nB's units were matched on these examples, without their labels\n" in said
    for name, at in (("bezier", "t"), ("aligned", "alpha")):
        points = pd.read_csv(tmp_path / f"curve-{name}.csv")
        assert points["loss"].iloc[[0, -1]].tolist() == pytest.approx(
            line["loss"].iloc[[0, -1]].tolist(), rel=1e-5
        )
        gap = metrics.convexity_gap(points["alpha"], points["loss"]).value
        printed = re.search(rf"^  CG ([\d.]+) \[.*\] at {at} ", said.partition(f"{name}")[2], re.M)
        assert float(printed[1]) == pytest.approx(gap, abs=1e-4)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_ends_that_learnt_nothing_are_warned_of(call, saved, tmp_path):
    said = call()
    curve = pd.read_csv(tmp_path / "curve.csv")
    accuracies = dict(zip("AB", 1 - curve["error"].iloc[[0, -1]], strict=True))
    _, _, labels = zip(*ROWS, strict=True)
    majority = max(map(labels.count, tiny.LABELS)) / len(labels)
    warned = {name: f"! {name} is not clearly above the majority class, which has" in said for name in "AB"}
    n, z = len(labels), 1.959964  # Wilson's interval
    for name, p in accuracies.items():
        low = (p + z**2 / (2 * n) - z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5) / (1 + z**2 / n)
        assert warned[name] == (low <= majority)
    assert ("average them? not judged, since not both have clearly learnt" in said) == any(warned.values())
    assert "; in the error rate " in said
    # Of one class alone, always naming it is right: nothing beats that.
    one = pd.read_csv(saved / "named.tsv", sep="\t").query("gold == 'neutral'")
    one.to_csv(saved / "one.tsv", sep="\t", index=False)
    said = call(data="one.tsv")
    for name in "AB":
        assert f"! {name} is not clearly above the majority class, which has an accuracy of 1.0000" in said


def test_labels_may_be_numbers_of_classes(call):
    assert call(data="numbered.csv") == call()


def test_labels_may_be_named_by_the_caller(call, saved):
    data = pd.read_csv(saved / "named.tsv", sep="\t")
    data["gold"] = data["gold"].str[0].str.upper()
    data.to_csv(saved / "short.tsv", sep="\t", index=False)
    said = call("--labels", "E", "N", "C", data="short.tsv").splitlines()
    named = "the models' class 'entailment' is the data's 'E', 'neutral' is the data's 'N'"
    (line,) = (line for line in said if line.startswith(named))
    said.remove(line)
    assert said == call().splitlines()


def test_rows_that_are_left_out_are_said(call, saved):
    lines = (saved / "named.tsv").read_text().splitlines(keepends=True)
    header, unlabelled, empty = lines[0], "a man\ta man\t-1\n", "a man\t\tneutral\n"
    (saved / "gaps.tsv").write_text("".join([header, unlabelled, empty, unlabelled, *lines[1:]]))
    said = call(data="gaps.tsv").splitlines()
    said.remove("left out: 2 rows without a label, 1 without a text")
    assert said == call().splitlines()


def test_a_file_without_an_ending(call, saved):
    (saved / "examples").write_bytes((saved / "named.tsv").read_bytes())
    assert call("--format", "tsv", data="examples") == call()
    assert re.match(
        r"error: --data: found .*examples; allowed: .* --format, which says", call(data="examples")
    )


def test_a_decoder_without_padding_of_its_own(call, tmp_path):
    assert "60 examples" in call(a="gpt_a", b="gpt_b")
    assert pd.read_csv(tmp_path / "curve.csv")["loss"].between(0.1, 5).all()


def test_a_label_that_the_model_does_not_know(call, saved):
    data = (saved / "named.tsv").read_text().replace("\tneutral", "\tperhaps", 1)
    (saved / "odd.tsv").write_text(data)
    message = call(data="odd.tsv")
    assert re.match(
        r"error: --label: found 'perhaps' \(1 row, first in row \d+ of odd\.tsv\); allowed: 'entailment', ",
        message,
    )


def test_a_column_that_is_missing(call):
    message = call(text=("premise", "hypotesis"))
    assert re.match(
        r"error: --text: found 'hypotesis' \(did you mean 'hypothesis'\?\); allowed: the col", message
    )


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--token-budget", "0", "greater than or equal to 1"),
        ("--replicates", "-1", "greater than or equal to 0"),
        ("--max-alphas", "4", "found 4; allowed: more than `intervals`"),
    ],
)
def test_a_number_that_cannot_be_used(call, option, value, said):
    message = call(option, value)
    assert message.startswith(f"error: {option}: found {value}")
    assert said in message


def test_a_file_or_folder_that_is_missing(call, saved):
    assert re.match(r"error: --data: found .*absent\.tsv, which is no file", call(data="absent.tsv"))
    assert re.match(r"error: A: found no folder .*absent; allowed", call(a="absent"))


def test_two_models_that_do_not_match(call, saved):
    assert "turn the same texts into different tokens" in call(b="gpt_b")
    wide = saved / "wide"
    if not wide.exists():
        finetuned(wide, saved / "wide-pretrained", "electra", 1)
    message = call(b="wide")
    ends = f"{saved / 'a'} and {wide}"
    assert message.startswith(f"error: no line joins {ends}: their architectures differ in config.json, in ")
    assert "model_type: found 'bert' and 'electra'; allowed: the same values in both" in message


@pytest.mark.parametrize(("name", "value"), [("num_attention_heads", 1), ("hidden_act", "relu")])
def test_two_models_that_make_another_function_of_the_same_weights(call, saved, tmp_path, name, value):
    other = shutil.copytree(saved / "b", tmp_path / "other")
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(settings | {name: value}))
    assert f"differ in config.json, in {name}: found {settings[name]!r} and {value!r}; " in call(b=str(other))


def test_classes_in_another_order(call, saved):
    settings = json.loads((saved / "b" / "config.json").read_text())
    turned = saved / "turned"
    turned.mkdir(exist_ok=True)
    for path in (saved / "b").iterdir():
        (turned / path.name).write_bytes(path.read_bytes())
    settings["id2label"] = dict(enumerate(reversed(tiny.LABELS)))
    (turned / "config.json").write_text(json.dumps(settings))
    assert re.search(
        r"the classes of .*a are \['entailment', .* those of .*turned \['contradiction'", call(b="turned")
    )


def test_a_model_without_a_head(call):
    assert re.search(
        r"b-pretrained is no classifier: it has no \w+.*; allowed: a model that was", call(b="b-pretrained")
    )


def test_one_model_twice_is_said(call, saved):
    said = call(b="a")
    assert "A and B have the same weights: a gap of 0 by construction" in said
    assert re.search(r"^CG 0 ", said, re.M)
    assert "same weights" not in call()


def test_truncated_examples_are_counted(call, saved):
    rows = pd.read_csv(saved / "named.tsv", sep="\t")
    rows.loc[:2, "premise"] = rows.loc[:2, "premise"] + 20 * " the"
    rows.to_csv(saved / "long.tsv", sep="\t", index=False)
    said = call("--max-length", "30", data="long.tsv")
    assert "3 examples are longer than 30 tokens and were truncated" in said
    assert "were truncated" not in call()


def test_help_has_an_example(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["isthmus", "connect", "--help"])
    with pytest.raises(SystemExit, match="0"):
        command.main()
    assert "isthmus connect runs/seed1 runs/seed2 --data dev.tsv" in capsys.readouterr().out


def test_a_bar_on_a_terminal_else_a_line_now_and_then(call, saved, monkeypatch):
    """Results go to stdout, and nothing else."""
    call()
    assert call.drawn == ""  # within half a minute nothing need be said
    monkeypatch.setattr("isthmus.machine.progress.PAUSE", 0.02)
    curve = ["--curve", "bezier", "--train", str(saved / "named.tsv"), "--steps", "5"]
    said = call(*curve, "--align", "weights")
    lines = call.drawn.splitlines()
    assert lines[0].startswith("isthmus connect: 0 min 0 s: reading models and examples")
    for what in ("measuring the line, ", "measuring the path bezier, ", "measuring the path aligned, "):
        assert any(f": {what}" in line and line.endswith(" alphas so far") for line in lines), what
    assert any(": training the bezier curve, 5 updates" in line for line in lines)
    assert "training goes on" not in said
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    call()
    assert " alphas" in call.drawn
    assert "isthmus connect: " not in call.drawn


def test_without_a_word_the_curve_goes_to_a_folder_of_its_own():
    parsed = command.parser().parse_args(["connect", "a", "b", "--data", "x.tsv"])
    assert parsed.out == Path("connect/curve")
