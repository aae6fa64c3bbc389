"""How events, and the marks between them, are shown on stdout: as they stand, as a table, for people, for models."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

import click
import orjson

from videodb_listen import environment
from videodb_listen.cli.filters import Filters
from videodb_listen.cli.flags import Command, format_option
from videodb_listen.cli.output import for_stdout, is_terminal, terminal_columns
from videodb_listen.event import received_of, stream_names_in, stream_of
from videodb_listen.formats import csv, text
from videodb_listen.line import stamps
from videodb_listen.reader.journal import Gap, Marks
from videodb_listen.reader.query import Found
from videodb_listen.reader.recording import Recording
from videodb_listen.text import visible_json
from videodb_listen.trust import Voices

FORMS = {"text": "for people", "json": "the line as it stands", "csv": "a table", "brief": "for models"}
"""The formats of events, and what each is."""

_color = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    metavar="WHEN",
    default="auto",
    help="auto (on a terminal, unless NO_COLOR is set or TERM is dumb), always or never. [default: auto]",
)
_marks = click.option("--marks", is_flag=True, help="In JSON, too, show between events where nobody listened.")


class Show(Protocol):
    """One way to show events, from the first to the last, with marks between them."""

    heading: bytes
    """What stands before the first event."""

    def begin(self, before_s: float | None) -> None:
        """Begin behind an event that was received then (unix seconds), None: at the beginning."""

    def size(self, line: bytes, event: Mapping[str, Any]) -> int:
        """As many bytes as the event takes beside marks; in few words, as many characters as it can take."""

    def batch(self, found: Iterable[Found]) -> list[bytes]:
        """What is printed for the next events."""

    def news(self) -> Iterable[bytes]:
        """The marks that have come since, for who follows."""

    def end(self) -> Iterable[bytes]:
        """What stands behind the last event."""


def rendered(default: str) -> Callable[[Command], Command]:
    """`--format`, `--json`, `--color`, `--marks`. The command has filters, and is handed the `render`."""

    def decorate(command: Command) -> Command:
        @format_option(default, FORMS)
        @_color
        @_marks
        @functools.wraps(command)
        def called(
            *args: Any,
            recording: Recording,
            chosen: Filters,
            format: str,
            color: Literal["auto", "always", "never"],
            marks: bool,
            **options: Any,
        ) -> Any:
            painted = color == "always" or (color == "auto" and is_terminal() and environment.wants_colour())
            render = show_as(format, recording, chosen.voices, painted=painted, marked=marks or format == "text")
            return command(*args, recording=recording, chosen=chosen, render=render, **options)

        return called

    return decorate


def show_as(
    format: str,
    recording: Recording,
    voices: Voices,
    *,
    painted: bool = False,
    marked: bool = False,
    longest: int | None = None,
) -> Show:
    """The way of `format`, one of FORMS.

    `longest`: the most characters of one text in few words; None: what is sensible among others.
    """
    if format == "brief":
        return _Brief(recording, voices, longest)
    return Renderer(format, recording, painted=painted, marked=marked)


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

    def begin(self, before_s: float | None) -> None:
        """Begin behind an event that was received then (unix seconds), None: at the beginning."""
        self.marks.begin(before_s)

    def event(self, line: bytes, event: Mapping[str, Any]) -> bytes:
        """What is printed for the event in `line`, behind the marks that stand before it."""
        return b"".join(map(self._mark, self.marks.before(event))) + self._alone(line, event)

    def size(self, line: bytes, event: Mapping[str, Any]) -> int:
        """As many bytes as the event takes, beside marks."""
        return len(self._alone(line, event))

    def batch(self, found: Iterable[Found]) -> list[bytes]:
        """What is printed for the next events."""
        return [self.event(line, event) for line, event in found]

    def news(self) -> Iterator[bytes]:
        """The marks that have come since, for who follows."""
        return map(self._mark, self.marks.news())

    def end(self) -> Iterable[bytes]:
        """Nothing stands behind the last event."""
        return ()

    def _alone(self, line: bytes, event: Mapping[str, Any]) -> bytes:
        match self._format:
            case "json":
                return for_stdout(line, visible_json)
            case "csv":
                return for_stdout(csv.row(event).encode())
        names = self._names_for(event)
        if self._columns is None:
            return text.line(event, self._paint, names).encode() + b"\n"
        return text.row(event, self._columns, self._paint, names).encode() + b"\n"

    def _mark(self, gap: Gap) -> bytes:
        if self._format == "json":
            fields = orjson.dumps({"event": "gap", **gap.as_dict()})
            return for_stdout(stamps(int(gap.to_s * 1000 + 0.5)) + b"," + fields[1:] + b"\n", visible_json)
        return text.mark(gap.as_dict(), self._paint, dated=self._columns is None).encode() + b"\n"

    def _names_for(self, event: Mapping[str, Any]) -> Mapping[str, str]:
        """The names of streams by their ids, that of this event among them as far as the recording tells it."""
        names, stream = self._names, stream_of(event)
        if stream is not None and stream not in names and not self._has_asked:
            self._names = names = self._recording.stream_names() | names
            self._has_asked = True
        if stream is None or stream not in names:
            self._names = names = stream_names_in(event) | names  # the first name that a stream came with is its name
        return names


class _Brief:
    """Few words, with marks between the events where nobody listened."""

    heading = b""

    def __init__(self, recording: Recording, voices: Voices, longest: int | None) -> None:
        from videodb_listen.formats.brief import LONGEST, Brief
        from videodb_listen.reader.secret import fence_key

        self._brief = Brief(voices, fence_key(recording.directory), longest=longest or LONGEST)
        self._notices = recording.notices()
        self._fresh = True

    def begin(self, before_s: float | None) -> None:
        """Pass over what was told before."""
        if before_s is not None:
            self._mark_until(before_s)

    def size(self, line: bytes, event: Mapping[str, Any]) -> int:
        """As many characters as the event can take."""
        return self._brief.size(event)

    def batch(self, found: Iterable[Found]) -> list[bytes]:
        """The rows of the next events."""
        for line, event in found:
            self._mark_until(received_of(event))
            self._brief.add(line, event)
        return _rows(self._brief.drain())

    def news(self) -> Iterable[bytes]:
        """Nothing: a mark stands before an event."""
        return ()

    def end(self) -> Iterable[bytes]:
        """The last rows, and how many events they were."""
        return _rows(self._brief.close())

    def _mark_until(self, at_s: float | None) -> None:
        """Mark what was told before `at_s`; what was told before the first event that is shown is not between any."""
        while self._notices and at_s is not None and (received_of(self._notices[0]) or 0.0) <= at_s:
            notice = self._notices.pop(0)
            if not self._fresh:
                self._brief.mark(notice)
        self._fresh = False


def _rows(rows: Iterable[str]) -> list[bytes]:
    return [f"{row}\n".encode() for row in rows]


def _painted(words: str, style: str) -> str:
    return click.style(words, dim=True) if style == text.DIM else click.style(words, fg=style)
