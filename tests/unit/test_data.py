"""Rows arrive unchanged, subset and split are fixed and clean, and bad input is named."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isthmus.data import breakdowns, further_sets, hub, subsets, toy
from isthmus.data.files import read as read_file
from isthmus.data.rows import inputs, read_rows
from isthmus.errors import ConfigError
from isthmus.experiment import data_files
from isthmus.experiment.config import Columns, Dataset, FurtherSet, HubSource
from isthmus.machine import failures

ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("ISTHMUS_DATA") or ROOT.parent / "shared" / "data")

# What spreadsheets, data frames and type guessing like to change.
TRICKY = [
    "NA",
    "null",
    "None",
    "nan",
    "1234",
    "007",
    "1.50",
    "2020-01-01",
    "true",
    'a "quoted" word',
    '"',
    '5" disk',
    "'",
    "#1",
    "\\N",
    " padded ",
    "wide\u00a0space",
    "line\u2028like\u0085marks\x0b",
    "naïve café 🌍",
]


def files(*paths, **options):
    return {"kind": "files", "paths": [str(path) for path in paths], **options}


def single(*paths, text=("text",), label="label", **options):
    """A data set of files; `source_...` options go to its source."""
    source = {
        key.removeprefix("source_"): options.pop(key) for key in list(options) if key.startswith("source_")
    }
    return Dataset(source=files(*paths, **source), text=list(text), label=label, **options)


def write_tsv(path, rows, header=("text", "label"), end="\n"):
    lines = ["\t".join(map(str, row)) for row in ([header] if header else []) + list(rows)]
    path.write_text("".join(line + end for line in lines), encoding="utf-8", newline="")
    return path


def many(count=40, labels="ab"):
    return [(f"sentence {i}", labels[i % len(labels)]) for i in range(count)]


def build(folder, dataset, fetched=None):
    """Write the subset; return train, test and the summary."""
    subsets.write("d", dataset, fetched, folder)
    summary = json.loads((folder / "subset.json").read_text(encoding="utf-8"))
    return read_rows(folder / "train.parquet"), read_rows(folder / "test.parquet"), summary


def texts_by_id(*parts):
    return dict(
        sorted((int(i), text) for part in parts for i, text in zip(part.ids, part.text_a, strict=True))
    )


def labels_by_id(*parts):
    return dict(
        sorted((int(i), int(label)) for part in parts for i, label in zip(part.ids, part.labels, strict=True))
    )


def refused(call, *parts):
    with pytest.raises(ConfigError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------- texts unchanged


def write_as(ending, folder, rows):
    """Write (text, label) rows in one of the formats by another library than the one that reads them."""
    path = folder / f"rows{ending}"
    if ending in (".tsv", ".txt"):
        return write_tsv(path, rows)
    if ending == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    elif ending == ".parquet":
        pq.write_table(pa.table({"text": [row[0] for row in rows], "label": [row[1] for row in rows]}), path)
    else:
        records = [{"text": text, "label": label} for text, label in rows]
        lines = json.dumps(records) if ending == ".json" else "\n".join(map(json.dumps, records))
        path.write_text(lines, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", data_files.ENDINGS)
def test_texts_arrive_unchanged(tmp_path, ending):
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(TRICKY)]
    path = write_as(ending, tmp_path, rows)
    train, test, summary = build(tmp_path / "out", single(path))
    assert list(texts_by_id(train, test).values()) == TRICKY
    assert train.text_b is None
    assert summary["counts"]["rows_read"] == len(TRICKY)


def test_a_column_of_dates_stays_text(tmp_path):
    days = [f"2020-01-{day:02}" for day in range(1, 21)]
    path = write_as(".jsonl", tmp_path, [(day, "ab"[i % 2]) for i, day in enumerate(days)])
    train, test, _ = build(tmp_path / "out", single(path))
    assert list(texts_by_id(train, test).values()) == days


# No tab or line end can stand in a field without quoting; NUL is refused; a lone surrogate is no UTF-8.
plain = st.text(st.characters(exclude_characters="\t\r\n\0", exclude_categories=["Cs"]), min_size=1).filter(
    str.strip
)
quotable = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1).filter(
    str.strip
)
relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_back(path, **options):
    return read_file(
        "d",
        path,
        Dataset(source=files(path, **options), text=["text"], label="label").source,
        ["text", "label"],
    )


@relaxed
@given(texts=st.lists(plain, min_size=1, max_size=6), end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
def test_any_text_survives_without_quoting(tmp_path, texts, end, bom):
    path = write_tsv(tmp_path / "t.tsv", [(text, "yes") for text in texts], end=end)
    if bom:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_back(path).columns == {"text": texts, "label": ["yes"] * len(texts)}


@relaxed
@given(texts=st.lists(quotable, min_size=1, max_size=6), delimiter=st.sampled_from(",;\t|"))
def test_any_text_survives_with_quoting(tmp_path, texts, delimiter):
    path = tmp_path / "t.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(
            [("text", "label"), *((text, "yes") for text in texts)]
        )
    assert read_back(path, delimiter=delimiter).columns == {"text": texts, "label": ["yes"] * len(texts)}


def test_windows_line_ends_and_blank_lines_leave_no_trace(tmp_path):
    path = write_tsv(tmp_path / "t.tsv", many(), end="\r\n")
    path.write_bytes(path.read_bytes().replace(b"sentence 7", b"\r\n  \r\nsentence 7"))
    train, test, summary = build(tmp_path / "out", single(path))
    assert summary["labels"] == ["a", "b"]
    assert list(texts_by_id(train, test)) == list(range(40))


def test_files_without_a_header_are_read_one_after_the_other(tmp_path):
    first = write_tsv(tmp_path / "one [1].tsv", many(20), header=None)
    second = write_tsv(tmp_path / "two*.txt", [(f"more {i}", "ab"[i % 2]) for i in range(20)], header=None)
    train, test, summary = build(tmp_path / "out", single(first, second, source_header=["text", "label"]))
    found = texts_by_id(train, test)
    assert found[0] == "sentence 0"
    assert found[20] == "more 0"
    assert len(found) == 40
    assert [file["name"] for file in summary["source"]["files"]] == ["one [1].tsv", "two*.txt"]


def test_a_record_may_have_no_value_but_not_no_key(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [{"text": text, "label": label} for text, label in many()]
    empty = [{"text": "no label", "label": None}, {"text": None, "label": "a"}]
    path.write_text("\n".join(map(json.dumps, [*rows, *empty])))
    assert build(tmp_path / "out", single(path))[2]["counts"] == {
        "rows_read": 42, "unlabelled_dropped": 1, "empty_dropped": 1, "labelled": 40, "subset": 40,
        "duplicates_dropped_from_test": 0,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------- labels


def test_unlabelled_and_empty_rows_are_dropped_and_counted(tmp_path):
    rows = [("x", "-1"), ("y", ""), ("z", "  "), ("", "0"), ("  ", "1"), *many(30, "01")]
    path = write_tsv(tmp_path / "t.tsv", rows)
    train, test, summary = build(tmp_path / "out", single(path, labels=["0", "1"]))
    assert summary["counts"] == {
        "rows_read": 35, "unlabelled_dropped": 3, "empty_dropped": 2, "labelled": 30, "subset": 30,
        "duplicates_dropped_from_test": 0,
    }  # fmt: skip
    assert sorted([*train.ids, *test.ids]) == list(range(5, 35))


@pytest.mark.parametrize(
    ("values", "given", "names", "ids"),
    [
        (["no", "yes"], None, ["no", "yes"], [0, 1]),
        (["yes", "no"], None, ["no", "yes"], [1, 0]),
        (["yes", "no"], ["yes", "no"], ["yes", "no"], [0, 1]),
        ([" yes", "no "], ["yes", "no"], ["yes", "no"], [0, 1]),
        (["0", "1"], ["different", "same"], ["different", "same"], [0, 1]),
        (["10", "9"], None, ["9", "10"], [1, 0]),
        (["1", "2"], ["2", "1"], ["2", "1"], [1, 0]),
        (["-1", "1"], ["-1", "1"], ["-1", "1"], [0, 1]),
        (["1", "no"], ["yes", "nope"], None, None),
    ],
)
def test_labels_of_text_files(tmp_path, values, given, names, ids):
    path = write_tsv(tmp_path / "t.tsv", [(f"s{i}", values[i % 2]) for i in range(40)])
    call = lambda: build(tmp_path / "out", single(path, labels=given))  # noqa: E731
    if names is None:
        refused(call, "datasets.d", "'no'", "t.tsv")
        return
    train, test, summary = call()
    assert summary["labels"] == names
    assert list(labels_by_id(train, test).values()) == ids * 20


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0, 1], ["0", "1"]),
        ([1.0, 2.0], ["1", "2"]),
        ([False, True], ["false", "true"]),
        (["n", "p"], ["n", "p"]),
    ],
)
def test_labels_with_types(tmp_path, values, names):
    column = [None, *(values[i % 2] for i in range(40))]
    pq.write_table(pa.table({"text": [f"s{i}" for i in range(41)], "label": column}), tmp_path / "t.parquet")
    train, test, summary = build(tmp_path / "out", single(tmp_path / "t.parquet"))
    assert summary["labels"] == names
    assert summary["counts"]["unlabelled_dropped"] == 1
    assert list(labels_by_id(train, test).values()) == [0, 1] * 20


def class_labelled(path, names, integers):
    """A Parquet file as `fetch` writes it."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    table = {"text": [f"s{i}" for i in range(len(integers))], "label": integers}
    datasets.Dataset.from_dict(table, features=features).to_parquet(str(path))
    return path


