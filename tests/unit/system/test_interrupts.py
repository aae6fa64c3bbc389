"""What a program inherits for signals, what Ctrl-C does before and after a command, and an end as an exception."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from support.someone_else import in_child
from videodb_listen.system import interrupts


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_raised_only_while_a_command_can_be_interrupted() -> None:
    interrupts.end_at_once()
    assert signal.getsignal(signal.SIGINT) is interrupts._end
    interrupts.be_raised()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    interrupts.end_at_once()
    assert signal.getsignal(signal.SIGINT) is interrupts._end


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_ctrl_c_that_is_ignored_or_handled_stays_so(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    interrupts.end_at_once()
    interrupts.be_raised()
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_ends_a_program_that_is_being_loaded() -> None:
    child = os.fork()
    if not child:
        interrupts.end_at_once()
        signal.raise_signal(signal.SIGINT)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == interrupts.INTERRUPTED


def test_signals_that_a_parent_blocked_are_heard_and_children_that_it_ignored_are_waited_for() -> None:
    ending = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

    def work() -> list[bool]:
        signal.pthread_sigmask(signal.SIG_BLOCK, ending)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        interrupts.hear_all()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return [bool(blocked & ending), signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL]

    assert in_child(work) == [False, True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_would_end_the_process_is_an_exception(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.interrupted():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.interrupted():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
