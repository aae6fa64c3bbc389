"""The filters that the reading commands share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from videodb_listen.cli.flags import Parsed
from videodb_listen.reader import query
from videodb_listen.reader.query import ANY, Where
from videodb_listen.reader.recording import Recording
from videodb_listen.units import parse_moment

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

MOMENT = Parsed(lambda text: parse_moment(text, time.time()), "WHEN")


@dataclass(frozen=True)
class Filters:
    """What was asked for. Times are unix seconds, None where nothing was said; `where` looks at them, too."""

    where: Where
    since_s: float | None
    until_s: float | None


_BY_NAMES = {"channels": query.channel, "events": query.event, "streams": query.stream}


def _add(options: Sequence[Decorator], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All filters, by time and by content; `filters_of` takes them out of a command's options."""
    since = click.option("--since", "since_s", type=MOMENT, metavar="WHEN", help="From then on: 10m ago, ISO or unix.")
    until = click.option("--until", "until_s", type=MOMENT, metavar="WHEN", help="Before then: 10m ago, ISO or unix.")
    return _add([since, until], content_options(command))


def content_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The filters by content alone, for commands that have a notion of time of their own."""
    options = [
        click.option("--channel", "channels", multiple=True, metavar="NAME", help="Of this channel, as in transcript."),
        click.option("--event", "events", multiple=True, metavar="NAME", help="As in capture_session.exported."),
        click.option("--stream", "streams", multiple=True, metavar="ID", help="Of this stream, by its id or name."),
        click.option(
            "--session", "sessions", multiple=True, metavar="ID", help="Of this capture session and its streams."
        ),
        click.option("--grep", metavar="REGEX", callback=_checked_regex, help="With this in the text, in any case."),
        click.option("--final", is_flag=True, help="Without interim transcripts."),
    ]
    return _add(options, command)


def filters_of(options: dict[str, Any], recording: Recording) -> Filters:
    """Take the filters out of a command's options. `recording` tells which streams a session has."""
    where = ANY
    for key, predicate in _BY_NAMES.items():
        if names := options.pop(key):
            where &= predicate(*names)
    if ids := options.pop("sessions"):
        where &= recording.of_sessions(*ids)
    if pattern := options.pop("grep"):
        where &= query.grep(pattern)
    if options.pop("final"):
        where &= query.final()
    since_s, until_s = options.pop("since_s", None), options.pop("until_s", None)
    if until_s is not None:
        where = query.until(until_s) & where
    if since_s is not None:
        where = query.since(since_s) & where
    return Filters(where, since_s, until_s)


def _checked_regex(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            re.compile(value)
        except re.error as exc:
            raise click.BadParameter(f"{value!r} is no regular expression: {exc}") from None
    return value