@pytest.mark.parametrize("source", ["files", "hub"])
@pytest.mark.parametrize(
    ("given", "names", "ids"),
    [
        (None, ["entailed", "not"], [0, 1]),
        (["not", "entailed"], ["not", "entailed"], [1, 0]),  # the same names in another order
        (["yes", "no"], ["yes", "no"], [0, 1]),  # other names: renamed
        (["not", "else"], None, None),  # some of the names: a mistake
    ],
)
def test_class_labels_keep_their_meaning(tmp_path, source, given, names, ids):
    path = class_labelled(tmp_path / "t.parquet", ["entailed", "not"], [0, 1, -1, 0, 1] * 8)
    where = files(path) if source == "files" else {"kind": "hub", "id": "someone/pairs", "revision": "v1"}
    dataset = Dataset(source=where, text=["text"], label="label", labels=given)
    call = lambda: build(tmp_path / "out", dataset, path)  # noqa: E731
    if names is None:
        refused(call, "'entailed'", "'not', 'else'")
        return
    train, test, summary = call()
    assert summary["labels"] == names
    assert summary["counts"]["unlabelled_dropped"] == 8
    assert list(labels_by_id(train, test).values()) == ids * 16
    assert summary["revision"] == ("v1" if source == "hub" else None)


def test_the_toy_language(tmp_path):
    dataset = Dataset(source={"kind": "toy", "task": "entailment", "rows": 120, "seed": 3})
    train, test, summary = build(tmp_path / "out", dataset)
    made = toy.examples("entailment", 120, 3, False)
    assert summary["labels"] == list(toy.TASKS["entailment"])
    for part in (train, test):
        for i, a, b, label in zip(*part[:1], part.text_a, part.text_b, part.labels, strict=True):
            assert (a, b, summary["labels"][label]) == made[i]


