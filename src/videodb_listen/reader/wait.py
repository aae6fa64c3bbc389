"""Waiting for one event: which one it is, and every way in which the waiting can end.

A lifecycle name (`capture_session.exported`) without a session means the newest session seen. Of what is there already
only the end tells which one that is: a new session makes what older ones said irrelevant, so a verdict on them falls
again. Afterwards each event is judged as it comes, with the session that was the newest then, and the first verdict
stands. A failure of that session ends the waiting, unless the failure is what was waited for.

What is there already can be of a session that is over: of yesterday's meeting, whose streams are dead.

| the newest session, when all that is there was read | is the answer to |
|---|---|
| has not ended, or what is waited for may come yet | any name |
| has ended: it is stopped, exported, or failed | the name of an end; a failure that came before what is waited for |
| the same, with `last` | any name |
| the same, with `current` | none: the next session is waited for |
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from videodb_listen import lifecycle
from videodb_listen.errors import NotRunning, SessionFailed, TimedOut
from videodb_listen.event import Event, name_of, session_of
from videodb_listen.reader import query
from videodb_listen.reader.following import Follow
from videodb_listen.reader.query import Where
from videodb_listen.system.clock import Deadline, until
from videodb_listen.text import visible
from videodb_listen.units import format_duration

_FAILED = lifecycle.event_name(lifecycle.FAILED)


Session = Literal["last", "current"]
"""Which session is meant: the newest one, whatever became of it; or the one that is under way, else the next."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The line that ended the waiting. `failed`: it tells that the session failed."""

    line: bytes
    event: dict[str, Any]
    failed: bool


class Awaited:
    """The first event that satisfies `where`: pure rules, fed with events, asked for a verdict.

    `session` is whose lifecycle is meant; None: of the newest one, unless `where` names some.
    """

    def __init__(self, where: Where, session: Session | None = None) -> None:
        self.verdict: Verdict | None = None
        self.is_over = False  # the newest session had ended before we waited: nothing that it says is an answer
        self._where = where
        self._session = session
        self._newest: str | None = None
        self._state: str | None = None  # of the newest session, None: nothing is known of it
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
        state = lifecycle.state_in(name_of(event))
        self._state = state or self._state
        if self.is_over and state is not None:
            return
        if self.verdict is None and (found := self._judged(event)) is not None:
            self.verdict = Verdict(line, event, failed=found)

    def settle(self) -> None:
        """All that was there is taken: a session that has gone past what is waited for, to its end, is no answer."""
        if self._session == "last" or self._where.sessions or self._state not in lifecycle.ENDS:
            return
        wanted = {lifecycle.state_in(name) or "" for name in self._where.lifecycle}
        found = self.verdict and lifecycle.state_in(name_of(self.verdict.event))
        if self._session != "current" and found in lifecycle.ENDS:
            return
        if found is not None:
            self.verdict = None
        self.is_over = not any(lifecycle.may_come(self._state, state) for state in wanted)

    def _is_of_another_session(self, event: Event) -> bool:
        """Whether only an older session is meant; a new one makes what older ones said irrelevant."""
        session, named = session_of(event), self._where.sessions
        if session is None or session == self._newest or session in named:
            return False
        if named or session in self._seen:
            return lifecycle.state_in(name_of(event)) is not None
        self._seen.add(session)
        self._newest, self._state, self.is_over = session, None, False
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
        more = history.layout is None or history.is_written()  # before reading: what came until then is in the file
        for line, event in itertools.chain.from_iterable(following.blocks()):
            awaited.take(line, event, live=live)
        if not live:
            awaited.settle()
        live = True
        if awaited.verdict is None and not more:
            missing = "the newest session is over" if awaited.is_over else "the event is not there"
            fix = f"start one: videodb-listen start{', or wait with --session last' if awaited.is_over else ''}"
            raise NotRunning(f"{missing}, and no listener runs in {history.directory}", fix=fix)
        return awaited.verdict

    if (verdict := until(look, Deadline(timeout_s), following.wait)) is None:
        raise TimedOut(f"no such event within {format_duration(timeout_s or 0)}", fix="see videodb-listen tail")
    if verdict.failed:
        session, error = session_of(verdict.event) or "", orjson.dumps(verdict.event.get("data", {})).decode()
        what = f"the session {visible(session)}".rstrip()
        raise SessionFailed(f"{what} failed: {visible(error)}", fix="see its line: videodb-listen tail")
    return verdict
