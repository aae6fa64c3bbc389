"""RFC 6455 framing, written from the standard and shared with nobody."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Op(IntEnum):
    """What a frame is."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


@dataclass(frozen=True)
class Frame:
    """One frame as it came from the client, unmasked."""

    op: Op
    payload: bytes
    fin: bool = True

    @property
    def close_code(self) -> int | None:
        """The code of a Close frame; None when it carries none."""
        return struct.unpack(">H", self.payload[:2])[0] if len(self.payload) >= 2 else None


def accept_key(key: str) -> str:
    """Answer to `Sec-WebSocket-Key`."""
    digest = hashlib.sha1(key.encode() + MAGIC, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def encode(op: Op, payload: bytes, *, fin: bool = True) -> bytes:
    """Return one unmasked frame, as a server sends it."""
    head = bytes([(0x80 if fin else 0) | op])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 1 << 16:
        return head + struct.pack(">BH", 126, size) + payload
    return head + struct.pack(">BQ", 127, size) + payload


class Parser:
    """Cuts a client's byte stream into frames, at whatever points the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes and return the frames that they complete."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        head = self._head()
        if head is None:
            return None
        start, size = head
        if len(self._buffer) < start + size:
            return None
        first = self._buffer[0]
        mask = self._buffer[start - 4 : start]
        masked = self._buffer[start : start + size]
        del self._buffer[: start + size]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
        return Frame(Op(first & 0x0F), payload, fin=bool(first & 0x80))

    def _head(self) -> tuple[int, int] | None:
        """Return where the payload starts and its size; None while the head is not complete."""
        if len(self._buffer) < 2:
            return None
        if not self._buffer[1] & 0x80:
            raise ValueError("a client's frame must be masked")
        size = self._buffer[1] & 0x7F
        extra = {126: 2, 127: 8}.get(size, 0)
        if len(self._buffer) < 2 + extra + 4:
            return None
        if extra:
            size = int.from_bytes(self._buffer[2 : 2 + extra], "big")
        return 2 + extra + 4, size
