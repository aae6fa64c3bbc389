"""The first signal means stop, a second one hurries it; what was ignored at the start stays ignored."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from videodb_listen.system.signals import SIGTERM, Stop, handled, installed

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Leave this process with the handlers that it had."""
    before = {number: signal.getsignal(number) for number in (*HANDLED, signal.SIGTTOU)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_asks_and_a_second_one_hurries(first: signal.Signals, second: signal.Signals) -> None:
    stop = Stop()
    with installed(stop, lambda: None):
        signal.raise_signal(first)
        await happens(stop.requested)
        assert not stop.hurried.is_set()
        signal.raise_signal(second)
        await happens(stop.hurried)


async def test_a_hangup_only_reopens() -> None:
    stop, reopened = Stop(), asyncio.Event()
    with installed(stop, reopened.set):
        signal.raise_signal(signal.SIGHUP)
        await happens(reopened)
    assert not stop.requested.is_set()


async def test_an_interrupt_that_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stop()
    with installed(stop, lambda: None):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        await happens(stop.requested)
        assert not stop.hurried.is_set()  # it was the first


async def test_a_hangup_that_was_ignored_reopens_all_the_same() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reopened = asyncio.Event()
    with installed(Stop(), reopened.set):
        signal.raise_signal(signal.SIGHUP)
        await happens(reopened)


async def test_a_background_job_may_write_to_its_terminal() -> None:
    with installed(Stop(), lambda: None):
        assert signal.getsignal(signal.SIGTTOU) is signal.SIG_IGN


async def test_a_signal_that_comes_too_late_does_not_kill() -> None:
    stop = Stop()
    with installed(stop, lambda: None):
        pass
    for number in HANDLED:
        assert signal.getsignal(number) is signal.SIG_IGN
        signal.raise_signal(number)
    await asyncio.sleep(0)
    assert not stop.requested.is_set()


def test_asking_twice_is_hurrying() -> None:
    stop = Stop()
    stop.ask()
    assert stop.requested.is_set()
    assert not stop.hurried.is_set()
    stop.ask()
    stop.ask()
    assert stop.hurried.is_set()


async def test_a_signal_calls_its_action_only_within_the_block() -> None:
    asked = asyncio.Event()
    with handled({SIGTERM: asked.set}):
        signal.raise_signal(SIGTERM)
        await happens(asked)
    assert signal.getsignal(SIGTERM) is signal.SIG_DFL
