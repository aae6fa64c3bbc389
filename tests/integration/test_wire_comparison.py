"""What our client sends and what the official SDK sends, side by side: one server writes both down.

The same call is made on both sides; what differs on purpose is in DIFFERENCES, with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import videodb
import videodb.capture
import videodb.capture_session
import videodb.rtstream

import support.fake_recorder
from support.recording import Asked, RecordingServer, Told, good
from videodb_listen.capture import CaptureClient, CaptureSession, RTStream, SceneIndex, connect
from videodb_listen.errors import ListenError

KEY = "sk-both"


@dataclass
class Side:
    """One of the two clients, and a thing of each kind."""

    conn: Any
    session: Any
    stream: Any
    index: Any


Call = Callable[[Side], Any]


def answers(asked: Asked) -> Told:
    """Enough of everything for both clients to go on."""
    lists = (
        "sessions",
        "rtstreams",
        "events",
        "alerts",
        "scene_indexes",
        "scene_index_records",
        "transcription_records",
    )
    ids = {"token": "st-1", "event_id": "e-1", "alert_id": "a-1", "rtstream_index_id": "ix-1", "video_id": "m-1"}
    named = {"name": "n", "description": "d", "id": "x-1"}
    if asked.method == "POST" and asked.path.endswith("/capture/session"):
        named = {"session_id": "cap-1"}
    return good({**{key: [] for key in lists}, **ids, **named, "websocket_url": "ws://127.0.0.1:9/"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with RecordingServer(answers=answers) as server:
        yield server


def our_side(url: str) -> Side:
    conn = connect(KEY, base_url=url)
    return Side(
        conn,
        CaptureSession(conn.api, {"session_id": "cap-1"}, "default"),
        RTStream(conn.api, {"id": "rts-1"}),
        SceneIndex(conn.api, {"rtstream_index_id": "ix-1", "rtstream_id": "rts-1"}),
    )


@contextlib.contextmanager
def their_side(url: str) -> Iterator[Side]:
    conn: Any = videodb.connect(api_key=KEY, base_url=url)
    stream: Any = videodb.rtstream
    session: Any = videodb.capture_session.CaptureSession
    index: Any = stream.RTStreamSceneIndex
    yield Side(
        conn,
        session(conn, id="cap-1", collection_id="default"),
        stream.RTStream(conn, id="rts-1"),
        index(conn, rtstream_index_id="ix-1", rtstream_id="rts-1"),
    )
    conn.session.close()


def websocket(side: Side) -> None:
    """The SDK asks for the URL when it makes the object, we when it connects; no server is at that URL."""
    wrapper = side.conn.connect_websocket()
    if not isinstance(wrapper, videodb.websocket_client.WebSocketConnection):
        with contextlib.suppress(ListenError):
            asyncio.run(wrapper.connect())


BATCH = {"type": "time", "value": 10, "frame_count": 3}

CALLS: dict[str, Call] = {
    "connect_websocket": websocket,
    "get_collection": lambda side: side.conn.get_collection(),
    "get_collection by id": lambda side: side.conn.get_collection("c-1"),
    "create_capture_session": lambda side: side.conn.create_capture_session(end_user_id="u"),
    "create_capture_session with all": lambda side: side.conn.create_capture_session(
        end_user_id="u", collection_id="c-1", ws_connection_id="w=", callback_url="https://h/", metadata={"a": [1]}
    ),
    "create_capture_session with nothing in it": lambda side: side.conn.create_capture_session(
        end_user_id="u", ws_connection_id="", callback_url="", metadata={}
    ),
    "get_capture_session": lambda side: side.conn.get_capture_session(session_id="cap-1"),
    "get_capture_session elsewhere": lambda side: side.conn.get_capture_session("cap-1", "c-1"),
    "list_capture_sessions": lambda side: side.conn.list_capture_sessions(),
    "list_capture_sessions by status": lambda side: side.conn.list_capture_sessions(status="active"),
    "generate_client_token": lambda side: side.conn.generate_client_token(),
    "generate_client_token for a minute": lambda side: side.conn.generate_client_token(60),
    "create_event": lambda side: side.conn.create_event("somebody laughs", "laughter"),
    "list_events": lambda side: side.conn.list_events(),
    "session.export": lambda side: side.session.export(),
    "session.export with all": lambda side: side.session.export(video_channel_id="display:1", ws_connection_id="w="),
    "stream.start": lambda side: side.stream.start(),
    "stream.stop": lambda side: side.stream.stop(),
    "start_transcript": lambda side: side.stream.start_transcript(),
    "start_transcript with all": lambda side: side.stream.start_transcript(ws_connection_id="w=", engine="default"),
    "stop_transcript": lambda side: side.stream.stop_transcript(),
    "stop_transcript of an engine": lambda side: side.stream.stop_transcript("default"),
    "get_transcript": lambda side: side.stream.get_transcript(),
    "get_transcript with all": lambda side: side.stream.get_transcript(2, 10, 0, 1.5, 0, "default"),
    "index_visuals": lambda side: side.stream.index_visuals(),
    "index_visuals with all": lambda side: side.stream.index_visuals(
        "p", BATCH, model_name="basic", model_config={"a": 1}, name="n", ws_connection_id="w=", sandbox_id="s"
    ),
    "index_audio": lambda side: side.stream.index_audio(),
    "index_audio with all": lambda side: side.stream.index_audio("p", BATCH, name="n", ws_connection_id="w="),
    "index_scenes": lambda side: side.stream.index_scenes(),
    "index_scenes with all": lambda side: side.stream.index_scenes(
        "time", {"time": 5, "frame_count": 1}, "p", model_name="pro", name="n", ws_connection_id="w="
    ),
    "list_scene_indexes": lambda side: side.stream.list_scene_indexes(),
    "get_scene_index": lambda side: side.stream.get_scene_index("ix-1"),
    "stream.export": lambda side: side.stream.export(),
    "stream.export by name": lambda side: side.stream.export("n"),
    "index.start": lambda side: side.index.start(),
    "index.stop": lambda side: side.index.stop(),
    "get_scenes": lambda side: side.index.get_scenes(),
    "get_scenes in a range": lambda side: side.index.get_scenes(1, 2.5),
    "get_scenes from zero": lambda side: side.index.get_scenes(0, 10),
    "get_scenes without an end": lambda side: side.index.get_scenes(start=5),
    "create_alert": lambda side: side.index.create_alert("e-1", "https://h/"),
    "create_alert for a WebSocket": lambda side: side.index.create_alert("e-1", "", ws_connection_id="w="),
    "list_alerts": lambda side: side.index.list_alerts(),
    "enable_alert": lambda side: side.index.enable_alert("a-1"),
    "disable_alert": lambda side: side.index.disable_alert("a-1"),
}

FIRST_PAGE = {"page": "1", "page_size": "100"}

DIFFERENCES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "get_scenes from zero": (
        "the SDK takes a bound of 0 for none",
        FIRST_PAGE | {"start": "0", "end": "10"},
        FIRST_PAGE,
    ),
    "get_scenes without an end": ("the SDK sends both bounds or none", FIRST_PAGE | {"start": "5"}, FIRST_PAGE),
}
"""Of a call: the reason, the query that we send, the one that the SDK sends. Nothing else differs."""


@pytest.mark.parametrize("name", CALLS)
def test_both_ask_for_the_same(server: RecordingServer, name: str) -> None:
    CALLS[name](our_side(server.url))
    ours = server.asked[:]
    server.asked.clear()
    with their_side(server.url) as side:
        CALLS[name](side)
    (our_request,), (their_request,) = ours, server.asked
    if name in DIFFERENCES:
        reason, our_query, their_query = DIFFERENCES[name]
        assert (our_request.query, their_request.query) == (our_query, their_query), reason
        assert (our_request.method, our_request.path) == (their_request.method, their_request.path)
    else:
        assert our_request == their_request
    assert our_request.headers["x-access-token"] == their_request.headers["x-access-token"] == KEY


def test_every_difference_is_one() -> None:
    assert DIFFERENCES.keys() <= CALLS.keys()
    assert all(reason and ours != theirs for reason, ours, theirs in DIFFERENCES.values())


async def drive(client: Any) -> None:
    """One recording, with everything that can be asked of a recorder."""
    await client.request_permission("microphone")
    await client.request_permission("screen_capture")
    channels = await client.list_channels()
    chosen = [channels.mics[0], channels.displays[0], channels.system_audio[0]]
    chosen[0].store = True
    chosen[1].is_primary = True
    await client.start_session("cap-1", chosen)
    for channel in chosen:
        await channel.pause()
        await channel.resume()
    await client.stop_session()
    await client.shutdown()


def commands_in(path: Path) -> list[tuple[str, Any]]:
    said = [json.loads(line) for line in path.read_text().splitlines()]
    for one in said:  # of one channel the fake recorder gives the name as the node SDK reads it only
        if one["command"] == "startRecording":
            one["params"]["channels"][2].pop("name")
    return [(one["command"], one["params"]) for one in said]


async def test_both_say_the_same_to_the_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = {side: tmp_path / side for side in ("ours", "theirs")}
    words = [sys.executable, "-S", "-E", support.fake_recorder.__file__, "good"]
    program = tmp_path / "recorder"
    program.write_text(f"#!/bin/sh\nexec {' '.join(words)} {heard['theirs']}\n")
    program.chmod(0o700)
    monkeypatch.setattr("videodb.capture.get_capture_binary_path", lambda: str(program))
    url = "http://127.0.0.1:9"
    official: Any = videodb.capture.CaptureClient
    await drive(CaptureClient("st-1", url, [*words, str(heard["ours"])]))
    await drive(official("st-1", url))
    assert commands_in(heard["ours"]) == commands_in(heard["theirs"])