# ----------------------------------------------------------------------------------------- subset and split


def toy_columns(**options):
    return Columns(source={"kind": "toy", "task": "paraphrase", "rows": 10}, **options)


def toy_set(rows=200, **options):
    return Dataset(source={"kind": "toy", "task": "paraphrase", "rows": rows}, **options)


def test_the_same_settings_give_the_same_bytes(tmp_path):
    build(tmp_path / "a", toy_set(fraction=0.5))
    further = {"more": {"source": {"kind": "toy", "task": "paraphrase", "rows": 30, "shifted": True}}}
    build(tmp_path / "b", toy_set(fraction=0.5, sets=further, max_length=16))
    for name in ("train.parquet", "test.parquet", "subset.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    build(tmp_path / "c", toy_set(fraction=0.5, seed=1))
    assert (tmp_path / "a" / "train.parquet").read_bytes() != (tmp_path / "c" / "train.parquet").read_bytes()


def test_the_subset_is_fixed_for_good():
    order = subsets.draw("d", toy_columns(seed=7), 10)
    assert order.tolist() == [8, 4, 3, 6, 2, 1, 0, 5, 9, 7]


@settings(max_examples=60, deadline=None)
@given(labelled=st.integers(1, 300), seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 1))
def test_subsets_are_distinct_rows_and_nested(labelled, seed, share):
    rows = max(1, int(labelled * share))
    order = subsets.draw("d", toy_columns(seed=seed), labelled)
    assert sorted(order) == list(range(labelled))
    assert subsets.draw("d", toy_columns(seed=seed, rows=rows), labelled).tolist() == order[:rows].tolist()


