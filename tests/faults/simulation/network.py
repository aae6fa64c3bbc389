"""The network between machines and the server: links that fail, and connections that carry bytes in order, late.

A connection has two ends. The machine's is an asyncio transport, the server's an `End` that calls back. What is sent
into a link that is held piles up, as it does in the kernel; when the link is back it arrives, unless the far side has
given the connection up meanwhile. Nothing is ever lost in the middle of a connection that goes on.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from faults.simulation.world import World

if TYPE_CHECKING:
    from faults.simulation.machine import Process

ADDRESS = "127.0.0.1"
NAME = "localhost"
"""The only host that the daemon speaks to without TLS. TLS is not simulated."""

RETRANSMIT_S = 0.4
"""How long after a link is back what had piled up arrives."""

GIVE_UP_S = 45.0
"""How long the server's side keeps a connection whose data is not acknowledged."""

Received = Callable[[], None]


class Acceptor:
    """What accepts connections at a port: called with the server's end of each new one; False refuses it."""

    def accept(self, end: End) -> bool:
        """Take a new connection, by setting the callbacks of its end, or refuse it."""
        raise NotImplementedError


class Network:
    """Where servers listen. `latency_s` is the least and the most that anything takes, one way."""

    def __init__(self, world: World, latency_s: tuple[float, float] = (0.01, 0.06)) -> None:
        self.world = world
        self.latency_s = latency_s
        self.servers: dict[int, Acceptor] = {}

    def latency(self) -> float:
        """Throw how long one way takes on a new connection."""
        return self.world.dice.uniform(*self.latency_s)


class Trouble:
    """What a link does to a process that uses it, while it lasts; `happened` is called each time it does."""

    def __init__(self, happened: Callable[[str], None], *, lookup: bool = False, error: type[OSError] | None) -> None:
        self.happened = happened
        self.lookup = lookup  # whether names cannot be looked up
        self.error = error  # what connecting raises; None: it takes for ever


class Link:
    """How one machine reaches the network."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.world = network.world
        self.name = name
        self.wires: list[Wire] = []
        self.trouble: Trouble | None = None
        self._held: set[str] = set()  # why nothing gets through
        self._waiting: list[tuple[Process, asyncio.Future[bool]]] = []  # those who connect and hear nothing

    @property
    def held(self) -> bool:
        """Whether nothing gets through at present."""
        return bool(self._held)

    def hold(self, why: str) -> None:
        """Let nothing through until `release(why)`; connections stay, and do not notice."""
        self._held.add(why)

    def release(self, why: str) -> None:
        """Let everything through again, and what had piled up."""
        self._held.discard(why)
        if not self._held:
            for wire in list(self.wires):
                wire.thaw()
            self._answer_those_who_wait()

    def fail(self, trouble: Trouble | None) -> None:
        """Have look-ups and new connections fail; None: no longer."""
        self.trouble = trouble
        if trouble is None:
            self._answer_those_who_wait()

    def close(self, process: Process) -> None:
        """Close what a process that has ended had open, as its kernel does."""
        for wire in [one for one in self.wires if one.process is process]:
            wire.transport.close()

    async def look_up(self, host: str | bytes, port: int) -> list[Any]:
        """getaddrinfo(3)."""
        name = host.decode() if isinstance(host, bytes) else host
        await asyncio.sleep(self.network.latency())
        if self.trouble is not None and self.trouble.lookup and name != ADDRESS:
            self.trouble.happened(f"no address for {name}")
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ADDRESS, port))]

    async def connect(
        self, process: Process, factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Connect a process to the server at `port`. Raises OSError."""
        if host != ADDRESS:
            await self.look_up(host, port)
        await self._reach(process)
        protocol = factory()
        wire = Wire(self, process, protocol)
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.world.after(wire.latency_s, self._ask, port, wire, answered)
        try:
            accepted = await answered
        except asyncio.CancelledError:
            wire.transport.discard()
            raise
        if not accepted:
            raise ConnectionRefusedError(111, f"Connect call failed ('{ADDRESS}', {port})")
        protocol.connection_made(wire.transport)
        return wire.transport, protocol

    def _ask(self, port: int, wire: Wire, answered: asyncio.Future[bool]) -> None:
        if wire.transport.is_closing() or not wire.process.alive:
            return  # nobody wants it any more
        server = self.network.servers.get(port)
        accepted = server is not None and server.accept(wire.end)
        if accepted:
            self.wires.append(wire)
        self.world.after(wire.latency_s, wire.process.call_soon, _answer, answered, accepted)

    async def _reach(self, process: Process) -> None:
        """Get through to the far side, however long that takes. Raises OSError."""
        while self.held or (self.trouble is not None and not self.trouble.lookup):
            if self.trouble is not None and self.trouble.error is not None:
                self.trouble.happened(f"no connection: {self.trouble.error.__name__}")
                raise self.trouble.error(f"Connect call failed ('{ADDRESS}')")
            if self.trouble is not None:
                self.trouble.happened("no connection: no answer")
            answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._waiting.append((process, answered))
            await answered
            await asyncio.sleep(RETRANSMIT_S)

    def _answer_those_who_wait(self) -> None:
        waiting, self._waiting = self._waiting, []
        for process, answered in waiting:
            process.call_soon(_answer, answered, True)


