"""The journal: what was measured outlives any death, damage is noticed, and no other key ever answers."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus import hashing
from isthmus.caches.identity import Anchor
from isthmus.caches.journal import EARLIER, HEAD, MAGIC, Journal, Origin, mixture
from isthmus.measuring.ends import End
from isthmus.measuring.engine import Engine
from isthmus.space.geometries import Line
from isthmus.space.points import at
from isthmus.tasks.classification import Classification

from tests.unit import tiny

ROOT = Path(__file__).resolve().parents[2]


def key(name) -> str:
    return hashing.of_data(str(name))


def arrays(number: int) -> dict[str, np.ndarray]:
    return {"loss": np.array(float(number)), "replicates": np.arange(number, number + 5, dtype=np.float32)}


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


def written(folder: Path, n: int) -> Path:
    """A journal of n records; its one file."""
    journal = Journal(folder)
    for number in range(n):
        journal.put(key(number), arrays(number))
    (path,) = folder.glob("*.journal")
    return path


def known(folder: Path, n: int) -> list[int]:
    """Which of n records a fresh reader gives back, whole."""
    journal = Journal(folder)
    found = {number: journal.get(key(number)) for number in range(n)}
    assert all(equal(record, arrays(number)) for number, record in found.items() if record is not None)
    return [number for number, record in found.items() if record is not None]


def test_round_trip(tmp_path):
    journal = Journal(tmp_path / "new")
    values = {
        "scalar": np.array(0.1),
        "none": np.empty(0, np.float32),
        "table": np.arange(6, dtype=np.int64).reshape(2, 3).T,
    }
    assert journal.get(key("a")) is None
    assert equal(journal.put(key("a"), values), values)
    for reader in (journal, Journal(tmp_path / "new")):
        assert equal(reader.get(key("a")), values)
        assert reader.get(key("b")) is None


def test_nothing_is_made_before_the_first_record(tmp_path):
    assert Journal(tmp_path / "absent").get(key(0)) is None
    assert not (tmp_path / "absent").exists()


def test_empty_files_and_files_of_another_kind_are_passed_over(tmp_path):
    (tmp_path / "records-0.journal").touch()
    Journal(tmp_path, kind="other").put(key(0), arrays(0))
    assert known(tmp_path, 1) == []


def test_of_several_records_with_one_key_the_first_counts(tmp_path):
    journal = Journal(tmp_path)
    journal.put(key("a"), arrays(1))
    journal.put(key("a"), arrays(2))
    for reader in (journal, Journal(tmp_path)):
        assert equal(reader.get(key("a")), arrays(1))


def test_a_journal_that_is_deleted_meanwhile_knows_nothing(tmp_path):
    path = written(tmp_path, 2)
    journal = Journal(tmp_path)
    path.unlink()
    assert journal.get(key(0)) is None
    journal.put(key(0), arrays(0))
    assert equal(journal.get(key(0)), arrays(0))


@given(st.data())
@settings(max_examples=60)
def test_a_torn_last_record_is_ignored(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("torn")
    path = written(folder, 3)
    whole = path.read_bytes()
    size = data.draw(st.integers(1, len(whole)))
    path.write_bytes(whole[:size])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known(folder, 3) == list(range(size // (len(whole) // 3)))
    Journal(folder).put(key(2), arrays(2))  # in a file of its own, since the torn one cannot be gone on with
    assert 2 in known(folder, 3)


@given(st.data())
@settings(max_examples=150)
def test_a_flipped_bit_is_noticed_and_costs_its_record_only(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flipped")
    path = written(folder, 3)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert known(folder, 3) == [i for i in range(3) if i != place // (len(content) // 3)]


@pytest.mark.parametrize("place", range(HEAD.size))
def test_every_bit_of_a_record_head_is_watched(tmp_path, place):
    path = written(tmp_path, 2)
    content = bytearray(path.read_bytes())
    for record in (0, 1):
        damaged = bytearray(content)
        damaged[place + record * len(content) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="damaged"):
            assert known(tmp_path, 2) == [1 - record]


WRITER = """
import sys
from pathlib import Path
import numpy as np
from isthmus import hashing
from isthmus.caches.journal import Journal
journal, first, n = Journal(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + n):
    values = np.arange(number, number + 5, dtype=np.float32)
    journal.put(hashing.of_data(str(number)), {"loss": np.array(float(number)), "replicates": values})
    print(number, flush=True)
