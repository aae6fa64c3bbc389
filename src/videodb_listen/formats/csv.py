"""Events as a table: a header, then a row each. Times are ISO 8601 in UTC, what an event does not say is empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from videodb_listen.event import Event, View

COLUMNS = ("time", "channel", "event", "session", "stream", "stream_name", "label", "text", "start", "end", "final")

_LINE_END = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Python quotes a cell for the characters of the line's end; each of these ends one for some reader of tables."""


def header() -> str:
    """The first row."""
    return _csv(COLUMNS)


def row(event: Event) -> str:
    """The row of `event`."""
    view = View.of(event)
    received, start, end = map(_iso, (view.received_s, view.start_s, view.end_s))
    final = None if view.final is None else str(view.final).lower()
    stream = (view.session, view.stream, view.stream_name)
    return _csv([received, view.channel, view.name, *stream, view.label, view.text, start, end, final])


def _csv(cells: Iterable[str | None]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator=_LINE_END).writerow(cells)
    return text.getvalue().removesuffix(_LINE_END) + "\n"


def _iso(moment_s: float | None) -> str | None:
    if moment_s is None:
        return None
    try:
        at = datetime.fromtimestamp(moment_s, UTC)
    except (ValueError, OverflowError, OSError):
        return str(moment_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
