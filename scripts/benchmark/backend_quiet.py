"""A backend where nothing happens until it is told: it says hello, then sends one event for each line on its stdin.

    python backend_quiet.py

It prints one JSON object a line: `{"port": N}` when it listens, and `{"sent_ns": T}` for each event: the monotonic
clock, which all processes of a machine share, at the instant before the event is handed to the kernel.

It stands on `websockets`: at one event a second it is no bottleneck, and a daemon that is idle for minutes needs its
pings answered.
"""

from __future__ import annotations

import json
import sys
import threading
from http import HTTPStatus
from time import monotonic_ns

from backend import EVENT, say
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

PATH = "/socket"


class Quiet:
    """Serves any number of connections; events go to the newest."""

    def __init__(self) -> None:
        self._connection: ServerConnection | None = None
        self._sent = 0

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a REST request with the WebSocket URL; None lets an upgrade go on."""
        if request.path == PATH:
            return None
        url = f"ws://{request.headers['Host']}{PATH}"
        return connection.respond(HTTPStatus.OK, json.dumps({"success": True, "data": {"websocket_url": url}}))

    def talk(self, connection: ServerConnection) -> None:
        """Say hello and be there until the client is gone."""
        connection.send('{"connection_id": "bench="}')
        self._connection = connection
        for _ in connection:
            pass

    def send(self) -> None:
        """Send one event and tell when."""
        assert self._connection is not None
        event = (EVENT % self._sent).decode()
        self._sent += 1
        now_ns = monotonic_ns()
        self._connection.send(event)
        say(sent_ns=now_ns)


def main() -> None:
    quiet = Quiet()
    with serve(quiet.talk, "127.0.0.1", 0, process_request=quiet.answer, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say(port=server.socket.getsockname()[1])
        for _ in sys.stdin:
            quiet.send()
        server.shutdown()


if __name__ == "__main__":
    main()
