"""The daemon stands still and time runs on: nothing that had arrived meanwhile is thrown away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.backend import Backend, Peer, mute
from support.daemon import Daemon, Site
from support.frames import Op, encode
from support.lines import after_stamps

EVENTS = [b'{"channel":"transcript","n":%d,"data":{"text":"%b"}}' % (n, b"x" * 200) for n in range(3000)]
"""More than the loop reads in one turn."""

LIMIT = "500ms"
STALL_S = 0.8  # beyond the limit, and too short to be told from a loop that is busy
LONG_STALL_S = 2.0


@asynccontextmanager
async def stalled(daemon: Daemon, seconds: float = STALL_S) -> AsyncIterator[None]:
    """Nothing of the daemon runs during the block and for some time: the fault, and no wait for anything."""
    with daemon.frozen():
        yield
        await asyncio.sleep(seconds)


def recorded(site: Site) -> list[bytes]:
    return [after_stamps(line) for line in site.lines()]


async def pong(peer: Peer) -> None:
    (ping, *_) = (frame for frame in peer.received if frame.op is Op.PING)
    await peer.raw(encode(Op.PONG, ping.payload))


@pytest.mark.parametrize("seconds", [STALL_S, LONG_STALL_S])
async def test_what_came_during_a_stall_with_a_ping_under_way_is_recorded_on_the_same_connection(
    site: Site, backend: Backend, seconds: float
) -> None:
    async with site.daemon("--output", "none", "--ping-timeout", LIMIT, "--min-backoff", "10ms") as daemon:
        peer = await backend.peer()
        peer.answers_pings = False
        await daemon.ws_id()
        await peer.until(lambda: peer.pings == 1, "a ping")
        async with stalled(daemon, seconds):
            await peer.burst(EVENTS)
            await pong(peer)
        await site.written(len(EVENTS))
        assert await daemon.stop() == 0
    assert recorded(site) == EVENTS
    assert len(backend.peers) == 1


async def test_bytes_that_wait_are_proof_of_life_and_silence_after_them_is_not(site: Site, backend: Backend) -> None:
    async with site.daemon("--output", "none", "--ping-timeout", LIMIT, "--min-backoff", "10ms") as daemon:
        peer = await backend.peer()
        peer.answers_pings = False
        await daemon.ws_id()
        await peer.until(lambda: peer.pings == 1, "a ping")
        async with stalled(daemon):
            await peer.burst(EVENTS)
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert recorded(site) == EVENTS
    assert "no pong" in site.journal("lost")[0]["reason"]


async def test_what_came_before_the_answer_to_our_close_is_recorded_though_the_drain_is_over(
    site: Site, backend: Backend
) -> None:
    async with site.daemon("--output", "none", "--drain", LIMIT) as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        peer.answers_close = False
        daemon.signal(signal.SIGTERM)
        await peer.wait_close()
        async with stalled(daemon):
            await peer.burst(EVENTS)
            await peer.send_close()
        assert await daemon.exit_status() == 0
        assert "cut" not in daemon.stderr
    assert recorded(site) == EVENTS


async def test_what_had_come_when_two_signals_are_heard_is_recorded(site: Site, backend: Backend) -> None:
    async with site.daemon("--output", "none", "--drain", "60s") as daemon:
        await daemon.ws_id()
        async with stalled(daemon, 0):
            await (await backend.peer()).burst(EVENTS)
            daemon.signal(signal.SIGTERM)
            daemon.signal(signal.SIGINT)
        assert await daemon.exit_status() == 0
    assert recorded(site) == EVENTS


@pytest.mark.parametrize("limit", ["--hello-timeout", "--startup-timeout"])
async def test_a_hello_that_came_during_a_stall_is_in_time(lone_site: Site, limit: str) -> None:
    async with Backend([mute]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--output", "none", limit, LIMIT, "--min-backoff", "10ms") as daemon:
            peer = await backend.peer()
            async with stalled(daemon):
                await peer.burst(EVENTS)
                await peer.hello()
            assert await daemon.ws_id() == peer.id
            await lone_site.written(len(EVENTS))
            assert await daemon.stop() == 0
    assert recorded(lone_site) == EVENTS
    assert len(backend.peers) == 1


async def test_a_frame_that_takes_longer_than_a_pong_may_is_recorded(site: Site, backend: Backend) -> None:
    """Its end, and the pong behind it, are still on their way."""
    frame = b'{"n":"%b"}' % (b"x" * 1000)
    async with site.daemon("--output", "none", "--ping-timeout", LIMIT) as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        peer.answers_pings = False
        data = encode(Op.TEXT, frame)
        for part in range(0, len(data), 100):
            await peer.raw(data[part : part + 100])
            await asyncio.sleep(0.1)  # a slow line
        await site.written(1)
        assert await daemon.stop() == 0
    assert recorded(site) == [frame]
    assert len(backend.peers) == 1
