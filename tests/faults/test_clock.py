"""The machine's clock is set while the daemon runs: stamps never go back, and a jump ahead proves the connection."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from faults.inject import QUICK, Stream
from support.backend import Backend
from support.daemon import Site
from support.ledger import Ledger


class WallClock:
    """The wall clock of one site's processes; the monotonic one stays true."""

    def __init__(self, site: Site, library: Path) -> None:
        self._file = site.home / "wall-clock"
        self.set("+0")
        site.env |= {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Step it, for example to `-1h`. Replaced whole: a half-written offset would be another step."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text(f"{offset}\n")
        temporary.replace(self._file)


@pytest.fixture
def clock(site: Site, faketime: Path) -> WallClock:
    return WallClock(site, faketime)


@pytest.mark.parametrize(
    "steps",
    [("-1h",), ("+1h",), ("+1h", "+0"), ("-1h", "+0"), ("-1d", "+1d", "-2h")],
    ids=lambda steps: " ".join(steps),
)
async def test_a_step_of_the_clock_never_turns_a_stamp_back(
    site: Site, backend: Backend, ledger: Ledger, clock: WallClock, steps: tuple[str, ...]
) -> None:
    stream = Stream(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 10)
        for number, step in enumerate(steps, 1):
            clock.set(step)
            await stream.send_and_see(peer, 10)
            await site.journalled("clock", number)
            await stream.send_and_see(peer, 10)
        assert await daemon.stop() == 0
    records = site.records()
    stamps = [record["unix_ts"] for record in records]
    noted = [entry["step_s"] for entry in site.journal("clock")]
    ledger.row(
        "49",
        f"the clock is set to {', then to '.join(steps)}",
        sent=len(stream.sent),
        on_disk=len(records),
        fired=f"libfaketime; journalled steps of {', '.join(f'{step:.0f}' for step in noted)} s",
    )
    assert stream.on_disk() == stream.sent
    assert stamps == sorted(stamps)
    assert [record["ts"] for record in records] == sorted(record["ts"] for record in records)
    assert len(noted) == len(steps)
    assert len(backend.peers) == 1, "a clock that is set is no reason to reconnect to a server that answers"
    if steps == ("-1h",):
        assert noted[0] == pytest.approx(-3600, abs=2)
        assert stamps[-1] == pytest.approx(time.time(), abs=60), "the stamps wait until the clock has caught up"
    if steps == ("+1h",):
        assert noted[0] == pytest.approx(3600, abs=2)
        assert stamps[-1] == pytest.approx(time.time() + 3600, abs=60)


async def test_a_frozen_daemon_is_not_connected_though_its_clock_was_ahead_for_a_moment(
    site: Site, backend: Backend, ledger: Ledger, clock: WallClock
) -> None:
    """Its stamps are an hour ahead of the clock that everybody has again."""
    async with site.daemon(*QUICK, "--ping-interval", "200ms", "--ping-timeout", "800ms") as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        clock.set("+1h")
        await site.journalled("clock", 1)
        await peer.event({"channel": "alert"})
        await site.written(1)
        clock.set("+0")
        await site.journalled("clock", 2)
        site.env["LD_PRELOAD"] = None  # for the commands from here on: they have everybody's clock
        healthy = await site.run("status")
        daemon.signal(signal.SIGSTOP)
        began = time.monotonic()
        while (await site.run("status")).status == 0:
            assert time.monotonic() - began < 30
        noticed_s = time.monotonic() - began
        asked = await site.run("id", "--timeout", "100ms")
        waited = await site.run("wait", "alert", "--from", "now", "--timeout", "100ms")
        daemon.signal(signal.SIGCONT)
        await daemon.kill()
    state = site.state()
    ahead_s = state["last_event_unix_ts"] - time.time()
    ledger.row(
        "49",
        "the clock runs ahead by 1 h for two seconds, then the daemon is frozen",
        sent=1,
        on_disk=len(site.records()),
        fired=f"libfaketime, SIGSTOP; stamps were {ahead_s:.0f} s ahead; not connected after {noticed_s:.1f} s",
    )
    assert ahead_s > 3000
    assert healthy.status == 0, healthy
    assert (asked.status, asked.stdout, waited.status, waited.stdout) == (124, "", 124, ""), (asked, waited)


async def test_a_machine_that_slept_pings_at_once_and_reconnects_without_a_pong(
    site: Site, backend: Backend, ledger: Ledger, clock: WallClock
) -> None:
    """60 s ahead of the monotonic clock, as after a sleep, with a peer that is gone without a word."""
    stream = Stream(site)
    async with site.daemon(*QUICK, "--ping-interval", "10m", "--ping-timeout", "10m") as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.until(lambda: peer.pings == 1, "the first ping")
        await stream.send_and_see(peer, 10)
        peer.answers_pings = False
        clock.set("+60")
        began = time.monotonic()
        await peer.until(lambda: peer.pings == 2, "a ping after the jump")
        pinged_s = time.monotonic() - began
        again = await backend.greeted(1)
        reconnected_s = time.monotonic() - began
        await site.id_published(again.id)
        await stream.send_and_see(again, 10)
        assert await daemon.stop() == 0
    (lost,) = site.journal("lost")
    found = stream.on_disk()
    ledger.row(
        "49",
        "the clock runs ahead by 60 s, and the server does not answer",
        sent=20,
        on_disk=len(found),
        fired=f"libfaketime; ping after {pinged_s:.1f} s, reconnected after {reconnected_s:.1f} s: {lost['reason']}",
    )
    assert pinged_s < 2.5
    assert 4.5 < reconnected_s < 9
    assert found == stream.sent


async def test_a_machine_that_slept_keeps_a_connection_that_answers(
    site: Site, backend: Backend, ledger: Ledger, clock: WallClock
) -> None:
    stream = Stream(site)
    async with site.daemon(*QUICK, "--ping-interval", "10m") as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.until(lambda: peer.pings == 1, "the first ping")
        clock.set("+60")
        await peer.until(lambda: peer.pings == 2, "a ping after the jump")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(6):  # the proof is due after 5 s
                await backend.peer(1)
        await stream.send_and_see(peer, 10)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "49",
        "the clock runs ahead by 60 s, and the server answers",
        sent=10,
        on_disk=len(found),
        fired=f"libfaketime; {peer.pings} pings, {len(backend.peers)} connection",
    )
    assert found == stream.sent
    assert site.journal("lost") == []


async def test_a_machine_that_slept_while_waiting_tries_at_once(
    lone_site: Site, ledger: Ledger, faketime: Path
) -> None:
    """It waits half a minute for its next try; the jump ends the wait."""
    async with Backend() as backend:
        lone_site.backend = backend
        clock = WallClock(lone_site, faketime)
        async with lone_site.daemon("--min-backoff", "10m", "--max-backoff", "1h") as daemon:
            await daemon.ws_id()
            (await backend.greeted()).rst()
            await daemon.stderr_line("trying again in")
            began = time.monotonic()
            clock.set("+1h")
            await backend.greeted(1)
            took_s = time.monotonic() - began
            await daemon.ws_id()
            assert await daemon.stop() == 0
            said = await daemon.stderr_line("trying again in")
    ledger.row(
        "49",
        "the clock runs ahead while the daemon waits to reconnect",
        sent=0,
        on_disk=0,
        fired=f"libfaketime; connected {took_s:.1f} s after the jump; it had said {said[said.find('trying') :]!r}",
    )
    assert took_s < 4
