"""A backend that sends as fast as the socket takes it: REST and WebSocket on one loopback port, for one flood.

    python backend.py EVENTS

It prints one JSON object a line: `{"port": N}` when it listens, `{"hello_ns": T}` with the wall clock at the instant
before the hello is sent, `{"closed": true}` when the peer has answered the Close that follows the last event, or has
gone. From then on every request is refused, so that a client which reconnects finds nothing more to record.

No library, so that it shares no code with what is measured, and everything is framed before it listens: during the
flood it only hands the kernel buffers of 256 KiB. The peer is the bottleneck, whoever it is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import sys
from collections.abc import Iterator
from time import time_ns

CHUNK_BYTES = 256 << 10
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NORMAL_CLOSURE = struct.pack("!H", 1000)

EVENT = (
    b'{"channel": "transcript", "rtstream_id": "rts-0123456789abcdef01234567", "rtstream_name": "mic:default", "data": '
    b'{"text": "Let\'s schedule the meeting for Thursday at ten, item %07d", "is_final": true, '
    b'"start": 1710000001234, "end": 1710000002345}}'
)
"""A transcript event as the service spells it: 250 bytes with its number."""


def frame(opcode: int, payload: bytes) -> bytes:
    """`payload` as one unmasked, unfragmented WebSocket frame (RFC 6455, 5.2) of less than 64 KiB."""
    size = len(payload)
    head = bytes([0x80 | opcode, size]) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 126, size)
    return head + payload


def framed_events(events: int) -> list[bytes]:
    """All events as buffers of about CHUNK_BYTES that end where a frame ends."""
    per_chunk = CHUNK_BYTES // len(frame(TEXT, EVENT % 0))
    numbers = range(events)
    return [
        b"".join(frame(TEXT, EVENT % number) for number in numbers[first : first + per_chunk])
        for first in numbers[::per_chunk]
    ]


def client_frames(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the whole frames out of `received`, as (opcode, payload). Clients send control frames only: 125 at most."""
    while len(received) >= 6 and len(received) >= 6 + (size := received[1] & 0x7F):
        mask, masked = received[2:6], received[6 : 6 + size]
        yield received[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
        del received[: 6 + size]


class Backend:
    """Serves one connection at a time; `flooded` once the flood was sent."""

    def __init__(self, port: int, events: int) -> None:
        self.flooded = False
        self._port = port
        self._flood = framed_events(events)

    def serve(self, connection: socket.socket) -> None:
        """Answer one request: the REST one with the WebSocket URL, the upgrade with the flood."""
        fields = _request_fields(connection)
        key = fields.get("sec-websocket-key")
        if self.flooded:
            connection.sendall(b"HTTP/1.1 503 The flood is over\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        elif key is None:
            url = f"ws://127.0.0.1:{self._port}/socket"
            body = json.dumps({"success": True, "data": {"websocket_url": url}}).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            self.flooded = True
            self._send_flood(connection, key)

    def _send_flood(self, connection: socket.socket, key: str) -> None:
        guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode() + guid, usedforsecurity=False).digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        received = bytearray()
        say(hello_ns=time_ns())
        try:
            connection.sendall(frame(TEXT, b'{"connection_id": "bench="}'))
            for chunk in self._flood:
                connection.sendall(chunk)
                _answer_pings(connection, received)
            connection.sendall(frame(CLOSE, NORMAL_CLOSURE))
            _await_close(connection, received)
        finally:
            say(closed=True)


def say(**fact: object) -> None:
    """Tell whoever measures."""
    print(json.dumps(fact), flush=True)


def _request_fields(connection: socket.socket) -> dict[str, str]:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := connection.recv(65536)):
            return {}
        head += data
    fields = (line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:] if ": " in line)
    return {name.lower(): value for name, value in fields}


def _answer_pings(connection: socket.socket, received: bytearray) -> None:
    """Between two buffers: a peer that keeps its connection alive must not be cut for our being busy."""
    try:
        received += connection.recv(4096, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return
    for opcode, payload in client_frames(received):
        if opcode == PING:
            connection.sendall(frame(PONG, payload))


def _await_close(connection: socket.socket, received: bytearray) -> None:
    while not any(opcode == CLOSE for opcode, _ in client_frames(received)):
        if not (data := connection.recv(4096)):
            return
        received += data


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        backend = Backend(port, int(sys.argv[1]))
        say(port=port)
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    backend.serve(connection)
                except ConnectionError as exc:
                    print(f"bench backend: the peer went away: {exc}", file=sys.stderr)


if __name__ == "__main__":
    main()
