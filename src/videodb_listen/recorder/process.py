"""The recorder: a process that is given commands, answers them, and tells what happens.

The process belongs to one task, which ends it however it ends itself: by `close`, by the end of the event loop, or
because the process went away. So no process is left behind, and nobody waits for an answer that cannot come.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from videodb_listen.errors import ListenError, RecorderFailed, TimedOut
from videodb_listen.recorder.protocol import Event, Reply, encode_command, explain, parse_line
from videodb_listen.system.children import Child, end, lines, start
from videodb_listen.text import Secrets

TIMEOUT_S = 30.0
TIMEOUTS_S = {"requestPermission": 120.0, "startRecording": 300.0, "stopRecording": 60.0, "shutdown": 5.0}
"""Where TIMEOUT_S is not it.

A person answers the first. The second is answered when the session is active, for which applications wait 5 minutes.
The third sends what is left, the last is the node SDK's.
"""

EXIT_S = 5.0  # for a recorder that was asked to end: it tells the API first that it stops
LAST_WORDS_S = 1.0  # for what it wrote before it ended; its pipes end at once, unless one it started left its group

MAX_STARTS = 3
"""Starts in a row after which no command was answered. The next would end in the same way."""

MAX_EVENTS = 10_000  # kept for a reader that does not come; then the oldest are dropped

log = logging.getLogger(__name__)


class Recorder:
    """One recorder: started by the first command, and again by the first one after its end.

    `starts` counts its processes, `noise` lines that mean nothing, `strays` replies that nobody waits for. What it says
    is repeated without `secrets`.
    """

    def __init__(
        self,
        command: Sequence[str],
        api_url: str,
        *,
        timeouts_s: Mapping[str, float] = TIMEOUTS_S,
        secrets: Secrets | None = None,
    ) -> None:
        self.starts = self.noise = self.strays = 0
        self._command = list(command)
        self._api_url = api_url
        self._timeouts_s = timeouts_s
        self._said = (secrets or Secrets()).said
        self._process: Child | None = None
        self._life: asyncio.Task[None] | None = None
        self._unwanted: asyncio.Future[None] | None = None  # done: the process is to end
        self._starting = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._expected: list[tuple[Callable[[Event], bool], asyncio.Future[Event]]] = []
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._news = asyncio.Event()  # an event came, or the recorder ended
        self._in_vain = 0
        self._closed = False
        self._failure: ListenError | None = None  # why it ended by itself; None: it did not
        self._last_words = ""
        self._last_event: Event | None = None

    def __repr__(self) -> str:
        return f"<Recorder {self._command[0]}, pid {self.pid}, {'' if self.running else 'not '}running>"

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._life is not None and not self._life.done()

    @property
    def pid(self) -> int | None:
        """The newest process, also when it has ended; None before the first command."""
        return self._process.pid if self._process else None

    @property
    def failure(self) -> Exception | None:
        """Why the newest process ended by itself, None when it did not."""
        return self._failure

    def limit_s(self, command: str) -> float:
        """How long `command` may take (seconds)."""
        return self._timeouts_s.get(command, TIMEOUT_S)

    async def call(self, command: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result of `command`.

        Raises RecorderFailed when the recorder refuses, ends or cannot be started, TimedOut when it does not answer.
        """
        async with self._starting:
            if not self.running:
                await self._start()
        result = await self._ask(command, params or {})
        self._in_vain = 0
        return result

    async def events(self) -> AsyncIterator[Event]:
        """What the recorder tells by itself, as it says it: `{"type": "event", "event": ..., "payload": ...}`.

        Ends when the recorder is closed. When it ended by itself its last events come, then RecorderFailed.
        """
        while True:
            while self._events:
                yield self._events.popleft()
            if self._failure is not None:
                raise self._failure
            if self._closed and not self.running:
                return
            self._news.clear()
            await self._news.wait()

    @contextlib.contextmanager
    def expecting(self, matches: Callable[[Event], bool]) -> Iterator[asyncio.Future[Event]]:
        """The first event from now on that matches; `events` gives it, too. RecorderFailed when the process ends."""
        event: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._expected.append((matches, event))
        try:
            yield event
        finally:
            self._expected.remove((matches, event))
            if not event.cancel() and not event.cancelled():
                event.exception()  # or asyncio says that nobody asked for it

    async def close(self) -> None:
        """Ask the process to end, and then make it. Nothing happens when there is none; it never fails."""
        self._closed, self._in_vain = True, 0
        if self._life is not None and self.running:
            with contextlib.suppress(RecorderFailed, TimedOut):
                await self._ask("shutdown", {})
                await asyncio.wait([self._life], timeout=EXIT_S)
            await self._end()
        self._news.set()

    async def _start(self) -> None:
        if self._in_vain >= MAX_STARTS and self._failure is not None:
            raise self._failure
        self._closed, self._failure, self._last_words, self._last_event = False, None, "", None
        try:
            self._process = await start(self._command)
        except OSError as exc:
            said = f"the recorder {self._command[0]} could not be started: {exc.strerror}"
            raise RecorderFailed(said, fix="give the path of a recorder, or correct $VIDEODB_RECORDER") from None
        self.starts += 1
        self._in_vain += 1
        self._unwanted = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(self._process, self._unwanted))
        try:
            await self._ask("init", {"apiUrl": self._api_url})
        except BaseException as exc:
            await self._end()  # otherwise the next command would find a process that knows no address
            if isinstance(exc, ListenError):
                self._failure = exc
            raise

    async def _end(self) -> None:
        if self._life is not None:
            self._give_up()
            await asyncio.wait([self._life])

    def _give_up(self) -> None:
        """Let the process be ended. To cancel its task would interrupt the end that it may be in already."""
        if self._unwanted is not None and not self._unwanted.done():
            self._unwanted.set_result(None)

    async def _ask(self, command: str, params: Mapping[str, Any]) -> Any:
        command_id = str(uuid.uuid4())
        limit_s = self.limit_s(command)
        self._waiting[command_id] = asyncio.get_running_loop().create_future()  # before the answer can come
        try:
            async with asyncio.timeout(limit_s):
                await self._write(encode_command(command, command_id, params))
                reply = await self._waiting[command_id]
        except TimeoutError:
            said = f"the recorder did not answer {command} within {limit_s:g}s"
            raise TimedOut(said, fix="shut the client down, and try again") from None
        finally:
            del self._waiting[command_id]
        if not reply.good:
            why, fix = explain(reply.result, self._said)
            raise RecorderFailed(f"the recorder refused {command}: {why}", fix=fix)
        return reply.result

    async def _write(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._life is not None
        if self._life.done():
            raise self._failure or RecorderFailed("the recorder is shut down", fix="start the session again")
        try:
            self._process.stdin.write(line)
            await self._process.stdin.drain()
        except ConnectionError:  # it does not listen any more
            self._give_up()

    async def _live(self, process: Child, unwanted: asyncio.Future[None]) -> None:
        """Hear `process` until it ends or is unwanted; then it is gone, and whoever waits is told."""
        hearing = asyncio.create_task(self._hear_all(process))
        keeping_log = asyncio.create_task(self._keep_log(process))
        try:
            await asyncio.wait([hearing, process.exited, unwanted], return_when=asyncio.FIRST_COMPLETED)
        finally:
            try:
                await end(process)
                await asyncio.wait([hearing, keeping_log], timeout=LAST_WORDS_S)
            finally:
                hearing.cancel()
                keeping_log.cancel()
                process.close()
                self._tell_the_end(process)

    async def _hear_all(self, process: Child) -> None:
        async for line in lines(process.stdout):
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        match parse_line(line):
            case None:
                self.noise += 1
            case Reply() as reply if (waiting := self._waiting.get(reply.command_id)) and not waiting.done():
                waiting.set_result(reply)
            case Reply():
                self.strays += 1
            case event:
                self._take(event)

    def _take(self, event: Event) -> None:
        self._last_event = event
        self._events.append(event)
        self._news.set()
        for matches, expected in self._expected:
            if not expected.done() and matches(event):
                expected.set_result(event)

    async def _keep_log(self, process: Child) -> None:
        async for line in lines(process.stderr):
            self._last_words = self._said(line.decode(errors="replace")) or self._last_words
            log.debug("recorder: %s", self._last_words)

    def _tell_the_end(self, process: Child) -> None:
        words, fix = self._last_words, "start the session again"
        if self._last_event is not None and self._last_event["event"] == "error":
            words, fix = explain(self._last_event.get("payload"), self._said)
        said = f"the recorder ended with status {process.returncode}{': ' if words else ''}{words}"
        failure = RecorderFailed(said, fix=fix)
        if not self._closed:
            self._failure = failure
        unheard: list[asyncio.Future[Any]] = [*self._waiting.values(), *(future for _, future in self._expected)]
        for waiting in unheard:
            if not waiting.done():
                waiting.set_exception(failure)
        self._news.set()