def test_subsets_are_uniform():
    """Each row equally often, and each pair of rows too: 4,000 subsets of 3 of 10."""
    singles, couples = Counter(), Counter()
    for seed in range(4000):
        chosen = sorted(subsets.draw("d", toy_columns(rows=3, seed=seed), 10).tolist())
        singles.update(chosen)
        couples.update((a, b) for a in chosen for b in chosen if a < b)
    assert len(couples) == 45
    assert all(abs(count - 1200) < 5 * np.sqrt(1200 * 0.7) for count in singles.values())
    assert all(abs(count - 4000 / 15) < 5 * np.sqrt(4000 / 15) for count in couples.values())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.sampled_from(["a", "A", " a", "b ", "B", "c", "straße", "STRASSE"]), min_size=20, max_size=60
    ),
    seed=st.integers(0, 99),
    test_fraction=st.floats(0.05, 0.95),
)
def test_no_input_stands_in_both_parts(tmp_path, words, seed, test_fraction):
    rows = [{"a": word, "b": f"{i % 3}", "label": i % 2} for i, word in enumerate(words)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = single(tmp_path / "t.jsonl", text=["a", "b"], seed=seed, test_fraction=test_fraction)
    try:
        train, test, summary = build(tmp_path / "out", dataset)
    except ConfigError as error:
        assert "empty test part" in str(error) or "found no row of" in str(error)  # noqa: PT017
        return
    assert not set(inputs(train)) & set(inputs(test))
    dropped = summary["counts"]["duplicates_dropped_from_test"]
    assert len(train.ids) + len(test.ids) + dropped == len(rows)
    assert len(test.ids) + dropped == min(max(1, round(len(rows) * test_fraction)), len(rows) - 1)
    assert list(train.ids) == sorted(train.ids)


def test_a_pair_the_other_way_round_is_the_same_input(tmp_path):
    """20 pairs, each once in each order: what stands in train either way is dropped from test."""
    turned = [(f"y{i}", f"X{i} ", i % 2) for i in range(20)]
    path = write_tsv(
        tmp_path / "t.tsv", [(f"x{i}", f"y{i}", i % 2) for i in range(20)] + turned, ("a", "b", "label")
    )
    train, test, summary = build(tmp_path / "out", single(path, text=["a", "b"], test_fraction=0.5))
    trained = {i % 20 for i in train.ids.tolist()}
    assert not trained & {i % 20 for i in test.ids.tolist()}
    assert len(train.ids) == 20
    assert summary["counts"]["duplicates_dropped_from_test"] == 20 - len(test.ids) > 0


def test_the_summary(tmp_path):
    path = write_tsv(tmp_path / "t.tsv", many(50))
    train, test, summary = build(tmp_path / "out", single(path, rows=30, test_fraction=0.3))
    assert summary["counts"]["subset"] == 30
    assert (summary["train"]["rows"], summary["test"]["rows"]) == (len(train.ids), len(test.ids)) == (21, 9)
    assert summary["train"]["class_balance"] == {
        name: int((train.labels == i).sum()) for i, name in enumerate("ab")
    }
    assert list(summary) == ["sha256_of_rest", *sorted(summary.keys() - {"sha256_of_rest"})]
    (file,) = summary["source"]["files"]
    assert file["name"] == "t.tsv"
    assert len(file["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(summary)
    hashes = {summary[part]["ids_sha256"] for part in ("train", "test")}
    assert len(hashes) == 2
    write_tsv(path, [(text.replace("sentence 1", "Sentence 1"), label) for text, label in many(50)])
    assert (
        build(tmp_path / "out", single(path, rows=30, test_fraction=0.3))[2]["train"]["ids_sha256"]
        not in hashes
    )


# ------------------------------------------------------------------------------------------- further sets


def trained(folder, labels, rows=(("other", None),), renamed=None):
    """A data set's folder by hand: its labels, and (text_a, text_b) of its train part."""
    folder.mkdir(exist_ok=True)
    (folder / "subset.json").write_text(json.dumps({"labels": labels, "renamed": renamed}))
    columns = {
        "id": list(range(len(rows))),
        "text_a": [row[0] for row in rows],
        "text_b": pa.array([row[1] for row in rows], pa.string()),
        "label": [0] * len(rows),
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")
    return folder


def further(folder, known, dataset=None, fetched=None, whole=None, **options):
    dataset = dataset or Dataset(source={"kind": "toy", "task": "entailment", "rows": 10}, text=["text_a"])
    path, summary = folder / "more.parquet", folder / "more.json"
    whole = whole or trained(folder / "whole", known)
    further_sets.write("more", "d", dataset, FurtherSet(**options), fetched, whole, path, summary)
    return read_rows(path), json.loads(summary.read_text(encoding="utf-8"))


NLI = ["entailment", "neutral", "contradiction"]
HANS = {"entailment": "entailment", "neutral": "non-entailment", "contradiction": "non-entailment"}


def test_a_further_set_takes_over_columns_and_labels(tmp_path):
    path = write_tsv(tmp_path / "t.tsv", many(6, "ba"), header=("sentence", "class"))
    dataset = single(path, text=["sentence"], label="class")
    rows, summary = further(tmp_path, ["b", "a"], dataset, source=files(path))
    assert rows.labels.tolist() == [0, 1] * 3
    assert summary["labels"] == ["b", "a"]
    assert summary["groups"] == [0, 1]
    assert summary["set"]["rows"] == summary["counts"]["subset"] == 6
    write_tsv(path, many(6, "ba"))
    rows, _ = further(tmp_path, ["b", "a"], dataset, source=files(path), text=["text"], label="label", rows=4)
    assert len(rows.ids) == 4


@pytest.mark.parametrize(
    ("labels", "expected", "groups", "ids"),
    [
        (None, ["entailment", "non-entailment"], [0, 1, 1], [1, 0]),
        (["non-entailment", "entailment"], ["non-entailment", "entailment"], [1, 0, 0], [0, 1]),
    ],
)
def test_label_map_groups_labels(tmp_path, labels, expected, groups, ids):
    path = write_tsv(tmp_path / "t.tsv", [("x", "non-entailment"), ("y", "entailment")])
    rows, summary = further(
        tmp_path, NLI, source=files(path), text=["text"], label="label", label_map=HANS, labels=labels
    )
    assert summary["labels"] == expected
    assert summary["groups"] == groups
    assert rows.labels.tolist() == ids


def test_a_further_set_of_the_same_hub_data_set_is_renamed_alike(tmp_path):
    path = class_labelled(tmp_path / "t.parquet", ["not_duplicate", "duplicate"], [0, 1, 0])
    hub = {"kind": "hub", "id": "someone/pairs"}
    dataset = Dataset(source=hub, text=["text"], label="label", labels=["different", "same"])
    renamed = trained(tmp_path / "renamed", ["different", "same"], renamed=["not_duplicate", "duplicate"])
    validation = {**hub, "split": "validation"}
    rows, summary = further(tmp_path, ["different", "same"], dataset, path, source=validation, whole=renamed)
    assert rows.labels.tolist() == [0, 1, 0]
    assert summary["labels"] == ["different", "same"]
    # Other classes than those that were renamed, or the same in another order: nothing says what these are.
    for classes in (["duplicate", "not_duplicate"], None):
        other = trained(tmp_path / "other", ["different", "same"], renamed=classes)
        call = lambda other=other: further(  # noqa: E731
            tmp_path, ["different", "same"], dataset, path, source=validation, whole=other
        )
        refused(call, "sets.more.labels: missing", "'not_duplicate', 'duplicate'", "allowed: ")
    options = {"source": validation, "labels": ["different", "same"], "whole": other}
    rows, _ = further(tmp_path, ["different", "same"], dataset, path, **options)
    assert rows.labels.tolist() == [0, 1, 0]


def test_rows_of_a_further_set_that_stand_in_train_are_counted_and_stay(tmp_path):
    dataset = Dataset(source={"kind": "toy", "task": "paraphrase", "rows": 10})
    rows = [("one", "two", "a"), ("Two ", "ONE", "b"), ("one", "one", "a"), ("two", "three", "b")]
    path = write_tsv(tmp_path / "t.tsv", rows, ("text_a", "text_b", "label"))
    whole = trained(tmp_path / "pairs", ["a", "b"], [("one", "two"), ("nine", "ten")])
    options = {"source": files(path), "text": ["text_a", "text_b"], "label": "label"}
    found, summary = further(tmp_path, ["a", "b"], dataset, whole=whole, **options)
    assert summary["counts"]["also_in_train"] == 2
    assert len(found.ids) == 4
    # Of the rows that were chosen, not of those that there are.
    for size in (1, 2, 3):
        found, summary = further(tmp_path, ["a", "b"], dataset, whole=whole, rows=size, **options)
        assert summary["counts"]["also_in_train"] == sum(i in (0, 1) for i in found.ids.tolist())
    single_texts = trained(tmp_path / "single", ["a", "b"], [("ONE", None)])
    options = {"source": files(path), "text": ["text_a"], "label": "label"}
    assert further(tmp_path, ["a", "b"], whole=single_texts, **options)[1]["counts"]["also_in_train"] == 2


def test_numbers_need_an_order_that_somebody_gave(tmp_path):
    path = write_tsv(tmp_path / "t.tsv", [("x", "1"), ("y", "0")])
    options = {"source": files(path), "text": ["text"], "label": "label"}
    refused(
        lambda: further(tmp_path, NLI, **options, label_map=HANS),
        "datasets.d.sets.more.label",
        "'1'",
        "sets.more.labels",
    )
    refused(lambda: further(tmp_path, NLI, **options), "'1'", "sets.more.labels")
    given = further(tmp_path, NLI, **options, label_map=HANS, labels=["entailment", "non-entailment"])
    assert given[0].labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("label_map", "labels", "parts"),
    [
        ({"entailment": "yes"}, None, ["'neutral', 'contradiction'", "'yes'"]),
        (HANS | {"neutrl": "entailment"}, None, ["'neutrl'", "'neutral'"]),
        (HANS, ["entailment", "other"], ["'non-entailment'", "'other'"]),
        (HANS, ["entailment", "non-entailment", "third"], ["'third'"]),
        (None, ["yes", "no", "maybe"], ["'entailment'", "'yes'"]),
    ],
)
def test_labels_that_do_not_go_together(tmp_path, label_map, labels, parts):
    path = write_tsv(tmp_path / "t.tsv", many())
    options = {
        "source": files(path),
        "label_map": label_map,
        "labels": labels,
        "text": ["text"],
        "label": "label",
    }
    refused(lambda: further(tmp_path, NLI, **options), "datasets.d.sets.more", "allowed", *parts)


def test_single_texts_do_not_go_with_pairs(tmp_path):
    pairs = Dataset(source={"kind": "toy", "task": "entailment", "rows": 10})
    path = write_tsv(tmp_path / "t.tsv", many(4, ["entailment", "neutral"]))
    options = {"source": files(path), "text": ["text"], "label": "label"}
    refused(lambda: further(tmp_path, NLI, pairs, **options), "sets.more.text", "single texts", "pairs")
    refused(lambda: further(tmp_path, NLI, pairs, source=files(path)), "sets.more.text", "missing")


def test_inherit():
    dataset = Dataset(source=files("a.tsv"), text=["s"], label="l")
    assert data_files.inherit(dataset, FurtherSet(source=files("b.tsv"))).text == ["s"]
    assert data_files.inherit(dataset, FurtherSet(source=files("b.tsv"), text=["t"])).text == ["t"]
    assert (
        data_files.inherit(dataset, FurtherSet(source={"kind": "toy", "task": "entailment", "rows": 3})).text
        is None
    )


# ---------------------------------------------------------------------------------------------- bad input


def check(columns):
    return lambda: data_files.check("datasets.d", columns)


def test_check_accepts_what_can_be_read(tmp_path):
    for ending in data_files.ENDINGS:
        data_files.check("datasets.d", single(write_as(ending, tmp_path, many())))
    data_files.check("datasets.d", FurtherSet(source=files(tmp_path / "rows.tsv")))  # columns left open
    data_files.check("datasets.d", toy_set())


def test_check_names_missing_files_and_columns(tmp_path):
    path = write_tsv(tmp_path / "t.tsv", many(), header=("sentence", "label"))
    refused(check(single(tmp_path / "u.tsv")), "datasets.d.source.paths", "u.tsv", "allowed")
    refused(check(single(tmp_path)), "datasets.d.source.paths", ".tsv, .csv")
    refused(
        check(single(path, text=["sentense"])),
        "datasets.d.text",
        "'sentense'",
        "did you mean 'sentence'",
        "'label'",
    )
    refused(
        check(single(path, text=["sentence"], label="gold")),
        "datasets.d.label",
        "'gold'",
        "'sentence', 'label'",
    )
    refused(check(single(path, source_header=["a", "b", "c"])), "header", "3", "2")
    refused(check(single(path, source_header=False)), "header", "false", "list")
    refused(check(single(write_tsv(path, [], header=("a", "a", "label")))), "'a'", "twice")
    for ending in (".parquet", ".jsonl", ".csv"):
        refused(
            check(single(write_as(ending, tmp_path, many()), text=["txt"])),
            "datasets.d.text",
            "did you mean 'text'",
        )


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("t.tsv", b"", ["no row"]),
        ("t.tsv", b"text\tlabel\n", ["no labelled row"]),
        ("t.tsv", b"text\tlabel\none\ta\ntwo\tb\textra\n", ["line 3", "3 columns", "2 ('text', 'label')"]),
        ("t.tsv", b"text\tlabel\none\ta\n\ntwo\n", ["line 4", "1 column;"]),
        ("t.tsv", b"text\tlabel\none\ra\tb\n", ["line 2"]),
        ("t.tsv", b"text\tlabel\none\xff\ta\n", ["UTF-8"]),
        ("t.tsv", b"text\tlabel\non\0e\ta\n", ["line 2", "NUL"]),
        ("t.csv", b'text,label\n"one,a\ntwo,b\n', ["quoting"]),
        ("t.csv", b'text,label\n"one" two,a\n', ["line 2", "quoting"]),
        ("t.jsonl", b'{"text": "a", "label": 0}\n{"text"\n', ["line 2", "one record a line"]),
        ("t.jsonl", b'{"text": "a", "label": 0}\n[1]\n', ["line 2", "found [1]", "one record a line"]),
        ("t.jsonl", b"\n", ["no record"]),
        ("t.jsonl", b'{"text": ["a"], "label": 0}\n', ["a list", "'text'"]),
        ("t.json", b'[{"text": "a"\n', ["list of records"]),
        ("t.parquet", b"PAR", ["Parquet"]),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, parts):
    path = tmp_path / name
    path.write_bytes(content)
    message = refused(lambda: build(tmp_path / "out", single(path)), "datasets.d", *parts)
    assert name in message or "no labelled row" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "options", "parts"),
    [
        (many(), {"labels": ["a", "c"]}, [".label", "'b'", "row 2 of t.tsv", "'a', 'c'"]),
        (many(40, "012"), {"labels": ["no", "yes"]}, [".label", "'2'", "row 3", "'no', 'yes'"]),
        (many(40, "a"), {}, [".label", "'a' only", "two labels"]),
        ([("x", ""), ("y", "-1")], {}, ["no labelled row", "2 rows, 2 of them"]),
        (many(), {"rows": 41}, [".rows", "41", "1 to 40"]),
        (many(), {"fraction": 0.01}, [".fraction", "empty subset", "0.025"]),
        (many(), {"rows": 1}, ["subset of 1 row"]),
        (many(), {"labels": ["a", "b", "c"]}, ["'c'", "train"]),
        ([("same", "a"), ("SAME ", "b")] * 9, {}, ["empty test part"]),
    ],
)
def test_rows_that_do_not_do(tmp_path, rows, options, parts):
    path = write_tsv(tmp_path / "t.tsv", rows)
    refused(lambda: build(tmp_path / "out", single(path, **options)), "datasets.d", "allowed", *parts)
    assert not (tmp_path / "out").exists()