def _answer(answered: asyncio.Future[bool], accepted: bool) -> None:
    if not answered.done():
        answered.set_result(accepted)


class Wire:
    """Two ends and what is between them. `frozen`: nothing passes any more, and neither end is told."""

    def __init__(self, link: Link, process: Process, protocol: asyncio.Protocol) -> None:
        self.link = link
        self.process = process
        self.latency_s = link.network.latency()
        self.frozen = False
        self.transport = Transport(self, protocol)
        self.end = End(self)
        self.to_process = Way(self, self.transport.arrive)
        self.to_server = Way(self, self.end.arrive)

    @property
    def open(self) -> bool:
        """Whether both ends still have it."""
        return not self.transport.is_closing() and not self.end.closed

    def freeze(self) -> None:
        """Let nothing pass from here on, in either direction: its entry in a router was lost."""
        self.frozen = True

    def reset(self) -> None:
        """End it at once, for both ends: what was under way is lost."""
        self.to_process.cut()
        self.to_server.cut()
        self.end.lost()
        self.transport.lose(ConnectionResetError(104, "Connection reset by peer"))

    def thaw(self) -> None:
        """Let through what had piled up."""
        if not self.frozen:
            self.to_process.flush()
            self.to_server.flush()

    def forget(self) -> None:
        """Let the link forget it once neither end has it."""
        if self in self.link.wires and self.transport.is_closing() and self.end.closed:
            self.link.wires.remove(self)


Item = tuple[bytes | Exception | None, Received | None]
"""Bytes, None for the end of them, or what went wrong; and who wants to know when it was read."""


class Way:
    """One direction of a connection. It keeps the order."""

    def __init__(self, wire: Wire, arrive: Callable[[Item], None]) -> None:
        self._wire = wire
        self._arrive = arrive
        self._piled: deque[Item] = deque()
        self._since: float | None = None  # when what is piled up first began to wait; None: nothing is
        self._cuts = 0

    @property
    def waits_since(self) -> float | None:
        """The world's time since when something is not acknowledged, None while nothing is."""
        return self._since

    def send(self, data: bytes | Exception | None, received: Received | None = None) -> None:
        """Put something on its way."""
        wire = self._wire
        wire.link.world.after(wire.latency_s, self._come, (data, received), self._cuts)

    def cut(self) -> None:
        """Lose what is under way."""
        self._cuts += 1
        self._piled.clear()
        self._since = None

    def flush(self) -> None:
        """Put what has piled up on its way."""
        if self._piled:
            self._wire.link.world.after(RETRANSMIT_S, self._come_all)

    def _come(self, item: Item, cuts: int) -> None:
        wire = self._wire
        if cuts != self._cuts:
            return
        if wire.frozen or wire.link.held or self._piled:
            self._piled.append(item)
            if self._since is None:
                self._since = wire.link.world.now
                wire.end.worry()
        else:
            self._arrive(item)

    def _come_all(self) -> None:
        if self._wire.frozen or self._wire.link.held:
            return
        self._since = None
        while self._piled:
            self._arrive(self._piled.popleft())


