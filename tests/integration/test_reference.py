"""The capture reference, call by call: an application, the listener, the recorder and a backend, all real processes.

The reference shows its calls in pieces. What it leaves to the reader is the preamble of this test: the environment
names a backend and a recorder, `conn` is what `connect()` gives, `videodb.capture` is our `videodb_listen.capture`,
channels are listed before they are recorded, and a session is `active` before its streams are asked for.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import videodb_listen.capture
from videodb_listen import connect, query, wait_for
from videodb_listen.capture import CaptureSession, Connection

WORDS = [sys.executable, "-m", "videodb_listen"]
LIMIT_S = 20.0


@contextmanager
def process(*words: str) -> Iterator[str]:
    """A command of ours; gives its first line, and ends it."""
    with subprocess.Popen([*WORDS, *words], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().strip()
        finally:
            running.terminate()
            assert running.wait(LIMIT_S) == 0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the listener of the reference keeps its files, with the environment of an application."""
    for name in ("VIDEODB_EVENTS_DIR", "XDG_STATE_HOME", "VIDEODB_LISTEN_DIR", "VIDEODB_RECORDER_PLAN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VIDEO_DB_API_KEY", "sk-any")
    monkeypatch.setenv("VIDEODB_RECORDER", shlex.join([*WORDS, "emulator", "recorder"]))
    monkeypatch.setitem(sys.modules, "videodb.capture", videodb_listen.capture)
    return tmp_path


@pytest.fixture
def listener(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A backend, and `videodb-listen --clear` connected to it; its connection id."""
    with process("emulator", "serve", "--scenario", "none", "--speed", "20") as said:
        monkeypatch.setenv(*said.split("=", 1))
        with process("--clear") as said:
            assert said.startswith("WS_ID=")
            yield said.removeprefix("WS_ID=")


def happened(name: str, session: CaptureSession) -> dict[str, Any]:
    """The event of this name, from the listener's file."""
    return wait_for(query.event(name) & query.session(session.id), since=0, timeout_s=LIMIT_S)


async def test_the_websocket_gives_an_id_and_events(listener: str) -> None:
    conn = connect()
    ws_wrapper = conn.connect_websocket()
    ws = await ws_wrapper.connect()
    assert ws.connection_id
    assert ws.connection_id != listener
    session = conn.create_capture_session(end_user_id="user-123", ws_connection_id=ws.connection_id)
    event = await anext(ws.receive())
    assert (event["event"], event["capture_session_id"]) == ("capture_session.created", session.id)
    await ws.close()


async def test_a_capture_from_the_first_call_to_the_last(listener: str, home: Path) -> None:
    conn = connect()
    state = home / ".local" / "state" / "videodb"
    session = create(conn, (state / "videodb_ws_id").read_text().strip())
    assert conn.get_capture_session(capture_session_id=session.id).status == "created"
    pid = await capture(conn, session)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    exported = happened("capture_session.exported", session)["data"]
    assert {"exported_video_id", "stream_url", "player_url"} <= exported.keys()
    assert session.wait_for("exported", LIMIT_S, 0.05).exported_video_id == exported["exported_video_id"]

    transcripts, recent, visual = read(state / "videodb_events.jsonl")
    assert {event["data"]["is_final"] for event in transcripts} == {True, False}
    assert all("mic" in event["rtstream_name"] for event in transcripts)
    assert visual
    lifecycle = [event["status"] for event in recent if event.get("channel") == "capture_session"]
    assert lifecycle == ["created", "starting", "active", "stopping", "stopped", "exported"]
    assert len(recent) > len(lifecycle) + len(visual)


def create(conn: Connection, ws_id: str) -> CaptureSession:
    """Create a session that reports to the listener."""
    return conn.create_capture_session(
        end_user_id="user-123",
        collection_id="default",
        ws_connection_id=ws_id,
        metadata={"app": "my-app"},
    )


async def capture(conn: Connection, session: CaptureSession) -> int:
    """Record until something was said and seen; gives the recorder's process id."""
    from videodb.capture import CaptureClient

    client: Any = CaptureClient(client_token=conn.generate_client_token())
    await client.request_permission("microphone")
    await client.request_permission("screen_capture")
    channels = await client.list_channels()
    for ch in channels.all():
        assert (ch.type, bool(ch.name), ch.store) == (ch.id.partition(":")[0], True, False)
    mic, display, system_audio = channels.mics.default, channels.displays.default, channels.system_audio.default
    assert [mic] == channels.mics.all()
    for ch in channels.all():
        ch.store = True
    selected = [c for c in [mic, display, system_audio] if c]
    await client.start_capture_session(
        capture_session_id=session.id,
        channels=selected,
        primary_video_channel_id=display.id if display else None,
    )
    happened("capture_session.active", session)
    await asyncio.to_thread(pipelines, session)
    await client.stop_capture()
    await client.shutdown()
    pid = client.recorder.pid
    assert pid is not None
    return int(pid)


def pipelines(session: CaptureSession) -> None:
    """Start what listens and looks, into the listener's file, and wait for its first words."""
    ws_id = (Path.home() / ".local" / "state" / "videodb" / "videodb_ws_id").read_text().strip()
    (mic,) = session.get_rtstream("mic")
    (screen,) = session.get_rtstream("screen")
    assert len(session.get_rtstream("system_audio")) == 1
    mic.start_transcript(ws_connection_id=ws_id)
    screen.index_visuals(prompt="what is on the screen", ws_connection_id=ws_id)
    for where in (query.channel("transcript") & query.final(), query.channel("visual_index")):
        wait_for(where, since=0, timeout_s=LIMIT_S)
    assert mic.get_transcript()["transcription_records"]


def read(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """The transcripts, what came in the last ten minutes, and what was seen, as any program reads the file."""
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return (
        [event for event in events if event.get("channel") == "transcript"],
        [event for event in events if event.get("unix_ts", 0) > time.time() - 600],
        [event for event in events if event.get("channel") == "visual_index" and event["data"]["text"].lower()],
    )
