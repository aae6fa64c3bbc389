"""An emulator, as plain clients meet it."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect


class Emulator(Protocol):
    """One in this process or in another."""

    @property
    def base_url(self) -> str:
        """Where it is."""


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _request(url: str, key: str | None, method: str, body: bytes | None) -> tuple[int, Any]:
    headers = {} if key is None else {"x-access-token": key}
    try:
        with _OPENER.open(urllib.request.Request(url, body, headers, method=method)) as response:
            assert response.url == url  # no redirect
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def rest(
    emulator: Emulator, path: str, *, key: str | None = "sk-any", method: str = "GET", body: bytes | None = None
) -> tuple[int, Any]:
    """The status and the envelope of one request."""
    return await asyncio.to_thread(_request, emulator.base_url + path, key, method, body)


async def data(emulator: Emulator, method: str, path: str, **fields: Any) -> Any:
    """What a request that must succeed gives; `fields` are its body. None if the envelope has no data."""
    status, envelope = await rest(emulator, path, method=method, body=json.dumps(fields).encode() if fields else None)
    assert 200 <= status < 300, envelope
    assert envelope["success"] is True
    assert envelope.get("data", {}) is not None
    return envelope.get("data")


async def websocket_url(emulator: Emulator) -> str:
    """A URL for one connection."""
    url = (await data(emulator, "GET", "/collection/default/websocket"))["websocket_url"]
    assert isinstance(url, str)
    return url


@asynccontextmanager
async def client(emulator: Emulator) -> AsyncIterator[tuple[ClientConnection, str]]:
    """A connection and its id."""
    async with connect(await websocket_url(emulator), proxy=None) as connection:
        hello = json.loads(await connection.recv())
        assert list(hello) == ["connection_id"]
        yield connection, hello["connection_id"]


async def event(connection: ClientConnection, **wanted: Any) -> dict[str, Any]:
    """The next event that has all these values; those before it are skipped."""
    async for frame in connection:
        found: dict[str, Any] = json.loads(frame)
        if wanted.items() <= found.items():
            return found
    raise AssertionError(f"the connection ended before {wanted}")


async def recorded(emulator: Emulator, connection: ClientConnection, connection_id: str) -> dict[str, str]:
    """Start a session that reports to the connection; once it is active, its id and those of `mic` and `screen`."""
    path = "/collection/default/capture/session"
    session = await data(emulator, "POST", path, end_user_id="user-1", ws_connection_id=connection_id)
    channels = [{"channel_id": "mic:default", "type": "audio"}, {"channel_id": "display:1", "type": "video"}]
    await data(emulator, "POST", "/capture/session/start", session_id=session["session_id"], channels=channels)
    active = await event(connection, event="capture_session.active")
    mic, screen = (stream["rtstream_id"] for stream in active["data"]["rtstreams"])
    return {"session": session["session_id"], "mic": mic, "screen": screen}
