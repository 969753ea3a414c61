"""Rows and lengths of own files, counted by other means: what was written is known."""

import json

import pandas as pd
import pytest
from isthmus.experiment.config import Dataset, load
from isthmus.planning import counting
from isthmus.planning.sizes import Sizes

TEXTS = ["x" * 45] * 700 + ["y" * 9] * 300  # on average 34.2 characters
LABELS = (["good", "bad"] * 500)[:1000]


def written(folder, kind):
    """A file of a thousand labelled rows, and one without a label."""
    frame = pd.DataFrame({"review": [*TEXTS, "none"], "verdict": [*LABELS, ""]})
    path = folder / f"rows.{kind}"
    if kind == "tsv":
        frame.to_csv(path, sep="\t", index=False)
    elif kind == "csv":
        frame["review"] = [f'{text[:-2]}\n"' for text in frame["review"]]  # line ends and marks inside fields
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    return path


def columns(path, **more):
    named = {"text": ["review"], "label": "verdict", "labels": ["bad", "good"]}
    return Dataset(**{"source": {"kind": "files", "paths": [path]}, **named, **more})


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet"])
def test_labelled_rows_are_counted_and_their_texts_measured(tmp_path, kind):
    found = counting.count("datasets.d", columns(written(tmp_path, kind)))
    assert found.rows == 1000
    assert found.tokens == pytest.approx(2 + 34.2 / counting.CHARACTERS, rel=1e-3)


def test_a_file_without_a_header_has_a_row_more(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("a lovely film\tgood\na bad one\tbad\n")
    source = {"kind": "files", "paths": [path], "header": ["review", "verdict"]}
    assert counting.count("datasets.d", columns(path, source=source)).rows == 2


def test_running_text_is_counted_in_lines_that_are_not_blank(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("one\n\ntwo\n   \nthree\n")
    text = Dataset(source={"kind": "files", "paths": [path]}, task="causal_lm")
    assert counting.count("datasets.d", text).rows == 3


def test_the_plan_counts_a_thousand_lines_and_not_ten_thousand(tmp_path):
    raw = {
        "experiment": "e",
        "seeds": [1, 2],
        "models": {"m": {"hub": "google-bert/bert-base-uncased"}},
        "datasets": {
            "d": {
                "source": {"kind": "files", "paths": [str(written(tmp_path, "tsv"))]},
                "text": ["review"], "label": "verdict", "labels": ["bad", "good"], "test_fraction": 0.25,
                "sets": {"far": {"source": {"kind": "files", "paths": [str(written(tmp_path, "jsonl"))]}}},
            }
        },
        "training": {"steps": 10, "warmup_steps": 1},
    }  # fmt: skip
    sizes = Sizes(load(raw), tmp_path / "results")
    assert (sizes.rows("d", "test"), sizes.rows("d", "far")) == (250, 1000)
    assert sizes.length("m", "d") == pytest.approx(2 + 34.2 / counting.CHARACTERS, rel=1e-3)
    assert sizes.assumed[0].startswith("d: 1,000 rows, counted in its files; some 10 tokens each")
