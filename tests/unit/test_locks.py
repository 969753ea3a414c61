"""A run's lock: one process trains a run, and one that died is told from one that is slow."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
from isthmus import errors
from isthmus.caches import attempts, heartbeat, locks
from isthmus.caches.attempts import Attempt
from isthmus.machine import processes
from isthmus.machine.processes import Owner

ELSEWHERE = Owner("other-host", "another boot", 1, "1")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waiting in hundredths of a second."""
    monkeypatch.setattr(locks, "POLL", 0.01)
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.05)
    monkeypatch.setattr(locks, "DEAD_AFTER", 0.5)


def leave_lock(folder, owner, number=3):
    """A lock as another process would leave it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"lock-{number}"
    path.write_text(json.dumps(asdict(owner)) if isinstance(owner, Owner) else owner)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_lock_is_freed_and_taken_again_with_the_next_number(tmp_path):
    for number in (1, 2, 3):
        with locks.lock(tmp_path) as held:
            assert names(tmp_path) == [f"lock-{number}"]
            assert locks.read_owner(held.path) == Owner.this()
        assert names(tmp_path) == [f"lock-{number}.free"]


def test_a_lock_is_freed_after_a_failure(tmp_path):
    with pytest.raises(ValueError, match="inside"), locks.lock(tmp_path):
        raise ValueError("inside")
    assert names(tmp_path) == ["lock-1.free"]


def test_a_link_that_succeeded_though_it_is_said_to_exist(tmp_path, monkeypatch):
    """A network file system asks again where the answer was lost, and is told of its own success."""
    link = os.link

    def linked_twice(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", linked_twice)
    with locks.lock(tmp_path) as held:
        assert names(tmp_path) == ["lock-1"]
        assert locks.read_owner(held.path) == Owner.this()


def test_a_link_that_another_process_made_is_not_ours(tmp_path, monkeypatch):
    path = tmp_path / "lock-1"
    path.write_text("another's")
    assert not locks._link_new(path, "ours")
    assert path.read_text() == "another's"
    assert names(tmp_path) == ["lock-1"]


def dead_process():
    """An owner whose process has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(Owner.this(), pid=process.pid, started=processes.start_time(process.pid))
    assert not owner.is_dead()
    process.communicate(b"\n")
    return owner


def zombie():
    """An owner whose process has ended, but was not waited for."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(Owner.this(), pid=process.pid, started=processes.start_time(process.pid))
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return owner


def reused_number():
    """An owner whose process number was given to another process: ours."""
    return replace(Owner.this(), started="12")


@pytest.mark.parametrize("owner", [dead_process, zombie, reused_number])
def test_a_dead_owner_on_this_machine_is_recognised_at_once(tmp_path, owner, monkeypatch):
    monkeypatch.setattr(locks, "DEAD_AFTER", 1e9)
    leave_lock(tmp_path, owner())
    with locks.lock(tmp_path):
        assert names(tmp_path) == ["lock-4"]


@pytest.mark.parametrize("content", [ELSEWHERE, "", '{"host": "an older format"}'])
@pytest.mark.parametrize("skew", [-1e6, 0.0, 1e6])
def test_a_silent_owner_elsewhere_is_dead_whatever_the_clocks_say(tmp_path, content, skew):
    path = leave_lock(tmp_path, content)
    os.utime(path, (time.time() + skew,) * 2)
    began = time.monotonic()
    with locks.lock(tmp_path):
        assert time.monotonic() - began >= locks.DEAD_AFTER
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
    threading.Timer(4 * locks.DEAD_AFTER, over.set).start()
    with locks.lock(tmp_path):
        assert over.is_set()
    thread.join()
    assert "trained by process 1 on other-host" in capsys.readouterr().out


def test_a_process_that_stands_still_on_this_machine_is_not_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 1e9)  # as where it is stopped, or a disk does not answer
    order = []

    def second():
        with locks.lock(tmp_path):
            order.append("second")

    with locks.lock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(3 * locks.DEAD_AFTER)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_of_many_that_take_over_one_holds_the_lock_at_a_time(tmp_path):
    leave_lock(tmp_path, reused_number())
    inside, most, rounds = [], [], []

    def work():
        for _ in range(5):
            with locks.lock(tmp_path):
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
    original, views = locks._highest, [seen]

    def highest(folder):
        return views.pop() if views else original(folder)

    monkeypatch.setattr(locks, "_highest", highest)
    watch = locks._Watch.is_dead

    def is_dead(self, path):
        found = watch(self, path)
        stale.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(locks._Watch, "is_dead", is_dead)
    began = time.monotonic()
    with locks.lock(tmp_path):
        assert time.monotonic() - began >= locks.DEAD_AFTER  # it waited for the owner of number 7
        assert names(tmp_path) == ["lock-8"]


def test_a_lock_that_was_taken_over_is_noticed_and_not_touched(tmp_path):
    with locks.lock(tmp_path) as held:
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
    with locks.lock(folder) as held:
        held.path.unlink()
        held.beat()
        assert names(folder) == ["lock-1"]
        held.check()


def test_no_room_for_a_lock_says_so(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(locks.Path, "write_text", fail)
    with pytest.raises(errors.DiskFull, match="disk is full"), locks.lock(tmp_path):
        pass


def test_a_full_disk_does_not_stop_the_signs_of_life(tmp_path, monkeypatch):
    with locks.lock(tmp_path) as held, attempts.recorded(tmp_path, Attempt("a", 10, 0, 0, "cpu")):
        os.utime(held.path, (0, 0))

        def fail(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(locks.Path, "write_text", fail)
        held.beat()
        assert held.path.stat().st_mtime > 0
        assert not held.lost


def test_taking_a_lock_clears_up_what_killed_processes_left_and_not_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.Lock, "beat", lambda _: None)  # which would make a lost one again
    for leftover in (".lock-1-abc.tmp", "lock-1.free"):
        (tmp_path / leftover).write_text("")
    with locks.lock(tmp_path) as held:
        assert names(tmp_path) == ["lock-2"]
        assert held.path.name == "lock-2"
