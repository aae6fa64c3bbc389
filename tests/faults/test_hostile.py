"""A far side that means harm costs a connection at most: memory stays bounded, and the next connection records on."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import shutil
import struct
import subprocess
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from support.backend import Backend, Peer, Reply, Script, greet, read_request
from support.daemon import Daemon, Site
from support.frames import Op, accept_key, encode
from support.ledger import Ledger
from support.lines import after_stamps
from support.waiting import Changes

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms")
QUIET = (*QUICK, "--output", "none", "--fsync", "never")
MIB = 1 << 20
EVENTS = [b'{"n":%d}' % n for n in range(50)]

SYNC = b"\x00\x00\xff\xff"  # ends a compressed block, and is left out at the end of a message

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def peak_mib(daemon: Daemon) -> int:
    """Return the largest resident size the process ever had."""
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no VmHWM")


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """Serve bare connections on a loopback port, each to the end of its handler or of the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sending_to(port: int) -> Reply:
    """Return a good answer of the API that leads to another port."""
    return Reply(200, {"success": True, "data": {"websocket_url": f"ws://127.0.0.1:{port}/ws?token=0f1e2d3c4b5a6978"}})


@asynccontextmanager
async def deflating(script: Script) -> AsyncIterator[tuple[int, list[Peer]]]:
    """Serve WebSockets that have agreed on permessage-deflate; what is sent must be compressed by the script."""
    peers: list[Peer] = []
    head = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: Upgrade"]
    extension = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        assert "permessage-deflate" in request.headers["sec-websocket-extensions"]
        accept = f"sec-websocket-accept: {accept_key(request.headers['sec-websocket-key'])}"
        writer.write("\r\n".join([*head, extension, accept, "", ""]).encode())
        peers.append(Peer(request, reader, writer, Changes()))
        await peers[-1].run(script)

    async with listening(serve) as port:
        yield port, peers


