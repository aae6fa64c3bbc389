"""Whatever the far side does to a connection, what was sent and could be read is on disk, once and in order."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.backend import Backend, Peer, Reply, Script, greet, unused_port
from support.daemon import Daemon, Site
from support.ledger import Ledger
from support.lines import after_stamps

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms")
BEFORE, AFTER = 100, 50
MIB = 1 << 20

Fault = Callable[[Peer], Awaitable[None]]


def numbered(first: int, count: int, size: int = 0) -> list[bytes]:
    """Return events that name themselves, so that a hole or a double shows."""
    return [b'{"n":%d,"pad":"%b"}' % (n, b"x" * size) for n in range(first, first + count)]


def on_disk(site: Site) -> list[bytes]:
    """Return the events in the file as the server spelled them; every line must be strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    lines = site.lines()
    for line in lines:
        json.loads(line, parse_constant=refuse)
    return [after_stamps(line) for line in lines]


async def survives(site: Site, daemon: Daemon, backend: Backend, fault: Fault) -> tuple[list[bytes], list[bytes]]:
    """Record 100 events, let the fault happen, record 50 on the next connection: what was sent, what is on disk."""
    await daemon.ws_id()
    first = await backend.greeted(0)
    await first.burst(numbered(0, BEFORE))
    await site.written(BEFORE)
    await fault(first)
    await daemon.ws_id()
    newest = backend.peers[-1]
    await newest.burst(numbered(BEFORE, AFTER))
    await site.written(BEFORE + AFTER)
    assert await daemon.stop() == 0
    assert "Traceback" not in daemon.stderr
    return [payload for peer in backend.peers for payload in peer.sent], on_disk(site)


async def reset(peer: Peer) -> None:
    peer.rst()


def closing(code: int) -> Fault:
    return lambda peer: peer.close(code)


ENDINGS: dict[str, tuple[str, Fault]] = {
    "1": ("RST while nothing is under way", reset),
    "3": ("FIN without a Close", Peer.fin),
    "4": ("close 1000", closing(1000)),
    "5": ("close 1001", closing(1001)),
    "6": ("close 1011", closing(1011)),
    "7": ("close 1012", closing(1012)),
    "8": ("close 1008", closing(1008)),
}


@pytest.mark.parametrize("row", ENDINGS)
async def test_no_event_is_lost_around_the_end_of_a_connection(
    site: Site, backend: Backend, ledger: Ledger, row: str
) -> None:
    what, fault = ENDINGS[row]
    async with site.daemon(*QUICK) as daemon:
        sent, kept = await survives(site, daemon, backend, fault)
    (lost,) = site.journal("lost")
    fired = f"journal: lost, {lost['reason']}"
    ledger.row(row, what, sent=len(sent), on_disk=len(kept), fired=fired)
    assert kept == sent
    assert len(site.journal("gap")) == 1
    assert len(backend.peers) == 2


def unread_bytes(port: int) -> int:
    """Return how much the kernel holds between a loopback server at `port` and its clients, on both ends."""
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if f":{port:04X}" in (local[8:], remote[8:]):
            total += sum(int(queue, 16) for queue in queues.split(":"))
    return total


