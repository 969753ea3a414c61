"""The cache of states: only whole states are used, one process trains a run, hopeless attempts end."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
import torch
from isthmus import errors
from isthmus.caches import state
from isthmus.machine import processes
from safetensors import SafetensorError

ELSEWHERE = state.Owner("other-host", "another boot", 1, "1")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waiting in hundredths of a second."""
    monkeypatch.setattr(state, "POLL", 0.01)
    monkeypatch.setattr(state, "HEARTBEAT", 0.05)
    monkeypatch.setattr(state, "DEAD_AFTER", 0.5)


def leave_lock(folder, owner, number=3):
    """A lock as another process would leave it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"lock-{number}"
    path.write_text(json.dumps(asdict(owner)) if isinstance(owner, state.Owner) else owner)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------------------ states


def save(folder, step, identity="a" * 64, value=0.0):
    return state.save(folder, identity, step, {"weights/w": torch.full((100,), value + step)})


def test_the_newest_whole_state_at_or_before_a_step_is_found(tmp_path):
    paths = {step: save(tmp_path, step) for step in (5, 10, 100)}
    save(tmp_path, 7, identity="b" * 64)
    assert state.newest(tmp_path, "a" * 64, 100) == (100, paths[100])
    assert state.newest(tmp_path, "a" * 64, 99) == (10, paths[10])
    assert state.newest(tmp_path, "a" * 64, 4) is None
    assert state.newest(tmp_path, "c" * 64, 100) is None
    assert state.newest(tmp_path / "nowhere", "a" * 64, 100) is None


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
def test_a_damaged_state_is_named_and_the_one_before_it_used(tmp_path, capsys, how):
    first, second = save(tmp_path, 5), save(tmp_path, 10)
    content = second.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]
    second.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b""}[how])
    assert state.newest(tmp_path, "a" * 64, 100) == (5, first)
    assert f"{second} is damaged" in capsys.readouterr().out
    assert not second.exists()


def test_pruning_leaves_what_is_to_be_kept(tmp_path):
    def left(keep):
        for step in (5, 10, 20, 30):
            save(tmp_path, step)
        save(tmp_path, 10, identity="b" * 64)
        (tmp_path / ".saving-0.tmp").touch()
        state.prune(tmp_path, "a" * 64, 20, keep)
        return [(int(name[4:12]), name[13]) for name in names(tmp_path)]

    assert left(frozenset()) == [(20, "a"), (30, "a")]
    assert left(frozenset({5, 20})) == [(5, "a"), (10, "b"), (20, "a"), (30, "a")]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        SafetensorError("I/O error: File too large (os error 27)"),
    ],
)
def test_a_full_disk_has_one_message_and_leaves_nothing(tmp_path, monkeypatch, error):
    before = save(tmp_path, 5)

    def fail(_, path):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(
        errors.DiskFull, match=r"disk is full.* state of step 10 could not be saved .* is whole"
    ):
        save(tmp_path, 10)
    assert names(tmp_path) == [before.name]


def test_other_failures_of_a_save_keep_their_name(tmp_path, monkeypatch):
    def fail(*_):
        raise SafetensorError("I/O error: Input/output error (os error 5)")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(SafetensorError):
        save(tmp_path, 10)


# -------------------------------------------------------------------------------------------------- lock


def test_a_lock_is_freed_and_taken_again_with_the_next_number(tmp_path):
    for number in (1, 2, 3):
        with state.lock(tmp_path) as held:
            assert names(tmp_path) == [f"lock-{number}"]
            assert state.read_owner(held.path) == state.Owner.this()
        assert names(tmp_path) == [f"lock-{number}.free"]


def test_a_lock_is_freed_after_a_failure(tmp_path):
    with pytest.raises(ValueError, match="inside"), state.lock(tmp_path):
        raise ValueError("inside")
    assert names(tmp_path) == ["lock-1.free"]


def test_a_link_that_succeeded_though_it_is_said_to_exist(tmp_path, monkeypatch):
    """A network file system asks again where the answer was lost, and is told of its own success."""
    link = os.link

    def linked_twice(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", linked_twice)
    with state.lock(tmp_path) as held:
        assert names(tmp_path) == ["lock-1"]
        assert state.read_owner(held.path) == state.Owner.this()


def test_a_link_that_another_process_made_is_not_ours(tmp_path, monkeypatch):
    path = tmp_path / "lock-1"
    path.write_text("another's")
    assert not state._link_new(path, "ours")
    assert path.read_text() == "another's"
    assert names(tmp_path) == ["lock-1"]


def dead_process():
    """An owner whose process has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(state.Owner.this(), pid=process.pid, started=processes.start_time(process.pid))
    assert not owner.is_dead()
    process.communicate(b"\n")
    return owner