def deflated(size_mib: int) -> bytes:
    """Return a compressed payload that inflates to this many MiB of `x`, about a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b"x" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)  # independent of what is before it
    return (block * size_mib).removesuffix(SYNC)


def compressed(payload: bytes, *, op: Op = Op.TEXT, fin: bool = True) -> bytes:
    """Return one frame that says that it is compressed."""
    frame = encode(op, payload, fin=fin)
    return bytes([frame[0] | 0x40]) + frame[1:]


async def recovered(site: Site, daemon: Daemon, backend: Backend, index: int) -> list[bytes]:
    """Record 50 events on this connection and stop: the lines."""
    peer = await backend.greeted(index)
    before = len(site.lines()) if site.files.events.exists() else 0
    await peer.burst(EVENTS)
    await site.written(before + len(EVENTS))
    assert "Traceback" not in daemon.stderr
    return [after_stamps(line) for line in site.lines()]


BOMBS: dict[str, Callable[[], list[bytes]]] = {
    "one frame of 1 GiB": lambda: [compressed(deflated(1024))],
    "64 fragments of 16 MiB": lambda: [
        compressed(deflated(16) + SYNC, fin=False),
        *[encode(Op.CONTINUATION, deflated(16) + SYNC, fin=i == 63) for i in range(1, 64)],
    ],
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_deflate_bomb_is_refused_in_bounded_memory(
    site: Site, backend: Backend, ledger: Ledger, bomb: str
) -> None:
    frames = BOMBS[bomb]()

    async def explode(peer: Peer) -> None:
        await peer.hello()
        await peer.raw(b"".join(frames))

    async with deflating(explode) as (port, peers):
        backend.rest.append(sending_to(port))
        async with site.daemon(*QUIET) as daemon:
            kept = await recovered(site, daemon, backend, 0)
            peak = peak_mib(daemon)
            assert await daemon.stop() == 0
    (refused,) = site.journal("refused")
    fired = f"{sum(map(len, frames))} bytes on the wire; {refused['reason']}; peak {peak} MiB"
    ledger.row("deflate bomb", bomb, sent=1 + len(EVENTS), on_disk=len(kept), fired=fired)
    assert kept == EVENTS
    assert peers[0].close_frame is not None
    assert peers[0].close_frame.close_code == 1009
    assert peak < 300


async def test_legal_frames_that_inflate_a_thousandfold_are_lines_in_bounded_memory(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    """Each frame is below the limit, but one read of the socket holds eight of them."""
    count, size = 24, 31

    async def inflate(peer: Peer) -> None:
        await peer.hello()
        await peer.raw(compressed(deflated(size)) * count)
        await site.written(count)
        await peer.close(1000)

    async with deflating(inflate) as (port, _):
        backend.rest.append(sending_to(port))
        async with site.daemon(*QUIET, "--max-frame-size", "32M") as daemon:
            await backend.greeted(0)
            peak = peak_mib(daemon)
            assert await daemon.stop() == 0
    sizes = [len(line) for line in site.files.events.read_bytes().splitlines()]
    fired = f"{len(deflated(size)) * count} bytes on the wire became {sum(sizes)}; peak {peak} MiB"
    ledger.row("deflate ratio", f"{count} frames of {size} MiB", sent=count, on_disk=len(sizes), fired=fired)
    assert sizes == [sizes[0]] * count
    assert sizes[0] > size * MIB
    assert peak < 1024


async def test_a_message_of_4000_fragments_is_one_line(site: Site, backend: Backend, ledger: Ledger) -> None:
    parts = [b'{"a":"', *[b"x" * 7500] * 3998, b'"}']
    async with site.daemon(*QUIET) as daemon:
        peer = await backend.greeted()
        await peer.fragments(*parts)
        kept = await recovered(site, daemon, backend, 0)
        peak = peak_mib(daemon)
        assert await daemon.stop() == 0
    fired = f"{len(parts)} frames, {len(b''.join(parts))} bytes; connection 1 of {len(backend.peers)}; peak {peak} MiB"
    ledger.row("fragments", "4,000 fragments of one message", sent=51, on_disk=len(kept), fired=fired)
    assert kept == [b"".join(parts), *EVENTS]
    assert len(backend.peers) == 1
    assert peak < 300


ENDLESS = {"small": (b"x", 10_000), "empty": (b"", 1_000_000)}


@pytest.mark.parametrize("size", ENDLESS)
async def test_a_message_of_too_many_fragments_is_refused_in_bounded_memory(
    site: Site, backend: Backend, ledger: Ledger, size: str
) -> None:
    """No byte of an empty fragment ever counts against the limit of a message."""
    part, count = ENDLESS[size]
    batch = encode(Op.CONTINUATION, part, fin=False) * 10_000
    async with site.daemon(*QUIET) as daemon:
        peer = await backend.greeted()
        await peer.burst(EVENTS)
        await peer.raw(encode(Op.TEXT, b'{"a":"', fin=False))
        for _ in range(count // 10_000):
            await peer.raw(batch)
        await peer.raw(encode(Op.CONTINUATION, b'"}'))
        kept = await recovered(site, daemon, backend, 1)
        peak = peak_mib(daemon)
        assert await daemon.stop() == 0
    (refused,) = site.journal("refused")
    fired = f"{count + 2} frames of one message; journal: refused, {refused['reason']}; peak {peak} MiB"
    ledger.row("too many fragments", f"{count:,} {size} fragments", sent=101, on_disk=len(kept), fired=fired)
    assert kept == [*EVENTS, *EVENTS]
    assert peak < 300


async def test_a_message_in_fragments_beyond_the_limit_is_refused(site: Site, backend: Backend, ledger: Ledger) -> None:
    async with site.daemon(*QUIET) as daemon:
        peer = await backend.greeted()
        await peer.fragments(*[b"x" * MIB] * 200)
        kept = await recovered(site, daemon, backend, 1)
        peak = peak_mib(daemon)
        assert await daemon.stop() == 0
    (refused,) = site.journal("refused")
    fired = f"journal: {refused['reason']}; peak {peak} MiB"
    ledger.row("fragments over limit", "200 MiB in fragments of 1 MiB", sent=51, on_disk=len(kept), fired=fired)
    assert kept == EVENTS
    assert peak < 300


def frame(first: int, payload: bytes = b"") -> bytes:
    return bytes([first, len(payload)]) + payload


BREACHES: dict[str, bytes] = {
    "RSV1 without an extension": frame(0xC1, b"{}"),
    "RSV2": frame(0xA1, b"{}"),
    "RSV3": frame(0x91, b"{}"),
    **{f"opcode {code:#x}": frame(0x80 | code, b"{}") for code in (3, 7, 0xB, 0xF)},
    "a masked frame": b"\x81\x82abcd{}",
    "a continuation of nothing": frame(0x80, b"{}"),
    "a message inside a message": frame(0x01, b"{") + frame(0x81, b"{}"),
    "a ping in fragments": frame(0x09, b"x"),
    "a ping of 126 bytes": b"\x89\x7e" + struct.pack(">H", 126) + b"x" * 126,
    "a close of one byte": frame(0x88, b"\x03"),
    "close 1005": frame(0x88, struct.pack(">H", 1005)),
    "close 999": frame(0x88, struct.pack(">H", 999)),
    "a close whose reason is not UTF-8": frame(0x88, struct.pack(">H", 1000) + b"\xff"),
    "a length of 2^63": b"\x81\x7f" + struct.pack(">Q", 1 << 63),
    "a length of 2^62": b"\x81\x7f" + struct.pack(">Q", 1 << 62),
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_a_breach_of_the_protocol_costs_a_connection_and_no_event(
    site: Site, backend: Backend, ledger: Ledger, breach: str
) -> None:
    async with site.daemon(*QUICK) as daemon:
        peer = await backend.greeted()
        await peer.burst(EVENTS)
        await peer.raw(BREACHES[breach])
        kept = await recovered(site, daemon, backend, 1)
        assert await daemon.stop() == 0
    (lost,) = site.journal("lost")
    ledger.row("breach", breach, sent=100, on_disk=len(kept), fired=f"journal: {lost['reason']}")
    assert kept == [*EVENTS, *EVENTS]
    assert len(backend.peers) == 2


DRIPS = {"head": b"HTTP/1.1 200 OK\r\n", "body": b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{"}


@pytest.mark.parametrize("part", DRIPS)
async def test_a_rest_side_of_one_byte_a_second_ends_at_the_deadline(
    site: Site, backend: Backend, ledger: Ledger, part: str
) -> None:
    calls: list[float] = []
    dripped = 0

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dripped
        await read_request(reader)
        calls.append(time.monotonic())
        if len(calls) > 1:
            request = await asyncio.wait_for(reader.read(0), None)
            body = json.dumps({"success": True, "data": {"websocket_url": backend.websocket_url()}}).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body + request
            )
            await writer.drain()
            return
        writer.write(DRIPS[part])
        while not writer.is_closing():
            await writer.drain()
            try:
                async with asyncio.timeout(1):
                    if not await reader.read(1):
                        return
            except TimeoutError:
                writer.write(b"x")
                dripped += 1

    async with listening(drip) as port:
        site.env["VIDEO_DB_API"] = f"http://127.0.0.1:{port}"
        async with site.daemon(*QUICK) as daemon:
            kept = await recovered(site, daemon, backend, 0)
            assert await daemon.stop() == 0
    waited_s = calls[1] - calls[0]
    fired = f"{dripped} bytes in {waited_s:.1f} s, then the next call"
    ledger.row("slow REST", f"one byte of the {part} a second", sent=50, on_disk=len(kept), fired=fired)
    assert kept == EVENTS
    assert dripped >= 8
    assert 10 <= waited_s < 12


def endless(head: bytes, chunk: bytes) -> Handler:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head)
        for _ in range(2000):
            writer.write(chunk)
            await writer.drain()

    return serve


INFLATES = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + (deflated(1) + SYNC) * 1024  # gzip: a head, then 1 GiB
HUGE: dict[str, tuple[bytes, bytes, str]] = {
    "a body without end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * MIB, "larger than"),
    "chunks without end": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"100000\r\n%b\r\n" % (b"x" * MIB),
        "larger",
    ),
    "a gzip bomb": (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", INFLATES, "larger than"),
    "a head without end": (b"HTTP/1.1 200 OK\r\n", b"x-%b: y\r\n" % (b"y" * 8000), "could not be reached"),
}


@pytest.mark.parametrize("what", HUGE)
async def test_a_huge_answer_of_the_rest_side_is_refused_in_bounded_memory(
    site: Site, backend: Backend, ledger: Ledger, what: str
) -> None:
    head, chunk, words = HUGE[what]
    async with listening(endless(head, chunk)) as port:
        site.env["VIDEO_DB_API"] = f"http://127.0.0.1:{port}"
        async with site.daemon(*QUICK) as daemon:
            said = await daemon.stderr_line("trying again")
            peak = peak_mib(daemon)
            assert await daemon.stop() == 0
    ledger.row("huge REST answer", what, sent=0, on_disk=len(site.lines()), fired=f"{said}; peak {peak} MiB")
    assert words in said
    assert peak < 200


async def test_bytes_behind_a_gzip_stream_are_not_read_to_their_end(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    read = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"{}"))
        for _ in range(128):
            writer.write(b"x" * MIB)
            await writer.drain()
            read += 1

    async with listening(serve) as port:
        site.env["VIDEO_DB_API"] = f"http://127.0.0.1:{port}"
        async with site.daemon(*QUICK) as daemon:
            said = await daemon.stderr_line("trying again")
            peak = peak_mib(daemon)
            assert await daemon.stop() == 0
    fired = f"{said}; {read} MiB read; peak {peak} MiB"
    ledger.row("huge REST answer", "bytes behind a gzip stream", sent=0, on_disk=len(site.lines()), fired=fired)
    assert read < 20


@pytest.mark.parametrize("breach", ["a length of 2^62", "RSV2"])
async def test_a_breach_by_a_server_that_never_closes_is_cut_after_the_drain(
    lone_site: Site, ledger: Ledger, breach: str
) -> None:
    """What such a server sends after the breach is discarded, so nobody may believe in the connection any more."""
    deaf = asyncio.Event()

    async def never_close(peer: Peer) -> None:
        await peer.hello()
        await peer.until(lambda: peer.pings > 0, "the first ping")
        await peer.raw(BREACHES[breach])
        deaf.set()
        await peer.burst(EVENTS)
        await peer.wait_gone()

    async with Backend([never_close, greet]) as backend:
        lone_site.backend = backend
        interval = ("--ping-interval", "8s", "--drain", "1s")
        async with lone_site.daemon(*QUICK, *interval) as daemon:
            await deaf.wait()
            began = time.monotonic()
            kept = await recovered(lone_site, daemon, backend, 1)
            took_s = time.monotonic() - began
            assert await daemon.stop() == 0
        (lost,) = lone_site.journal("lost")
        fired = f"journal: {lost['reason']}; connected again after {took_s:.1f} s"
        ledger.row("breach, no close", breach, sent=100, on_disk=len(kept), fired=fired)
        assert took_s < 4


async def test_a_redirect_is_not_followed_and_takes_no_key_along(site: Site, backend: Backend, ledger: Ledger) -> None:
    async with Backend() as elsewhere:
        backend.rest += [Reply(status, headers={"location": f"{elsewhere.url}/x"}) for status in (301, 302, 307, 308)]
        async with site.daemon(*QUICK) as daemon:
            kept = await recovered(site, daemon, backend, 0)
            assert await daemon.stop() == 0
        refused = daemon.stderr.count("not followed")
        fired = f"{refused} redirects refused, {len(elsewhere.requests)} calls at their target"
        ledger.row("redirect", "REST 301, 302, 307, 308", sent=50, on_disk=len(kept), fired=fired)
        assert kept == EVENTS
        assert refused == 4
        assert elsewhere.requests == []


async def test_an_upgrade_that_redirects_is_not_followed(lone_site: Site, ledger: Ledger) -> None:
    async with Backend() as elsewhere:
        where = {"location": f"ws://127.0.0.1:{elsewhere.port}/ws"}
        async with Backend([Reply(302, headers=where), greet]) as backend:
            lone_site.backend = backend
            async with lone_site.daemon(*QUICK) as daemon:
                kept = await recovered(lone_site, daemon, backend, 0)
                assert await daemon.stop() == 0
            fired = f"{len(backend.upgrades)} upgrades asked for, {len(elsewhere.upgrades)} at the target"
            ledger.row("redirect", "upgrade 302", sent=50, on_disk=len(kept), fired=fired)
            assert kept == EVENTS
            assert elsewhere.upgrades == []


SWITCHING = b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
UPGRADES: dict[str, bytes] = {
    "a wrong accept key": SWITCHING + b"sec-websocket-accept: eA==\r\n\r\n",
    "no accept key": SWITCHING + b"\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n" * 10,
    "nothing": b"",
    "an endless head": b"HTTP/1.1 101 X\r\n" + b"x: y\r\n" * 100_000,
    "one endless line": b"HTTP/1.1 101 " + b"x" * 4 * MIB,
}


@pytest.mark.parametrize("what", UPGRADES)
async def test_a_bad_answer_to_the_upgrade_is_retried(site: Site, backend: Backend, ledger: Ledger, what: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(UPGRADES[what])
        await writer.drain()

    async with listening(answer) as port:
        backend.rest.append(sending_to(port))
        async with site.daemon(*QUICK) as daemon:
            kept = await recovered(site, daemon, backend, 0)
            said = await daemon.stderr_line("trying again")
            assert await daemon.stop() == 0
    ledger.row("bad upgrade", what, sent=50, on_disk=len(kept), fired=said)
    assert kept == EVENTS


async def test_a_server_that_caps_every_connection_costs_no_event(site: Site, backend: Backend, ledger: Ledger) -> None:
    """API gateways end each connection after a time, however busy it is."""
    async with site.daemon(*QUICK) as daemon:
        kept: list[bytes] = []
        for index in range(4):
            kept = await recovered(site, daemon, backend, index)
            if index < 3:
                await backend.peers[index].close(1001, "Going away")
        assert await daemon.stop() == 0
    reasons = [lost["reason"] for lost in site.journal("lost")]
    ledger.row("cap", "close 1001 after a while, 3 times", sent=200, on_disk=len(kept), fired=f"journal: {reasons}")
    assert kept == EVENTS * 4
    assert reasons == ["the server closed with 1001: Going away"] * 3


LARGE = b'{"a":"' + b"x" * (64 << 10) + b'"}'


async def test_4096_large_frames_and_a_slow_disk_stay_in_bounded_memory(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    trace = tmp_path / "trace"
    slow = ["strace", "-D", "-f", "-qq", "-o", str(trace), "-P", str(site.files.events), "-e", "trace=write"]
    command = [*slow, "-e", "inject=write:delay_enter=20ms", *site.arguments("run", QUIET, site.directory)]
    async with Daemon(site, command=command) as daemon:
        peer = await backend.greeted()
        await peer.burst([LARGE] * 4096)
        await site.written(4096)
        peak = peak_mib(daemon)
        assert await daemon.stop() == 0
    delayed, kept = trace.read_text().count("DELAYED"), len(site.lines())
    fired = f"{delayed} writes took 20 ms longer; peak {peak} MiB"
    ledger.row("slow disk", "256 MiB in 4,096 frames at once", sent=4096, on_disk=kept, fired=fired)
    assert kept == 4096
    assert delayed > 10
    assert peak < 300


def grow(where: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", where], check=True)


@contextmanager
def small_disk(where: Path, size: str) -> Iterator[None]:
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)


async def test_4096_large_frames_and_a_full_disk_stay_in_bounded_memory(
    lone_site: Site, backend: Backend, ledger: Ledger
) -> None:
    site = lone_site
    site.backend = backend
    with small_disk(site.directory, "16m"):
        async with site.daemon(*QUIET, "--memory-limit", "32M") as daemon:
            peer = await backend.greeted()
            await peer.burst(b'{"n":%d,%b' % (n, LARGE[1:]) for n in range(4096))
            await peer.wait_gone()
            full = await daemon.stderr_line("wait in memory")
            peak = peak_mib(daemon)
            grow(site.directory, "512m")
            kept = await recovered(site, daemon, backend, 1)
            assert await daemon.stop() == 0
        numbers = [json.loads(line)["n"] for line in kept]
        reasons = [lost["reason"] for lost in site.journal("lost")]
    fired = f"{full}; journal: {reasons}; peak {peak} MiB"
    ledger.row("full disk", "256 MiB in 4,096 frames at once", sent=4096 + 50, on_disk=len(kept), fired=fired)
    assert numbers[-50:] == list(range(50))
    assert numbers[:-50] == list(range(len(numbers) - 50))
    assert len(numbers) > 32 * MIB / len(LARGE)
    assert reasons == ["disk full, and no more lines fit into memory"]
    assert peak < 300