@pytest.mark.parametrize("stalled", [False, True], ids=["reading", "stopped"])
async def test_a_reset_with_4_megabytes_under_way_leaves_a_prefix_without_hole_or_double(
    site: Site, backend: Backend, ledger: Ledger, stalled: bool
) -> None:
    events = numbered(BEFORE, 2000, 2000)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        first = await backend.greeted(0)
        await first.burst(numbered(0, BEFORE))
        await site.written(BEFORE)
        if stalled:
            daemon.signal(signal.SIGSTOP)
            burst = asyncio.create_task(first.burst(events))
            await asyncio.wait([burst], timeout=1)  # the kernel fills up, and then takes no more
            under_way = unread_bytes(backend.port)
            first.rst()
            burst.cancel()
            daemon.signal(signal.SIGCONT)
        else:
            half = len(events) // 2
            await first.burst(events[:half])
            under_way = unread_bytes(backend.port)
            first.rst()
            await first.burst(events[half:])  # to nobody
        await daemon.ws_id()
        await backend.peers[1].burst(numbered(5000, AFTER))
        await site.phase("connected")
        assert await daemon.stop() == 0
    sent, kept = [*first.sent, *backend.peers[1].sent], on_disk(site)
    fired = f"{under_way} bytes in the kernel at the RST; journal: {site.journal('lost')[0]['reason']}"
    reader = "whose reader is stopped" if stalled else "whose reader runs"
    ledger.row("2", f"RST in the middle of 4 MB, {reader}", sent=len(sent), on_disk=len(kept), fired=fired)
    whole, rest = kept[:-AFTER], kept[-AFTER:]
    assert whole == first.sent[: len(whole)]
    assert len(whole) >= BEFORE
    assert rest == backend.peers[1].sent
    assert len(whole) < len(first.sent)
    if stalled:
        assert under_way > MIB


