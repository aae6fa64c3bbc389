"""Between two runs nobody listens: whether that was a crash or a stop, it can be seen afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.backend import Backend, Peer
from support.daemon import Site


async def recorded_gaps(site: Site) -> tuple[dict[str, Any], str]:
    """What `stats --json` and `verify` say of gaps."""
    stats = await site.run("stats", "--json")
    verify = await site.run("verify")
    assert (stats.status, verify.status) == (0, 0)
    gaps: dict[str, Any] = json.loads(stats.stdout)["gaps"]
    return gaps, next(line for line in verify.stdout.splitlines() if line.startswith("gaps"))


async def test_a_crash_leaves_a_trace(site: Site, backend: Backend) -> None:
    async with site.daemon("--ping-interval", "100ms") as daemon:
        first = await daemon.ws_id()
        peer = await backend.peer()
        await peer.event(b'{"n":0}')
        await site.written(1)
        await peer.until(lambda: peer.pings > 1, "a pong that proves it")
        pid = daemon.pid
        await daemon.kill()
    async with site.daemon() as daemon:
        second = await daemon.ws_id()
        assert f"bound to {first}" in await daemon.stderr_line("no longer reports here")
        await (await backend.peer(1)).event(b'{"n":2}')
        await site.written(2)
        assert await daemon.stop() == 0
    (crashed,) = site.journal("crashed")
    (gap,) = site.journal("gap")
    assert (crashed["previous_pid"], crashed["ws_id"]) == (pid, first)
    assert (gap["reason"], gap["old_ws_id"], gap["new_ws_id"]) == ("crashed", first, second)
    assert crashed["last_proof_unix_ts"] == gap["from_unix_ts"] <= site.records()[1]["unix_ts"]
    assert gap["to_unix_ts"] <= site.records()[1]["unix_ts"]
    assert gap["from_unix_ts"] >= site.journal("connected")[0]["unix_ts"]
    gaps, verified = await recorded_gaps(site)
    assert (gaps["count"], gaps["each"][0]["old_ws_id"], gaps["each"][0]["new_ws_id"]) == (1, first, second)
    assert "none" not in verified


async def test_a_planned_stop_is_an_interval_without_a_listener_and_no_crash(site: Site) -> None:
    for _ in range(2):
        async with site.daemon() as daemon:
            await daemon.ws_id()
            assert await daemon.stop() == 0
            assert "no longer reports here" not in daemon.stderr
    (gap,) = site.journal("gap")
    stopped = site.journal("stopped")[0]
    assert site.journal("crashed") == []
    assert (gap["reason"], gap["from_unix_ts"]) == ("stopped", stopped["last_proof_unix_ts"])
    assert (await recorded_gaps(site))[0]["count"] == 1


async def test_a_recording_that_begins_anew_has_no_gap_before_it(site: Site) -> None:
    for _ in range(2):
        async with site.daemon("--clear") as daemon:
            await daemon.ws_id()
            assert await daemon.stop() == 0
    assert (await recorded_gaps(site))[0]["count"] == 0


@pytest.mark.parametrize("crashes", [1, 3])
async def test_runs_that_never_connect_do_not_hide_since_when_nobody_listens(
    lone_site: Site, backend: Backend, crashes: int
) -> None:
    lone_site.backend = backend
    async with lone_site.daemon() as daemon:
        first = await daemon.ws_id()
        await daemon.kill()
    backend.hang_up()
    for _ in range(crashes):
        async with lone_site.daemon() as daemon:
            await lone_site.phase("starting")
            await daemon.stderr_line("trying again")
            await daemon.kill()
    await backend.listen()
    async with lone_site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    (gap,) = lone_site.journal("gap")
    assert gap["old_ws_id"] == first
    assert gap["from_unix_ts"] <= lone_site.journal("crashed")[0]["unix_ts"]
    assert len(lone_site.journal("crashed")) == crashes + 1


async def test_whatever_is_taken_for_the_hello_is_journalled_whole(lone_site: Site) -> None:
    async def odd(peer: Peer) -> None:
        await peer.text(b'{"channel":"alert", "connection_id":"conn-odd=","data":{"text":"not lost"}}')
        await peer.hello("conn-late=", region="eu")

    async with Backend([odd]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            assert await daemon.ws_id() == "conn-odd="
            assert [record["region"] for record in await lone_site.written(1)] == ["eu"]
            assert await daemon.stop() == 0
    (connected,) = lone_site.journal("connected")
    assert (connected["hello"]["connection_id"], connected["hello"]["data"]) == ("conn-odd=", {"text": "not lost"})
