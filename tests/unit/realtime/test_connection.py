"""What every library that holds a connection must do: one suite over all of them. When a time limit has passed."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from support.backend import Backend, Peer, Script
from videodb_listen.errors import Unavailable
from videodb_listen.realtime import Connection, Ended, by_websockets, time_limit
from videodb_listen.settings import Link
from videodb_listen.text import Secrets

Open = Callable[..., AbstractAsyncContextManager[Connection]]

every_library = pytest.mark.parametrize("opened", [by_websockets.open_connection], ids=["websockets"])

EVENTS = [b'{"n":%d}' % n for n in range(500)]


async def recorded(opened: Open, script: Script, link: Link | None = None) -> tuple[list[bytes], Ended]:
    """Every frame of one connection with a server that does as `script` says, and how it ended."""
    frames: list[bytes] = []
    async with Backend([script]) as backend:
        secrets = Secrets("very-secret")
        async with opened(backend.websocket_url(), link or Link(), frames.append, secrets) as connection:
            return frames, await connection.read(frames.append, lambda _: None)


@every_library
async def test_every_frame_comes_as_bytes_and_in_order_also_before_the_hello_and_at_the_end(opened: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.text(b"early")
        await peer.hello("conn-1=")
        await peer.burst(EVENTS)
        await peer.binary(b"\xff\x00")
        await peer.text(b"\xff not UTF-8")
        await peer.fragments(b"in ", b"parts")
        await peer.close(1000)

    frames, ended = await recorded(opened, script)
    assert frames == [b"early", *EVENTS, b"\xff\x00", b"\xff not UTF-8", b"in parts"]
    assert ended == Ended("the server closed with 1000", 1000)


@every_library
async def test_the_words_of_the_server_are_shown_without_a_secret(opened: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.close(4001, "very-secret \x1b[2J")

    assert (await recorded(opened, script))[1] == Ended("the server closed with 4001: [secret] \\x1b[2J", 4001)


@every_library
async def test_a_server_that_is_gone_without_a_close_is_said(opened: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(EVENTS)
        await peer.fin()

    frames, ended = await recorded(opened, script)
    assert frames == EVENTS
    assert ended.close_code is None
    assert ended.reason.startswith("dropped without a Close")


@every_library
async def test_a_frame_over_the_limit_ends_it_after_the_frames_before(opened: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.text(b"small")
        await peer.text(b"x" * 2000)
        await peer.wait_close()
        await peer.fin()

    frames, ended = await recorded(opened, script, Link(max_frame_bytes=1000))
    assert frames == [b"small"]
    assert ended.refused is not None


@every_library
async def test_a_server_that_says_no_id_is_no_connection(opened: Open) -> None:
    async def mute(peer: Peer) -> None:
        await peer.text(b"{}")
        await peer.wait_gone()

    async def shut(peer: Peer) -> None:
        await peer.close(1013, "later")

    for script, said in ((mute, "no connection id within"), (shut, "before a connection id came: .* 1013: later")):
        with pytest.raises(Unavailable, match=said):
            await recorded(opened, script, Link(hello_timeout_s=0.1))


@every_library
async def test_what_the_server_sends_before_it_answers_our_close_is_delivered(opened: Open, backend: Backend) -> None:
    frames: list[bytes] = []
    async with opened(backend.websocket_url(), Link(), frames.append, Secrets()) as connection:
        reading = asyncio.create_task(connection.read(frames.append, lambda _: None))
        peer = await backend.peer()
        peer.answers_close = False
        closing = asyncio.create_task(connection.close())
        await peer.wait_close()
        await peer.burst(EVENTS)
        await peer.answer_close()
        assert await closing
        await reading
    assert frames == EVENTS


@every_library
async def test_a_server_that_does_not_answer_our_close_is_left_after_the_drain(opened: Open, backend: Backend) -> None:
    async with opened(backend.websocket_url(), Link(drain_s=0.05), lambda _: None, Secrets()) as connection:
        reading = asyncio.create_task(connection.read(lambda _: None, lambda _: None))
        (await backend.peer()).freeze()
        assert not await connection.close()
        await reading


@every_library
async def test_a_connection_that_is_cut_ends_with_the_reason(opened: Open, backend: Backend) -> None:
    async with opened(backend.websocket_url(), Link(), lambda _: None, Secrets()) as connection:
        reading = asyncio.create_task(connection.read(lambda _: None, lambda _: None))
        peer = await backend.greeted()
        assert connection.connection_id == peer.id
        connection.cut("enough")
        assert await reading == Ended("enough")
        await peer.wait_gone()
        assert peer.close_frame is None


@every_library
async def test_a_pong_proves_it_and_its_want_cuts_it(opened: Open, backend: Backend) -> None:
    pongs: asyncio.Queue[float] = asyncio.Queue()
    async with opened(backend.websocket_url(), Link(), lambda _: None, Secrets()) as connection:
        reading = asyncio.create_task(connection.read(lambda _: None, pongs.put_nowait))
        assert await pongs.get() >= 0
        proof = await connection.prove(10.0)
        assert proof is not None
        (await backend.peer()).freeze()
        assert await connection.prove(0.05) is None
        assert (await reading).reason.startswith("no pong within")


@every_library
async def test_an_exception_of_the_taker_passes(opened: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.text(b"a")
        await peer.wait_gone()

    def refuse(frame: bytes) -> None:
        raise ZeroDivisionError(frame)

    async with (
        Backend([script]) as backend,
        opened(backend.websocket_url(), Link(), lambda _: None, Secrets()) as connection,
    ):
        with pytest.raises(ZeroDivisionError):
            await connection.read(refuse, lambda _: None)


@every_library
async def test_want_of_memory_is_an_end_that_names_the_frame(opened: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.text(b"a")
        await peer.wait_gone()

    def refuse(frame: bytes) -> None:
        raise MemoryError

    async with (
        Backend([script]) as backend,
        opened(backend.websocket_url(), Link(), lambda _: None, Secrets()) as connection,
    ):
        ended = await connection.read(refuse, lambda _: None)
    assert ended.refused is not None


# -- a time limit ------------------------------------------------------------------------------------------------------


def stand_still(seconds: float) -> None:
    """What a stopped process, a hanging disk and a sleeping machine have in common."""
    time.sleep(seconds)


async def test_what_lies_in_our_buffers_is_read_before_a_limit_that_has_passed_is_judged() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    asyncio.get_running_loop().call_soon(stand_still, 0.1)
    asyncio.get_running_loop().call_soon(theirs.sendall, b"in time")
    async with time_limit(0.05):
        assert await reader.readexactly(7) == b"in time"
    writer.close()
    theirs.close()


async def test_the_time_in_which_we_did_not_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videodb_listen.realtime.connection.LATE_S", 0.05)
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_soon(stand_still, 0.2)
    loop.call_soon(loop.call_later, 0.05, came.set)
    async with time_limit(0.1):
        await came.wait()


@pytest.mark.parametrize("silence", [False, True])
async def test_bytes_begin_the_time_anew_only_where_silence_is_what_counts(silence: bool) -> None:
    reads = iter(range(10))  # the tenth look finds nothing new
    heard = [0]

    def received() -> int:
        heard[0] = next(reads, heard[0])
        return heard[0]

    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with time_limit(0.02, received, silence=silence):
            await asyncio.Event().wait()
    assert (asyncio.get_running_loop().time() - began >= 0.04) is silence


async def test_whoever_is_in_a_hurry_waits_no_longer_than_for_what_has_come() -> None:
    hurried = asyncio.Event()
    asyncio.get_running_loop().call_soon(hurried.set)
    with pytest.raises(TimeoutError):
        async with time_limit(60, hurried=hurried):
            await asyncio.Event().wait()


async def test_a_flood_does_not_put_off_the_end_of_a_limit_for_ever() -> None:
    flood = itertools.count()
    with pytest.raises(TimeoutError):
        async with time_limit(0, lambda: next(flood)):
            await asyncio.Event().wait()
