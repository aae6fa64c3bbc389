"""Progress is for eyes: it moves on a terminal, and disturbs nobody where there is none."""

from __future__ import annotations

import io
import sys

import pytest

from videodb_listen.cli.progress import ProgressLines


class Screen(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    screen = Screen(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    progress = ProgressLines()
    progress.move("recording 1s", {"transcript": 2, "alert": 1})
    progress.move("recording 2s", {})
    progress.say("stopped\x1b")
    return screen.getvalue()


def test_what_moves_is_rubbed_out_by_what_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = ["recording 1s  alert 1, transcript 2", "\r\x1b[Krecording 2s  ", "\r\x1b[Kstopped\\x1b\n"]
    assert shown(monkeypatch, terminal=True) == "".join(moves)


def test_nothing_moves_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False) == "stopped\\x1b\n"


def test_what_moves_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    progress = ProgressLines()
    progress.move("reading 50%")
    progress.rub_out()
    assert screen.getvalue().endswith("\r\x1b[K")