def zombie():
    """An owner whose process has ended, but was not waited for."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(state.Owner.this(), pid=process.pid, started=processes.start_time(process.pid))
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return owner


def reused_number():
    """An owner whose process number was given to another process: ours."""
    return replace(state.Owner.this(), started="12")


@pytest.mark.parametrize("owner", [dead_process, zombie, reused_number])
def test_a_dead_owner_on_this_machine_is_recognised_at_once(tmp_path, owner, monkeypatch):
    monkeypatch.setattr(state, "DEAD_AFTER", 1e9)
    leave_lock(tmp_path, owner())
    with state.lock(tmp_path):
        assert names(tmp_path) == ["lock-4"]


@pytest.mark.parametrize("content", [ELSEWHERE, "", '{"host": "an older format"}'])
@pytest.mark.parametrize("skew", [-1e6, 0.0, 1e6])
def test_a_silent_owner_elsewhere_is_dead_whatever_the_clocks_say(tmp_path, content, skew):
    path = leave_lock(tmp_path, content)
    os.utime(path, (time.time() + skew,) * 2)
    began = time.monotonic()
    with state.lock(tmp_path):
        assert time.monotonic() - began >= state.DEAD_AFTER
        assert names(tmp_path) == ["lock-4"]


def test_an_owner_elsewhere_that_gives_signs_of_life_is_waited_for(tmp_path, capsys):
    path = leave_lock(tmp_path, ELSEWHERE)
    over = threading.Event()

    def live():
        skewed = 0
        while not over.wait(0.05):
            skewed += 1
            os.utime(path, (skewed, skewed))
        path.rename(f"{path}.free")

    thread = threading.Thread(target=live)
    thread.start()
    threading.Timer(4 * state.DEAD_AFTER, over.set).start()
    with state.lock(tmp_path):
        assert over.is_set()
    thread.join()
    assert "trained by process 1 on other-host" in capsys.readouterr().out


def test_a_process_that_stands_still_on_this_machine_is_not_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "HEARTBEAT", 1e9)  # as where it is stopped, or a disk does not answer
    order = []

    def second():
        with state.lock(tmp_path):
            order.append("second")

    with state.lock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(3 * state.DEAD_AFTER)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_of_many_that_take_over_one_holds_the_lock_at_a_time(tmp_path):
    leave_lock(tmp_path, reused_number())
    inside, most, rounds = [], [], []

    def work():
        for _ in range(5):
            with state.lock(tmp_path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.002)
                inside.pop()
                rounds.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rounds) == 40
    assert max(most) == 1
    assert [path.name.endswith(".free") for path in tmp_path.iterdir()] == [True]


def test_a_slow_process_does_not_get_a_number_that_was_used_before(tmp_path, monkeypatch):
    """It saw the dead owner's lock, slept, and acts when others have had the lock and cleared it away."""
    stale = leave_lock(tmp_path, reused_number(), number=5)
    seen = (5, False, stale)
    leave_lock(tmp_path, replace(ELSEWHERE, pid=7), number=7)
    original, views = state._highest, [seen]

    def highest(folder):
        return views.pop() if views else original(folder)

    monkeypatch.setattr(state, "_highest", highest)
    watch = state._Watch.is_dead

    def is_dead(self, path):
        found = watch(self, path)
        stale.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(state._Watch, "is_dead", is_dead)
    began = time.monotonic()
    with state.lock(tmp_path):
        assert time.monotonic() - began >= state.DEAD_AFTER  # it waited for the owner of number 7
        assert names(tmp_path) == ["lock-8"]


def test_a_lock_that_was_taken_over_is_noticed_and_not_touched(tmp_path):
    with state.lock(tmp_path) as held:
        held.check()
        path = leave_lock(tmp_path, ELSEWHERE, number=2)
        touched = path.stat().st_mtime_ns
        held.beat()
        with pytest.raises(errors.LockLost, match=r"another one took the run over: .*lock-2"):
            held.check()
    assert names(tmp_path) == ["lock-2"]
    assert path.stat().st_mtime_ns == touched


def test_a_lock_outlives_the_deletion_of_the_cache(tmp_path):
    folder = tmp_path / "cache"
    with state.lock(folder) as held:
        held.path.unlink()
        held.beat()
        assert names(folder) == ["lock-1"]
        held.check()


