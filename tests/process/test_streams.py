"""stdout and stderr are conveniences: whatever happens to them, every event is kept and SIGTERM is heard."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from support.backend import Backend
from support.daemon import Daemon, Site, command_of
from support.lines import after_stamps
from support.watching import file_matches

EVENTS = 20_000


def event(number: int) -> bytes:
    return b'{"channel":"transcript","n":%d,"data":{"text":"%s"}}' % (number, b"word " * 20)


def through_shell(site: Site, redirection: str, *args: str) -> Daemon:
    """Return a daemon whose descriptors a shell has changed first."""
    command = [*command_of("run"), "--dir", str(site.directory), *args]
    return Daemon(site, command=["sh", "-c", f'exec "$@" {redirection}', "sh", *command])


async def keeps_everything(site: Site, daemon: Daemon, count: int = EVENTS) -> None:
    """Record a burst, a reconnect and another event, then stop."""
    backend = site.backend
    assert backend is not None
    async with daemon:
        peer = await backend.greeted()
        await peer.burst(map(event, range(count)))
        await site.written(count)
        peer.rst()
        again = await backend.greeted(1)
        await again.event(event(count))
        await site.written(count + 1)
        assert await daemon.stop() == 0
    assert list(map(after_stamps, site.lines())) == list(map(event, range(count + 1)))
    assert site.state()["phase"] == "stopped"
    assert not site.files.pid.exists()


QUICK = ("--min-backoff", "10ms")
REDIRECTIONS = {
    "stdout closed": ">&-",
    "stdout full": ">/dev/full",
    "stderr closed": "2>&-",
    "stderr full": "2>/dev/full",
    "stdin closed": "<&-",
    "all closed": "<&- >&- 2>&-",
    "stdout and stderr full": ">/dev/full 2>&1",
    "stdout read-only": "1</dev/null",
}


@pytest.mark.parametrize("broken", REDIRECTIONS)
@pytest.mark.parametrize("output", ["preview", "json"])
async def test_a_broken_stream_costs_no_event_and_no_stop(site: Site, broken: str, output: str) -> None:
    await keeps_everything(site, through_shell(site, REDIRECTIONS[broken], *QUICK, "--output", output), 2000)
    if "stdout" in broken and "closed" not in broken:  # a closed one is replaced by /dev/null, which takes everything
        assert site.state()["dropped_previews"] > 0


async def test_closed_streams_never_end_up_in_our_files(site: Site) -> None:
    """A file that is opened while stdout is closed gets its number: nothing may be printed into it."""
    await keeps_everything(site, through_shell(site, "<&- >&- 2>&-", *QUICK), 10)
    for name, data in site.contents().items():
        assert b"WS_ID=" not in data, name
        assert b"[transcript]" not in data, name
    for line in site.files.journal.read_bytes().splitlines():
        json.loads(line)


@contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb", buffering=0) as writer:
        yield reader, writer


@pytest.mark.parametrize("output", ["preview", "json"])
async def test_a_pipe_that_nobody_reads_holds_nothing_up(site: Site, output: str) -> None:
    with pipe() as (reader, writer):
        flags = fcntl.fcntl(writer, fcntl.F_GETFL)
        await keeps_everything(site, site.daemon(*QUICK, "--output", output, stdout=writer))
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags, "flags of an inherited descriptor are everyone's"
        assert site.state()["dropped_previews"] > 0
        assert reader.readable()


async def test_a_reader_that_went_away_holds_nothing_up(site: Site) -> None:
    with pipe() as (reader, writer):
        reader.close()
        await keeps_everything(site, site.daemon(*QUICK, stdout=writer), 2000)
        assert site.state()["dropped_previews"] > 0


async def test_a_stderr_that_nobody_reads_holds_nothing_up(site: Site, backend: Backend) -> None:
    with pipe() as (_, writer):
        os.set_blocking(writer.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer.fileno(), b"x" * 4096)
        os.set_blocking(writer.fileno(), True)
        async with site.daemon(*QUICK, "--log-level", "debug", stderr=writer) as daemon:
            await daemon.ws_id()
            (await backend.peer()).rst()
            await daemon.ws_id()
            await (await backend.peer(1)).event({"n": 1})
            await site.written(1)
            assert await daemon.stop() == 0


async def test_an_id_is_never_dropped_even_when_the_reader_is_late(site: Site, backend: Backend) -> None:
    """Copies of events are dropped, a new id is not: it comes when the reader does."""
    with pipe() as (reader, writer):
        async with site.daemon(*QUICK, stdout=writer) as daemon:
            writer.close()
            peer = await backend.greeted()
            await peer.burst(map(event, range(EVENTS)))
            await site.written(EVENTS)
            peer.rst()
            second = (await backend.greeted(1)).id
            await site.id_published(second)
            stream = asyncio.StreamReader()
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), reader)
            lines: list[bytes] = []
            async with asyncio.timeout(20):
                while not lines or lines[-1] != f"WS_ID={second}\n".encode():
                    lines.append(await stream.readline())
                    assert lines[-1], "the end of stdout came before the new id"
            assert lines[0] == f"WS_ID={peer.id}\n".encode()
            assert all(line.startswith((b"WS_ID=", b"[transcript] ")) and line.endswith(b"\n") for line in lines)
            assert len(lines) < EVENTS
            assert await daemon.stop() == 0
            transport.close()


async def test_head_1_takes_the_id_and_leaves(site: Site, backend: Backend) -> None:
    """`videodb-listen | head -1` gives the id, and recording goes on without a reader."""
    with pipe() as (reader, writer):
        async with site.daemon(stdout=writer) as daemon:
            writer.close()
            async with Daemon(site, command=["head", "-1"], stdin=reader) as head:
                reader.close()
                assert await head.exit_status() == 0
            peer = await backend.greeted()
            assert head.stdout == f"WS_ID={peer.id}\n"
            await peer.burst(map(event, range(100)))
            await site.written(100)
            assert await daemon.stop() == 0


async def test_a_terminal_that_goes_away_does_not_end_it(site: Site, backend: Backend) -> None:
    controller, terminal = os.openpty()
    with os.fdopen(terminal, "wb", buffering=0) as tty:
        async with site.daemon(*QUICK, stdin=tty, stdout=tty, stderr=tty) as daemon:
            tty.close()
            peer = await backend.greeted()
            await site.id_published(peer.id)
            os.close(controller)
            daemon.signal(signal.SIGHUP)
            await peer.burst(map(event, range(1000)))
            await site.written(1000)
            assert await daemon.stop() == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_start_with_closed_streams_ends_and_its_log_holds_only_what_the_daemon_says(
    site: Site, backend: Backend, closed: str
) -> None:
    command = [*command_of("bare"), "start", "--dir", str(site.directory)]
    async with Daemon(site, command=["sh", "-c", f'exec "$@" {closed}', "sh", *command]) as starting:
        assert await starting.exit_status() == 0
    ws_id = (await backend.greeted()).id
    assert starting.stdout == ("" if ">&-" in closed.split() else f"WS_ID={ws_id}\n")
    assert (await site.run("stop")).status == 0
    for line in site.files.log.read_text().splitlines():
        assert line.startswith(("[", "WS_ID="))


async def test_a_detached_listener_goes_on_in_a_new_log_after_sighup(site: Site, backend: Backend) -> None:
    assert (await site.run("start")).status == 0
    pid = int(site.files.pid.read_text())
    site.files.log.rename(site.files.log.with_suffix(".1"))
    os.kill(pid, signal.SIGHUP)
    await file_matches(site.files.log, lambda _: True)
    await (await backend.greeted()).event({"channel": "transcript", "data": {"text": "said after the rotation"}})
    await file_matches(site.files.log, lambda data: b"said after the rotation" in data)
    assert (await site.run("stop")).status == 0
    assert "said after" not in site.files.log.with_suffix(".1").read_text()


async def test_the_log_of_a_detached_listener_holds_what_it_says(site: Site, backend: Backend) -> None:
    assert (await site.run("start")).status == 0
    peer = await backend.greeted()
    await peer.event({"channel": "transcript", "data": {"text": "said once"}})
    await site.written(1)
    await file_matches(site.files.log, lambda data: peer.id.encode() in data)
    assert (await site.run("stop")).status == 0
