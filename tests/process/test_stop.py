"""How it ends: what the server sent before it answered our Close is on disk, and the status is 0."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from support.backend import Backend, Peer, Reply, greet, mute
from support.daemon import PYTHON, Daemon, Site
from support.frames import Op, encode
from support.lines import after_stamps
from support.watching import lines_written

EVENTS = 50_000
PROMPT_S = 5.0

# What a careless daemon does on SIGTERM: it cancels the task that reads.
CANCEL_INSTEAD_OF_DRAIN = """
import asyncio
import sys
from videodb_listen.listener import daemon

async def cancel(self, connection):
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

daemon.Daemon._drain = cancel
from videodb_listen.cli import main
sys.exit(main())
"""


def event(number: int) -> bytes:
    return b'{"channel":"transcript","n":%d,"data":{"text":"%s","is_final":true}}' % (number, b"word " * 12)


async def one_burst_and_a_late_answer(peer: Peer) -> None:
    """Send half of the events at once, the other half after the client's Close, and only then answer it."""
    await peer.hello()
    await peer.burst(map(event, range(EVENTS // 2)))
    await peer.wait_close()
    await peer.burst(map(event, range(EVENTS // 2, EVENTS)))


async def stopped_in_the_middle(site: Site, daemon: Daemon, backend: Backend) -> int:
    """Send SIGTERM while the burst is running, half of which comes after the Close; give the status."""
    async with daemon:
        await backend.greeted()
        await lines_written(site.files.events, 500)
        daemon.signal(signal.SIGTERM)
        return await daemon.exit_status()


async def test_sigterm_in_the_middle_of_a_burst_loses_nothing(lone_site: Site) -> None:
    async with Backend([one_burst_and_a_late_answer]) as backend:
        lone_site.backend = backend
        assert await stopped_in_the_middle(lone_site, lone_site.daemon("--drain", "20"), backend) == 0
        lines = lone_site.lines()
        assert len(lines) == EVENTS
        assert list(map(after_stamps, lines)) == backend.peers[0].sent
    assert lone_site.state()["events"] == EVENTS


@pytest.mark.parametrize("careless", [False, True])
async def test_the_same_burst_is_cut_short_when_the_drain_is_a_cancellation(lone_site: Site, careless: bool) -> None:
    """The count above can fail: with a daemon that cancels on SIGTERM it does."""
    start = CANCEL_INSTEAD_OF_DRAIN if careless else "import sys; from videodb_listen.cli import main; sys.exit(main())"
    command = [PYTHON, "-c", start, "run", "--dir", str(lone_site.directory), "--drain", "20", "--output", "none"]
    async with Backend([one_burst_and_a_late_answer]) as backend:
        lone_site.backend = backend
        await stopped_in_the_middle(lone_site, Daemon(lone_site, command=command), backend)
        assert (len(lone_site.lines()) < EVENTS) is careless


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_a_clean_and_prompt_stop(site: Site, backend: Backend, number: signal.Signals) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        began = time.monotonic()
        daemon.signal(number)
        assert await daemon.exit_status() == 0
        assert time.monotonic() - began < PROMPT_S
    frame = (await backend.peer()).close_frame
    assert frame is not None
    assert frame.close_code == 1000
    assert not site.files.ws_id.exists()
    assert not site.files.pid.exists()


async def test_the_id_file_goes_before_the_close_is_sent(lone_site: Site) -> None:
    """While the daemon drains nobody may bind anything to the connection any more."""
    seen: list[bool] = []

    async def look(peer: Peer) -> None:
        await peer.hello()
        await peer.wait_close()
        seen.append(lone_site.files.ws_id.exists())

    async with Backend([look]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await daemon.ws_id()
            assert await daemon.stop() == 0
    assert seen == [False]


async def never_answers_close(peer: Peer) -> None:
    await peer.hello()
    await peer.wait_close()
    await peer.burst(map(event, range(100)))
    await peer.wait_gone()


async def test_a_server_that_never_answers_is_cut_after_the_drain_and_the_cut_is_said(lone_site: Site) -> None:
    async with Backend([never_answers_close]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--drain", "2s") as daemon:
            await daemon.ws_id()
            assert await daemon.stop() == 0
            assert "100 events" in await daemon.stderr_line("drain")
    assert len(lone_site.lines()) == 100


async def only_pings(peer: Peer) -> None:
    """Ask for pongs and never take them."""
    await peer.hello()
    peer.freeze()
    for _ in range(400):
        await peer.raw(encode(Op.PING, b"x" * 125) * 1000)


async def test_a_server_that_never_takes_what_it_asks_for_is_left(lone_site: Site) -> None:
    """Else what it does not read piles up in memory."""
    async with Backend([only_pings, greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--min-backoff", "250ms") as daemon:
            await daemon.ws_id()
            await daemon.ws_id()
            assert await daemon.stop() == 0
    assert "does not read" in lone_site.journal("lost")[0]["reason"]


async def test_a_second_signal_cuts_the_drain_and_keeps_what_came(lone_site: Site) -> None:
    async with Backend([never_answers_close]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--drain", "60") as daemon:
            await daemon.ws_id()
            daemon.signal(signal.SIGTERM)
            await lines_written(lone_site.files.events, 100)
            assert daemon.running
            began = time.monotonic()
            daemon.signal(signal.SIGTERM)
            assert await daemon.exit_status() == 0
            assert time.monotonic() - began < PROMPT_S
    assert len(lone_site.lines()) == 100
    assert lone_site.state()["phase"] == "stopped"


async def test_a_hail_of_signals_still_ends_with_0(lone_site: Site) -> None:
    async with Backend([never_answers_close]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--drain", "60") as daemon:
            await daemon.ws_id()
            for number in (signal.SIGTERM, signal.SIGINT) * 5:
                daemon.signal(number)
            assert await daemon.exit_status() == 0
    assert not lone_site.files.pid.exists()


async def test_sigterm_while_waiting_to_reconnect_ends_at_once(site: Site, backend: Backend) -> None:
    async with site.daemon("--min-backoff", "60s") as daemon:
        await daemon.ws_id()
        (await backend.peer()).rst()
        await site.phase("reconnecting")
        began = time.monotonic()
        assert await daemon.stop() == 0
        assert time.monotonic() - began < PROMPT_S
    assert site.state()["phase"] == "stopped"


@pytest.mark.parametrize("stuck", ["rest", "upgrade", "hello"])
async def test_sigterm_while_the_server_is_silent_ends_at_once(lone_site: Site, stuck: str) -> None:
    """Whatever the daemon waits for in a handshake, a stop does not wait for it."""
    silent = Reply(hang=True)
    async with Backend([silent if stuck == "upgrade" else mute], [silent] if stuck == "rest" else []) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            if stuck == "rest":
                await backend.until(lambda: len(backend.requests) == 1, "a REST call")
            else:
                await backend.until(lambda: len(backend.upgrades) == 1, "an upgrade")
            began = time.monotonic()
            assert await daemon.stop() == 0
            assert time.monotonic() - began < PROMPT_S
            assert daemon.stdout == ""


async def test_sighup_reopens_the_file_and_does_not_end_it(site: Site, backend: Backend) -> None:
    moved = site.directory / "moved.jsonl"
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event({"n": 0})
        await site.written(1)
        site.files.events.rename(moved)
        daemon.signal(signal.SIGHUP)
        await lines_written(site.files.events, 0)
        await peer.event({"n": 1})
        (record,) = await site.written(1)
        assert record["n"] == 1
        assert await daemon.stop() == 0
    assert moved.read_bytes().count(b"\n") == 1
    assert len(backend.peers) == 1


async def test_a_burst_of_sighups_in_a_burst_of_events_loses_nothing(lone_site: Site) -> None:
    async def burst(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(map(event, range(20_000)))

    async with Backend([burst]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--output", "none") as daemon:
            for count in (100, 5_000, 10_000, 15_000):
                await lines_written(lone_site.files.events, count)
                daemon.signal(signal.SIGHUP)
            await lines_written(lone_site.files.events, 20_000)
            assert await daemon.stop() == 0
        assert daemon.stderr.count("SIGHUP:") >= 1
        assert list(map(after_stamps, lone_site.lines())) == backend.peers[0].sent


def ignored_signals(pid: int) -> set[int]:
    """Return the numbers of the signals that the process ignores, as the kernel has them."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:")]
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


async def test_a_sigint_that_was_ignored_at_the_start_stays_ignored(site: Site, backend: Backend) -> None:
    async with site.daemon(sigint_ignored=True) as daemon:
        await daemon.ws_id()
        assert {signal.SIGINT, signal.SIGTTOU} <= ignored_signals(daemon.pid)
        daemon.signal(signal.SIGINT)
        await (await backend.peer()).event({"n": 0})
        await site.written(1)
        assert site.files.ws_id.exists()
        assert await daemon.stop() == 0


async def test_sigint_is_heard_when_it_was_not_ignored(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert signal.SIGINT not in ignored_signals(daemon.pid)
        assert await daemon.stop() == 0


async def test_events_up_to_the_last_are_there_when_the_pid_file_is_gone(lone_site: Site) -> None:
    async def talks_until_the_end(peer: Peer) -> None:
        await peer.hello()
        number = 0
        while peer.close_frame is None:
            await peer.text(event(number))
            number += 1
            await asyncio.sleep(0)

    async with Backend([talks_until_the_end]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--drain", "20") as daemon:
            await lines_written(lone_site.files.events, 200)
            assert await daemon.stop() == 0
        assert list(map(after_stamps, lone_site.lines())) == backend.peers[0].sent
    assert not lone_site.files.pid.exists()
