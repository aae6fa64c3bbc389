"""uvicorn, and each WebSocket down to its TCP connection: what a fault needs, ASGI hides."""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from videodb_emulator.pure.agenda import Message
from videodb_emulator.pure.chaos import Fault

log = logging.getLogger(__name__)

Transports = MutableMapping[tuple[str, int], asyncio.Transport]
"""The TCP connection of each client address."""


def protocol_for(transports: Transports) -> type[asyncio.Protocol]:
    """Return uvicorn's WebSocket protocol, made to enter its connections in `transports`."""

    class Protocol(WebSocketsSansIOProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            if self.client is not None:
                transports[self.client] = self.transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                transports.pop(self.client, None)
            super().connection_lost(exc)

    return Protocol


@asynccontextmanager
async def served(app: ASGIApp, listening: socket.socket, transports: Transports) -> AsyncIterator[None]:
    """Serve `app` while the block is open, its WebSockets entered in `transports`.

    Does what `uvicorn.Server.serve` does, without its signal handlers and its loop of 0.1 s ticks.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        http="h11",
        lifespan="off",
        ws=protocol_for(transports),
        ws_ping_interval=None,  # the backend never pings, clients do
        ws_per_message_deflate=False,  # what is on the wire can be read on the wire
        timeout_graceful_shutdown=2,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    try:
        yield
    finally:
        await server.shutdown(sockets=[listening])


class Wire:
    """One accepted connection."""

    def __init__(self, websocket: WebSocket, transport: asyncio.Transport) -> None:
        self._websocket = websocket
        self._transport = transport
        self._frozen = self._duplicate_next = self._truncate_next = False

    async def send(self, message: Message) -> bool:
        """Send one message; return whether the connection was there to take it."""
        frame = encode(message)
        if self._frozen or self._transport.is_closing():
            return False
        if self._truncate_next:
            self._transport.write(_first_half(frame))
            self._transport.close()
            return False
        ws = self._websocket
        try:
            for _ in range(1 + self._duplicate_next):
                await (ws.send_text(frame) if isinstance(frame, str) else ws.send_bytes(frame))
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: a send before this one found it closed
            return False
        self._duplicate_next = False
        return True

    async def closed(self) -> None:
        """Return once the client is gone."""
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass  # clients have nothing to say

    async def inject(self, faults: Iterable[Fault]) -> None:
        """Let the faults happen, each at its time after now."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for fault in faults:
            await asyncio.sleep(begin_s + fault.at_s - loop.time())
            log.info("fault after %gs: %s", fault.at_s, fault.name)
            await self._inject(fault)

    async def _inject(self, fault: Fault) -> None:
        match fault.name:
            case "drop":
                self._transport.close()
            case "rst":
                linger = struct.pack("ii", 1, 0)
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
            case "close":
                with suppress(RuntimeError):  # it is closed already
                    await self._websocket.close(fault.code)
            case "freeze":
                self._frozen = True
                self._transport.pause_reading()
            case "duplicate":
                self._duplicate_next = True
            case "truncate":
                self._truncate_next = True


def encode(message: Message) -> str | bytes:
    """Return the frame of a message: an event becomes a text."""
    if not isinstance(message, dict):
        return message
    text = json.dumps(message, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(message)  # half of a surrogate pair travels only as an escape
    return text


def _first_half(frame: str | bytes) -> bytes:
    """Return the beginning of a frame that ends in the middle of its payload."""
    payload, opcode = (frame.encode(), Opcode.TEXT) if isinstance(frame, str) else (frame, Opcode.BINARY)
    whole = Frame(opcode, payload).serialize(mask=False)
    return whole[: len(whole) - len(payload) + len(payload) // 2]
