"""Running text: documents of files and of the toy language, each once, split by document."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from isthmus.data import further_sets, running_text, subsets, toy
from isthmus.data.rows import read_rows
from isthmus.errors import ConfigError
from isthmus.experiment import data_files, parameters
from isthmus.experiment.config import Dataset


def of_files(*paths, source=None, **options):
    source = {"kind": "files", "paths": [str(path) for path in paths], **(source or {})}
    return Dataset(task="causal_lm", source=source, **options)


def texts(dataset):
    rows, counts = running_text.read("datasets.own", dataset, None)
    return rows.text_a, rows.ids.tolist(), counts


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_document_a_line(tmp_path, end):
    path = tmp_path / "notes.txt"
    path.write_bytes(f"\ufeffone two{end}{end}three\u2028four{end}  {end}five".encode())
    found, ids, counts = texts(of_files(path))
    assert found == ["one two", "three\u2028four", "five"]
    assert ids == [0, 2, 4]
    assert counts == {"rows_read": 5, "empty_dropped": 2, "duplicates_dropped": 0, "documents": 3}


def test_the_end_of_the_last_line_begins_no_document(tmp_path):
    (tmp_path / "notes.txt").write_text("one\ntwo\n")
    assert texts(of_files(tmp_path / "notes.txt"))[2]["rows_read"] == 2


def test_a_document_a_file(tmp_path):
    for name, text in (("a.md", "one\ntwo\n"), ("b.md", "three")):
        (tmp_path / name).write_text(text)
    found, ids, _ = texts(of_files(tmp_path / "a.md", tmp_path / "b.md", source={"format": "document"}))
    assert found == ["one\ntwo", "three"]
    assert ids == [0, 1]


def test_columns_of_tables(tmp_path):
    (tmp_path / "rows.tsv").write_text("q\ta\nwho?\tI\nwhy?\t\nwho?\tI\nwho?\tyou\n")
    rows, counts = running_text.read(
        "datasets.own", of_files(tmp_path / "rows.tsv", prompt="q", answer="a"), None
    )
    assert (rows.text_a, rows.text_b) == (["who?", "who?"], ["I", "you"])
    assert counts == {"rows_read": 4, "empty_dropped": 1, "duplicates_dropped": 1, "documents": 2}
    assert texts(of_files(tmp_path / "rows.tsv", text=["q"]))[0] == ["who?", "why?"]


def test_prompts_are_one_only_to_the_letter(tmp_path):
    (tmp_path / "rows.tsv").write_text("q\ta\ncat\tchat\nchat\tcat\nSay A\ta\nSay a\tA\ncat\tchat\n")
    dataset = of_files(tmp_path / "rows.tsv", prompt="q", answer="a", test_fraction=0.5)
    rows, counts = running_text.read("datasets.own", dataset, None)
    assert rows.ids.tolist() == [0, 1, 2, 3]
    assert counts["duplicates_dropped"] == 1
    train, test, _ = written(tmp_path / "out", dataset)
    assert len(train.ids) + len(test.ids) == 4


def test_a_table_in_txt_stays_a_table_where_a_column_is_named(tmp_path):
    (tmp_path / "rows.txt").write_text("id\ttext\n1\ta cat\n")
    assert texts(of_files(tmp_path / "rows.txt", text=["text"]))[0] == ["a cat"]
    assert texts(of_files(tmp_path / "rows.txt"))[0] == ["id\ttext", "1\ta cat"]


@pytest.mark.parametrize(
    ("own", "further", "expected"),
    [
        ({"text": ["t"]}, {"prompt": "q", "answer": "a"}, (["who?"], ["I"])),
        ({"prompt": "q", "answer": "a"}, {"text": ["t"]}, (["told"], None)),
        ({"text": ["t"]}, {}, (["told"], None)),
    ],
)
def test_a_further_set_may_have_columns_of_its_own(tmp_path, own, further, expected):
    (tmp_path / "rows.tsv").write_text("t\tq\ta\ntold\twho?\tI\n")
    source = {"source": {"kind": "files", "paths": [str(tmp_path / "rows.tsv")]}}
    dataset = of_files(tmp_path / "rows.tsv", **own, sets={"far": source | further})
    columns = data_files.inherit(dataset, dataset.sets["far"])
    data_files.check("datasets.own.sets.far", columns)
    rows, _ = running_text.read("datasets.own.sets.far", columns, None)
    assert (rows.text_a, rows.text_b) == expected
    assert parameters.blocks(dataset, columns)["prompted"] == (expected[1] is not None)


def test_plain_text_and_tables_go_together(tmp_path):
    (tmp_path / "notes.txt").write_text("one\n")
    (tmp_path / "rows.tsv").write_text("t\ntwo\n")
    plain, table = ({"source": {"kind": "files", "paths": [str(tmp_path / name)]}}
                    for name in ("notes.txt", "rows.tsv"))  # fmt: skip
    dataset = of_files(tmp_path / "rows.tsv", text=["t"], sets={"far": plain})
    assert running_text.read("x", data_files.inherit(dataset, dataset.sets["far"]), None)[0].text_a == ["one"]
    dataset = of_files(tmp_path / "notes.txt", sets={"far": table})
    with pytest.raises(ConfigError, match=r"x\.text: found 'text'.*allowed: the columns of"):
        data_files.check("x", data_files.inherit(dataset, dataset.sets["far"]))


def test_of_documents_that_are_alike_the_first_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("one\nTwo\n two \none \nthree")
    found, ids, counts = texts(of_files(tmp_path / "notes.txt"))
    assert (found, ids) == (["one", "Two", "three"], [0, 1, 4])
    assert counts["duplicates_dropped"] == 2


def written(folder, dataset):
    subsets.write("own", dataset, None, folder)
    return *(read_rows(folder / f"{part}.parquet") for part in ("train", "test")), folder / "subset.json"


def test_the_split_is_by_document(tmp_path):
    source = {"kind": "toy", "task": "stories", "rows": 200}
    dataset = Dataset(task="masked_lm", source=source, rows=100, test_fraction=0.3)
    train, test, summary = written(tmp_path / "one", dataset)
    every = toy.stories(200, 0)
    assert (len(train.ids), len(test.ids)) == (70, 30)
    assert not set(train.ids) & set(test.ids)
    for rows in (train, test):
        assert [every[i] for i in rows.ids] == rows.text_a
    assert json.loads(summary.read_text())["labels"] == []
    other = dataset.model_copy(update={"seed": 1})
    assert written(tmp_path / "two", other)[1].ids.tolist() != test.ids.tolist()
    # It is made anew from its parameters, which a rule compares.
    again = Dataset(**parameters.with_files(parameters.rows(dataset), []))
    assert written(tmp_path / "again", again)[1].ids.tolist() == test.ids.tolist()


def test_a_further_set_is_read_like_its_data_set(tmp_path):
    (tmp_path / "here.tsv").write_text("t\none\ntwo\nthree\n")
    (tmp_path / "there.tsv").write_text("t\nfour\none\n")
    there = {"source": {"kind": "files", "paths": [str(tmp_path / "there.tsv")]}}
    dataset = of_files(tmp_path / "here.tsv", text=["t"], sets={"there": there})
    train, _, _ = written(tmp_path / "out", dataset)
    out = tmp_path / "out" / "there.parquet"
    further_sets.write(
        "there", "own", dataset, dataset.sets["there"], None, tmp_path / "out", out, tmp_path / "there.json"
    )
    assert read_rows(out).text_a == ["four", "one"]
    assert json.loads((tmp_path / "there.json").read_text())["counts"]["also_in_train"] == (
        "one" in train.text_a
    )


def test_a_classification_s_rows_are_made_anew_for_nothing_of_this():
    labelled = Dataset(source={"kind": "toy", "task": "paraphrase", "rows": 9})
    assert not {"task", "prompt", "answer", "block_size", "documents", "masked"} & set(
        parameters.rows(labelled)
    )
    running = Dataset(task="causal_lm", source={"kind": "toy", "task": "stories", "rows": 9})
    assert parameters.rows(running)["task"] == "causal_lm"
    assert not {"block_size", "documents", "masked"} & set(parameters.rows(running))


def test_stories_are_of_the_language_and_the_same_everywhere():
    stories = toy.stories(50, 3)
    assert {word for story in stories for word in story.split()} <= set(toy.vocabulary())
    assert stories == toy.stories(80, 3)[:50]
    assert stories != toy.stories(50, 4)
    code = "from isthmus.data import toy; print(toy.stories(50, 3))"
    path = str(Path(toy.__file__).parents[2])
    said = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path, "PYTHONHASHSEED": "7"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == str(stories)


def test_a_story_says_the_same_thing_ever_more_closely():
    for story in toy.stories(30, 0):
        assert story.split().count("in") <= 4
        actors = [word for word in story.split() if word in toy.SLOTS["action"]]
        assert len(actors) == 4  # a sentence each
        meanings = [toy.SLOTS["action"][word] for word in actors]
        assert frozenset.intersection(*meanings)  # of one scene
        assert meanings[-1] == min(meanings, key=len)
