"""The server's WebSocket side, on the protocol of `websockets` without its I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from websockets.http11 import Request as Upgrade
from websockets.protocol import State
from websockets.server import ServerProtocol

from faults.simulation.ledger import Connection, Frame, Result
from faults.simulation.network import NAME, Acceptor, End

if TYPE_CHECKING:
    from faults.simulation.service import Service

PORT = 8081


@dataclass(frozen=True)
class Trouble:
    """What new connections meet: they are `refused`, or stay `silent`; `happened` is told of each."""

    how: str
    happened: Callable[[str], None]


class Realtime(Acceptor):
    """Accepts a connection for each URL that it has given away, says hello, and sends events to it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.world = service.world
        self.ledger = service.ledger
        self.trouble: Trouble | None = None
        self._urls: dict[str, tuple[str, str]] = {}  # of each token that was not used: its machine and owner
        self._sockets: dict[str, _Socket] = {}

    def new_url(self, machine: str, owner: str) -> str:
        """A URL that is good for one connection."""
        token = f"{self.world.dice.getrandbits(64):016x}"
        self._urls[token] = (machine, owner)
        return f"ws://{NAME}:{PORT}/v1?token={token}"

    def accept(self, end: End) -> bool:
        """Take a connection."""
        _Socket(self, end)
        return True

    def claim(self, path: str) -> tuple[str, str] | None:
        """The machine and the owner of the URL of this path; None when it is not good, or not any more."""
        token = parse_qs(urlsplit(path).query).get("token", [""])[0]
        return self._urls.pop(token, None)

    def opened(self, socket: _Socket, machine: str, owner: str) -> Connection:
        """Give a new connection its id."""
        connection = Connection(f"{self.world.dice.getrandbits(60):x}=", machine, owner, self.world.now)
        self.ledger.connections[connection.id] = connection
        self._sockets[connection.id] = socket
        self.world.note("server", f"{machine} is connected as {connection.id}")
        return connection

    def ended(self, connection: Connection) -> None:
        """Forget a connection."""
        connection.ended = self.world.now
        del self._sockets[connection.id]
        self.world.note("server", f"{connection.machine}'s connection {connection.id} has ended")

    def send(self, connection: str, payload: bytes, result: Result | None = None) -> bool:
        """Send an event to a connection; whether there is one. Nobody is told when there is not."""
        if not self.is_open(connection):
            return False
        frame = Frame(connection, self.world.now, payload, result)
        self.ledger.connections[connection].frames.append(frame)
        if result is not None:
            result.frames.append(frame)
        self._sockets[connection].send(frame)
        return True

    def is_open(self, connection: str) -> bool:
        """Whether a connection stands, and neither side has sent Close."""
        return connection in self._sockets and self._sockets[connection].open

    def close(self, connection: str, code: int, reason: str) -> None:
        """Send Close and end the connection, as a server does that is restarted."""
        self._sockets[connection].close(code, reason)

    def end_of(self, connection: str) -> End:
        """The end of a connection that stands."""
        return self._sockets[connection].end


class _Socket:
    """One WebSocket."""

    def __init__(self, realtime: Realtime, end: End) -> None:
        self.end = end
        self._realtime = realtime
        self._protocol = ServerProtocol(max_size=None)
        self._connection: Connection | None = None  # None: it has no id yet
        end.on_data = self._read
        end.on_end = self._ended

    @property
    def open(self) -> bool:
        """Whether anything can be sent: no Close was."""
        return self._protocol.state is State.OPEN

    def send(self, frame: Frame) -> None:
        """Send one event."""
        world = self._realtime.world

        def read() -> None:
            frame.read_at = world.now

        self._protocol.send_text(frame.payload)
        self._flush(read)

    def close(self, code: int, reason: str) -> None:
        """Send Close; the connection ends when the other side has answered."""
        self._protocol.send_close(code, reason)
        self._flush()

    def _read(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Upgrade):
                self._upgrade(event)
        self._flush()

    def _upgrade(self, request: Upgrade) -> None:
        claimed, trouble = self._realtime.claim(request.path), self._realtime.trouble
        if trouble is not None:
            trouble.happened(f"a WebSocket is {trouble.how}")
        if claimed is None or (trouble is not None and trouble.how == "refused"):
            self._protocol.send_response(self._protocol.reject(403, "the URL is not good any more\n"))
            return
        self._protocol.send_response(self._protocol.accept(request))
        if trouble is not None:
            return
        world = self._realtime.world
        world.after(world.dice.uniform(*self._realtime.ledger.manners.hello_s), self._greet, *claimed)

    def _greet(self, machine: str, owner: str) -> None:
        if not self.end.closed:
            connection = self._connection = self._realtime.opened(self, machine, owner)

            def read() -> None:
                connection.greeted = self._realtime.world.now

            self._protocol.send_text(json.dumps({"connection_id": connection.id}).encode())
            self._flush(read)

    def _flush(self, received: Callable[[], None] | None = None) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.end.send(data, received)
            else:
                self.end.close()

    def _ended(self) -> None:
        if self._connection is not None:
            self._realtime.ended(self._connection)
            self._connection = None
