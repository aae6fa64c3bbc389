"""The daemon: lifetime and wiring, nothing else.

Frames go one way: `realtime` delivers them, the clock stamps them, `line` makes each a line, the sink writes it. What
happens around them is a transition of the publisher, and what that returns is announced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import types
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any

from videodb_listen.api.http import Api
from videodb_listen.api.websocket_url import EventsOf, request_websocket_url
from videodb_listen.errors import Bug, ListenError, Unavailable
from videodb_listen.line import LARGE_BYTES, encode_in_steps, encode_line
from videodb_listen.listener.announce import Outside
from videodb_listen.listener.directory import Owner, owned
from videodb_listen.listener.publish import Publisher
from videodb_listen.listener.reconnect import Lost, ReconnectPolicy
from videodb_listen.listener.sink import Sink
from videodb_listen.listener.upkeep import Watch
from videodb_listen.paths import Layout
from videodb_listen.realtime import Connection, open_connection, time_limit
from videodb_listen.settings import Settings
from videodb_listen.system import signals
from videodb_listen.system.clock import Clock
from videodb_listen.text import one_line
from videodb_listen.units import format_duration

log = logging.getLogger(__name__)

PROOF_AFTER_SLEEP_S = 5.0

_NO_ROOM = "disk full, and no more lines fit into memory"


async def run(
    api: Api, settings: Settings, layout: Layout, outside: Outside, *, clear: bool, stop: signals.Stop | None = None
) -> None:
    """Record until asked to stop, by a signal or by `stop`, None: by signals only.

    Returns after a clean stop; raises the ListenError that ended it otherwise.

    The nesting is the order of the end: last flush and sync, state `stopped`, pid file removed, lock released.
    """
    with owned(layout) as owner:
        if owner.shared:
            log.warning("others can write to %s; a directory of your own is safer", layout.directory)
        daemon = Daemon(api, settings, outside, clear=clear, owner=owner, stop=stop or signals.Stop())
        async with api, daemon.lifetime():
            await daemon.serve()


class Daemon:
    """One run. All methods run on the loop; what must not block it is handed to a thread by its owner."""

    def __init__(
        self, api: Api, settings: Settings, outside: Outside, *, clear: bool, owner: Owner, stop: signals.Stop
    ) -> None:
        self._wanted = EventsOf(api, settings.link.collection)
        self._link = settings.link
        self._clear = clear
        self._outside = outside
        self._copy = outside.stdout.copy
        self._clock = Clock()
        self._stop = stop
        self._connected_once = asyncio.Event()
        self._wake = asyncio.Event()  # the machine woke up: do not wait any longer
        self._policy = ReconnectPolicy(settings.link)
        self._connection: Connection | None = None
        self._proving: asyncio.Task[float | None] | None = None  # None: the machine never slept
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # ends the run when it is set
        self._publisher = Publisher(
            settings.link,
            owner.layout,
            shared=owner.shared,
            started_s=self._clock.now(),
            wall=self._clock.wall,
            anew=clear,
        )
        self._sink = self._new_sink(settings, owner)
        self._watch = Watch(
            owner, self._clock, self._sink, self._publisher, outside, on_failure=self._fail, on_sleep=self._woke_up
        )

    def _new_sink(self, settings: Settings, owner: Owner) -> Sink:
        return Sink(
            owner.layout,
            settings.disk,
            settings.rotation,
            shared=owner.shared,
            now=self._clock.now,
            on_trouble=self._publisher.disk_trouble,
            on_repaired=self._repaired,
            on_full=self._hang_up,
            on_failure=self._fail,
        )

    @contextlib.asynccontextmanager
    async def lifetime(self) -> AsyncIterator[None]:
        """Handle signals, publish who we are, open the events file; on leaving, bring everything to its end.

        Signals come first: once the pid file is there, someone may use it.
        """
        failure: ListenError | None = None
        asyncio.get_running_loop().set_exception_handler(_say_unexpected)
        with signals.installed(self._stop, self._watch.reopen):
            self._publisher.open()
            watching = self._watch.start()
            try:
                await self._sink.open(held=self._clear)
                self._publisher.tick(self._sink.progress, self._outside.stdout.dropped)  # says where the run begins
                try:
                    yield
                finally:
                    self._stopping()
                    await self._sink.close()
                if self._failure.done():
                    self._failure.result()
            except Exception as exc:
                failure = exc if isinstance(exc, ListenError) else Bug.of(exc)
                raise
            finally:
                watching.cancel()
                self._failure.cancel()  # what it could still say has been raised
                self._publisher.stopped(failure, self._sink.progress, self._outside.stdout.dropped, self._clock.now())

    async def serve(self) -> None:
        """Connect, read, reconnect, until a signal or a failure that nothing mends."""
        starting = asyncio.create_task(self._connect_in_time())
        retrying = self._policy.retrying(pause=self._pause, announce=self._retrying)
        serving: asyncio.Task[None] = asyncio.create_task(retrying(self._attempt))
        stopping = asyncio.create_task(self._stop.requested.wait())
        endings: list[asyncio.Future[Any]] = [serving, stopping, self._failure]
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        starting.cancel()
        if not serving.done():
            self._stopping()
            if self._connection is not None and not self._failure.done():
                await self._drain(self._connection)  # `serving` reads on meanwhile, and ends with the connection
            else:
                serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    async def _attempt(self) -> None:
        """One connection, from a fresh URL to its end. Returns only when we are to stop."""
        await self._sink.room.wait()
        url, secrets = await request_websocket_url(self._wanted)
        async with open_connection(url, self._link, self._deliver, secrets) as connection:
            events_before, connected_s = self._sink.events, self._loop_s()
            self._connected(connection)
            ended = await connection.read(self._deliver, self._on_pong)
            self._connection = None
        if self._stop.requested.is_set():
            return
        self._publisher.lost(connection.connection_id, ended, self._clock.now())
        raise Lost(
            ended.reason,
            lived_s=self._loop_s() - connected_s,
            delivered=self._sink.events > events_before,
            refused=ended.refused is not None,
        )

    def _connected(self, connection: Connection) -> None:
        self._connection = connection
        self._policy.connected()
        if self._clear and not self._connected_once.is_set():
            self._sink.clear()
        self._connected_once.set()
        connected = self._publisher.connected(connection.connection_id, connection.hello, self._clock.now())
        self._outside.announce(connected)

    def _retrying(self, failure: ListenError, delay_s: float) -> None:
        self._outside.announce(self._publisher.retrying(failure, delay_s))

    def _stopping(self) -> None:
        """The end has begun; what was removed since the last look is noticed first, and by whom."""
        self._watch.look_at_files()
        self._outside.announce(self._publisher.stopping())

    def _deliver(self, frame: bytes) -> Awaitable[None] | None:
        self._publisher.received_s = now_s = self._clock.now()
        if len(frame) > LARGE_BYTES:
            return self._deliver_large(frame, now_s)
        self._take(encode_line(frame, now_s))
        return None

    async def _deliver_large(self, frame: bytes, now_s: float) -> None:
        """In steps, so that signals and pings need not wait."""
        try:
            line = await _in_turns(encode_in_steps(frame, now_s))
        except asyncio.CancelledError:
            self._take(encode_line(frame, now_s))  # a frame that came is a line
            raise
        self._take(line)

    def _take(self, line: bytes) -> None:
        self._sink.append(line)
        self._copy(line)
        if self._connection is None and not self._sink.room.is_set():
            raise Unavailable(_NO_ROOM, fix="make room")

    def _on_pong(self, latency_s: float) -> None:
        self._publisher.pong(latency_s, self._clock.now())

    async def _drain(self, connection: Connection) -> None:
        """Send Close while reading goes on; a second signal, or `drain_s`, cuts it."""
        before = self._sink.events
        if not await connection.close(self._stop.hurried):
            log.warning(
                "the drain was cut (--drain is %s, and a second signal cuts it sooner) before the server answered our "
                "Close; the %d events that came meanwhile are written, later ones were not waited for",
                format_duration(self._link.drain_s),
                self._sink.events - before,
            )

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _connect_in_time(self) -> None:
        """Fail unless a connection stands within `startup_timeout_s`."""
        try:
            async with time_limit(self._link.startup_timeout_s or math.inf):
                await self._connected_once.wait()
        except TimeoutError:
            last = f", the last failure: {self._publisher.failure}" if self._publisher.failure else ""
            self._fail(Unavailable(f"not connected within {format_duration(self._link.startup_timeout_s)}{last}"))

    def _repaired(self, how: str) -> None:
        self._outside.announce(self._publisher.repaired(how, self._clock.now()))

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.cut(_NO_ROOM)

    def _fail(self, failure: ListenError) -> None:
        if not self._failure.done():
            self._failure.set_exception(failure)

    def _woke_up(self) -> None:
        """The machine slept: prove the connection at once, or try at once to get one."""
        self._wake.set()
        if self._connection is not None:
            self._proving = asyncio.create_task(self._connection.prove(PROOF_AFTER_SLEEP_S))

    @staticmethod
    def _loop_s() -> float:
        return asyncio.get_running_loop().time()


@types.coroutine
def _in_turns(steps: Generator[None, None, bytes]) -> Generator[None, None, bytes]:
    """What `steps` return; the loop turns between them."""
    return (yield from steps)


def _say_unexpected(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the loop has caught and nobody awaits: said, and no reason to stop recording."""
    exc = context.get("exception")
    log.error("unexpected: %s", one_line(exc) if exc else context["message"])
    log.debug("in full", exc_info=exc)
