"""What a listener has recorded: one object to read it all by, and three functions for who needs no object.

Whoever reads goes through here: it knows which files there are, what the listener says of itself, and where its run
began, so that nobody else has to bring these together.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from videodb_listen import presence
from videodb_listen.environment import Environment, variables
from videodb_listen.event import name_of, session_of, stream_names_in, streams_in
from videodb_listen.lifecycle import ENDS, state_in
from videodb_listen.line import id_of, seconds_in
from videodb_listen.paths import Layout
from videodb_listen.presence import Presence, State
from videodb_listen.reader import query
from videodb_listen.reader.blocks import Block, Reader
from videodb_listen.reader.cursor import Cursor
from videodb_listen.reader.following import Follow
from videodb_listen.reader.history import History, Place
from videodb_listen.reader.last import last_events
from videodb_listen.reader.losses import Logged, Losses
from videodb_listen.reader.query import ANY, Found, Where, select
from videodb_listen.reader.run import Run
from videodb_listen.reader.seek import place_since, read_since, received_before
from videodb_listen.reader.wait import Awaited, Session, wait
from videodb_listen.system.clock import Deadline, until
from videodb_listen.system.watch import Watch
from videodb_listen.trust import DEFAULT_OWNERS, Voices

if TYPE_CHECKING:  # what looks at a whole recording is imported when it is asked for: most commands do not
    from videodb_listen.reader.journal import Journal
    from videodb_listen.reader.stats import Stats
    from videodb_listen.reader.verify import Report

Source = str | os.PathLike[str]
"""A state directory, whose rotated files are read as one with the events file, or one events file alone.

