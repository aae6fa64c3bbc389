"""The events of the account, for a program that wants them at once instead of in a file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Self

from videodb_listen.api.websocket_url import EventsOf, request_websocket_url
from videodb_listen.errors import NotConnected, Unavailable
from videodb_listen.line import decode_frame
from videodb_listen.realtime import Connection, Ended, open_connection
from videodb_listen.settings import Link

MAX_WAITING = 100_000
"""Events that a slow program may leave unread. Then the connection is cut: better an error than memory without end."""

_CLEAN = frozenset({1000, 1001})  # the server says: that was all


class EventSocket:
    """One WebSocket, connected at most once at a time; each connection has a URL and an id of its own.

    It belongs to one task, which ends with `close`, with the connection, or with the event loop. It does not reconnect:
    for events that must not be lost there is the listener.
    """

    def __init__(self, wanted: EventsOf, link: Link) -> None:
        self.connection_id: str | None = None
        """Names this connection in other calls; None before `connect`."""
        self._wanted = wanted
        self._link = link
        self._events: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._live: Connection | None = None
        self._life: asyncio.Task[Ended] | None = None
        self._closing = False

    def __repr__(self) -> str:
        return f"<EventSocket {self._live!r}, {len(self._events)} waiting>"

    async def connect(self) -> Self:
        """Connect, and return this once the id is known.

        Raises CredentialsRejected, ConfigurationError or Unavailable, as the listener would.
        """
        await self.close()
        self._closing, self._live = False, None
        connected: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._run(connected))
        first: set[asyncio.Future[Any]] = {connected, self._life}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._life.cancel()  # nobody waits for it any more
            raise
        if not connected.done():
            self._life.result()  # it failed, and says how
        self.connection_id = connected.result().connection_id
        return self

    async def receive(self) -> AsyncIterator[dict[str, Any]]:
        """The events, as they come. What is no JSON object comes as `{"raw": ...}` or `{"raw_base64": ...}`.

        Ends after `close`, and when the server ends it in order; any other end is Unavailable, after the last event.
        Raises NotConnected without a connection.
        """
        if self._life is None:
            raise NotConnected("the WebSocket is not connected", fix="await connect() first")
        while True:
            while self._events:
                yield self._events.popleft()
            if self._life.done():
                break
            self._news.clear()
            await self._news.wait()
        ended = self._life.result()
        if not self._closing and ended.close_code not in _CLEAN:
            raise Unavailable(f"the WebSocket ended: {ended.reason}", fix="connect again; the id will be another one")

    async def close(self) -> None:
        """Say good-bye; what came before is still received. Nothing happens when it is closed already."""
        if self._life is None or self._live is None or self._life.done():
            return
        self._closing = True
        await self._live.close()
        await asyncio.wait([self._life])

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, connected: asyncio.Future[Connection]) -> Ended:
        try:
            url, secrets = await request_websocket_url(self._wanted)
            async with open_connection(url, self._link, self._take, secrets) as live:
                self._live = live
                connected.set_result(live)
                return await live.read(self._take, lambda _: None)
        finally:
            self._news.set()

    def _take(self, frame: bytes) -> None:
        self._events.append(decode_frame(frame))
        self._news.set()
        if len(self._events) >= MAX_WAITING and self._live is not None:
            self._live.cut(f"{MAX_WAITING} events were waiting to be received")
