"""What a person sees on stderr of something that takes its time."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from videodb_listen.text import visible


class ProgressLines:
    """A line for each step, and on a terminal one that moves. Where nobody can see it, nothing is shown."""

    def __init__(self, *, moving: bool = True) -> None:
        self._may_move = moving and sys.stderr.isatty()
        self._moving = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self.rub_out()
        self._show(visible(text) + "\n")

    def move(self, text: str, counts: Mapping[str, int] | None = None) -> None:
        """The line that moves; nothing where stderr is no terminal."""
        if self._may_move:
            self.rub_out()
            counted = ", ".join(f"{channel} {count}" for channel, count in sorted((counts or {}).items()))
            self._show(visible(f"{text}  {counted}"))
            self._moving = True

    def rub_out(self) -> None:
        """Leave nothing of the line that moves."""
        if self._moving:
            self._show("\r\x1b[K")
            self._moving = False

    def _show(self, text: str) -> None:
        click.echo(text, err=True, nl=False)
