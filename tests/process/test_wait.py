"""`wait` on the files of a real daemon: whoever is faster, the event is found, and the status says how it ended."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from typing import Any

import pytest

from support.backend import Backend, Peer
from support.daemon import Daemon, Site

SESSION = "cap-1"


def lifecycle(name: str, session_id: str = SESSION, **data: Any) -> dict[str, Any]:
    event = f"capture_session.{name}"
    return {"channel": "capture_session", "event": event, "capture_session_id": session_id, "data": data}


def waiting(site: Site, *args: str) -> Daemon:
    """A `wait` that goes on while the test does something."""
    return Daemon(site, "wait", "--dir", str(site.directory), *args, entry="bare", directory=None)


async def test_an_event_that_is_there_is_printed_as_its_line(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.event(lifecycle("active", rtstreams=[{"rtstream_id": "rts-1"}]))
        await site.written(1)
        done = await site.run("wait", "capture_session.active")
        assert (done.status, done.stdout.encode(), done.stderr) == (0, site.files.events.read_bytes(), "")
        field = await site.run("wait", "capture_session.active", "--print", "data.rtstreams")
        assert json.loads(field.stdout) == [{"rtstream_id": "rts-1"}]
        text = await site.run("wait", "capture_session.active", "--print", "capture_session_id")
        assert text.stdout == f"{SESSION}\n"
        nothing = await site.run("wait", "capture_session.active", "--print", "data.nothing.here")
        assert nothing.stdout == "null\n"


async def test_an_event_that_comes_ends_the_waiting(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        async with waiting(site, "--channel", "transcript", "--grep", "budget") as waiter:
            await peer.event({"channel": "transcript", "data": {"text": "hello"}})
            await peer.event({"channel": "transcript", "data": {"text": "the Budget"}})
            assert await waiter.exit_status() == 0
        assert json.loads(waiter.stdout)["data"]["text"] == "the Budget"


async def test_events_of_an_earlier_run_do_not_count(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.greeted()).event({"channel": "alert", "n": 1})
        await site.written(1)
        assert await daemon.stop() == 0
    async with site.daemon() as daemon:
        await daemon.ws_id()
        done = await site.run("wait", "alert", "--timeout", "0")
        assert done.status == 124
        again = await site.run("wait", "alert", "--timeout", "0", "--from", "1h")
        assert json.loads(again.stdout)["n"] == 1


async def test_from_now_waits_for_the_next_one(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.event({"channel": "alert", "n": 1})
        await site.written(1)
        assert (await site.run("wait", "alert", "--from", "now", "--timeout", "0")).status == 124


async def test_a_session_that_fails_is_1_and_names_its_error(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        async with waiting(site, "capture_session.exported") as waiter:
            await peer.event(lifecycle("created"))
            await peer.event(lifecycle("failed", error={"code": "RECORDING_FAILED", "message": "no \x1b[2J display"}))
            assert await waiter.exit_status() == 1
        assert waiter.stdout == ""
        assert "RECORDING_FAILED" in waiter.stderr
        assert "\x1b" not in waiter.stderr


async def test_without_a_listener_only_what_is_there_is_found(site: Site, backend: Backend) -> None:
    assert (await site.run("wait", "alert")).status == 3
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.greeted()).event({"channel": "alert", "n": 1})
        await site.written(1)
        assert await daemon.stop() == 0
    assert json.loads((await site.run("wait", "alert")).stdout)["n"] == 1
    assert (await site.run("wait", "transcript")).status == 3


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_listener_that_ends_while_we_wait_is_3(site: Site, end: signal.Signals) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        async with waiting(site, "alert") as waiter:
            daemon.signal(end)
            await daemon.exit_status()
            assert await waiter.exit_status() == 3
            assert "no listener runs" in waiter.stderr


async def test_what_the_listener_wrote_last_is_found_though_it_has_ended(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        async with waiting(site, "alert") as waiter:
            await (await backend.greeted()).event({"channel": "alert"})
            assert await daemon.stop() == 0
            assert await waiter.exit_status() == 0


async def test_the_time_given_is_124(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        done = await site.run("wait", "alert", "--timeout", "50ms")
        assert done.status == 124
        assert "50ms" in done.stderr or "0.1s" in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["--from", "soon", "alert"], ["alert", "--grep", "("], ["alert", "--timeout", "x"]]
)
async def test_what_cannot_be_waited_for_is_wrong_usage(site: Site, words: list[str]) -> None:
    assert (await site.run("wait", *words)).status == 2


async def test_stop_after_an_event_waits_for_it_and_then_stops(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        args = ("stop", "--dir", str(site.directory), "--after", "capture_session.exported", "--timeout", "20s")
        async with Daemon(site, *args, entry="bare", directory=None) as stopper:
            peer = await backend.greeted()
            await peer.event(lifecycle("stopped"))
            await site.written(1)
            assert daemon.running
            await peer.event(lifecycle("exported"))
            assert await stopper.exit_status() == 0
        assert await daemon.exit_status() == 0
    assert len(site.lines()) == 2


async def test_stop_after_an_event_that_does_not_come_leaves_the_listener_alone(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        done = await site.run("stop", "--after", "alert", "--timeout", "50ms")
        assert done.status == 124
        assert (await site.run("status")).status == 0


async def test_waiting_goes_on_across_rotations(site: Site, backend: Backend) -> None:
    async with site.daemon("--rotate-size", "2K") as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        async with waiting(site, "alert") as waiter:
            for number in range(200):
                await peer.event({"channel": "transcript", "n": number, "data": {"text": "x" * 50}})
            await peer.event({"channel": "alert"})
            assert await waiter.exit_status() == 0


ROUNDS = 40
"""Each starts a process; the fault tier has the 500."""


async def race(site: Site, peer: Peer, number: int, chance: random.Random) -> None:
    """Start a `wait` and send its event at a random moment around that."""
    name = f"race-{number}"
    delay_s = chance.uniform(0.0, 0.6)

    async def send() -> None:
        await asyncio.sleep(delay_s)  # not to wait for something: the moment is what is random
        await peer.event({"channel": name, "n": number})

    sending = asyncio.create_task(send())
    async with waiting(site, name, "--timeout", "20s") as waiter:
        assert await waiter.exit_status() == 0
        assert json.loads(waiter.stdout)["n"] == number
    await sending


async def test_no_moment_is_too_early_or_too_late_for_an_event(site: Site, backend: Backend) -> None:
    chance = random.Random(20260302)
    async with site.daemon("--output", "none") as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for first in range(0, ROUNDS, 4):
            await asyncio.gather(*(race(site, peer, first + n, chance) for n in range(4)))
        assert await daemon.stop() == 0