"""


def writer(folder, first, n):
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(n)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_leave_a_journal_that_reads_whole(tmp_path):
    processes = [writer(tmp_path, first, 120) for first in (0, 100)]  # 20 records are written by both
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert len(list(tmp_path.iterdir())) == 2
    assert known(tmp_path, 220) == list(range(220))


def test_a_killed_writer_loses_nothing_that_it_had_put(tmp_path):
    process = writer(tmp_path, 0, 100_000)
    said = [int(process.stdout.readline()) for _ in range(10)]
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    process.stdout.close()
    found = known(tmp_path, said[-1] + 3)
    assert found[: len(said)] == said
    assert len(found) <= len(said) + 1


# ------------------------------------------------------------------------------ on what, and by which version


def test_a_file_of_an_earlier_version_is_ignored_with_one_line(tmp_path, capsys):
    """Its keys name places by one alpha: none of them could mean what is asked for now."""
    path = written(tmp_path / "step/seed1", 2)
    old = path.read_bytes().replace(MAGIC, EARLIER)
    path.write_bytes(old)
    (tmp_path / "step/seed2").mkdir()
    (tmp_path / "step/seed2/records-1.journal").write_bytes(old[:-7])  # a torn one of a killed process
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known(tmp_path / "step/seed1", 2) == known(tmp_path / "step/seed2", 2) == []
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path / 'step'}: measurements of an earlier version are not used")
    journal = Journal(tmp_path / "step/seed1")
    journal.put(key(0), arrays(0))
    assert known(tmp_path / "step/seed1", 2) == [0]
    assert path.read_bytes() == old


def test_a_record_says_on_what_it_was_measured_and_a_mixture_is_told(tmp_path):
    here, there = Origin("Xeon", "2.9.0"), Origin("H100", "2.9.0")
    journal = Journal(tmp_path, origin=here)
    journal.put(key(0), arrays(0))
    assert mixture([journal]) is None
    other = Journal(tmp_path, origin=there)
    assert other.origins == set()
    assert equal(other.get(key(0)), arrays(0))  # another kind of device splits nothing
    assert other.origins == {here}
    other.put(key(1), arrays(1))
    assert other.origins == {here, there}
    expected = (
        "measured on 2 kinds of device or versions of PyTorch: H100, PyTorch 2.9.0; Xeon, PyTorch 2.9.0"
    )
    assert mixture([other]) == expected
    assert mixture([journal, Journal(tmp_path)]) is None
    again = Journal(tmp_path)
    assert again.get(key(1)) is not None
    assert mixture([journal, again]) == expected


def test_equal_records_have_equal_bytes_with_their_origin(tmp_path):
    for name in "abcdef":
        Journal(tmp_path / name, origin=Origin("Xeon", "2.9.0")).put(key(0), arrays(0))
    assert len({path.read_bytes() for path in tmp_path.glob("*/*.journal")}) == 1


# ---------------------------------------------------------------------------------------------------- the key

TOKENS = tiny.examples(6)
PARTS = {
    "a": ("0" * 64, "e" * 64),  # weights and architecture
    "b": ("1" * 64, "e" * 64),
    "alpha": 0.25,
    "examples": TOKENS,
    "budget": 128,
    "numerics": tiny.cpu(),
}


def keys(a, b, alpha, examples, budget, numerics) -> tuple[str, str]:
    """The key of a checkpoint's record and that of a point on a path."""
    a, b = Anchor(*a), Anchor(*b)
    engine = Engine(End(0, Path("unread"), a), {"test": examples}, budget, Classification(0, numerics))
    return tuple(engine.key("test", point) for point in (at(a), Line(a, b).at(alpha)))


def changed_examples(name, change):
    return replace(TOKENS, **{name: change(np.array(getattr(TOKENS, name)))})


SINGLE = st.one_of(
    st.tuples(st.sampled_from(["a", "b"]), st.tuples(*[st.sampled_from(["0" * 64, "2" * 64, "e" * 64])] * 2)),
    st.tuples(st.just("alpha"), st.floats(0, 1)),
    st.tuples(
        st.just("examples"),
        st.one_of(
            st.permutations(range(6)).map(lambda order: TOKENS.select(np.array(order))),
            st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
                lambda x: changed_examples(
                    "labels", lambda labels: np.where(np.arange(6) == x[0], x[1], labels)
                )
            ),
            st.lists(st.integers(0, 2), min_size=3, max_size=3).map(
                lambda groups: changed_examples("groups", lambda _: np.array(groups))
            ),
            st.integers(0, len(TOKENS.ids) - 1).map(
                lambda i: changed_examples("ids", lambda ids: np.where(np.arange(len(ids)) == i, 5, ids))
            ),
        ),
    ),
    st.tuples(st.just("budget"), st.integers(1, 4096)),
    st.tuples(
        st.just("numerics"),
        st.builds(
            replace,
            st.just(PARTS["numerics"]),
            device=st.sampled_from(["cpu", "cuda"]),
            precision=st.sampled_from(["float32", "tf32", "bfloat16"]),
            attention=st.sampled_from(["eager", "sdpa"]),
            threads=st.integers(1, 64),
            deterministic=st.booleans(),
        ),
    ),
)


