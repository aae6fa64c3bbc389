"""What a person sees on stderr of something that takes its time."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field

import click

from videodb_listen.display import visible


@dataclass
class Progress:
    """What a person sees of a recording: a line for each step, and on a terminal one that moves."""

    counts: Counter[str] = field(default_factory=Counter)
    _moving: bool = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self._rub_out()
        click.echo(visible(text), err=True)

    def move(self, text: str) -> None:
        """The line that moves; nothing where stderr is no terminal."""
        if sys.stderr.isatty():
            self._rub_out()
            counted = ", ".join(f"{channel} {count}" for channel, count in sorted(self.counts.items()))
            click.echo(visible(f"{text}  {counted}"), err=True, nl=False)
            self._moving = True

    def _rub_out(self) -> None:
        if self._moving:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._moving = False