def test_importing_is_cheap():
    """The module is imported where Snakemake parses its rules, for each job anew."""
    module = "isthmus.experiment.data_files"
    heavy = ("numpy", "pandas", "pyarrow", "datasets", "torch")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------------ the hub

HUB = HubSource(kind="hub", id="someone/pairs", config="small", split="train", revision="main")


COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40


class Client:
    """What the hub's clients answer (tests/hub asks the real ones): one commit's rows, or an error."""

    def __init__(self, monkeypatch, folder, loaded=COMMIT, error=None):
        rows = class_labelled(folder / "t.parquet", ["no", "yes"], [0, 1] * 10)
        self.table = datasets.Dataset.from_parquet(str(rows), cache_dir=str(folder / "cache"))
        self.hash, self.error, self.asked = loaded, error, []
        monkeypatch.setattr(hub, "hf_hub_download", lambda *_, **__: str(folder / COMMIT / "README.md"))
        monkeypatch.setattr(hub.datasets, "load_dataset_builder", self.builder)

    def builder(self, *args, **options):
        self.asked.append((args, options))
        if self.error:
            raise self.error
        return self

    def download_and_prepare(self):
        pass

    def as_dataset(self, split):
        assert split == "train"
        return self.table


def test_fetch_keeps_columns_class_names_and_commit(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        client = Client(patched, tmp_path)
        hub.fetch(HUB, tmp_path / "fetched" / "pairs.parquet")
    assert client.asked == [(("someone/pairs", "small"), {"revision": COMMIT})]
    dataset = Dataset(source=HUB.model_dump(), text=["text"], label="label")
    train, test, summary = build(tmp_path / "out", dataset, tmp_path / "fetched" / "pairs.parquet")
    assert summary["revision"] == COMMIT
    assert summary["labels"] == ["no", "yes"]
    assert list(labels_by_id(train, test).values()) == [0, 1] * 10
    missing = Dataset(source=HUB.model_dump(), text=["texts"], label="label")
    refused(
        lambda: build(tmp_path / "no", missing, tmp_path / "fetched" / "pairs.parquet"),
        "'texts'",
        "someone/pairs",
    )


ASKED = ["'someone/pairs'", "'small'", "'train'"]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionError("Couldn't reach the hub"), True),
        (ValueError('Unknown split "train". Should be one of ["test"].'), False),
        (datasets.exceptions.DataFilesNotFoundError("No (supported) data files found"), False),
    ],
)
def test_a_hub_that_does_not_deliver(tmp_path, monkeypatch, error, passes):
    Client(monkeypatch, tmp_path, error=error)
    with pytest.raises(ConfigError) as refusal:
        hub.fetch(HUB, tmp_path / "no.parquet")
    assert all(part in str(refusal.value) for part in [*ASKED, str(error)[:20]])
    assert ("snakemake --until fetch_dataset fetch_model" in str(refusal.value)) == passes
    assert failures.comes_again(refusal.value) != passes
    assert not (tmp_path / "no.parquet").exists()


