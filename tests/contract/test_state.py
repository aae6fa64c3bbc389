"""The state file and the journal: what a program can read about a listener."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest

from support.backend import Backend, Peer
from support.daemon import PYTHON, Daemon, Site
from support.watching import file_matches

KEYS = {
    "version",
    "phase",
    "pid",
    "started_unix_ts",
    "ws_id",
    "connected_unix_ts",
    "last_event_unix_ts",
    "last_pong_unix_ts",
    "proven_unix_ts",
    "latency_ms",
    "connects",
    "events",
    "bytes",
    "gaps",
    "dropped_previews",
    "error",
    "run_after",
    "run_from",
    "pid_namespace",
    "stale_after_s",
}
COUNTERS = {"connects", "events", "bytes", "gaps", "dropped_previews"}


async def test_the_state_of_a_connected_listener_has_every_key(site: Site, backend: Backend) -> None:
    before = time.time()
    async with site.daemon("--ping-interval", "100ms") as daemon:
        connection_id = await daemon.ws_id()
        state = await site.phase("connected")
        assert set(state) == KEYS
        assert (state["pid"], state["ws_id"], state["error"]) == (daemon.pid, connection_id, None)
        assert (state["connects"], state["gaps"], state["dropped_previews"]) == (1, 0, 0)
        assert before <= state["started_unix_ts"] <= state["connected_unix_ts"] <= time.time()
        await (await backend.peer()).event({"channel": "alert"})
        await file_matches(site.files.state, lambda data: json.loads(data)["events"] == 1)
        await file_matches(site.files.state, lambda data: json.loads(data)["last_pong_unix_ts"] is not None)
        state = site.state()
        assert all(isinstance(state[name], int) for name in COUNTERS)
        assert state["bytes"] > 0
        assert before <= state["last_event_unix_ts"] <= time.time()
        assert state["latency_ms"] >= 0
        assert await daemon.stop() == 0
    state = site.state()
    assert (state["phase"], state["events"], state["error"]) == ("stopped", 1, None)
    assert set(state) == KEYS


async def test_the_state_counts_reconnects_and_gaps(site: Site, backend: Backend) -> None:
    async with site.daemon("--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        (await backend.peer()).rst()
        await daemon.ws_id()
        await file_matches(site.files.state, lambda data: json.loads(data)["connects"] == 2)
        assert site.state()["gaps"] == 1
        assert await daemon.stop() == 0


async def test_the_pid_file_is_there_before_the_connection_and_the_id_file_only_after_the_hello(
    lone_site: Site,
) -> None:
    seen: list[tuple[bool, bool]] = []

    async def look(peer: Peer) -> None:
        seen.append((lone_site.files.pid.exists(), lone_site.files.ws_id.exists()))
        await peer.hello()

    async with Backend([look]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            connection_id = await daemon.ws_id()
            assert seen == [(True, False)]
            assert lone_site.files.ws_id.read_bytes() == connection_id.encode(), (
                "the id is published before it is printed"
            )
            assert await daemon.stop() == 0


async def test_the_journal_tells_the_life_of_a_listener(site: Site, backend: Backend) -> None:
    async with site.daemon("--min-backoff", "10ms") as daemon:
        first = await daemon.ws_id()
        await (await backend.peer()).close(4001, "moved")
        second = await daemon.ws_id()
        assert await daemon.stop() == 0
    journal = [entry for entry in site.journal() if entry["event"] != "clock"]
    kinds = [entry["event"] for entry in journal]
    assert sorted(kinds) == sorted(["connected", "lost", "connected", "gap", "stopped"])
    assert (kinds[0], kinds[1], kinds[-1]) == ("connected", "lost", "stopped")
    for entry in journal:
        assert list(entry)[:3] == ["ts", "unix_ts", "event"]
        assert abs(datetime.fromisoformat(entry["ts"]).timestamp() - entry["unix_ts"]) < 0.001
    start, again = site.journal("connected")
    assert (start["ws_id"], start.get("previous_ws_id")) == (first, None)
    assert (again["ws_id"], again["previous_ws_id"]) == (second, first)
    (lost,) = site.journal("lost")
    assert (lost["ws_id"], lost["close_code"]) == (first, 4001)
    assert lost["reason"]
    (gap,) = site.journal("gap")
    assert (gap["old_ws_id"], gap["new_ws_id"]) == (first, second)
    assert start["unix_ts"] <= gap["from_unix_ts"] <= lost["unix_ts"] <= gap["to_unix_ts"] == again["unix_ts"]


@pytest.mark.parametrize("count", [0, 3])
async def test_the_hello_is_journalled_and_is_not_a_line(site: Site, backend: Backend, count: int) -> None:
    async with site.daemon() as daemon:
        connection_id = await daemon.ws_id()
        await (await backend.peer()).burst([b"{}"] * count)
        if count:
            await site.written(count)
        assert await daemon.stop() == 0
    assert len(site.lines()) == count
    assert [entry["ws_id"] for entry in site.journal("connected")] == [connection_id]


BUG = """
import sys
from videodb_listen.listener import daemon

async def request_websocket_url(settings):
    raise ZeroDivisionError("a bug")

daemon.request_websocket_url = request_websocket_url
from videodb_listen.cli import main
sys.exit(main())
"""


async def test_an_end_by_a_bug_of_ours_does_not_look_like_a_clean_stop(lone_site: Site) -> None:
    lone_site.env["VIDEO_DB_API"] = "http://127.0.0.1:9"
    command = [PYTHON, "-c", BUG, "run", "--dir", str(lone_site.directory)]
    async with Daemon(lone_site, command=command) as daemon:
        assert await daemon.exit_status() == 70
    assert lone_site.state()["phase"] == "stopped"
    assert "ZeroDivisionError: a bug" in lone_site.state()["error"]
    assert "ZeroDivisionError: a bug" in lone_site.journal("stopped")[0]["reason"]
