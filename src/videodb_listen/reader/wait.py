"""Waiting for one event: which one it is, and every way in which the waiting can end.

A lifecycle name (`capture_session.exported`) without a session means the newest session seen. Of what is there already
only the end tells which one that is: a new session makes what older ones said irrelevant, so a verdict on them falls
again. Afterwards each event is judged as it comes, with the session that was the newest then, and the first verdict
stands. A failure of that session ends the waiting, unless the failure is what was waited for.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import orjson

from videodb_listen import lifecycle
from videodb_listen.errors import NotRunning, SessionFailed, TimedOut
from videodb_listen.event import Event, name_of, session_of
from videodb_listen.presence import is_held
from videodb_listen.reader import query
from videodb_listen.reader.following import Follow
from videodb_listen.reader.query import Where
from videodb_listen.system.clock import Deadline, until
from videodb_listen.text import visible
from videodb_listen.units import format_duration

_FAILED = lifecycle.event_name(lifecycle.FAILED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The line that ended the waiting. `failed`: it tells that the session failed."""

    line: bytes
    event: dict[str, Any]
    failed: bool


class Awaited:
    """The first event that satisfies `where`: pure rules, fed with events, asked for a verdict."""

    def __init__(self, where: Where) -> None:
        self.verdict: Verdict | None = None
        self._where = where
        self._newest: str | None = None
        self._seen: set[str] = set()

    @property
    def needed(self) -> Where:
        """What a reader may leave out: every event that is not needed for the verdict does not satisfy it."""
        return query.channel("capture_session") | self._where if self._where.lifecycle else self._where

    def take(self, line: bytes, event: dict[str, Any], *, live: bool) -> None:
        """Take the next event; `live`: nothing that is there already comes after it."""
        if self.verdict is not None and live:
            return
        if self._where.lifecycle and self._is_of_another_session(event):
            return
        if self.verdict is None and (found := self._judged(event)) is not None:
            self.verdict = Verdict(line, event, failed=found)

    def _is_of_another_session(self, event: Event) -> bool:
        """Whether only an older session is meant; a new one makes what older ones said irrelevant."""
        session, named = session_of(event), self._where.sessions
        if session is None or session == self._newest or session in named:
            return False
        if named or session in self._seen:
            return lifecycle.state_in(name_of(event)) is not None
        self._seen.add(session)
        self._newest = session
        if self.verdict is not None and lifecycle.state_in(name_of(self.verdict.event)):
            self.verdict = None
        return False

    def _judged(self, event: Event) -> bool | None:
        """False: this is it. True: the session failed. None: neither."""
        if self._where(event):
            return False
        return True if self._where.lifecycle and name_of(event) == _FAILED else None


def wait(following: Follow, awaited: Awaited, timeout_s: float | None) -> Verdict:
    """The verdict on what `following` gives, when there is one and it is no failure. `timeout_s` None: for ever.

    Raises NotRunning when the event is not there and nobody writes any more, SessionFailed, TimedOut.
    """
    history, live = following.history, False

    def look() -> Verdict | None:
        nonlocal live
        more = history.layout is None or is_held(history.layout)  # before reading: what came until then is in the file
        for line, event in itertools.chain.from_iterable(following.blocks()):
            awaited.take(line, event, live=live)
        live = True
        if awaited.verdict is None and not more:
            what = f"the event is not there, and no listener runs in {history.directory}"
            raise NotRunning(what, fix="start one: videodb-listen start")
        return awaited.verdict

    if (verdict := until(look, Deadline(timeout_s), following.wait)) is None:
        raise TimedOut(f"no such event within {format_duration(timeout_s or 0)}", fix="see videodb-listen tail")
    if verdict.failed:
        error = orjson.dumps(verdict.event.get("data", {})).decode()
        raise SessionFailed(f"the session failed: {visible(error)}", fix="see its line: videodb-listen tail")
    return verdict
