"""A large frame is dealt with in steps: pings, signals and the watchdog are heard meanwhile."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from support.backend import Backend, Peer
from support.daemon import Site
from support.frames import Op
from support.lines import after_stamps
from support.watching import lines_written

NESTED = b'{"a":[' + (b"[" * 245 + b"]" * 245 + b",") * (31 * (1 << 20) // 491) + b"0]}"
SILENT_S = 1.0


async def longest_silence(peer: Peer, until: asyncio.Task[None]) -> float:
    """Ping again and again: the longest that a pong took, in seconds."""
    longest_s, number = 0.0, 0
    while not until.done():
        number += 1
        payload, sent_s = b"%d" % number, time.monotonic()
        await peer.ping(payload)
        await peer.until(
            lambda payload=payload: any(f.op is Op.PONG and f.payload == payload for f in peer.received),  # type: ignore[misc]
            "a pong",
        )
        longest_s = max(longest_s, time.monotonic() - sent_s)
    return longest_s


async def test_the_loop_is_never_silent_while_a_large_frame_is_dealt_with(site: Site, backend: Backend) -> None:
    async with site.daemon("--output", "none") as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event(b'{"n":1}')
        await peer.text(NESTED)
        await peer.event(b'{"n":2}')
        written = asyncio.create_task(lines_written(site.files.events, 3))
        assert await longest_silence(peer, written) < SILENT_S
        assert await daemon.stop() == 0
    assert [after_stamps(line) for line in site.lines()] == [b'{"n":1}', NESTED, b'{"n":2}']


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_stop_in_the_middle_of_a_large_frame_keeps_it(site: Site, backend: Backend, signals: int) -> None:
    async with site.daemon("--output", "none", "--drain", "30s") as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.text(NESTED)
        await peer.ping(b"behind it")
        await peer.until(lambda: any(f.payload == b"behind it" for f in peer.received), "a pong")
        began_s = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT)[:signals]:
            daemon.signal(number)
        if signals == 1:
            await peer.wait_close()
            assert time.monotonic() - began_s < SILENT_S
        assert await daemon.exit_status() == 0
    assert [after_stamps(line) for line in site.lines()] == [NESTED]
