"""A connection that websockets holds; its only importer.

Frames are taken as bytes, in order, and handed to `deliver` at once: `recv()` does not suspend while its buffer holds
frames, so a whole read of the socket is delivered in one turn of the loop and the library's buffer never grows beyond
one read (256 KiB) and one frame. Taking text as bytes matters: decoding in the library ends the connection at the first
invalid UTF-8 and loses the good frames behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)
from websockets.frames import CloseCode
from websockets.protocol import State

from videodb_listen.errors import TLS_FIX, Unavailable
from videodb_listen.line import hello_id
from videodb_listen.realtime.connection import Connection, Deliver, Ended, time_limit
from videodb_listen.settings import Link
from videodb_listen.system.network import Proxy, authorities, proxy_for, unreachable, why
from videodb_listen.text import Secrets, one_line
from videodb_listen.units import format_duration, parse_retry_after
from videodb_listen.version import __version__

OPEN_TIMEOUT_S = 10.0  # for TCP, TLS and the upgrade together

MAX_QUEUE_FRAMES = 4096
"""Reading pauses above this many undelivered frames. The library's 16 would pause in every burst, and what then sits
in the kernel is lost when the server resets the connection (measured: 547 of 1,500 frames, none with 4,096)."""

NOTICED_WITHIN_S = 0.5  # how long the end of a connection that the server does not finish may stay unnoticed

PATIENCE_S = 2.0
"""For a server that has sent its Close, or broken the protocol, to hang up: a good one does at once."""

MAX_UNREAD_BYTES = 1 << 20
"""What may wait for a server that does not read: our frames are pings, pongs and one Close."""

_SILENT = logging.getLogger("videodb_listen.wire")  # at DEBUG the library logs requests, and the URL is a secret
_SILENT.disabled = True


class WebsocketsConnection:
    """A `Connection`; what its methods promise is said there."""

    def __init__(self, socket: _Socket, connection_id: str, hello: bytes, link: Link, secrets: Secrets) -> None:
        self.connection_id = connection_id
        self.hello = hello
        self._secrets = secrets
        self._socket = socket
        self._link = link
        self._cut: str | None = None  # why we ended it ourselves; None: we did not
        self._closing = False

    def __repr__(self) -> str:
        return f"<Connection {self.connection_id} {self._socket.state.name}>"

    async def read(self, deliver: Deliver, on_pong: Callable[[float], None]) -> Ended:
        """Deliver until the end; `deliver` is called once a frame, on the path of every event."""
        beside = [asyncio.create_task(self._keepalive(on_pong)), asyncio.create_task(self._watch())]
        receive = self._socket.recv
        try:
            while True:
                if (rest := deliver(await receive(decode=False))) is not None:
                    with self._socket.busy():
                        await rest
        except ConnectionClosed as exc:
            return self._ended(exc)
        except MemoryError:
            return Ended("out of memory", refused="a frame for which there is not enough memory")
        finally:
            for task in beside:
                task.cancel()

    async def prove(self, timeout_s: float) -> float | None:
        """Ping, and cut a connection that stays silent."""
        with contextlib.suppress(ConnectionClosed):
            try:
                async with time_limit(timeout_s, self._socket.heard, silence=True):
                    return await (await self._socket.ping())
            except TimeoutError:
                if not self._closing:
                    self.cut(f"no pong within {format_duration(timeout_s)}")
        return None

    async def close(self, hurried: asyncio.Event | None = None) -> bool:
        """Send Close, and wait for the answer."""
        self._closing = True
        try:
            async with time_limit(self._link.drain_s, self._socket.heard, hurried=hurried):
                await self._socket.close()
        except TimeoutError:
            self._socket.transport.abort()
        return self._socket.protocol.close_rcvd is not None

    def cut(self, reason: str) -> None:
        """Abort the transport: the library delivers what it holds."""
        self._cut = self._cut or reason
        self._socket.transport.abort()

    async def _keepalive(self, on_pong: Callable[[float], None]) -> None:
        """Ping at intervals. Ours, not the library's: the daemon publishes when the last pong came."""
        while (latency_s := await self.prove(self._link.ping_timeout_s)) is not None:
            on_pong(latency_s)
            await asyncio.sleep(self._link.ping_interval_s)

    async def _watch(self) -> None:
        """End a connection that the library has given up, or whose server only sends.

        After a breach, or the server's Close, the library waits for the server to hang up, however long that takes; a
        bad one never does. What a server does not read piles up here.
        """
        transport = self._socket.transport
        while True:
            await asyncio.sleep(NOTICED_WITHIN_S)
            if transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                self.cut("the server does not read what it is sent")
            if self._socket.state is not State.OPEN and not self._closing:
                await asyncio.sleep(PATIENCE_S)
                transport.abort()

    def _ended(self, exc: ConnectionClosed) -> Ended:
        if self._cut is not None:
            return Ended(self._cut)
        return _describe(exc, self._secrets)