def test_rows_of_another_commit_are_not_taken(tmp_path, monkeypatch):
    Client(monkeypatch, tmp_path, loaded=OTHER)
    refused(lambda: hub.fetch(HUB, tmp_path / "no.parquet"), *ASKED, f"found commit {OTHER}", COMMIT)


def test_a_folder_by_the_name_of_a_data_set_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "pairs").mkdir(parents=True)
    refused(
        lambda: hub.fetch(HUB, tmp_path / "no.parquet"), *ASKED, "found a file or folder", "allowed: another"
    )


# ---------------------------------------------------------------------------------------------- real data

real = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real data: {REAL} is no folder (set ISTHMUS_DATA to one)"
)
SICK = {"text": ["sentence_A", "sentence_B"], "label": "entailment_judgment"}
PAWS = {"text": ["sentence1", "sentence2"], "label": "label"}
COLA = {"text": ["sentence"], "label": "label", "source_header": ["source", "label", "mark", "sentence"]}


@real
@pytest.mark.parametrize(
    ("name", "options", "rows", "labels"),
    [
        ("sick/train.tsv", SICK, 4500, ["CONTRADICTION", "ENTAILMENT", "NEUTRAL"]),
        ("sick/test.tsv", SICK, 4927, ["CONTRADICTION", "ENTAILMENT", "NEUTRAL"]),
        ("paws_qqp/train.tsv", PAWS, 11988, ["0", "1"]),
        ("paws_qqp/dev.tsv", PAWS, 677, ["0", "1"]),
        ("cola/in_domain_train.tsv", COLA, 8551, ["0", "1"]),
        ("cola/out_of_domain_dev.tsv", COLA, 516, ["0", "1"]),
    ],
)
def test_real_files_are_read_whole(tmp_path, name, options, rows, labels):
    train, test, summary = build(tmp_path / "out", single(REAL / name, **options))
    assert summary["counts"]["rows_read"] == summary["counts"]["labelled"] == rows
    assert summary["labels"] == labels
    lines = (REAL / name).read_text(encoding="utf-8").replace("\r\n", "\n").rstrip("\n").split("\n")
    body = [line.split("\t") for line in (lines if "source_header" in options else lines[1:])]
    names = options.get("source_header") or lines[0].split("\t")
    column = names.index(options["text"][0])
    for i, text in texts_by_id(train, test).items():
        assert text == body[i][column]
    dropped = summary["counts"]["duplicates_dropped_from_test"]
    assert len(train.ids) + len(test.ids) + dropped == rows
    assert len(test.ids) + dropped == round(0.2 * rows)


