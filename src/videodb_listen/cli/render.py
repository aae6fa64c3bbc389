"""How events are shown on stdout: the lines as they stand, rows of CSV, lines for people, few words for a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import click

from videodb_listen.cli.filters import Filters
from videodb_listen.cli.output import for_stdout, is_terminal
from videodb_listen.formats import csv, text
from videodb_listen.reader.query import Found
from videodb_listen.reader.recording import Recording

FORMATS = ("text", "json", "csv", "brief")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a screen.")
"""Of commands that show a screen."""


class Shown(Protocol):
    """One way to show events, from the first to the last."""

    head: bytes
    """What stands before the first event."""

    def size(self, line: bytes, event: Mapping[str, Any]) -> int:
        """As many bytes as the event takes; in few words, as many characters as it can take."""

    def batch(self, found: Iterable[Found]) -> bytes:
        """What is printed for the next events."""

    def end(self) -> bytes:
        """What stands behind the last event."""


def format_option(default: str) -> Callable[..., Any]:
    """`--format`, one of FORMATS."""
    return click.option(
        "--format",
        "format",
        type=click.Choice(FORMATS),
        metavar="FORMAT",
        default=default,
        help=f"text, json (the line as it stands), csv, or brief (for models). [default: {default}]",
    )


def shown_as(format: str, chosen: Filters, recording: Recording, *, longest: int | None = None) -> Shown:
    """The way of `format`, one of FORMATS: a terminal gets colours and one row an event.

    `longest`: the most characters of one text in few words; None: what is sensible among others.
    """
    if format == "brief":
        return _Brief(chosen, recording, longest)
    if format == "json":
        return _EachAlone(lambda line, _: for_stdout(line))
    if format == "csv":
        return _EachAlone(lambda _, event: for_stdout(csv.row(event).encode()), csv.header().encode())
    if is_terminal():
        columns = shutil.get_terminal_size().columns
        return _EachAlone(lambda _, event: text.row(event, columns, _painted).encode() + b"\n")
    return _EachAlone(lambda _, event: text.line(event).encode() + b"\n")


class _EachAlone:
    """No event depends on another."""

    def __init__(self, render: Callable[[bytes, Mapping[str, Any]], bytes], head: bytes = b"") -> None:
        self.head = head
        self._render = render

    def size(self, line: bytes, event: Mapping[str, Any]) -> int:
        return len(self._render(line, event))

    def batch(self, found: Iterable[Found]) -> bytes:
        return b"".join(self._render(line, event) for line, event in found)

    def end(self) -> bytes:
        return b""


class _Brief:
    """Few words, with marks between the events where nobody listened."""

    head = b""

    def __init__(self, chosen: Filters, recording: Recording, longest: int | None) -> None:
        from videodb_listen.formats.brief import LONGEST, Brief
        from videodb_listen.reader.secret import fence_key

        self._brief = Brief(chosen.voices, fence_key(recording.directory), longest=longest or LONGEST)
        self._notices = recording.notices()
        self._fresh = True

    def size(self, line: bytes, event: Mapping[str, Any]) -> int:
        return self._brief.size(event)

    def batch(self, found: Iterable[Found]) -> bytes:
        for line, event in found:
            self._mark_until(event.get("unix_ts"))
            self._brief.add(line, event)
        return _rows(self._brief.drain())

    def end(self) -> bytes:
        return _rows(self._brief.close())

    def _mark_until(self, at_s: object) -> None:
        """Mark what was told before `at_s`; what was told before the first event that is shown is not between any."""
        while self._notices and isinstance(at_s, float) and self._notices[0].get("unix_ts", 0.0) <= at_s:
            notice = self._notices.pop(0)
            if not self._fresh:
                self._brief.mark(notice)
        self._fresh = False


def _rows(rows: Iterable[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def _painted(words: str, style: str) -> str:
    return click.style(words, dim=True) if style == text.DIM else click.style(words, fg=style)
