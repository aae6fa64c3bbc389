"""A signal that ends a command is an exception, and one that is ignored stays ignored."""

from __future__ import annotations

import os
import signal

import pytest

from videodb_listen.system.interrupts import interrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_would_end_the_process_is_an_exception(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interrupted():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
