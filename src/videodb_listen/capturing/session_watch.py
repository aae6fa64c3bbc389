"""What became of a session: its events say so, and while none comes the API is asked now and then."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

from videodb_listen import lifecycle
from videodb_listen.api.blocking import aio
from videodb_listen.api.session import CaptureSession
from videodb_listen.errors import SessionFailed, TimedOut, Unavailable
from videodb_listen.event import channel_of, name_of, session_of, stream_of, streams_in
from videodb_listen.units import format_duration

ASK_EVERY_S = 3.0
"""Between two questions to the API while no event comes; applications ask as often."""

PATIENCE_S = {"active": 300.0, "stopped": 120.0, "exported": 1800.0}
"""How long a state may take: applications wait 5 minutes for the first, a long export takes many."""


class SessionWatch:
    """The state of `session`, as it changes; each change is told to `say`.

    `streams` are the ids of its streams that are known so far, `counts` the number of its events by channel.
    """

    def __init__(self, session: CaptureSession, say: Callable[[str], None]) -> None:
        self.streams: set[str] = set()
        self.counts: Counter[str] = Counter()
        self._session = session
        self._say = say
        self._state: str | None = None
        self._details: object = None  # what came with the state
        self._of = "session"  # or its export: what the state is of
        self._news = asyncio.Event()

    @property
    def details(self) -> dict[str, Any]:
        """What came with the newest state: the `data` of its event, or what the API says of the session."""
        return self._details if isinstance(self._details, dict) else {}

    async def hear(self, events: AsyncIterator[dict[str, Any]]) -> None:
        """Take from `events` what is about the session, and count it; for ever."""
        async for event in events:
            if session_of(event) == self._session.id:
                self.streams |= set(streams_in(event))
                self._take(lifecycle.state_in(name_of(event)), event.get("data"))
            elif stream_of(event) not in self.streams:
                continue
            self.counts[channel_of(event)] += 1

    async def reach(self, state: str, still: Callable[[], None] = lambda: None) -> None:
        """Wait until the session is in `state`, or beyond; `still` is called meanwhile, and may raise.

        Raises SessionFailed, and TimedOut when its patience ends.
        """
        until_s = time.monotonic() + PATIENCE_S[state]
        while not lifecycle.reached(self._state, state):
            self.check()
            still()
            if time.monotonic() >= until_s:
                waited = f"{self._state}, and not {state} after {format_duration(PATIENCE_S[state])}"
                raise TimedOut(f"the session {self._session.id} is {waited}", fix="see videodb-listen session show")
            self._news.clear()
            try:
                async with asyncio.timeout(ASK_EVERY_S):
                    await self._news.wait()
            except TimeoutError:
                await self._ask()

    def check(self) -> None:
        """Raise SessionFailed when it has failed."""
        if self._state == lifecycle.FAILED:
            error = self.details.get("error")
            why = f": {self._session.api.secrets().said(orjson.dumps(error).decode())}" if error else ""
            raise SessionFailed(
                f"the {self._of} {self._session.id} failed{why}", fix="look at the error, then start it again"
            )

    async def _ask(self) -> None:
        with contextlib.suppress(Unavailable):  # asked again soon, until the patience ends
            await aio(self._session.refresh)
            exporting = self._session.export_status
            self._of = "export of session" if exporting == lifecycle.FAILED else "session"
            self._take(exporting if exporting in lifecycle.TERMINAL else self._session.status, self._session.data)

    def _take(self, state: str | None, details: object) -> None:
        if state is not None and (state == lifecycle.FAILED or not lifecycle.reached(self._state, state)):
            self._state = state
            self._details = details
            self._say(state)
            self._news.set()
