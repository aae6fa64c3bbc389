"""Signals, each turned into a call on the event loop.

For the daemon the first SIGTERM or SIGINT means stop, a second one cuts the drain; SIGHUP means reopen the files.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from signal import SIGHUP, SIGINT, SIGTERM

__all__ = ["SIGHUP", "SIGINT", "SIGTERM", "Stop", "handled", "installed"]


class Stop:
    """The one way to end the daemon: `requested` is the first signal, `hurried` the second."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.hurried = asyncio.Event()

    def ask(self) -> None:
        """Take one request to stop."""
        (self.hurried if self.requested.is_set() else self.requested).set()


@contextlib.contextmanager
def installed(stop: Stop, reopen: Callable[[], None]) -> Iterator[None]:
    """Handle signals as a daemon does, for the length of the block, and ignore them afterwards.

    SIGINT stays ignored when it was ignored at the start: a script's background job must not die of the script's
    Ctrl-C. SIGTTOU is ignored: a background job may write to its terminal whatever `stty tostop` says. SIGHUP is taken
    even under nohup, so that log rotation works there as well; a terminal that goes away only causes a reopen.
    """
    loop = asyncio.get_running_loop()
    actions = {SIGTERM: stop.ask, SIGINT: stop.ask, SIGHUP: reopen}
    if signal.getsignal(SIGINT) is signal.SIG_IGN:
        del actions[SIGINT]

    def hand_over(number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(actions[signal.Signals(number)])  # this wakes the loop, too

    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for number in actions:
        signal.signal(number, hand_over)
    try:
        yield
    finally:
        # Ignored until the process is gone: a late second signal must not turn status 0 into 143. The loop's own
        # handlers would be reset to the default when it closes, which is why they are not used.
        for number in actions:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def handled(actions: Mapping[int, Callable[[], object]]) -> Iterator[None]:
    """Have each of these signals call its action, for the length of the block; afterwards they do what they do."""
    loop = asyncio.get_running_loop()
    for number, action in actions.items():
        loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        for number in actions:
            loop.remove_signal_handler(number)
