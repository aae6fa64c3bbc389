"""Signals beside a command's work: what a program inherits, and Ctrl-C while it is being loaded and while it leaves.

Python raises KeyboardInterrupt wherever it happens to be. In the middle of an import that is a traceback, and where an
extension is being loaded even a crash. So Ctrl-C simply ends the program until a command is ready to be interrupted.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # what `signal` is made of; that takes longer to load
import os

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def end_at_once() -> None:
    """Have Ctrl-C end the program without a word, unless it is ignored, or handled in another way."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def be_raised() -> None:
    """Have Ctrl-C raise KeyboardInterrupt, as programs in Python expect, where it would end the program at once."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def hear_all() -> None:
    """Undo what a parent may have left to us: signals that end us are heard, and children can be waited for."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class _Raised:
    """For the length of the block; no `contextlib`, which takes longer to load."""

    def __enter__(self) -> None:
        self._ours = [
            number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN
        ]
        for number in self._ours:
            signal.signal(number, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        for number in self._ours:
            signal.signal(number, signal.SIG_DFL)


def interrupted() -> _Raised:
    """Have SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as SIGINT does; afterwards they end the process.

    One that is ignored stays so: `nohup` means it.
    """
    return _Raised()


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)
