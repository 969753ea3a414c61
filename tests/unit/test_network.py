"""How long the hub may be silent, and what is said of its failures. tests/hub asks the hub's real clients."""

import errno

import pytest
from huggingface_hub.utils import httpx
from isthmus.errors import ConfigError
from isthmus.machine import failures, network


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [1000.0]
    monkeypatch.setattr(network.time, "monotonic", lambda: now[0])
    return now


def allowed(waiting, **limits) -> dict[str, float]:
    """What a request may take whose client gave it these limits."""
    request = httpx.Request("GET", "http://hub.test", extensions={"timeout": limits})
    waiting.asked(request)
    return request.extensions["timeout"]


def test_requests_without_an_answer_share_a_minute(clock):
    waiting = network.Waiting()
    assert allowed(waiting, connect=None, read=10.0) == {"connect": 60.0, "read": 10.0}
    clock[0] += 25
    assert allowed(waiting, connect=None, read=40.0) == {"connect": 35.0, "read": 35.0}
    clock[0] += 35
    with pytest.raises(network.Silence, match="has not answered for 60 s"):
        allowed(waiting, read=1.0)


def test_an_answer_begins_a_new_minute(clock):
    waiting = network.Waiting()
    allowed(waiting, read=None)
    clock[0] += 59
    waiting.answered(httpx.Response(200))
    clock[0] += 59
    assert allowed(waiting, read=None) == {"read": 60.0}


def test_a_request_that_failed_long_ago_counts_no_more(clock):
    waiting = network.Waiting()
    allowed(waiting, read=1.0)
    clock[0] += 600
    assert allowed(waiting, read=None) == {"read": 60.0}


def said(error: Exception) -> ConfigError:
    with pytest.raises(ConfigError) as refusal, network.asking("the model a/b", "a/b", "v1"):
        raise error
    assert "\n" not in str(refusal.value)
    return refusal.value


@pytest.mark.parametrize(
    "error",
    [
        httpx.RemoteProtocolError("peer closed connection"),
        httpx.ReadTimeout("timed out"),
        network.Silence("has not answered"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
    ],
    ids=repr,
)
def test_a_failure_of_the_network_may_pass(error):
    message = said(error)
    assert str(message).startswith("the model a/b could not be fetched from the hub: ")
    assert network.FETCH_COMMAND in str(message)
    assert not failures.comes_again(message)


def test_another_failure_would_come_again(tmp_path):
    message = said(PermissionError(errno.EACCES, "Permission denied", str(tmp_path)))
    assert str(tmp_path) in str(message)
    assert network.FETCH_COMMAND not in str(message)
    assert failures.comes_again(message)


def test_a_full_disk_is_none_of_the_hub(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OSError, match="No space left") as raised,
        network.asking("the model a/b", "a/b", None),
    ):
        raise full
    assert raised.value is full


def test_what_is_said_already_is_not_said_again():
    error = ConfigError("the data set: found x; allowed: y")
    with pytest.raises(ConfigError) as raised, network.asking("the model a/b", "a/b", None):
        raise error
    assert raised.value is error