class End:
    """The server's end of a connection. `on_data` gets bytes, `on_end` is called once, when there is no more."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.closed = False
        self.on_data: Callable[[bytes], None] = lambda _data: None
        self.on_end: Callable[[], None] = lambda: None

    def send(self, data: bytes, received: Received | None = None) -> None:
        """Send bytes; `received` is called when the process has read them."""
        if not self.closed:
            self.wire.to_process.send(data, received)

    def close(self) -> None:
        """Send what was sent, then the end."""
        if not self.closed:
            self.closed = True
            self.wire.to_process.send(None)
            self.wire.forget()
            self.on_end()

    def reset(self) -> None:
        """End it at once; what was under way is lost."""
        self.wire.reset()

    def lost(self) -> None:
        """There is nothing at the other end any more."""
        if not self.closed:
            self.closed = True
            self.wire.forget()
            self.on_end()

    def arrive(self, item: Item) -> None:
        """Take what the process sent."""
        data, _ = item
        if self.closed:
            if isinstance(data, bytes):  # whoever still speaks to us is told that nobody is here
                self.wire.to_process.send(ConnectionResetError(104, "Connection reset by peer"))
        elif isinstance(data, bytes):
            self.on_data(data)
        else:
            self.lost()

    def worry(self) -> None:
        """Something is not acknowledged: give the connection up if that lasts."""
        self.wire.link.world.after(GIVE_UP_S, self._give_up)

    def _give_up(self) -> None:
        since = self.wire.to_process.waits_since
        if since is not None and self.wire.link.world.now - since >= GIVE_UP_S:
            self.wire.to_process.cut()
            self.lost()


class Plug:
    """As much of a socket as libraries ask for. Its number can be polled: it never becomes readable."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def fileno(self) -> int:
        """A descriptor that is never readable, or -1, which counts as readable, when there is something to read."""
        return -1 if self._transport.has_news else _quiet()

    def setsockopt(self, *_: Any) -> None:
        """Nothing to set."""

    def getsockname(self) -> tuple[str, int]:
        return (ADDRESS, 50_000)

    def getpeername(self) -> tuple[str, int]:
        return (ADDRESS, 443)


@functools.cache
def _quiet() -> int:
    """A real descriptor that never becomes readable."""
    quiet, _keeps_it_open = os.pipe()
    return quiet


class Transport(asyncio.Transport):
    """The process's end of a connection."""

    def __init__(self, wire: Wire, protocol: asyncio.Protocol) -> None:
        plug = Plug(self)
        super().__init__({"socket": plug, "sockname": plug.getsockname(), "peername": plug.getpeername()})
        self._wire = wire
        self._protocol = protocol
        self._unread: deque[Item] = deque()
        self._paused = False
        self._closing = False
        self._lost = False

    @property
    def has_news(self) -> bool:
        """Whether something came that was not read, or the connection has ended."""
        return bool(self._unread) or self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        if self._unread:
            self._wire.process.call_soon(self._read)

    def write(self, data: Any) -> None:
        if not self._lost:
            self._wire.to_server.send(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._wire.to_server.send(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The kernel takes all that is written here."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return (0, 1 << 16)

    def close(self) -> None:
        self._leave(None)

    def abort(self) -> None:
        self._leave(None)

    def discard(self) -> None:
        """Close what was never given to anybody."""
        self._lost = True
        self._leave(None)

    def lose(self, exc: Exception) -> None:
        """Take a reset."""
        self._unread.clear()
        self.arrive((exc, None))

    def arrive(self, item: Item) -> None:
        """Take what the server sent."""
        if not self._closing:
            self._unread.append(item)
            if not self._paused:
                self._wire.process.call_soon(self._read)

    def _read(self) -> None:
        """Hand over what has come, as a loop does whose descriptor is readable."""
        while self._unread and not self._paused and not self._closing:
            data, received = self._unread.popleft()
            if isinstance(data, bytes):
                if received is not None:
                    received()
                self._protocol.data_received(data)
            elif isinstance(data, Exception):
                self._leave(data)
            elif not self._protocol.eof_received():
                self._leave(None)

    def _leave(self, exc: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._unread.clear()
        self._wire.to_server.send(None)
        self._wire.forget()
        self._wire.process.call_soon(self._gone, exc)

    def _gone(self, exc: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(exc)