async def test_a_flapping_server_is_not_stormed_and_each_of_its_events_is_kept(lone_site: Site, ledger: Ledger) -> None:
    """Each connection delivers, so the delays start over every time: only their floor is left against a loop."""
    numbers = itertools.count()

    async def flap(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(numbered(next(numbers) * 5, 5))
        await peer.close(1000)

    async with Backend([flap] * 8 + [greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await backend.greeted(8)
            assert await daemon.stop() == 0
        sent, kept = [payload for peer in backend.peers for payload in peer.sent], on_disk(lone_site)
        times = [upgrade.at_s for upgrade in backend.upgrades]
        fired = f"8 clean closes in {times[-1] - times[0]:.1f} s, journalled {len(lone_site.journal('lost'))}"
        ledger.row("9", "5 events and close 1000, 8 times", sent=len(sent), on_disk=len(kept), fired=fired)
        assert kept == sent
        assert all(later - earlier >= 0.25 for earlier, later in itertools.pairwise(times))
        assert len(lone_site.journal("lost")) == 8


def refusal(status: int, **headers: str) -> Reply:
    return Reply(status, {"success": False, "message": "not now"}, headers=headers)


NULL = Reply(200, {"success": True, "data": None})
HTML = Reply(200, b"<html>SECRET-PAGE</html>", headers={"content-type": "text/html"})
ANSWERS: list[tuple[str, str, list[Reply]]] = [
    ("10", "REST 500 on a reconnect", [refusal(500)]),
    ("11", "REST 503 once", [refusal(503)]),
    ("11", "REST 503 three times", [refusal(503)] * 3),
    ("12", "REST 429 with Retry-After: 2", [refusal(429, **{"retry-after": "2"})]),
    ("13", "REST 401 on a reconnect", [refusal(401)]),
    ("13", "REST 403 on a reconnect", [refusal(403)]),
    ("14", "REST 200 with a page", [HTML]),
    ("14", "REST 200 with data: null", [NULL]),
]


@pytest.mark.parametrize(("row", "what", "answers"), ANSWERS, ids=[what for _, what, _ in ANSWERS])
async def test_no_event_is_lost_around_a_rest_side_that_refuses(
    site: Site, backend: Backend, ledger: Ledger, row: str, what: str, answers: list[Reply]
) -> None:
    async def fault(peer: Peer) -> None:
        backend.rest += answers
        peer.rst()

    async with site.daemon(*QUICK) as daemon:
        sent, kept = await survives(site, daemon, backend, fault)
    times = [request.at_s for request in backend.requests]
    fired = f"answers of this kind: {len(answers)}, calls: {len(times)}, last wait: {times[-1] - times[-2]:.2f} s"
    ledger.row(row, what, sent=len(sent), on_disk=len(kept), fired=fired)
    assert kept == sent
    assert backend.rest == []
    assert len(times) == 2 + len(answers)
    assert "SECRET-PAGE" not in daemon.stderr
    if row == "12":
        assert times[-1] - times[-2] >= 2.0


@pytest.mark.parametrize("status", [401, 403])
async def test_rejected_credentials_at_the_start_end_it_with_77_and_one_line(
    site: Site, backend: Backend, ledger: Ledger, status: int
) -> None:
    backend.rest += [refusal(status)]
    async with site.daemon() as daemon:
        assert await daemon.exit_status() == 77
    fired = f"{len(backend.requests)} call, answered {status}; exit status 77"
    ledger.row("13", f"REST {status} at the start", sent=0, on_disk=len(on_disk(site)), fired=fired)
    assert len(backend.requests) == 1
    (line,) = [line for line in daemon.stderr.splitlines() if str(status) in line]
    assert "VIDEO_DB_API_KEY" in line
    assert "Traceback" not in daemon.stderr


async def test_a_rest_side_that_never_answers_is_given_up_after_its_deadline(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    async def fault(peer: Peer) -> None:
        backend.rest += [Reply(hang=True)]
        peer.rst()

    async with site.daemon(*QUICK) as daemon:
        sent, kept = await survives(site, daemon, backend, fault)
    _, hung, served = backend.requests
    waited_s = served.at_s - hung.at_s
    fired = f"no answer to a call; the next call after {waited_s:.1f} s"
    ledger.row("15", "REST accepts a call and never answers", sent=len(sent), on_disk=len(kept), fired=fired)
    assert kept == sent
    assert 9 < waited_s < 15


async def test_a_stop_while_the_rest_side_hangs_takes_no_time(site: Site, backend: Backend, ledger: Ledger) -> None:
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        first = await backend.greeted(0)
        await first.burst(numbered(0, BEFORE))
        await site.written(BEFORE)
        backend.rest += [Reply(hang=True)]
        first.rst()
        await backend.until(lambda: len(backend.requests) == 2, "the call that hangs")
        began = time.monotonic()
        assert await daemon.stop() == 0
        took_s = time.monotonic() - began
    kept = on_disk(site)
    fired = f"SIGTERM while a call was open; exit 0 after {took_s:.2f} s"
    ledger.row("15", "SIGTERM while REST hangs", sent=len(first.sent), on_disk=len(kept), fired=fired)
    assert kept == first.sent
    assert took_s < 5


async def test_a_server_that_is_down_at_the_start_is_waited_for(site: Site, backend: Backend, ledger: Ledger) -> None:
    backend.hang_up()
    async with site.daemon(*QUICK) as daemon:
        refused = await daemon.stderr_line("could not be reached")
        await backend.listen()
        await daemon.ws_id()
        await backend.peers[0].burst(numbered(0, BEFORE))
        await site.written(BEFORE)
        assert await daemon.stop() == 0
    sent, kept = backend.peers[0].sent, on_disk(site)
    ledger.row("16", "nobody listens at the start", sent=len(sent), on_disk=len(kept), fired=f"stderr: {refused}")
    assert kept == sent


async def test_a_server_that_stays_down_ends_the_start_with_69(lone_site: Site, ledger: Ledger) -> None:
    lone_site.env["VIDEO_DB_API"] = f"http://127.0.0.1:{unused_port()}"
    async with lone_site.daemon(*QUICK, "--startup-timeout", "4s") as daemon:
        assert await daemon.exit_status() == 69
    (line,) = [line for line in daemon.stderr.splitlines() if "not connected within 4s" in line]
    tries = daemon.stderr.count("trying again")
    ledger.row("16", "nobody ever listens", sent=0, on_disk=0, fired=f"exit status 69 after {tries} tries")
    assert "could not be reached" in line
    assert tries >= 2


@pytest.mark.parametrize("status", [403, 503])
async def test_no_event_is_lost_around_a_refused_upgrade(lone_site: Site, ledger: Ledger, status: int) -> None:
    async with Backend([greet, Reply(status, "no"), greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK) as daemon:
            sent, kept = await survives(lone_site, daemon, backend, reset)
            said = await daemon.stderr_line(f"refused with {status}")
        fired = f"{len(backend.upgrades)} upgrades asked for, {len(backend.peers)} granted; {said}"
        ledger.row("17", f"upgrade refused with {status}", sent=len(sent), on_disk=len(kept), fired=fired)
        assert kept == sent
        assert (len(backend.upgrades), len(backend.peers)) == (3, 2)


async def ended(site: Site, first: Script, *, hello_timeout: str = "1s") -> tuple[list[bytes], list[bytes], str]:
    """Let the first connection go without a hello: what was sent on it and the next, what is on disk, what was said."""

    async def second(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(numbered(1000, AFTER))

    async with Backend([first, second]) as backend:
        site.backend = backend
        async with site.daemon(*QUICK, "--hello-timeout", hello_timeout) as daemon:
            assert await daemon.ws_id() == (await backend.greeted(1)).id
            said = await daemon.stderr_line("connection id")
            await site.written(sum(len(peer.sent) for peer in backend.peers))
            assert await daemon.stop() == 0
        assert "Traceback" not in daemon.stderr
        return [payload for peer in backend.peers for payload in peer.sent], on_disk(site), said


async def test_a_server_that_never_says_hello_is_given_up(lone_site: Site, ledger: Ledger) -> None:
    async def mute(peer: Peer) -> None:
        await peer.wait_gone()

    sent, kept, said = await ended(lone_site, mute)
    ledger.row("18", "no hello", sent=len(sent), on_disk=len(kept), fired=said)
    assert kept == sent
    assert "no connection id within" in said


async def test_events_in_place_of_the_hello_are_kept(lone_site: Site, ledger: Ledger) -> None:
    async def events_only(peer: Peer) -> None:
        await peer.burst(numbered(0, BEFORE))
        await peer.wait_gone()

    sent, kept, said = await ended(lone_site, events_only)
    ledger.row("19", "100 events and no hello", sent=len(sent), on_disk=len(kept), fired=said)
    assert kept == sent


async def test_events_before_a_late_hello_are_kept(lone_site: Site, ledger: Ledger) -> None:
    async def late(peer: Peer) -> None:
        await peer.burst(numbered(0, BEFORE))
        await peer.hello()

    async with Backend([late]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await daemon.ws_id()
            await lone_site.written(BEFORE)
            assert await daemon.stop() == 0
        sent, kept = backend.peers[0].sent, on_disk(lone_site)
        fired = f"the hello was frame {len(sent) + 1} of connection 1 of {len(backend.peers)}"
        ledger.row("19", "100 events before the hello", sent=len(sent), on_disk=len(kept), fired=fired)
        assert kept == sent
        assert len(backend.peers) == 1


async def test_an_array_in_place_of_the_hello_is_kept(lone_site: Site, ledger: Ledger) -> None:
    async def array(peer: Peer) -> None:
        await peer.text(b"[1]")
        await peer.burst(numbered(0, BEFORE))
        await peer.close(1000)

    sent, kept, said = await ended(lone_site, array, hello_timeout="10s")
    ledger.row("20", "[1] in place of the hello", sent=len(sent), on_disk=len(kept), fired=said)
    assert json.loads(kept[0]) == {"raw": "[1]"}
    assert kept[1:] == sent[1:]


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"0" + b"}" * levels


TWO_MIB = b'{"a":"' + b"x" * (2 * MIB) + b'"}'
OWN = b'{"ts":"SERVER","unix_ts":1.5,"n":-1}'


def raw(frame: bytes) -> dict[str, Any]:
    return {"raw": frame.decode()}


def encoded(frame: bytes) -> dict[str, Any]:
    return {"raw_base64": base64.b64encode(frame).decode()}


ODD: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("21", "text that is no JSON", b"hello world", raw(b"hello world")),
    ("22", "an array", b"[1,2,3]", raw(b"[1,2,3]")),
    ("22", "a number", b"42", raw(b"42")),
    ("22", "null", b"null", raw(b"null")),
    ("23", "data: null", b'{"data":null}', {"data": None}),
    ("23", "data: a string", b'{"data":"x"}', {"data": "x"}),
    ("23", "text: a number", b'{"data":{"text":7}}', {"data": {"text": 7}}),
    ("24", "a frame of 2 MiB", TWO_MIB, {"a": "x" * (2 * MIB)}),
    ("25", "a binary frame", b"\xff\xfe\x00", encoded(b"\xff\xfe\x00")),
    ("26", "text that is not UTF-8", b'{"a":"\xff\xfe"}', encoded(b'{"a":"\xff\xfe"}')),
    ("27", "5,000 levels", deep(5000), raw(deep(5000))),
    ("28", "NaN", b'{"x":NaN}', raw(b'{"x":NaN}')),
    ("28", "1e999", b'{"x":1e999}', raw(b'{"x":1e999}')),
    ("28", "a lone surrogate", b'{"x":"\\ud800"}', raw(b'{"x":"\\ud800"}')),
    ("29", "ts of its own", OWN, {"source_ts": "SERVER", "source_unix_ts": 1.5, "n": -1}),
]


@pytest.mark.parametrize(("row", "what", "frame", "line"), ODD, ids=[what for _, what, *_ in ODD])
async def test_an_odd_frame_between_good_ones_is_one_line(
    site: Site, backend: Backend, ledger: Ledger, row: str, what: str, frame: bytes, line: dict[str, Any]
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.burst(numbered(0, 50))
        await (peer.binary if row == "25" else peer.text)(frame)
        await peer.burst(numbered(50, 50))
        await site.written(101)
        assert await daemon.stop() == 0
    kept = on_disk(site)
    fired = f"frame 51 of 101 was {frame[:24]!r}, {len(frame)} bytes"
    ledger.row(row, what, sent=len(peer.sent), on_disk=len(kept), fired=fired)
    assert [*kept[:50], *kept[51:]] == numbered(0, 100)
    assert json.loads(kept[50]) == line
    assert len(backend.peers) == 1


async def test_a_frame_over_the_limit_is_refused_and_costs_no_other(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    async def oversized(peer: Peer) -> None:
        await peer.event(b'{"a":"' + b"x" * (32 * MIB) + b'"}')

    async with site.daemon(*QUICK) as daemon:
        sent, kept = await survives(site, daemon, backend, oversized)
    (refused,) = site.journal("refused")
    fired = f"journal: refused, {refused['reason']}"
    ledger.row("24", "a frame over 32 MiB", sent=len(sent), on_disk=len(kept), fired=fired)
    assert kept == [*sent[:BEFORE], *sent[BEFORE + 1 :]]
    assert refused["limit_bytes"] == 32 * MIB


@pytest.mark.parametrize("mode", ["frozen", "no pongs"])
async def test_a_half_open_connection_is_noticed_within_interval_and_timeout(
    site: Site, backend: Backend, ledger: Ledger, mode: str
) -> None:
    began = 0.0

    async def fault(peer: Peer) -> None:
        nonlocal began
        began = time.monotonic()
        if mode == "frozen":
            peer.freeze()
        else:
            peer.answers_pings = False
        await daemon.stderr_line("no pong")
        began = time.monotonic() - began

    async with site.daemon(*QUICK, "--ping-interval", "1s", "--ping-timeout", "1s") as daemon:
        sent, kept = await survives(site, daemon, backend, fault)
    reason = site.journal("lost")[0]["reason"]
    ledger.row(
        "30", f"half-open: {mode}", sent=len(sent), on_disk=len(kept), fired=f"{reason}, noticed after {began:.2f} s"
    )
    assert kept == sent
    assert re.search("no pong", reason)
    assert 0.5 < began < 6
