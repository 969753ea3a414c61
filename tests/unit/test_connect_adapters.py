import json
import shutil

import pandas as pd
import pytest
import torch
from isthmus import connect
from isthmus.__main__ import main
from isthmus.caches.identity import CAUSAL_LM, CLASSIFICATION, FACTORS, MERGED
from isthmus.data import toy
from isthmus.errors import ConfigError, MismatchedEnds
from isthmus.experiment import config

from tests.unit import families, lora, tiny

ALPHAS = {"grid": "uniform", "points": 5}
ROWS = toy.examples("entailment", 30, 5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two adapters by PEFT on one classifier's body, two on one decoder, and their data."""
    folder = tmp_path_factory.mktemp("saved")
    tiny.cpu()
    base = lora.base(folder, "bert")
    for seed, name in enumerate("ab", start=1):
        lora.by_peft(folder / name, base, seed)
        path = folder / name / "adapter_config.json"  # as users have them: of a body, with its tokenizer
        settings = json.loads(path.read_text()) | {"base_model_name_or_path": str(folder / "pretrained")}
        path.write_text(json.dumps(settings))
    # PEFT draws a missing pooler anew each time; these adapters bring theirs along.
    decoder = families.pretrained(folder / "decoder", "gpt2")
    record = decoder / "checkpoint.json"
    record.write_text(json.dumps({"drawn": []}))
    for seed, name in enumerate(("lm_a", "lm_b"), start=3):
        lora.by_peft(folder / name, decoder, seed, CAUSAL_LM)
    record.unlink()
    frame = pd.DataFrame(ROWS, columns=["premise", "hypothesis", "label"])
    frame.to_csv(folder / "rows.tsv", sep="\t", index=False)
    (folder / "text.txt").write_text("\n".join(f"{a} {b}" for a, b, _ in ROWS))
    return folder


def measured(saved, names, data, task=CLASSIFICATION.name, space=MERGED, **columns):
    given = {"text": ["premise", "hypothesis"], "label": "label"} if task == CLASSIFICATION.name else {}
    source = {"kind": "files", "paths": [saved / data]}
    if task != CLASSIFICATION.name:
        source["format"], columns["block_size"] = "lines", 32
    settings = config.Dataset(source=source, task=task, **given | columns)
    labels = tiny.LABELS if task == CLASSIFICATION.name else None
    return connect.connect(
        tuple(str(saved / name) for name in names), settings, labels=labels, alphas=ALPHAS, space=space
    )


@pytest.mark.parametrize("space", [MERGED, FACTORS])
def test_two_adapters_of_a_classifier_are_joined_as_plain_peft_says(saved, tmp_path, space):
    found = measured(saved, "ab", "rows.tsv", space=space).points.set_index("alpha")["loss"]
    owns, base = [saved / "a", saved / "b"], saved / "base"
    tokenizer = families.tokenizer("bert")
    for alpha in (0.0, 0.25, 1.0):
        if space == MERGED:
            model = lora.between([lora.merged(own, base) for own in owns], alpha)
        else:
            model = lora.between_factors(owns, base, tmp_path / "own", alpha)
        losses = []
        for a, b, label in ROWS:
            with torch.no_grad():
                logits = model(**tokenizer(a, b, return_tensors="pt")).logits
            target = torch.tensor([tiny.LABELS.index(label)])
            losses.append(float(torch.nn.functional.cross_entropy(logits, target)))
        assert found[alpha] == pytest.approx(sum(losses) / len(losses), abs=1e-5)


@pytest.mark.parametrize("space", [MERGED, FACTORS])
def test_two_adapters_of_a_decoder_are_joined_as_plain_peft_says(saved, tmp_path, space):
    found = measured(saved, ("lm_a", "lm_b"), "text.txt", CAUSAL_LM, space, documents="apart")
    points = found.points.set_index("alpha")["loss"]
    owns, base = [saved / "lm_a", saved / "lm_b"], saved / "decoder"
    tokenizer = families.tokenizer("gpt2")
    texts = list(dict.fromkeys((saved / "text.txt").read_text().splitlines()))
    for alpha in (0.0, 0.25, 1.0):
        if space == MERGED:
            model = lora.between([lora.merged(own, base, CAUSAL_LM) for own in owns], alpha)
        else:
            model = lora.between_factors(owns, base, tmp_path / "own", alpha, CAUSAL_LM)
        total, count = 0.0, 0
        for text in texts:
            ids = tokenizer(text)["input_ids"] + [tokenizer.eos_token_id]
            ids = torch.tensor(ids[:32])[None]
            with torch.no_grad():
                logits = model(ids).logits[0, :-1]
            total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
            count += ids.shape[1] - 1
        assert points[alpha] == pytest.approx(total / count, abs=1e-5)
    assert points[0.0] != pytest.approx(points[1.0], abs=1e-3)


def test_the_command_line_takes_adapters(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--data", str(saved / "rows.tsv"), "--text", "premise", "hypothesis", "--label", "label"]
    options += ["--labels", *tiny.LABELS, "--replicates", "20", "--max-alphas", "11", "--threads", "1"]
    monkeypatch.setattr("sys.argv", ["isthmus", "connect", str(saved / "a"), str(saved / "b"), *options])
    main()
    merged = capsys.readouterr().out
    monkeypatch.setattr(
        "sys.argv", ["isthmus", "connect", str(saved / "a"), str(saved / "b"), *options, "--space", "factors"]
    )
    main()
    factors = capsys.readouterr().out
    assert "CG" in merged
    assert "between the adapters' own factors" in factors
    assert "between the adapters' own factors" not in merged
    out = tmp_path / "average"
    monkeypatch.setattr(
        "sys.argv",
        ["isthmus", "average", str(saved / "a"), str(saved / "b"), "--out", str(out)]
        + [option for option in options if option not in ("--max-alphas", "11")],
    )
    main()
    from transformers import AutoModelForSequenceClassification

    whole = AutoModelForSequenceClassification.from_pretrained(out).state_dict()
    a, b = (lora.merged(saved / name, saved / "base").state_dict() for name in "ab")
    for name in a:
        torch.testing.assert_close(whole[name], (a[name] + b[name]) / 2, atol=1e-6, rtol=1e-5)
    assert not (out / "base").exists()
    assert not (out / "adapter_config.json").exists()


def test_what_names_no_base_or_a_base_that_is_not_there_is_refused(saved, tmp_path):
    own = shutil.copytree(saved / "a", tmp_path / "own")
    path = own / "adapter_config.json"
    settings = json.loads(path.read_text())
    for named, said in (
        (None, "the adapter names no base; allowed: --base, the model that it adapts"),
        (str(tmp_path / "gone"), r"adapts .*gone: --base: found no folder"),
    ):
        path.write_text(json.dumps(settings | {"base_model_name_or_path": named}))
        with pytest.raises(ConfigError, match=said):
            measured(saved, (own, saved / "b"), "rows.tsv")
    with pytest.raises(ConfigError, match="--space: found factors for whole models"):
        measured(saved, (saved / "pretrained",) * 2, "text.txt", "masked_lm", FACTORS)


def test_adapters_of_two_bases_are_refused(saved, tmp_path):
    shutil.copytree(saved / "pretrained", tmp_path / "pretrained")
    from safetensors.torch import load_file, save_file

    path = tmp_path / "pretrained" / "model.safetensors"
    state = load_file(path)
    name = next(name for name in state if "word_embeddings" in name)
    save_file(state | {name: state[name] + 1e-3}, path, {"format": "pt"})
    own = shutil.copytree(saved / "b", tmp_path / "b")
    settings = json.loads((own / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = str(tmp_path / "pretrained")
    (own / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(MismatchedEnds, match=r"they adapt .* and .*; allowed: one base"):
        measured(saved, (saved / "a", own), "rows.tsv")
