"""The filters that the reading commands share."""

from __future__ import annotations

import difflib
import functools
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import click

from videodb_listen import environment
from videodb_listen.cli.flags import Command, Parsed
from videodb_listen.cli.output import say
from videodb_listen.reader import query
from videodb_listen.reader.query import ANY, Where
from videodb_listen.reader.recording import Recording
from videodb_listen.reader.wait import Session
from videodb_listen.trust import WHO, Voices
from videodb_listen.units import parse_moment

MOMENT = Parsed(lambda text: parse_moment(text, time.time()), "WHEN")


@dataclass(frozen=True)
class Filters:
    """What was asked for. Times are unix seconds, None where nothing was said; `where` looks at them, too.

    `session` is the one that was meant by `last` or `current`: `where` does not look at it yet.
    """

    where: Where
    since_s: float | None
    until_s: float | None
    voices: Voices = field(default_factory=Voices)
    session: Session | None = None

    def of_session(self, recording: Recording) -> Where:
        """`where` for what is in `recording` now, of the session that is meant."""
        if self.session is None:
            return self.where
        if (found := recording.session_id(self.session)) is None:
            say("no capture session is under way" if self.session == "current" else "no capture session was seen")
        return self.where & (recording.of_sessions(found) if found else query.session())


def _checked_regex(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            re.compile(value)
        except re.error as exc:
            raise click.BadParameter(f"{value!r} is no regular expression: {exc}") from None
    return value


_BY_TIME = (
    click.option("--since", "since_s", type=MOMENT, metavar="WHEN", help="From then on: 10m ago, ISO or unix."),
    click.option("--until", "until_s", type=MOMENT, metavar="WHEN", help="Before then: 10m ago, ISO or unix."),
)
_BY_CONTENT = (
    click.option("--channel", "channels", multiple=True, metavar="NAME", help="Of this channel, as in transcript."),
    click.option("--event", "events", multiple=True, metavar="NAME", help="As in capture_session.exported."),
    click.option("--stream", "streams", multiple=True, metavar="ID", help="Of this stream, by its id or name."),
    click.option(
        "--session",
        "sessions",
        multiple=True,
        metavar="ID",
        help="Of this capture session and its streams; last: the newest, current: unless it has ended.",
    ),
    click.option("--who", multiple=True, type=click.Choice(WHO), help="Whose words: can be given more than once."),
    click.option(
        "--owner",
        "owners",
        multiple=True,
        metavar="STREAM",
        help="Stream of the owner, id or name. [default: $VIDEODB_LISTEN_OWNER, else mic:*]",
    ),
    click.option("--grep", metavar="REGEX", callback=_checked_regex, help="With this in the text, in any case."),
    click.option("--final", is_flag=True, help="Without interim transcripts."),
)


def filter_options(command: Command) -> Command:
    """All filters, by time and by content. The command has a `recording`; it is handed the filters as `chosen`."""

    @functools.wraps(command)
    def called(*args: Any, recording: Recording, chosen: Filters, **given: Any) -> Any:
        chosen = replace(chosen, where=chosen.of_session(recording), session=None)
        return command(*args, recording=recording, chosen=chosen, **given)

    return _decorated(called, *_BY_TIME, *_BY_CONTENT)


def content_options(command: Command) -> Command:
    """The filters by content alone, for a command that has notions of time and of the last session of its own."""
    return _decorated(command, *_BY_CONTENT)


def say_unknown(names: Iterable[str], recording: Recording) -> None:
    """Say which of these names of channels and events nobody knows, and none in `recording` has; and what is near."""
    for name in names:
        if name not in query.KNOWN and not recording.has(query.event(name)):
            near = difflib.get_close_matches(name, query.KNOWN, n=3)
            hint = f"; near it: {', '.join(near)}" if near else ""
            say(f"no channel or event '{name}' is known, and none is recorded{hint}")


def _decorated(command: Command, *options: Callable[[Command], Command]) -> Command:
    @functools.wraps(command)
    def handed(*args: Any, recording: Recording, **given: Any) -> Any:
        return command(*args, recording=recording, chosen=_taken(given, recording), **given)

    called: Command = handed
    for option in reversed(options):
        called = option(called)
    return called


def _taken(given: dict[str, Any], recording: Recording) -> Filters:
    """The filters, taken out of a command's options. `recording` tells which streams a session has."""
    say_unknown((*given["channels"], *given["events"]), recording)
    meant: list[Session] = [name for name in ("last", "current") if name in given["sessions"]]
    if meant and len(given["sessions"]) > 1:
        raise click.UsageError(f"--session {meant[0]} stands for one session: give no other")
    if meant:
        given["sessions"] = ()
    since_s, until_s = given.pop("since_s", None), given.pop("until_s", None)
    predicates: dict[str, Callable[..., Where]] = {  # in the order in which an event is judged, the quickest first
        "channels": query.channel,
        "events": query.event,
        "streams": query.stream,
        "sessions": recording.of_sessions,
    }
    where = ANY if since_s is None else query.since(since_s)
    if until_s is not None:
        where &= query.until(until_s)
    for name, predicate in predicates.items():
        if values := given.pop(name):
            where &= predicate(*values)
    voices = recording.voices(environment.owners(given.pop("owners")))
    if wanted := given.pop("who"):
        where &= query.who(voices, *wanted)
    if pattern := given.pop("grep"):
        where &= query.grep(pattern)
    if given.pop("final"):
        where &= query.final()
    return Filters(where, since_s, until_s, voices, meant[0] if meant else None)
