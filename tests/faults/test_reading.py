"""Readers while the listener and they themselves are killed: nothing is missed, and what comes twice is known."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal

import pytest

from faults.inject import event
from support.backend import Backend, Peer
from support.daemon import Daemon, Site
from support.ledger import Ledger
from support.lines import after_stamps
from support.watching import file_matches, lines_written

EVENTS = 100_000
ROTATING = (
    "--rotate-size",
    "1M",
    "--rotate-keep",
    "100000",
    "--rotate-gzip",
    "--output",
    "none",
    "--min-backoff",
    "250ms",
)
SEED = 20260302
ROUNDS = 500


def command(site: Site, *words: str) -> Daemon:
    """A command that the test may kill."""
    first, *rest = words
    return Daemon(site, first, "--dir", str(site.directory), *rest, entry="bare", directory=None)


def printed(process: Daemon) -> list[int]:
    """The numbers of the whole lines that it printed."""
    whole, _, _ = process.stdout.rpartition("\n")
    return [json.loads(line)["n"] for line in whole.splitlines()]


def on_disk(site: Site) -> list[int]:
    """The numbers of all events, in every generation, oldest first."""
    generations = sorted(site.directory.glob("videodb_events.2*"))
    data = b"".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in [*generations, site.files.events]
    )
    return [json.loads(after_stamps(line))["n"] for line in data.splitlines()]


async def changed_since(site: Site, size: int) -> None:
    """Wait until the events file has another size than this."""
    await file_matches(site.files.events, lambda data: len(data) != size)


@pytest.mark.timeout(600)
async def test_a_cursor_gets_what_is_on_disk_once_and_in_order_though_the_listener_is_killed(
    lone_site: Site, ledger: Ledger
) -> None:
    chance = random.Random(SEED)
    sent = 0

    async def some(peer: Peer) -> None:
        nonlocal sent
        await peer.hello()
        first, sent = sent, min(EVENTS, sent + chance.randint(2_000, 12_000))
        await peer.burst(event(number, 200) for number in range(first, sent))

    kills = 0
    seen: list[int] = []
    async with Backend([some]) as backend:
        lone_site.backend = backend
        while sent < EVENTS:
            size = lone_site.files.events.stat().st_size if lone_site.files.events.exists() else 0
            async with lone_site.daemon(*ROTATING) as daemon:
                await daemon.ws_id()
                if chance.random() < 0.7:
                    await changed_since(lone_site, size)
                    await daemon.kill()
                    kills += 1
                async with command(lone_site, "read", "--cursor", "agent", "--max-events", "9000") as reader:
                    assert await reader.exit_status() == 0
                    seen += printed(reader)
                if daemon.running:
                    assert await daemon.stop() == 0
        while True:
            async with command(lone_site, "read", "--cursor", "agent") as reader:
                assert (await reader.exit_status(), reader.stderr) == (0, "")
                if not (new := printed(reader)):
                    break
                seen += new
    there = on_disk(lone_site)
    generations = len(list(lone_site.directory.glob("videodb_events.2*")))
    ledger.row(
        "reading",
        "read --cursor while the listener is killed and rotates",
        sent=sent,
        on_disk=len(there),
        fired=f"{kills} kills, {generations} generations; {len(seen)} read",
    )
    assert kills >= 3
    assert seen == there
    assert there == sorted(set(there))


@pytest.mark.timeout(600)
async def test_a_reader_that_is_killed_repeats_one_batch_at_most_and_misses_nothing(
    lone_site: Site, ledger: Ledger
) -> None:
    chance = random.Random(SEED)
    kills = 0
    repeated = [0]
    seen: list[int] = []

    async def all_of_it(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(event(number, 200) for number in range(EVENTS))

    async with Backend([all_of_it]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*ROTATING) as daemon:
            await daemon.ws_id()
            while not seen or seen[-1] < EVENTS - 1:
                async with command(lone_site, "read", "--cursor", "agent", "--max-events", "9000") as reader:
                    if chance.random() < 0.5:
                        await reader.stdout_line('"n":')
                        await asyncio.sleep(chance.uniform(0, 0.05))  # the moment is what is random
                        reader.signal(signal.SIGKILL)
                    kills += await reader.exit_status() == -signal.SIGKILL
                    if new := printed(reader):
                        repeated.append(len(seen) - new[0] if seen else 0)
                        assert new == list(range(new[0], new[-1] + 1))
                        assert new[0] <= len(seen)
                        seen += range(len(seen), new[-1] + 1)
            assert await daemon.stop() == 0
    ledger.row(
        "reading",
        "read --cursor is killed while it prints",
        sent=EVENTS,
        on_disk=len(on_disk(lone_site)),
        fired=f"{kills} kills; at most {max(repeated)} events were printed again",
    )
    assert kills >= 3
    assert max(repeated) * 200 <= 256 * 1024
    assert seen == list(range(EVENTS))


@pytest.mark.timeout(600)
async def test_no_moment_is_too_early_or_too_late_for_an_event_that_is_waited_for(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    chance = random.Random(SEED)
    found = 0

    async def one(peer: Peer, number: int) -> None:
        nonlocal found

        async def send(delay_s: float) -> None:
            await asyncio.sleep(delay_s)  # the moment is what is random
            await peer.event({"channel": f"race-{number}", "n": number})

        sending = asyncio.create_task(send(chance.uniform(0.0, 0.5)))
        async with command(site, "wait", f"race-{number}", "--timeout", "20s") as waiter:
            status = await waiter.exit_status(limit_s=30)
            found += (status, printed(waiter)) == (0, [number])
        await sending

    async with site.daemon("--output", "none") as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for first in range(0, ROUNDS, 4):
            await asyncio.gather(*(one(peer, first + n) for n in range(4)))
        await lines_written(site.files.events, ROUNDS)
        assert await daemon.stop() == 0
    ledger.row(
        "waiting",
        "an event at a random moment around the start of wait",
        sent=ROUNDS,
        on_disk=len(site.lines()),
        fired=f"{ROUNDS} rounds, {found} found",
    )
    assert found == ROUNDS
