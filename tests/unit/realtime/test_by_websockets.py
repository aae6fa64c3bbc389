"""One WebSocket: what ends it, and what must not."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from videodb_listen.realtime import Connection, Ended
from videodb_listen.realtime.by_websockets import WebsocketsConnection, _describe, _Socket
from videodb_listen.settings import Link
from videodb_listen.text import Secrets


class Silent:
    """A socket whose pongs never come."""

    def __init__(self) -> None:
        self.aborted = False
        self.transport = self
        self.protocol = self
        self.close_rcvd: Close | None = Close(1000, "")

    def abort(self) -> None:
        self.aborted = True

    def heard(self) -> int:
        return 0

    async def ping(self) -> asyncio.Future[float]:
        return asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Answer at once."""


def connection(socket: Silent) -> Connection:
    return WebsocketsConnection(cast(_Socket, socket), "id=", b"{}", Link(), Secrets())


async def test_a_connection_without_a_pong_is_cut() -> None:
    socket = Silent()
    assert await connection(socket).prove(0) is None
    assert socket.aborted


async def test_a_connection_that_closes_is_not_cut_for_want_of_a_pong() -> None:
    socket = Silent()
    subject = connection(socket)
    assert await subject.close()
    assert await subject.prove(0) is None
    assert not socket.aborted


async def test_a_close_that_cannot_be_sent_is_given_up_after_the_drain() -> None:
    class Full(Silent):
        async def close(self) -> None:
            await asyncio.get_running_loop().create_future()

    socket = Full()
    socket.close_rcvd = None
    subject = WebsocketsConnection(cast(_Socket, socket), "id=", b"{}", Link(drain_s=0.01), Secrets())
    assert not await subject.close()
    assert socket.aborted


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (ConnectionClosedOK(Close(1000, ""), Close(1000, ""), True), Ended("the server closed with 1000", 1000)),
        (
            ConnectionClosedError(Close(4001, "go \x1b[2J away"), Close(4001, ""), True),
            Ended("the server closed with 4001: go \\x1b[2J away", 4001),
        ),
        (
            ConnectionClosedError(None, Close(1009, "frame with 9 bytes exceeds limit of 8 bytes")),
            Ended("a frame over the limit", refused="frame with 9 bytes exceeds limit of 8 bytes"),
        ),
        (
            ConnectionClosedError(Close(1009, ""), Close(1009, "too big"), False),
            Ended("a frame over the limit", refused="too big"),
        ),
        (ConnectionClosedError(None, Close(1002, "bad opcode")), Ended("the server broke the protocol: bad opcode")),
        (ConnectionClosedError(None, None), Ended("dropped without a Close")),
        (
            ConnectionClosedError(Close(1008, "bad token hush"), Close(1008, ""), True),
            Ended("the server closed with 1008: bad token [secret]", 1008),
        ),
    ],
)
def test_how_a_connection_ended_is_said_in_terms_of_who_ended_it(exc: Any, expected: Ended) -> None:
    assert _describe(exc, Secrets("hush")) == expected
