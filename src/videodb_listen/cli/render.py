"""How one event is shown: the line as it stands, a row of CSV, a line for people."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import click

from videodb_listen.event import (
    Event,
    View,
    channel_of,
    final_of,
    name_of,
    received_of,
    stream_name_of,
    stream_of,
    text_of,
)
from videodb_listen.text import shorten, visible

FORMATS = ("text", "json", "csv")

CSV_COLUMNS = ("time", "channel", "event", "session", "stream", "stream_name", "label", "text", "start", "end", "final")

_COLOURS = {
    "transcript": "green",
    "visual_index": "cyan",
    "audio_index": "blue",
    "alert": "red",
    "capture_session": "magenta",
}
_CHANNEL_COLUMNS, _STREAM_COLUMNS = 16, 20

Render = Callable[[bytes, Mapping[str, Any]], bytes]
"""From a line and the event in it to what is printed for it."""


def renderer(format: str) -> Render:
    """How `format`, one of FORMATS, shows an event on stdout as it is: a terminal gets colours and one row each."""
    if format == "json":
        return lambda line, _: for_stdout(line)
    if format == "csv":
        return lambda _, event: for_stdout(csv_row(View.of(event)))
    if _is_terminal():
        columns = shutil.get_terminal_size().columns
        return lambda _, event: _row(event, columns).encode() + b"\n"
    return lambda _, event: " ".join(_cells(event)).rstrip().encode() + b"\n"


def for_stdout(line: bytes) -> bytes:
    """`line` as it is; for a terminal, what could steer it is written out."""
    if not _is_terminal():
        return line
    return visible(line.decode("utf-8", "backslashreplace").removesuffix("\n")).encode() + b"\n"


@cache
def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def csv_header() -> bytes:
    """The first row of CSV."""
    return _csv(CSV_COLUMNS)


def csv_row(view: View) -> bytes:
    """One event as a row; times are ISO 8601 in UTC, what the event does not say is empty."""
    final = "" if view.final is None else str(view.final).lower()
    times = [_iso(moment) for moment in (view.received_s, view.start_s, view.end_s)]
    return _csv(
        [
            *(times[0], view.channel, view.name, view.session, view.stream, view.stream_name, view.label, view.text),
            *(times[1], times[2], final),
        ]
    )


def _csv(cells: object) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)  # type: ignore[arg-type]
    return text.getvalue().encode()


def _cells(event: Event) -> tuple[str, str, str, str]:
    channel, words = channel_of(event), text_of(event)
    name = name_of(event) if channel == "capture_session" else channel
    stream = stream_name_of(event) or stream_of(event) or "-"
    return _local(received_of(event)), visible(name), visible(stream), visible(words if words != name else "")


def _local(moment_s: float | None) -> str:
    return "-" if moment_s is None else _local_second(int(moment_s))


@lru_cache(maxsize=4)  # neighbours share their second
def _local_second(second: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
    except (ValueError, OverflowError, OSError):
        return str(second)


def _row(event: Event, columns: int) -> str:
    """A row of aligned cells, cut to the width of the terminal; what is interim is dim."""
    when, name, stream, words = _cells(event)
    name = shorten(name, 28).ljust(_CHANNEL_COLUMNS)
    stream = shorten(stream, _STREAM_COLUMNS).ljust(_STREAM_COLUMNS)
    clock = when[11:].rjust(8)
    text = shorten(words, max(10, columns - len(f"{clock} {name} {stream} ")))
    coloured = click.style(name, fg=_COLOURS.get(channel_of(event)))
    return f"{clock} {coloured} {stream} {click.style(text, dim=True) if final_of(event) is False else text}"


def _iso(moment_s: float | None) -> str:
    if moment_s is None:
        return ""
    try:
        at = datetime.fromtimestamp(moment_s, UTC)
    except (ValueError, OverflowError, OSError):
        return str(moment_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
