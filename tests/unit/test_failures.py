"""Which failures are bound to come again, and what is said of them."""

import errno

import pytest
import torch
from isthmus import errors
from isthmus.machine import failures

ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
)


def _caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        TypeError("a bug"),
        KeyError("a bug"),
        RuntimeError("shapes do not fit"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError(ALLOCATOR),
        errors.TrainingFailed("the loss is nan"),
        errors.ConfigError("data.x: found 5"),
        errors.Damaged("the file x"),
        errors.GivenUp("two attempts in a row"),
        errors.DiskFull("the disk is full"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EACCES, "Permission denied"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        _caused(errors.ConfigError("data.x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")),
    ],
    ids=repr,
)
def test_bound_to_come_again(error):
    assert failures.comes_again(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError(),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.EIO, "Input/output error"),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        errors.LockLost("another one took the run over"),
        _caused(errors.ConfigError("could not be fetched"), ConnectionError("no route")),
    ],
    ids=repr,
)
def test_what_may_pass(error):
    assert not failures.comes_again(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            errors.DiskFull("the disk is full, or a quota is: step 5"),
            "the disk is full, or a quota is: step 5",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "a/b.parquet"), "full.*: a/b.parquet could not be"),
        (RuntimeError("Error: No space left on device (os error 28)"), "the disk is full"),
        (MemoryError(), "out of memory: MemoryError"),
        (RuntimeError(f"{ALLOCATOR}\nmore"), r"out of memory: .*DefaultCPUAllocator.*you tried\. A smaller"),
    ],
)
def test_one_message(error, said):
    message = failures.in_plain_words(error)
    assert "\n" not in message
    assert pytest.raises(AssertionError, match=said).matches(AssertionError(message))


def test_a_bug_has_no_plain_words():
    assert failures.in_plain_words(TypeError("unsupported")) is None


def test_the_word_left_belongs_to_a_job_and_a_call(tmp_path, monkeypatch):
    log, other = tmp_path / "seed[1].log", tmp_path / "seed1.log"
    monkeypatch.setenv("ISTHMUS_CALL", "one")
    failures.note(log)
    failures.note(other)
    assert failures.is_final(log)
    monkeypatch.setenv("ISTHMUS_CALL", "two")
    assert not failures.is_final(log)
    failures.forget(log)
    monkeypatch.setenv("ISTHMUS_CALL", "one")
    assert not failures.is_final(log)
    assert failures.is_final(other)
    assert not failures.is_final(tmp_path / "no folder" / "x.log")