@real
def test_real_duplicates_are_dropped_from_test(tmp_path):
    for name, options in (("sick/train.tsv", SICK), ("cola/in_domain_train.tsv", COLA)):
        train, test, summary = build(tmp_path / "out", single(REAL / name, **options))
        assert summary["counts"]["duplicates_dropped_from_test"] > 0
        assert not set(inputs(train)) & set(inputs(test))


# ------------------------------------------------------------------------------------------------ breakdowns


def test_rows_are_told_apart_by_a_column(tmp_path):
    rows = [(f"sentence {i}", "ab"[i % 2] if i % 5 else "", f"part {i % 3}") for i in range(30)]
    half = [write_tsv(tmp_path / f"{i}.tsv", rows[15 * i :][:15], ("text", "label", "kind")) for i in (0, 1)]
    dataset = single(*half, by="kind", test_fraction=0.5)
    train, test, _ = build(tmp_path, dataset)
    sets = {name: tmp_path / f"{name}.parquet" for name in ("train", "test")}
    breakdowns.write("datasets.d", dataset, None, sets, tmp_path / "out" / "parts.parquet")
    found = pq.read_table(tmp_path / "out" / "parts.parquet").to_pandas()
    assert Counter(found["set"]) == {"train": len(train.ids), "test": len(test.ids)}
    assert len(train.ids) + len(test.ids) == 24  # of the 30 that have no label are left out
    assert found["part"].tolist() == [rows[i][2] for i in found["id"]]


