"""What `wait` waits for: pure rules, fed with events, asked for a verdict.

A lifecycle name (`capture_session.exported`) without a session means the newest session seen. Of what is there already
only the end tells which one that is; afterwards each event is judged as it comes, with the session that was the newest
then. A failure of that session ends the waiting, unless the failure is what was waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from videodb_listen import lifecycle
from videodb_listen.event import Event, name_of, session_of
from videodb_listen.reader import query
from videodb_listen.reader.query import Where

_FAILED = lifecycle.event_name(lifecycle.FAILED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The line that ended the waiting. `failed`: it tells that the session failed."""

    line: bytes
    event: dict[str, Any]
    failed: bool


class Awaited:
    """Any event called one of `names` that satisfies `where`; no names: any event that satisfies it.

    `session` is the capture session that lifecycle names mean, None for the newest one.
    """

    def __init__(self, names: Sequence[str], where: Where, session: str | None = None) -> None:
        self.verdict: Verdict | None = None
        self._where = where
        self._session = session
        self._lifecycle = frozenset(name for name in names if lifecycle.state_in(name))
        others = [name for name in names if name not in self._lifecycle]
        self._others = query.event(*others) if others else None
        self._any = not names
        self._newest: str | None = session
        self._seen: set[str] = set()

    @property
    def needed(self) -> Where:
        """What a reader may leave out: every event that is not needed for the verdict does not satisfy it."""
        if self._any:
            return self._where
        needed = query.channel("capture_session") if self._lifecycle else None
        if self._others is not None:
            needed = self._others if needed is None else needed | self._others
        return needed or self._where

    def take(self, line: bytes, event: dict[str, Any], *, live: bool) -> None:
        """Take the next event; `live`: nothing that is there already comes after it."""
        if self.verdict is not None and live:
            return
        if self._lifecycle and self._is_of_another_session(event):
            return
        if self.verdict is None and (found := self._judged(event)) is not None:
            self.verdict = Verdict(line, event, failed=found)

    def _is_of_another_session(self, event: Event) -> bool:
        """Whether only an older session is meant; a new one makes what older ones said irrelevant."""
        session = session_of(event)
        if session is None or session == self._newest:
            return False
        if self._session is not None or session in self._seen:
            return lifecycle.state_in(name_of(event)) is not None
        self._seen.add(session)
        self._newest = session
        if self.verdict is not None and lifecycle.state_in(name_of(self.verdict.event)):
            self.verdict = None
        return False

    def _judged(self, event: Event) -> bool | None:
        """False: this is it. True: the session failed. None: neither."""
        name = name_of(event)
        if self._where(event) and (
            self._any or name in self._lifecycle or (self._others is not None and self._others(event))
        ):
            return False
        return True if self._lifecycle and name == _FAILED else None