class _Socket(ClientConnection):
    """A connection that counts what it is handed, so that silence can be told from a pong that is late."""

    _reads = 0
    _busy = False

    def heard(self) -> int:
        """How often bytes came; it grows with every look while we are still busy with some."""
        self._reads += self._busy
        return self._reads

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Something that came is being dealt with; what came after it waits."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._reads += 1
        super().data_received(data)


class _Connect(connect):
    """`connect` without redirects: the URL was checked, what it points to was not."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


@contextlib.asynccontextmanager
async def open_connection(url: str, link: Link, deliver: Deliver, secrets: Secrets) -> AsyncIterator[Connection]:
    """Connect to `url` and wait for the hello; on leaving, whatever is left of the connection is cut.

    Frames that come before the hello go to `deliver`: they are events. What the server says is shown without `secrets`.
    Raises Unavailable when there is no connection, no upgrade, no hello in time, or an id that no file should hold.
    """
    proxy = proxy_for(url)
    trusted = authorities() if urlsplit(url).scheme == "wss" else None
    tls: dict[str, Any] = {} if trusted is None else {"ssl": trusted}  # without it, the library's own
    with _translated(proxy, secrets):
        async with time_limit(OPEN_TIMEOUT_S):
            socket = await _Connect(
                url,
                create_connection=_Socket,
                open_timeout=None,  # limits are ours: the library's run on while we do not
                close_timeout=None,
                ping_interval=None,
                max_size=link.max_frame_bytes,
                max_queue=MAX_QUEUE_FRAMES,
                proxy=None if proxy is None else proxy.url,
                **tls,
                user_agent_header=f"videodb-listen/{__version__}",
                logger=_SILENT,
            )
    assert isinstance(socket, _Socket)
    try:
        connection_id, hello = await _hello(socket, link.hello_timeout_s, deliver, secrets)
        yield WebsocketsConnection(socket, connection_id, hello, link, secrets)
    finally:
        socket.transport.abort()


async def _hello(socket: _Socket, timeout_s: float, deliver: Deliver, secrets: Secrets) -> tuple[str, bytes]:
    """The connection id, and the frame that said it."""
    try:
        async with time_limit(timeout_s, socket.heard):
            while (connection_id := hello_id(frame := await socket.recv(decode=False))) is None:
                if (rest := deliver(frame)) is not None:
                    await rest
    except TimeoutError:
        raise Unavailable(f"the server sent no connection id within {format_duration(timeout_s)}") from None
    except ConnectionClosed as exc:
        raise Unavailable(f"closed before a connection id came: {_describe(exc, secrets).reason}") from None
    except ValueError as exc:
        raise Unavailable(f"the server's {secrets.said(str(exc))}") from None
    return connection_id, frame


def _describe(exc: ConnectionClosed, secrets: Secrets) -> Ended:
    """How the library says a connection ended, in terms of who ended it; the server's words without `secrets`."""
    ours = exc.sent if exc.rcvd is None or not exc.rcvd_then_sent else None
    if ours is not None and ours.code == CloseCode.MESSAGE_TOO_BIG:
        return Ended("a frame over the limit", refused=secrets.said(ours.reason))
    if ours is not None and ours.code != CloseCode.NORMAL_CLOSURE:
        return Ended(f"the server broke the protocol: {secrets.said(ours.reason)}")
    if exc.rcvd is not None:
        said = secrets.said(exc.rcvd.reason)
        return Ended(f"the server closed with {exc.rcvd.code}{': ' * bool(said)}{said}", int(exc.rcvd.code))
    return Ended("dropped without a Close" + (f": {one_line(exc.__cause__)}" if exc.__cause__ else ""))


@contextlib.contextmanager
def _translated(proxy: Proxy | None, secrets: Secrets) -> Iterator[None]:
    """The library's exceptions as Unavailable. Their own text is used only where it cannot hold an address."""
    try:
        yield
    except InvalidStatus as exc:
        raise Unavailable(
            f"the WebSocket upgrade was refused with {exc.response.status_code}",
            retry_after_s=parse_retry_after(exc.response.headers),
        ) from None
    except TimeoutError:
        raise Unavailable(f"no WebSocket within {OPEN_TIMEOUT_S:.0f}s") from None
    except ssl.SSLError as exc:
        raise Unavailable(f"no trust in the WebSocket's server: {why(exc, proxy, secrets)}", fix=TLS_FIX) from None
    except OSError as exc:
        raise unreachable("the WebSocket could not be reached", exc, proxy, secrets) from None
    except ImportError:
        assert proxy is not None
        raise proxy.unknown() from None
    except ValueError as exc:
        raise Unavailable(f"the WebSocket's address is not usable: {type(exc).__name__}") from None
    except ProxyError as exc:
        assert proxy is not None
        raise proxy.refused(exc.response.status_code if isinstance(exc, InvalidProxyStatus) else None) from None
    except (InvalidHandshake, WebSocketException) as exc:
        raise Unavailable(f"the WebSocket handshake failed: {type(exc).__name__}") from None