def test_a_column_of_class_labels_is_named(tmp_path):
    path = class_labelled(tmp_path / "rows.parquet", ["no", "yes"], [0, 1] * 10)
    columns = FurtherSet(source=files(path), text=["text"], label="label", by="label")
    further(tmp_path, ["no", "yes"], single(path), source=files(path))
    breakdowns.write("w", columns, None, {"more": tmp_path / "more.parquet"}, tmp_path / "parts.parquet")
    assert set(pq.read_table(tmp_path / "parts.parquet")["part"].to_pylist()) == {"no", "yes"}


def test_a_breakdown_needs_its_column_and_a_value_in_each_row(tmp_path):
    path = write_tsv(tmp_path / "rows.tsv", [("one", "a", "x"), ("two", "b", "")], ("text", "label", "kind"))
    refused(
        lambda: data_files.check("k", single(path, by="knd")), "k.by: found 'knd'", "did you mean 'kind'?"
    )
    dataset = single(path, by="kind", test_fraction=0.5)
    made = tmp_path / "set.parquet"
    pq.write_table(pa.table({"id": [0, 1], "text_a": ["a", "b"], "text_b": ["", ""], "label": [0, 1]}), made)

    def broken_down():
        breakdowns.write("k", dataset, None, {"s": made}, tmp_path / "parts.parquet")

    refused(broken_down, "k.by: found rows without 'kind'", "allowed: a value in each row")
