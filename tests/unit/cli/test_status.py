"""One look at a directory, as a screen and as JSON."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from videodb_listen import service
from videodb_listen.cli.status import status
from videodb_listen.presence import Presence, State

CONNECTED = State(
    phase="connected",
    pid=12,
    started_unix_ts=900.0,
    ws_id="conn-1=",
    connected_unix_ts=940.0,
    last_pong_unix_ts=998.0,
    proven_unix_ts=998.0,
    latency_ms=3.5,
    last_event_unix_ts=1001.0,  # of a clock that was set back since
    connects=2,
    events=7,
    bytes=2048,
    gaps=1,
)


def run(seen: Presence, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(service, "status", lambda _layout: seen)
    done = CliRunner().invoke(status, ["--dir", "/d", *words])
    return done.exit_code, done.stdout


def test_a_screen_shows_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    exit_status, shown = run(Presence(Path("/d"), True, CONNECTED, 1000.0), monkeypatch)
    assert exit_status == 0
    assert shown.startswith("phase      connected\n")
    assert "ws id      conn-1=\n" in shown
    assert "last event 0s ago\n" in shown
    assert "started    1m40s ago\n" in shown
    assert "error" not in shown


def test_without_a_proven_connection_there_is_no_id_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Presence(Path("/d"), True, CONNECTED, 2000.0)
    exit_status, shown = run(seen, monkeypatch)
    assert (exit_status, "ws id" in shown, "connected " in shown) == (4, False, False)
    exit_status, shown = run(seen, monkeypatch, "--json")
    told = orjson.loads(shown)
    assert (exit_status, told["ws_id"], told["phase"], told["running"]) == (4, None, "reconnecting", True)


def test_a_directory_without_a_listener_is_told_of_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    exit_status, shown = run(Presence(Path("/d"), False, None, 1000.0), monkeypatch, "--json")
    told = orjson.loads(shown)
    assert (exit_status, told["phase"], told["running"], told["directory"]) == (3, "stopped", False, str(Path("/d")))
