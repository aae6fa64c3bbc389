"""A scripted VideoDB backend on bare sockets: REST and WebSocket on one loopback port.

A script is a coroutine that gets a `Peer`, the server's end of one connection. The n-th upgrade runs the n-th script
and the last one repeats. When a script returns, its peer goes on as a polite server: it answers pings and Close until
the client is gone. So a test either writes a script, or takes the default one and drives `await backend.peer(n)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from support.frames import Frame, Op, Parser, accept_key, encode
from support.waiting import LIMIT_S, Changes

CHUNK_BYTES = 64 * 1024  # coalesced writes: many frames in one segment, as a busy server sends them


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    at_s: float
    """Monotonic time."""


Body = bytes | str | dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer: to a REST call, or instead of an upgrade."""

    status: int = 200
    body: Body | Callable[[Request], Body] = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Never answer."""
    until: asyncio.Event | None = None
    """Answer only when this is set."""

    def encode(self, request: Request) -> bytes:
        """Return the bytes on the wire."""
        body = self.body(request) if callable(self.body) else self.body
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {"content-type": "application/json", **self.headers, "content-length": str(len(data))}
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{k}: {v}" for k, v in headers.items()), "connection: close"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Peer:
    """The server's end of one WebSocket connection."""

    def __init__(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, changes: Changes
    ) -> None:
        self.request = request
        self.ids: list[str] = []
        """Connection ids said in hellos."""
        self.sent: list[bytes] = []
        """Payloads of every message but the hellos, in order: what must be lines."""
        self.received: list[Frame] = []
        self.answers_pings = True
        self.answers_close = False
        """Answer a Close as soon as it comes; True by itself when the script is over."""
        self.gone = False
        """The client's end of the stream has been seen."""
        self._reader = reader
        self._writer = writer
        self._changes = changes
        self._close_sent = False
        self._frozen = False
        self._listening: asyncio.Task[None] | None = None
        writer.transport.set_write_buffer_limits(high=0)  # so that drain() means: the kernel has it

    def __repr__(self) -> str:
        return f"Peer(ids={self.ids}, sent={len(self.sent)}, received={len(self.received)}, gone={self.gone})"

    @property
    def id(self) -> str:
        """Newest connection id."""
        return self.ids[-1]

    @property
    def close_frame(self) -> Frame | None:
        """The client's Close, when it has come."""
        return next((frame for frame in self.received if frame.op is Op.CLOSE), None)

    @property
    def pings(self) -> int:
        """How many pings the client has sent."""
        return sum(frame.op is Op.PING for frame in self.received)

    # -- saying --

    async def hello(self, connection_id: str | None = None, **more: object) -> str:
        """Introduce the connection; the id is unique unless given."""
        connection_id = connection_id or f"conn-{secrets.token_hex(6)}="
        self.ids.append(connection_id)
        await self.raw(encode(Op.TEXT, json.dumps({"connection_id": connection_id, **more}).encode()))
        return connection_id

    async def event(self, event: dict[str, Any] | bytes) -> None:
        """Send one event."""
        await self.text(event if isinstance(event, bytes) else json.dumps(event).encode())

    async def text(self, payload: bytes) -> None:
        """Send one text frame, whatever is in it."""
        self.sent.append(payload)
        await self.raw(encode(Op.TEXT, payload))

    async def binary(self, payload: bytes) -> None:
        """Send one binary frame."""
        self.sent.append(payload)
        await self.raw(encode(Op.BINARY, payload))

    async def fragments(self, *parts: bytes, op: Op = Op.TEXT) -> None:
        """Send one message in several frames."""
        self.sent.append(b"".join(parts))
        last = len(parts) - 1
        await self.raw(
            b"".join(encode(Op.CONTINUATION if i else op, part, fin=i == last) for i, part in enumerate(parts))
        )

    async def burst(self, events: Iterable[bytes]) -> None:
        """Send many text frames in few large writes, each awaited until the kernel has taken it."""
        chunk = bytearray()
        for payload in events:
            self.sent.append(payload)
            chunk += encode(Op.TEXT, payload)
            if len(chunk) >= CHUNK_BYTES:
                await self.raw(bytes(chunk))
                chunk.clear()
        await self.raw(bytes(chunk))

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are. A client that is gone is no error of the script."""
        if self._writer.is_closing():
            return
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping."""
        await self.raw(encode(Op.PING, payload))

    # -- ending --

    async def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Send a Close and end the stream once the client has answered it."""
        await self.send_close(code, reason)
        await self.wait_close()
        await self.fin()

    async def send_close(self, code: int | None = 1000, reason: str = "") -> None:
        """Send a Close and nothing else."""
        self._close_sent = True
        await self.raw(encode(Op.CLOSE, b"" if code is None else struct.pack(">H", code) + reason.encode()))

    async def answer_close(self) -> None:
        """Echo the client's Close and end the stream, as a server does."""
        frame = self.close_frame
        assert frame is not None, "there is no Close to answer"
        if not self._close_sent:
            await self.send_close(frame.close_code)
        await self.fin()

    async def fin(self) -> None:
        """End the stream in order, without a Close."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def rst(self) -> None:
        """Abort the connection: what the client has not read yet is lost with it."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def freeze(self) -> None:
        """Neither read nor answer from now on, and keep the connection: a half-open peer."""
        self._frozen = True
        if self._listening is not None:
            self._listening.cancel()
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        if not transport.is_closing():
            transport.pause_reading()

    # -- hearing --

    async def wait_close(self) -> Frame | None:
        """Wait for the client's Close; None when it left without one."""
        await self.until(lambda: self.gone or self.close_frame is not None, f"a Close from the client of {self!r}")
        return self.close_frame

    async def wait_gone(self) -> None:
        """Wait until the client's end of the stream is closed."""
        await self.until(lambda: self.gone, f"the end of {self!r}")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition` holds, looking after each frame."""
        await self._changes.until(condition, what)

    # -- the backend's side --

    async def run(self, script: Script) -> None:
        """Run the script beside the listening; be polite when it is over."""
        self._listening = asyncio.create_task(self._listen())
        try:
            await script(self)
            self.answers_close = True
            if self.close_frame is not None:
                await self.answer_close()
            await asyncio.wait([self._listening])
            if self._frozen:
                await asyncio.get_running_loop().create_future()
            self._listening.result()
        finally:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        parser = Parser()
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(CHUNK_BYTES):
                for frame in parser.feed(data):
                    await self._hear(frame)
        self.gone = True
        self._changes.tell()

    async def _hear(self, frame: Frame) -> None:
        self.received.append(frame)
        self._changes.tell()
        if frame.op is Op.PING and self.answers_pings:
            await self.raw(encode(Op.PONG, frame.payload))
        if frame.op is Op.CLOSE and self.answers_close:
            await self.answer_close()


Script = Callable[[Peer], Awaitable[None]]


async def greet(peer: Peer) -> None:
    """Say hello with a unique id, then be a polite, silent server."""
    await peer.hello()


async def mute(peer: Peer) -> None:
    """Accept the upgrade and never say hello."""


class Backend:
    """REST and WebSocket on one loopback port, following a script."""

    def __init__(
        self, connections: Sequence[Script | Reply] = (greet,), rest: Sequence[Reply] = (), *, host: str = "127.0.0.1"
    ) -> None:
        self.requests: list[Request] = []
        """REST calls, in order."""
        self.upgrades: list[Request] = []
        """Attempts to open a WebSocket, refused ones included."""
        self.peers: list[Peer] = []
        """WebSocket connections, in order."""
        self.tokens: list[str] = []
        """Every secret that was handed out in a URL."""
        self.rest = list(rest)
        """REST answers still to come; afterwards every call is answered well."""
        self._connections = list(connections)
        self._host = host
        self._changes = Changes()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None  # keeps the port while nobody listens
        self.port = 0

    def __repr__(self) -> str:
        return f"Backend({self.url}, requests={len(self.requests)}, peers={self.peers}, rest left={len(self.rest)})"

    @property
    def url(self) -> str:
        """Base URL of the REST side."""
        return f"http://{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        if self._placeholder is not None:
            self._placeholder.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failures and error is None:
            raise ExceptionGroup("scripts failed", [e for e in self._failures if isinstance(e, Exception)])

    async def listen(self) -> None:
        """Open the port (the same one as before, after `hang_up`)."""
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        self._server = await asyncio.start_server(self._connected, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def hang_up(self) -> None:
        """Take no more connections; those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError):
                self._placeholder = _bound(self._host, self.port)

    # -- what tests look at --

    async def peer(self, index: int = 0) -> Peer:
        """Wait for the n-th WebSocket connection, counted from 0."""
        await self.until(lambda: len(self.peers) > index, f"connection number {index} at {self!r}")
        return self.peers[index]

    async def greeted(self, index: int = 0) -> Peer:
        """Wait for the n-th WebSocket connection to have been said hello to."""
        peer = await self.peer(index)
        await peer.until(lambda: bool(peer.ids), f"a hello on {peer!r}")
        return peer

    async def until(self, condition: Callable[[], bool], what: str, *, limit_s: float = LIMIT_S) -> None:
        """Wait until `condition` holds, looking after each request, connection and frame."""
        await self._changes.until(condition, what, limit_s=limit_s)

    def websocket_url(self) -> str:
        """Return a fresh WebSocket URL with a new secret in it."""
        token = f"tok-{secrets.token_hex(12)}"
        self.tokens.append(token)
        return f"ws://{self._host}:{self.port}/ws?token={token}"

    # -- the sockets --

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)
            self._changes.tell()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                request = await read_request(reader)
                if request.headers.get("upgrade", "").lower() == "websocket":
                    await self._upgrade(request, reader, writer)
                else:
                    await self._answer(request, writer)
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        self._changes.tell()
        reply = self.rest.pop(0) if self.rest else self._good_answer(request)
        await write_reply(reply, request, writer)

    def _good_answer(self, request: Request) -> Reply:
        parts = request.path.split("?")[0].strip("/").split("/")
        if request.method == "GET" and len(parts) == 3 and (parts[0], parts[2]) == ("collection", "websocket"):
            return Reply(body={"success": True, "data": {"websocket_url": self.websocket_url()}})
        return Reply(404, {"success": False, "message": "no such path"})

    async def _upgrade(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        index = len(self.upgrades)
        self.upgrades.append(request)
        script = self._connections[min(index, len(self._connections) - 1)]
        self._changes.tell()
        if isinstance(script, Reply):
            await write_reply(script, request, writer)
            return
        accept = accept_key(request.headers["sec-websocket-key"])
        head = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: Upgrade"]
        writer.write("\r\n".join([*head, f"sec-websocket-accept: {accept}", "", ""]).encode())
        await writer.drain()
        peer = Peer(request, reader, writer, self._changes)
        self.peers.append(peer)
        self._changes.tell()
        await peer.run(script)


async def write_reply(reply: Reply, request: Request, writer: asyncio.StreamWriter) -> None:
    """Answer an HTTP request, or never."""
    if reply.hang:
        await asyncio.get_running_loop().create_future()
    if reply.until is not None:
        await reply.until.wait()
    writer.write(reply.encode(request))
    await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read the head of one HTTP request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
    return Request(method, path, headers, time.monotonic())


_KEPT: list[socket.socket] = []
"""Bound and never listening: the kernel refuses connections, and gives the port to nobody else meanwhile."""


def unused_port() -> int:
    """Return a loopback port at which nobody listens, now or later."""
    _KEPT.append(_bound("127.0.0.1", 0))
    port: int = _KEPT[-1].getsockname()[1]
    return port


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
