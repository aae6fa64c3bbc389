"""`wait`: block until an event is in the file."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import click
import orjson

from videodb_listen.cli.filters import MOMENT, Filters, content_options
from videodb_listen.cli.flags import DURATION, Parsed
from videodb_listen.cli.output import for_stdout, write_out
from videodb_listen.cli.reading import with_recording
from videodb_listen.reader import query
from videodb_listen.reader.recording import Recording
from videodb_listen.text import visible


def _from(text: str) -> str | float:
    return text if text in ("start", "now") else float(MOMENT.convert(text, None, None))


@click.command()
@click.argument("events_wanted", metavar="[EVENT]...", nargs=-1)
@with_recording(there=False)
@content_options
@click.option(
    "--from",
    "begin",
    type=Parsed(_from, "start|now|WHEN"),
    metavar="start|now|WHEN",
    default="start",
    help="Which events count: those since the listener's start, since now, or since then. [default: start]",
)
@click.option("--timeout", "timeout_s", type=DURATION, metavar="TIME", help="Give up after this.")
@click.option("--print", "path", metavar="PATH", help="Print this field of the event only, as in data.rtstreams.")
def wait(
    events_wanted: tuple[str, ...],
    recording: Recording,
    chosen: Filters,
    begin: float | Literal["start", "now"],
    timeout_s: float | None,
    path: str | None,
) -> None:
    """Block until one of these events is in the file, and print its line.

    Events since the listener's start count, so it does not matter which of the two is faster. An EVENT is a name as in
    capture_session.exported, or a channel as in transcript. Lifecycle events mean the newest session, unless --session
    names one; 1: that session failed. 3: no listener runs, or it ended. 124: timed out.

    \b
    videodb-listen wait capture_session.active --timeout 2m --print data.rtstreams
    videodb-listen wait --channel transcript --grep budget
    """
    where = chosen.where
    if events_wanted:
        where &= query.event(*events_wanted)
    elif where is query.ANY:
        raise click.UsageError("name an event to wait for, or a filter")
    recording.wait(where, since=None if begin == "now" else begin, timeout_s=timeout_s, on_found=partial(_show, path))


def _show(path: str | None, line: bytes, event: dict[str, Any]) -> None:
    write_out([for_stdout(line) if path is None else _field(event, path).encode() + b"\n"])


def _field(event: dict[str, Any], path: str) -> str:
    """The field at the dotted `path`: text as it is, anything else as JSON, `null` where there is none."""
    value: Any = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return visible(value) if isinstance(value, str) else orjson.dumps(value).decode()
