"""How events, and the marks between them, are shown on stdout: lines as they stand, rows of CSV, lines for people."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import click
import orjson

from videodb_listen import environment
from videodb_listen.cli.flags import Command, format_option
from videodb_listen.cli.output import for_stdout, is_terminal, terminal_columns
from videodb_listen.event import stream_names_in, stream_of
from videodb_listen.formats import csv, text
from videodb_listen.line import stamps
from videodb_listen.reader.journal import Gap, Marks
from videodb_listen.reader.recording import Recording
from videodb_listen.text import visible_json

_FORMS = {"text": "for people", "json": "the line as it stands", "csv": "a table"}

_color = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    metavar="WHEN",
    default="auto",
    help="auto (on a terminal, unless NO_COLOR is set or TERM is dumb), always or never. [default: auto]",
)
_marks = click.option("--marks", is_flag=True, help="In JSON, too, show between events where nobody listened.")


def rendered(default: str) -> Callable[[Command], Command]:
    """`--format`, `--json`, `--color`, `--marks`. The command has a `recording`, and is handed the `render` of it."""

    def decorate(command: Command) -> Command:
        @format_option(default, _FORMS)
        @_color
        @_marks
        @functools.wraps(command)
        def called(
            *args: Any,
            recording: Recording,
            format: str,
            color: Literal["auto", "always", "never"],
            marks: bool,
            **options: Any,
        ) -> Any:
            painted = color == "always" or (color == "auto" and is_terminal() and environment.wants_colour())
            render = Renderer(format, recording, painted=painted, marked=marks or format == "text")
            return command(*args, recording=recording, render=render, **options)

        return called

    return decorate


class Renderer:
    """Shows the events of `recording` as `format`, one of text, json and csv. `marked`: with marks between them."""

    def __init__(self, format: str, recording: Recording, *, painted: bool, marked: bool) -> None:
        self.heading = csv.header().encode() if format == "csv" else b""
        journal = recording.layout.journal if recording.layout and marked and format != "csv" else None
        self.marks = Marks(journal)
        self._format = format
        self._recording = recording
        self._paint = _painted if painted else text.plain
        self._columns = terminal_columns()
        self._names: dict[str, str] = {}  # of the streams that were met
        self._has_asked = False  # whether the recording was asked for the names of all

    def event(self, line: bytes, event: Mapping[str, Any]) -> bytes:
        """What is printed for the event in `line`, behind the marks that stand before it."""
        marks = b"".join(map(self._mark, self.marks.before(event)))
        match self._format:
            case "json":
                return marks + for_stdout(line, visible_json)
            case "csv":
                return for_stdout(csv.row(event).encode())
        names = self._names_for(event)
        if self._columns is None:
            return marks + text.line(event, self._paint, names).encode() + b"\n"
        return marks + text.row(event, self._columns, self._paint, names).encode() + b"\n"

    def news(self) -> Iterator[bytes]:
        """The marks that have come since, for who follows."""
        return map(self._mark, self.marks.news())

    def _mark(self, gap: Gap) -> bytes:
        if self._format == "json":
            fields = orjson.dumps({"event": "gap", **gap.as_dict()})
            return for_stdout(stamps(int(gap.to_s * 1000 + 0.5)) + b"," + fields[1:] + b"\n", visible_json)
        return text.mark(gap.as_dict(), self._paint, dated=self._columns is None).encode() + b"\n"

    def _names_for(self, event: Mapping[str, Any]) -> Mapping[str, str]:
        """The names of streams by their ids, that of this event among them as far as the recording tells it."""
        stream = stream_of(event)
        if stream is not None and stream not in self._names and not self._has_asked:
            self._names = self._recording.stream_names() | self._names
            self._has_asked = True
        self._names = stream_names_in(event) | self._names  # the first name that a stream came with is its name
        return self._names


def _painted(words: str, style: str) -> str:
    return click.style(words, dim=True) if style == text.DIM else click.style(words, fg=style)