def plain(parts):
    return {**parts, "examples": parts["examples"].digest, "alpha": parts["alpha"].hex()}


@given(st.lists(SINGLE, min_size=1, max_size=4))
def test_a_record_answers_to_its_whole_key_and_to_no_other(changes):
    parts = PARTS | dict(changes)
    before, after = plain(PARTS), plain(parts)
    of_checkpoint = [name for name in before if name not in ("b", "alpha")]
    for matter, old, new in zip((of_checkpoint, list(before)), keys(**PARTS), keys(**parts), strict=True):
        assert (old == new) == all(before[name] == after[name] for name in matter)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", ("2" * 64, "e" * 64)),
        ("b", ("2" * 64, "e" * 64)),
        ("a", ("0" * 64, "2" * 64)),
        ("b", ("1" * 64, "2" * 64)),
        ("alpha", 0.25 + 2**-54),
        ("examples", tiny.examples(6, seed=1)),
        ("examples", replace(TOKENS, groups=np.array([0, 1, 1]))),
        ("budget", 129),
        ("numerics", replace(PARTS["numerics"], precision="tf32")),
        ("numerics", replace(PARTS["numerics"], threads=2)),
        ("numerics", replace(PARTS["numerics"], engine=PARTS["numerics"].engine + 1)),
    ],
)
def test_a_change_of_anything_is_another_question(name, value):
    assert keys(**PARTS)[1] != keys(**PARTS | {name: value})[1]


def test_ends_in_the_other_order_are_another_path():
    assert keys(**PARTS)[1] != keys(**PARTS | {"a": PARTS["b"], "b": PARTS["a"]})[1]


# ------------------------------------------------------------------------------------------------- the file


def framed(name, arrays):
    """A record as the module's docstring has it."""
    payload, raw = safetensors.numpy.save(arrays), bytes.fromhex(key(name))
    checksum = hashlib.sha256(raw + payload).digest()
    return b"ism2" + len(payload).to_bytes(8, "little") + raw + checksum + payload


def test_records_stand_in_the_file_as_they_always_did(tmp_path):
    """What was measured years ago is read, and who reads it then reads what is written now."""
    path = written(tmp_path / "new", 3)
    assert path.read_bytes() == b"".join(framed(number, arrays(number)) for number in range(3))
    assert re.fullmatch(r"records-[0-9a-f]{32}\.journal", path.name)
    (tmp_path / "old").mkdir()
    (tmp_path / "old/records-1.journal").write_bytes(framed(0, arrays(0)) + framed(1, arrays(1)))
    (tmp_path / "old/records-2.journal").write_bytes(framed(0, arrays(5)) + framed(2, arrays(2)))
    assert known(tmp_path / "old", 4) == [0, 1, 2]


@pytest.mark.parametrize(
    ("rest", "torn"),
    [
        (b"i", True),
        (b"ism", True),
        (b"ism2", True),
        (framed(1, arrays(1))[:40], True),
        (framed(1, arrays(1))[: HEAD.size], True),
        (framed(1, arrays(1))[: HEAD.size + 1], True),
        (framed(1, arrays(1))[:-1], True),
        (b"x", False),
        (b"ism3", False),
        (b"x" + framed(1, arrays(1))[1:-1], False),
        (framed(1, arrays(1))[:-1] + b"?", False),
        (b"\0" * 500, False),
    ],
    ids=map(str, range(12)),
)
def test_only_the_beginning_of_a_record_is_a_torn_one(tmp_path, rest, torn):
    path = written(tmp_path, 1)
    path.write_bytes(path.read_bytes() + rest)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert known(tmp_path, 2) == [0]
    assert [str(one.message) for one in said] == (
        [] if torn else [f"{path}: damaged from byte {len(framed(0, arrays(0)))} on; that is not used"]
    )


def test_damage_is_named_by_its_bytes_and_all_after_it_is_read(tmp_path):
    path, size = written(tmp_path, 3), len(framed(0, arrays(0)))
    path.write_bytes(path.read_bytes()[:size] + b"ism2, or nothing" + path.read_bytes()[size:])
    with pytest.warns(UserWarning, match=rf"bytes {size} to {size + 16} are damaged"):
        assert known(tmp_path, 3) == [0, 1, 2]


def test_a_record_is_on_disk_when_it_has_been_put(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda number: synced.append(os.fstat(number).st_size))
    journal, size = Journal(tmp_path), len(framed(0, arrays(0)))
    for number in range(3):
        journal.put(key(number), arrays(number))
    assert synced == [size, 2 * size, 3 * size]


def test_folders_of_any_depth_are_made(tmp_path):
    Journal(tmp_path / "cell/step/seed").put(key(0), arrays(0))
    assert known(tmp_path / "cell/step/seed", 1) == [0]
