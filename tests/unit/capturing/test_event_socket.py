"""Events for a program: each one, in order, and an end that says what it was."""

from __future__ import annotations

import asyncio

import pytest

from support.backend import Backend, Peer, Reply, mute
from videodb_listen.api.websocket_url import EventsOf
from videodb_listen.capture import EventSocket, connect
from videodb_listen.capturing import event_socket as websocket
from videodb_listen.errors import CredentialsRejected, NotConnected, Unavailable
from videodb_listen.settings import Link


async def test_events_come_as_dictionaries_whatever_the_frame() -> None:
    async def script(peer: Peer) -> None:
        await peer.event({"n": 1})
        await peer.hello("conn-1=")
        await peer.event({"n": 2})
        await peer.text(b"not json")
        await peer.text(b"[1, 2]")
        await peer.binary(b"\xff\xfe")
        await peer.close(1000)

    async with Backend([script]) as backend:
        ws = await connect("sk", base_url=backend.url).connect_websocket().connect()
        assert ws.connection_id == "conn-1="
        events = [event async for event in ws.receive()]
        await ws.close()
    assert events == [{"n": 1}, {"n": 2}, {"raw": "not json"}, {"raw": "[1, 2]"}, {"raw_base64": "//4="}]


async def test_closing_ends_the_events(backend: Backend) -> None:
    async with connect("sk", base_url=backend.url).connect_websocket() as ws:
        peer = await backend.greeted()
        assert ws.connection_id == peer.id
        events = asyncio.create_task(anext(ws.receive(), None))
    assert await events is None
    assert peer.close_frame is not None


async def test_an_end_that_nobody_asked_for_is_an_error_after_the_last_event() -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.event({"n": 1})
        await peer.close(1011, "out of order")

    async with Backend([script]) as backend:
        ws = await connect("sk", base_url=backend.url).connect_websocket().connect()
        events = ws.receive()
        assert await anext(events) == {"n": 1}
        with pytest.raises(Unavailable, match="closed with 1011: out of order"):
            await anext(events)


async def test_every_connection_has_a_url_and_an_id_of_its_own(backend: Backend) -> None:
    ws = connect("sk", base_url=backend.url).connect_websocket("c-1")
    first = (await ws.connect()).connection_id
    second = (await ws.connect()).connection_id
    await ws.close()
    assert first != second
    assert len(set(backend.tokens)) == 2
    assert {request.path for request in backend.requests} == {"/collection/c-1/websocket"}


async def test_a_hello_that_never_comes_is_not_waited_for() -> None:
    async with Backend([mute]) as backend:
        wanted = EventsOf(connect("sk", base_url=backend.url).api, "default")
        with pytest.raises(Unavailable, match="no connection id within"):
            await EventSocket(wanted, Link(hello_timeout_s=0.05)).connect()


async def test_a_key_that_is_refused_is_said_at_once() -> None:
    async with Backend(rest=[Reply(401, {"success": False, "message": "who?"})]) as backend:
        with pytest.raises(CredentialsRejected, match="who") as caught:
            await connect("sk", base_url=backend.url).connect_websocket().connect()
    assert caught.value.http_status == 401


async def test_nothing_is_received_before_connect() -> None:
    ws = connect("sk", base_url="http://127.0.0.1:1").connect_websocket()
    with pytest.raises(NotConnected, match="connect"):
        await anext(ws.receive())
    await ws.close()


async def test_a_program_that_does_not_read_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_WAITING", 10)

    async def script(peer: Peer) -> None:
        await peer.hello()
        for n in range(20):
            await peer.event({"n": n})
        await peer.wait_gone()

    async with Backend([script]) as backend:
        ws = await connect("sk", base_url=backend.url).connect_websocket().connect()
        await (await backend.peer()).wait_gone()
        with pytest.raises(Unavailable, match="10 events were waiting"):
            async for _ in ws.receive():
                pass


async def test_a_connect_that_is_given_up_leaves_nothing() -> None:
    async with Backend([mute]) as backend:
        connecting = asyncio.create_task(connect("sk", base_url=backend.url).connect_websocket().connect())
        peer = await backend.peer()
        connecting.cancel()
        await peer.wait_gone()
