"""Damage to files that jobs hand on is noticed, whatever bit it hits; other programs read them as ever."""

import json
import subprocess

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from isthmus import stored
from isthmus.errors import Damaged
from isthmus.models import hf_folders
from isthmus.statistics import tidy

from tests.unit import damaging

FLIPS, CUTS = 30, 6


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A file of each kind, as the jobs make them."""
    return damaging.make(tmp_path_factory.mktemp("kinds"))


NAMES = [
    *(f"model, {name}" for name in ("weights", "config.json", "tokenizer.json", "tokenizer_config.json")),
    "model, model.json",
    *("data, train.parquet", "data, further set", "data, subset.json", "data, further set's JSON"),
    *("data, breakdown", "tokens"),
    *(f"checkpoint, {name}" for name in ("weights", "config.json", "checkpoint.json", "history.parquet")),
    *("evaluations", "paths, for gaps", "paths, for the page", "paths, cross-fitted"),
    *("paths, pairs", "examples"),
    *(f"connectivity, {name}" for name in ("metrics", "deltas", "means", "basins")),
    *("metrics.csv", "evaluations.csv", "journal, read after", "journal, opened before", "state"),
]


def test_each_kind_of_file_is_named(kinds):
    assert list(kinds) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_no_turned_bit_changes_what_is_read(kinds, name):
    kind, random = kinds[name], np.random.default_rng(NAMES.index(name))
    value, content = damaging.plain(kind.read()), kind.path.read_bytes()
    bits = random.integers(0, 8 * len(content), FLIPS).tolist()
    found = {bit: damaging.outcome(kind, damaging.flipped(content, bit), value) for bit in bits}
    assert [bit for bit, outcome in found.items() if outcome == "UNNOTICED"] == []
    # What is harmless is a turned bit in the name under which a checksum stands.
    assert list(found.values()).count("noticed") >= 0.8 * len(found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_no_file_that_was_cut_is_read(kinds, name):
    kind, random = kinds[name], np.random.default_rng(NAMES.index(name))
    value, content = damaging.plain(kind.read()), kind.path.read_bytes()
    lengths = [0, len(content) - 1, *random.integers(1, len(content) - 1, CUTS).tolist()]
    found = {n: damaging.outcome(kind, content[:n], value) for n in lengths}
    assert set(found.values()) == {"noticed"}, found


# ------------------------------------------------------------------------------------- for other programs


TABLE = pa.table(
    {"set": ["a", "sha256_of_rest\x18@" + "0" * 64], "loss": [0.5, float("nan")], "r": [[1.0], [2.0, 3.0]]}
).replace_schema_metadata({"revision": "abc"})
FRAME = pd.DataFrame({"k": pd.array([1, None], "Int64"), "x": [0.25, np.nan], "name": ["ä", None]})


def test_other_programs_read_the_tables(tmp_path):
    stored.write_table(tmp_path / "table.parquet", TABLE)
    theirs = pq.read_table(tmp_path / "table.parquet")
    assert repr(theirs.to_pylist()) == repr(TABLE.to_pylist())  # which knows NaN
    assert theirs.schema.metadata[b"revision"] == b"abc"
    stored.write_frame(tmp_path / "frame.parquet", FRAME)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "frame.parquet"), FRAME)
    pd.testing.assert_frame_equal(stored.read_frame(tmp_path / "frame.parquet"), FRAME)
    some = stored.read_frame(tmp_path / "frame.parquet", ["x"], [("name", "==", "ä")])
    assert some.to_dict("list") == {"x": [0.25]}


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("one", "two"):
        stored.write_table(tmp_path / f"{name}.parquet", TABLE)
        stored.write_json(tmp_path / f"{name}.json", {"b": 1, "a": "ä"})
        stored.write_arrays(tmp_path / f"{name}.safetensors", {"x": np.arange(3), "y": np.zeros(0, np.uint8)})
    for ending in ("parquet", "json", "safetensors"):
        one, two = (tmp_path / f"{name}.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert len(list(tmp_path.iterdir())) == 6  # and nothing temporary is left


@pytest.mark.parametrize("content", [{}, {"a": {"b": [1, None, "ä\n"]}, "z": 0.1}])
def test_json_is_what_was_given(tmp_path, content):
    path = tmp_path / "record.json"
    stored.write_json(path, content)
    assert stored.read_json(path) == content
    theirs = json.loads(path.read_text(encoding="utf-8"))
    assert len(theirs.pop("sha256_of_rest")) == 64
    assert theirs == content


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place(tmp_path):
    import hashlib

    stored.write_json(tmp_path / "a", {"x": 1})
    stored.write_table(tmp_path / "b", TABLE)
    stored.write_arrays(tmp_path / "c", {"x": np.arange(3)})
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        zeros = b"0" * 64
        assert any(
            content[i : i + 64].decode("latin1")
            == hashlib.sha256(content[:i] + zeros + content[i + 64 :]).hexdigest()
            for i in range(len(content) - 63)
        ), path


def test_a_file_without_a_checksum_is_read_as_it_is(tmp_path):
    """As earlier versions wrote it, or pandas saved it."""
    FRAME.to_parquet(tmp_path / "frame.parquet")
    pd.testing.assert_frame_equal(stored.read_frame(tmp_path / "frame.parquet"), FRAME)
    (tmp_path / "record.json").write_text('{\n  "sha256": "' + "0" * 64 + '"\n}\n')
    assert stored.read_json(tmp_path / "record.json") == {"sha256": "0" * 64}


def test_csv_files_are_listed_as_sha256sum_reads_them(tmp_path):
    for name in ("b", "a", "b"):
        stored.write_csv(tmp_path / f"{name}.csv", FRAME)
    assert (tmp_path / "SHA256SUMS").read_text().split()[1::2] == ["a.csv", "b.csv"]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)
    assert (tmp_path / "a.csv").read_text() == "k,x,name\n1,0.25,ä\n,,\n"
    (tmp_path / "a.csv").write_text("k,x,name\n1,0.26,ä\n,,\n")
    with pytest.raises(Damaged, match=r"a.csv is damaged: .*another program.*`rm .*a.csv`"):
        tidy.read(tmp_path / "a.csv")
    (tmp_path / "SHA256SUMS").unlink()
    assert tidy.read(tmp_path / "a.csv")["x"].iloc[0] == 0.26


def test_a_record_names_the_small_files_of_its_folder(kinds):
    folder = kinds["model, weights"].path.parent
    record = hf_folders.read_record(folder)
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} <= record["files"].keys()
    checkpoint = kinds["checkpoint, weights"].path.parent
    assert hf_folders.read_record(checkpoint)["files"].keys() == {"config.json"}