What is not there yet is a file if its name has a suffix.
"""


class Recording:
    """The recording in a state directory; or one events file alone, which has no listener, no journal and no run.

    Nothing is opened before it is asked for, and nothing need be there yet. `since` is everywhere a time of receipt in
    unix seconds, and None says what it means. Whatever reads raises OSError when a file cannot be read. `losses` is
    told of what is passed over; None: a file that breaks is a warning in the log.
    """

    def __init__(self, source: Source | Layout, *, losses: Losses | None = None) -> None:
        self.losses = losses or Logged()
        self.history = History(source if isinstance(source, Layout) else Path(source), named=True)
        self.layout = self.history.layout
        self.directory = self.history.directory

    def __repr__(self) -> str:
        return f"<Recording {self.history.events}>"

    # -- what is there now --

    def reader(self, place: Place | None = None) -> Reader:
        """The lines from `place` on (None: all), a block at a time, to be closed."""
        return Reader(self.history, place, losses=self.losses)

    def blocks(self, since: float | None = None) -> Iterator[Block]:
        """Blocks that hold every line received since then (None: all), oldest first, and few others."""
        run = self.run()
        with self.reader() as reader:
            yield from read_since(reader, run, since)

    def events(self, where: Where = ANY, *, since: float | None = None) -> Iterator[dict[str, Any]]:
        """The events that satisfy `where`, received since then (None: all), oldest first.

        Lines that are no JSON objects are left out.
        """
        wanted = _since(since, where)
        for block in self.blocks(since):
            for _, event in select(block.data, wanted, self.losses.damaged):
                yield event

    def last(self, count: int, where: Where = ANY, *, before: Place | None = None) -> list[Found]:
        """The last `count` events before that place (None: the end) that satisfy `where`, oldest first."""
        return last_events(self.history, before or self.history.end(self.losses), where, count, self.losses)

    def of_sessions(self, *ids: str) -> Where:
        """The events of these capture sessions, and of their streams, which name none.

        What is there now tells which streams those are.
        """
        named = query.session(*ids)
        streams = [stream for event in self._quietly(named) for stream in streams_in(event)]
        return named | query.stream(*dict.fromkeys(streams)) if streams else named

    def session_id(self, which: Session) -> str | None:
        """The newest session that is seen here; with `current`, unless it has ended. None: there is none."""
        states: dict[str, str | None] = {}  # in the order in which they were seen first
        for event in self._quietly(query.channel("capture_session")):
            if (session := session_of(event)) is not None:
                states[session] = state_in(name_of(event)) or states.get(session)
        newest, state = next(reversed(states.items()), (None, None))
        return None if which == "current" and state in ENDS else newest

    def stream_names(self) -> dict[str, str]:
        """The names that sessions gave their streams, by the ids of these."""
        lifecycle = self._quietly(query.channel("capture_session"))
        return {stream: name for event in lifecycle for stream, name in stream_names_in(event).items()}

    def received_before(self, place: Place) -> float | None:
        """When the line before `place` was received, unix seconds; None when none is there, or it does not say."""
        return received_before(self.history, place)

    def find(self, id: str) -> list[Found]:
        """The events whose ids begin so, oldest first: nearly always one. Raises ValueError for what is no id."""
        at_s = seconds_in(id)
        if at_s is None:
            raise ValueError(f"{id!r} is no id")
        needles = Where(lambda _: True, tuple(b"%d" % second for second in at_s))
        likely_s = min(at_s, key=lambda second: abs(second - time.time()))
        for since_s in (likely_s, None):  # by bisection, then in all that there is: a clock can have been wrong
            blocks = self.blocks(since_s)
            found = [
                one for block in blocks for one in select(block.data, needles) if id_of(one[0]).startswith(id.lower())
            ]
            if found:
                return found
        return []

    def voices(self, owners: Sequence[str] = DEFAULT_OWNERS) -> Voices:
        """Who speaks, when the owner's streams are called so; a stream that no event names is named by its session."""
        return Voices(owners, functools.cache(self._stream_name))

    def _stream_name(self, stream: str) -> str | None:
        lifecycle = self._quietly(query.channel("capture_session"))
        return next((name for event in lifecycle if (name := stream_names_in(event).get(stream))), None)

    def stats(self, where: Where = ANY, *, since: float | None = None, until: float | None = None) -> Stats:
        """How much of what satisfies `where`, received since then (None: all).

        `until` (unix seconds, None: now) ends the time whose gaps are told; of the events `where` decides.
        """
        from videodb_listen.reader.stats import measure

        stats = measure(self.history, _since(since, where), since_s=since, run=self.run(), losses=self.losses)
        for stream, name in self.stream_names().items():
            if stream in stats.streams and not stats.streams[stream].label:
                stats.streams[stream].label = name
        stats.gaps = [gap for gap in self.journal().gaps if gap.touches(since, until)]
        return stats

    def verify(self) -> Report:
        """Whether all of it can still be read. Looks at every byte."""
        from videodb_listen.reader.verify import verify

        return verify(self.history)

    def journal(self) -> Journal:
        """What the connection journal says of the past; nothing when there is none."""
        from videodb_listen.reader.journal import Journal, read_journal

        return Journal() if self.layout is None else read_journal(self.layout.journal)

    def has(self, where: Where) -> bool:
        """Whether any event satisfies it."""
        return next(self._quietly(where), None) is not None

    def notices(self) -> list[dict[str, Any]]:
        """What the connection journal has to tell whoever follows the events, see `notice_of`; nothing without one."""
        from videodb_listen.reader.journal import read_notices

        return [] if self.layout is None else read_notices(self.layout.journal)

    def _quietly(self, where: Where) -> Iterator[dict[str, Any]]:
        """All events that satisfy `where`, for a question that comes before the reading: only that tells of losses."""
        with Reader(self.history) as reader:
            for block in reader.blocks():
                for _, event in select(block.data, where):
                    yield event

    # -- what comes --

    def watch(self) -> Watch:
        """Tells of whatever can be news: events, the journal, a listener that ends."""
        layout = Layout(self.directory)
        return Watch(self.directory, [self.history.events.name, layout.journal.name, layout.pid.name])

    def is_written(self) -> bool:
        """Whether a listener runs. Raises DirectoryUnusable when that cannot be told."""
        return self.layout is not None and presence.is_held(self.layout)

    def follow(self, where: Where = ANY, *, since: float | None = None) -> Follow:
        """The events that satisfy `where` as they come, for ever: to be looped over by `for` or by `async for`.

        What came since then comes first; None: only what comes from now on. To be closed, or used as a context manager.
        """
        run, reader = self.run(), self.reader()
        if since is not None:
            return Follow(reader, _since(since, where), read_since(reader, run, since))
        following = Follow(reader, where)
        reader.jump(self.history.end())
        return following

    def wait(
        self,
        where: Where,
        *,
        since: float | Literal["start"] | None = None,
        timeout_s: float | None = None,
        session: Session | None = None,
        on_found: Callable[[bytes, dict[str, Any]], None] = lambda _line, _event: None,
    ) -> dict[str, Any]:
        """The first event that satisfies `where`, waiting for it at most `timeout_s` seconds (None: for ever).

        It was received since then; `start`: since the listener's start, None: from now on. A lifecycle name means the
        newest session, but not one that has gone past that name to its end, unless `where` names it; with `session`
        the newest one (`last`), or the one that is under way, else the next (`current`). `on_found` gets line and event
        at once: to stop watching the files can take longer than all the rest.

        Raises NotRunning when the event is not there and no listener runs, SessionFailed when that session failed,
        TimedOut.
        """
        awaited = Awaited(where, session)
        needed = awaited.needed
        with self._follow_run(needed) if since == "start" else self.follow(needed, since=since) as following:
            found = wait(following, awaited, timeout_s)
            on_found(found.line, found.event)
        return found.event

    def _follow_run(self, where: Where) -> Follow:
        """The events of the listener's run, or of the last one, that satisfy `where`, as they come.

        By where the run began, if that is known: the stamps of an earlier one may be later, by a clock that was ahead.
        """
        started_s, run = self._started_s(), self.run()
        place = run and place_since(self.history, run, -math.inf)
        return Follow(self.reader(place), where) if place else self.follow(where, since=started_s)

    # -- who reads, and who writes --

    def cursor(self, name: str) -> Cursor:
        """How far whoever has this name has read. Raises ConfigurationError when it is no name."""
        return Cursor(self.directory, name)

    def state(self) -> State | None:
        """What the listener published last, None when it published nothing."""
        return None if self.layout is None else presence.read_state(self.layout)

    def presence(self) -> Presence:
        """Whether a listener runs, and in what state. Raises DirectoryUnusable when that cannot be told."""
        return presence.look(self.layout) if self.layout else Presence(self.directory, False, None, time.time())

    def run(self) -> Run | None:
        """Where the listener's last run began, None when it does not say."""
        return Run.of(self.state())

    def _started_s(self) -> float:
        """When the listener started, or the last one did, in unix seconds; 0 when none says.

        One that has just taken the lock needs a moment to say so.
        """
        until(self._has_published, Deadline(presence.PUBLISHED_WITHIN_S))
        state = self.state()
        return (state.started_unix_ts or 0.0) if state else 0.0

    def _has_published(self) -> bool:
        seen = self.presence()
        return seen.state is not None or not seen.held


def read_events(
    source: Source | None = None, where: Where = ANY, *, since: float | None = None
) -> Iterator[dict[str, Any]]:
    """`Recording.events` of `source`; None is the directory that the environment names, else the default one."""
    return _recording(source).events(where, since=since)


def follow(source: Source | None = None, where: Where = ANY, *, since: float | None = None) -> Follow:
    """`Recording.follow` of `source`; None is the directory that the environment names, else the default one."""
    return _recording(source).follow(where, since=since)


def wait_for(
    where: Where,
    source: Source | None = None,
    *,
    since: float | Literal["start"] | None = None,
    timeout_s: float | None = None,
    session: Session | None = None,
) -> dict[str, Any]:
    """`Recording.wait` in `source`; None is the directory that the environment names, else the default one."""
    return _recording(source).wait(where, since=since, timeout_s=timeout_s, session=session)


def _recording(source: Source | None) -> Recording:
    return Recording(source or Environment(variables()).layout(None))


def _since(since: float | None, where: Where) -> Where:
    return where if since is None else query.since(since) & where
