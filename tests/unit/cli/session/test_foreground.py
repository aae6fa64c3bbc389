"""What signals do to a recording: the first stops it, a second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

import pytest

from videodb_listen.capturing.recording import Phase
from videodb_listen.cli.session import foreground


class Killed(Exception):
    """The process would have ended."""


class Recording:
    """One that is sent `signals` in its `phase`, and ends when it is told to, unless it is `deaf`."""

    def __init__(self, phase: Phase, signals: list[int], *, deaf: bool = False) -> None:
        self.stop = asyncio.Event()
        self.phase = phase
        self.killed = False
        self._signals = signals
        self._deaf = deaf

    async def run(self) -> str:
        for number in self._signals:
            os.kill(os.getpid(), number)
        await self.stop.wait()
        if self._deaf:
            await asyncio.Event().wait()
        return "the result"

    def kill(self) -> None:
        self.killed = True


class Said(list[str]):
    def say(self, text: str) -> None:
        self.append(text)

    def move(self, text: str, counts: Mapping[str, int]) -> None:
        raise AssertionError


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    def leave(status: int) -> None:
        raise Killed(status)

    monkeypatch.setattr(os, "_exit", leave)
    return Said()


def run(recording: Any, said: Said) -> str:
    return foreground.run(recording, said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("phase", "line"),
    [("recording", ["stopping"]), ("exporting", ["waiting for the export"]), ("preparing", [])],
)
def test_the_first_signal_stops_in_good_order(said: Said, number: int, phase: Phase, line: list[str]) -> None:
    recording = Recording(phase, [number])
    assert run(recording, said) == "the result"
    assert [text.split(";")[0] for text in said] == line
    assert not recording.killed


@pytest.mark.parametrize(("phase", "left"), foreground._AT_ONCE.items())
def test_a_second_one_ends_at_once_and_says_what_is_left(said: Said, phase: Phase, left: str) -> None:
    recording = Recording(phase, [signal.SIGINT, signal.SIGTERM], deaf=True)
    with pytest.raises(Killed, match="130"):
        run(recording, said)
    assert recording.killed
    assert said[-1] == left


def test_a_terminal_that_goes_away_twice_still_lets_it_end(said: Said) -> None:
    recording = Recording("recording", [signal.SIGHUP, signal.SIGHUP])
    assert run(recording, said) == "the result"
    assert not recording.killed
