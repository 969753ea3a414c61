"""What processes took, and when another attempt would be in vain."""

import json
import os
import time
from dataclasses import asdict, replace

import pytest
from isthmus import errors
from isthmus.caches import attempts, heartbeat
from isthmus.caches.attempts import Attempt

from tests.unit import tiny


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Records are written often."""
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.05)


def attempt(start=0, end=10, identity="a", **changes):
    return replace(Attempt(identity, end, start, start, "cpu"), **changes)


def record(folder, *ones):
    for one in ones:
        with attempts.recorded(folder, one):
            pass


def test_attempts_are_read_in_the_order_in_which_they_were_made(tmp_path, monkeypatch):
    record(tmp_path, *(attempt(start) for start in range(12)))
    assert [one.start for one in attempts._attempts(tmp_path, "a")] == list(range(12))
    (tmp_path / "attempts" / "000013-crashed.json").touch()
    (tmp_path / "attempts" / "000014-other.json").write_text('{"another": "format"}')
    assert len(attempts._attempts(tmp_path, "a")) == 12
    record(tmp_path, attempt(99))
    assert attempts._attempts(tmp_path, "a")[-1].start == 99
    assert attempts._attempts(tmp_path, "b") == []


def test_what_a_run_took_adds_up(tmp_path):
    record(tmp_path, attempt(), attempt(identity="b"), attempt(device="cuda"), attempt())
    spent = attempts.spent(tmp_path, "a")
    assert spent["attempts"] == 3
    assert set(spent["seconds"]) == {"cpu", "cuda"}


def test_what_measuring_took_adds_up_over_processes_and_folders(tmp_path):
    nothing = {"attempts": 0, "seconds": {}, "cpu_seconds": 0}
    assert attempts.spent_measuring(tmp_path) == nothing
    for folder, device in (("step1/seed1", "cpu"), ("step1/seed1", "cuda"), ("step2/seed1", "cpu")):
        with attempts.measuring(tmp_path / folder, replace(tiny.cpu(), device=device), lambda: 1):
            sum(range(100_000))
    (tmp_path / "step1/seed1/attempts/crashed.json").touch()
    spent = attempts.spent_measuring(tmp_path)
    assert spent["attempts"] == 3
    assert set(spent["seconds"]) == {"cpu", "cuda"}
    assert spent["cpu_seconds"] > 0


def test_a_measuring_process_that_dies_leaves_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.01)
    pid = os.fork()
    if pid == 0:
        with attempts.measuring(tmp_path, tiny.cpu(), lambda: 1):
            while attempts.spent_measuring(tmp_path)["cpu_seconds"] == 0:
                pass
            os._exit(1)
    os.waitpid(pid, 0)
    assert attempts.spent_measuring(tmp_path)["cpu_seconds"] > 0


def test_giving_up(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")

    def check(start=0, end=10, identity="a"):
        attempts.check_worth_trying(tmp_path, identity, start, end)

    check()
    record(tmp_path, attempt())
    check()
    record(tmp_path, attempt())
    with pytest.raises(errors.GivenUp, match="two attempts"):
        check()
    check(start=1)  # the second was killed before it could note what it saved
    check(end=20)
    check(identity="b")
    monkeypatch.setenv("ISTHMUS_CALL", "two")
    check()
    record(tmp_path, attempt(failure="the loss is nan"))
    with pytest.raises(errors.GivenUp, match="the loss is nan"):
        check()
    monkeypatch.delenv("ISTHMUS_CALL")  # not under Snakemake
    check()


def note(folder, number, **values):
    """An attempt's record as an earlier process left it."""
    (folder / "attempts").mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(attempt(**values)))
    (folder / "attempts" / f"{number:06d}-{number:08x}.json").write_text(text)


def test_what_a_run_took_is_the_sum_of_its_attempts(tmp_path):
    note(tmp_path, 1, seconds=1.5, cpu_seconds=3.0)
    note(tmp_path, 2, seconds=2.25, cpu_seconds=0.5, failure="no memory")
    note(tmp_path, 3, seconds=10.0, cpu_seconds=1.0, device="cuda", done=True)
    note(tmp_path, 4, seconds=99.0, cpu_seconds=99.0, identity="b")
    expected = {"attempts": 3, "seconds": {"cpu": 3.75, "cuda": 10.0}, "cpu_seconds": 4.5}
    assert attempts.spent(tmp_path, "a") == expected
    for folder in ("step1/seed1", "step2/seed1"):
        note(tmp_path / "journal" / folder, 1, seconds=1.0004, cpu_seconds=2.0)
    measured = {"attempts": 2, "seconds": {"cpu": 2.001}, "cpu_seconds": 4.0}
    assert attempts.spent_measuring(tmp_path / "journal") == measured


def test_the_time_of_an_attempt_is_that_of_its_block(tmp_path):
    one = attempt()
    with attempts.recorded(tmp_path, one):
        time.sleep(0.2)
    spent = attempts.spent(tmp_path, "a")
    assert spent["seconds"]["cpu"] == round(one.seconds, 3) >= 0.2
    assert 0 <= spent["cpu_seconds"] == round(one.cpu_seconds, 3)


def test_only_the_last_two_attempts_of_this_call_count_for_giving_up(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")

    def hopeless(start=4):
        try:
            attempts.check_worth_trying(tmp_path, "a", start, 10)
        except errors.GivenUp:
            return True
        return False

    note(tmp_path, 1, start=0, failure="no memory")
    note(tmp_path, 2, start=0)
    assert not hopeless()  # a later attempt failed otherwise
    note(tmp_path, 3, start=4)
    assert not hopeless()  # the one before it brought the run from 0 to 4
    note(tmp_path, 4, start=4, done=True)
    assert not hopeless()  # it came to its end; its state was lost since
    note(tmp_path, 5, start=5)
    assert not hopeless()
    note(tmp_path, 6, start=4)
    assert hopeless()
    assert not hopeless(start=5)
    note(tmp_path, 7, start=4, call="two")
    note(tmp_path, 8, start=4, end=20)
    note(tmp_path, 9, start=4, identity="b", failure="no memory")
    assert hopeless()
    note(tmp_path, 10, start=4, failure="no memory")
    assert hopeless(start=9)
