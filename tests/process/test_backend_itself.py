"""The scripted backend tells the truth: an independent client sees exactly what a script says."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.backend import Backend, Peer, Reply, mute

HEADERS = {"x-access-token": "sk-0"}


def fetch(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=HEADERS), timeout=20) as answer:
        body: dict[str, Any] = json.load(answer)
        return body


async def dial(backend: Backend, **how: Any) -> ClientConnection:
    reply = await asyncio.to_thread(fetch, f"{backend.url}/collection/default/websocket")
    return await connect(reply["data"]["websocket_url"], proxy=None, **how)


async def test_default_script_says_hello_with_a_unique_id_and_answers_pings_and_close(backend: Backend) -> None:
    ids = []
    for index in range(2):
        async with await dial(backend) as client:
            ids.append(json.loads(await client.recv())["connection_id"])
            await (await client.ping())
            assert (await backend.peer(index)).pings == 1
        assert client.close_code == 1000
    assert len(set(ids)) == 2
    assert ids == [peer.id for peer in backend.peers]
    assert [request.path for request in backend.requests] == ["/collection/default/websocket"] * 2
    assert backend.requests[0].headers["x-access-token"] == "sk-0"
    assert [upgrade.path for upgrade in backend.upgrades] == [f"/ws?token={token}" for token in backend.tokens]


async def test_scripts_run_in_order_and_the_last_one_repeats() -> None:
    async def other(peer: Peer) -> None:
        await peer.hello("other")

    async with Backend([mute, other]) as backend:
        for _ in range(3):
            async with await dial(backend):
                pass
        assert [peer.ids for peer in backend.peers] == [[], ["other"], ["other"]]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 1_000_000])
async def test_a_frame_of_any_length_arrives_whole(backend: Backend, size: int) -> None:
    async with await dial(backend, max_size=None) as client:
        await client.recv()
        peer = await backend.greeted()
        await peer.text(b"x" * size)
        await peer.binary(b"\xff" * size)
        await peer.fragments(b"a" * size, b"b", b"")
        assert [await client.recv(decode=False) for _ in range(3)] == peer.sent
        await client.send("y" * size)
        await peer.until(lambda: len(peer.received) == 1, "the client's frame")
        assert peer.received[0].payload == b"y" * size


async def test_a_burst_arrives_in_order(backend: Backend) -> None:
    async with await dial(backend) as client:
        await client.recv()
        peer = await backend.greeted()
        sending = asyncio.create_task(peer.burst(b"%d" % i for i in range(20_000)))
        assert [int(await client.recv()) for _ in range(20_000)] == list(range(20_000))
        await sending
        assert len(peer.sent) == 20_000


@pytest.mark.parametrize(
    ("ending", "code"),
    [("close", 4001), ("rst", 1006), ("fin", 1006)],
)
async def test_every_ending_is_seen_as_what_it_is(backend: Backend, ending: str, code: int) -> None:
    async with await dial(backend) as client:
        await client.recv()
        peer = await backend.greeted()
        if ending == "close":
            await peer.close(code, "enough")
        elif ending == "fin":
            await peer.fin()
        else:
            peer.rst()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == code


async def test_a_running_script_decides_when_close_is_answered() -> None:
    async def stubborn(peer: Peer) -> None:
        await peer.hello()
        await peer.wait_close()
        await peer.burst(b"%d" % i for i in range(1000))

    async with Backend([stubborn]) as backend:
        client = await dial(backend)
        await client.recv()
        closing = asyncio.create_task(client.close())
        assert [int(frame) async for frame in client] == list(range(1000))
        await closing
        assert backend.peers[0].close_frame is not None


async def test_a_frozen_peer_neither_reads_nor_answers(backend: Backend) -> None:
    client = await dial(backend, close_timeout=0.05, ping_interval=None)
    await client.recv()
    peer = await backend.greeted()
    peer.freeze()
    waiter = await client.ping()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiter), 0.05)
    await client.close()
    assert peer.received == []
    with pytest.raises(ConnectionClosed):
        await waiter


async def test_rest_answers_come_in_order_and_then_all_is_well(backend: Backend) -> None:
    gate = asyncio.Event()
    backend.rest += [Reply(500, {"success": False}), Reply(200, lambda r: r.headers["x-access-token"], until=gate)]
    url = f"{backend.url}/collection/default/websocket"
    with pytest.raises(urllib.error.HTTPError) as caught:
        await asyncio.to_thread(fetch, url)
    assert caught.value.code == 500
    caught.value.close()
    answer = asyncio.create_task(asyncio.to_thread(fetch, url))
    await backend.until(lambda: len(backend.requests) == 2, "the second call")
    gate.set()
    with pytest.raises(json.JSONDecodeError):
        await answer
    assert (await asyncio.to_thread(fetch, url))["success"] is True
    assert backend.rest == []


async def test_an_upgrade_can_be_refused() -> None:
    async with Backend([Reply(503, "later")]) as backend:
        with pytest.raises(InvalidStatus):
            await dial(backend)
        assert (len(backend.upgrades), len(backend.peers)) == (1, 0)


async def test_a_failing_script_is_not_overlooked() -> None:
    async def broken(peer: Peer) -> None:
        raise LookupError("a mistake in a script")

    async def use() -> None:
        async with Backend([broken]) as backend, await dial(backend) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()

    with pytest.raises(ExceptionGroup):
        await use()