def test_no_room_for_a_lock_says_so(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state.Path, "write_text", fail)
    with pytest.raises(errors.DiskFull, match="disk is full"), state.lock(tmp_path):
        pass


def test_a_full_disk_does_not_stop_the_signs_of_life(tmp_path, monkeypatch):
    with state.lock(tmp_path) as held, state.recorded(tmp_path, attempt()):
        os.utime(held.path, (0, 0))

        def fail(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(state.Path, "write_text", fail)
        held.beat()
        assert held.path.stat().st_mtime > 0
        assert not held.lost


# ---------------------------------------------------------------------------------------------- attempts


def attempt(start=0, end=10, identity="a", **changes):
    return replace(state.Attempt(identity, end, start, start, "cpu"), **changes)


def record(folder, *attempts):
    for one in attempts:
        with state.recorded(folder, one):
            pass


def test_attempts_are_read_in_the_order_in_which_they_were_made(tmp_path, monkeypatch):
    record(tmp_path, *(attempt(start) for start in range(12)))
    assert [one.start for one in state._attempts(tmp_path, "a")] == list(range(12))
    (tmp_path / "attempts" / "000013-crashed.json").touch()
    (tmp_path / "attempts" / "000014-other.json").write_text('{"another": "format"}')
    assert len(state._attempts(tmp_path, "a")) == 12
    record(tmp_path, attempt(99))
    assert state._attempts(tmp_path, "a")[-1].start == 99
    assert state._attempts(tmp_path, "b") == []


def test_what_a_run_took_adds_up(tmp_path):
    record(tmp_path, attempt(), attempt(identity="b"), attempt(device="cuda"), attempt())
    spent = state.spent(tmp_path, "a")
    assert spent["attempts"] == 3
    assert set(spent["seconds"]) == {"cpu", "cuda"}


def test_what_measuring_took_adds_up_over_processes_and_folders(tmp_path):
    nothing = {"attempts": 0, "seconds": {}, "cpu_seconds": 0}
    assert state.spent_measuring(tmp_path) == nothing
    for folder, device in (("step1/seed1", "cpu"), ("step1/seed1", "cuda"), ("step2/seed1", "cpu")):
        with state.measuring(tmp_path / folder, device):
            sum(range(100_000))
    (tmp_path / "step1/seed1/attempts/crashed.json").touch()
    spent = state.spent_measuring(tmp_path)
    assert spent["attempts"] == 3
    assert set(spent["seconds"]) == {"cpu", "cuda"}
    assert spent["cpu_seconds"] > 0


def test_a_measuring_process_that_dies_leaves_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "HEARTBEAT", 0.01)
    pid = os.fork()
    if pid == 0:
        with state.measuring(tmp_path, "cpu"):
            while state.spent_measuring(tmp_path)["cpu_seconds"] == 0:
                pass
            os._exit(1)
    os.waitpid(pid, 0)
    assert state.spent_measuring(tmp_path)["cpu_seconds"] > 0


def test_giving_up(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")

    def check(start=0, end=10, identity="a"):
        state.check_worth_trying(tmp_path, identity, start, end)

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


# ---------------------------------------------------------------------------------------- sums, and patience


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
    assert state.spent(tmp_path, "a") == expected
    for folder in ("step1/seed1", "step2/seed1"):
        note(tmp_path / "journal" / folder, 1, seconds=1.0004, cpu_seconds=2.0)
    measured = {"attempts": 2, "seconds": {"cpu": 2.001}, "cpu_seconds": 4.0}
    assert state.spent_measuring(tmp_path / "journal") == measured


def test_the_time_of_an_attempt_is_that_of_its_block(tmp_path):
    one = attempt()
    with state.recorded(tmp_path, one):
        time.sleep(0.2)
    spent = state.spent(tmp_path, "a")
    assert spent["seconds"]["cpu"] == round(one.seconds, 3) >= 0.2
    assert 0 <= spent["cpu_seconds"] == round(one.cpu_seconds, 3)


def test_only_the_last_two_attempts_of_this_call_count_for_giving_up(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")

    def hopeless(start=4):
        try:
            state.check_worth_trying(tmp_path, "a", start, 10)
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


def test_taking_a_lock_clears_up_what_killed_processes_left_and_not_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(state.Lock, "beat", lambda _: None)  # which would make a lost one again
    for leftover in (".lock-1-abc.tmp", "lock-1.free"):
        (tmp_path / leftover).write_text("")
    with state.lock(tmp_path) as held:
        assert names(tmp_path) == ["lock-2"]
        assert held.path.name == "lock-2"
