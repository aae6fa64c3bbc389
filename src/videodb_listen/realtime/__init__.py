"""One WebSocket, from the handshake to its last frame; the library that does it is behind `open_connection`."""

from videodb_listen.realtime.by_websockets import open_connection
from videodb_listen.realtime.connection import Connection, Ended, time_limit

__all__ = ["Connection", "Ended", "open_connection", "time_limit"]
