"""A signal ends a process at once, unless somebody awaits it."""

import os
import signal

import pytest
from isthmus.errors import Interrupted
from isthmus.training.signals import Signals

BOTH = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_that_nobody_awaits_ends_the_process(number, capsys):
    before = [signal.getsignal(each) for each in BOTH]
    with pytest.raises(Interrupted) as interrupted, Signals().installed():
        os.kill(os.getpid(), number)
    assert interrupted.value.code == 128 + number
    assert f"{number.name}: nothing new was there to save" in capsys.readouterr().out
    assert [signal.getsignal(each) for each in BOTH] == before


def test_one_that_is_awaited_is_left_to_who_awaits_it():
    with Signals().installed() as signals:
        with signals.awaited():
            assert signals.came is None
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.came is signal.SIGTERM  # the first one counts
        with pytest.raises(Interrupted, match=str(128 + signal.SIGTERM)):
            os.kill(os.getpid(), signal.SIGINT)
