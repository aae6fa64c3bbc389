"""The official SDK, unmodified, does against the emulator what an application does with capture.

Its calls block, so each runs in a thread. Only its way to the recorder's program is replaced.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import videodb
from videodb.capture import CaptureClient

from videodb_emulator.http.server import Emulator, running_emulator

SPEED = 20.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for the recorder is a shell script")


class Application:
    """A program that uses the SDK: a connection, and a WebSocket with its events."""

    def __init__(self, connection: Any, socket: Any) -> None:
        self.connection = connection
        self.socket = socket
        self._events = socket.receive()

    @property
    def id(self) -> str:
        return str(self.socket.connection_id)

    async def do(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(call, *arguments, **named)

    async def event(self, **wanted: Any) -> dict[str, Any]:
        """The next event that has all these values."""
        async for event in self._events:
            if wanted.items() <= event.items():
                assert isinstance(event, dict)
                return event
        raise AssertionError(f"the connection ended before {wanted}")

    async def session(self) -> Any:
        """A new session that reports to the WebSocket."""
        return await self.do(self.connection.create_capture_session, "user-1", ws_connection_id=self.id)

    async def refreshed(self, session: Any) -> Any:
        return await self.do(self.connection.get_capture_session, session.id)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def recorder_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the SDK start the emulator's recorder in place of its own."""
    program = tmp_path / "recorder"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m videodb_listen emulator recorder\n')
    program.chmod(0o700)
    monkeypatch.setattr("videodb.capture.get_capture_binary_path", lambda: str(program))
    monkeypatch.delenv("VIDEODB_RECORDER_PLAN", raising=False)


@asynccontextmanager
async def application(emulator: Emulator, **credentials: Any) -> AsyncIterator[Application]:
    credentials = credentials or {"api_key": "sk-any"}
    connection = await asyncio.to_thread(videodb.connect, base_url=emulator.base_url, **credentials)
    socket = await (await asyncio.to_thread(connection.connect_websocket)).connect()
    try:
        yield Application(connection, socket)
    finally:
        await socket.close()
        connection.session.close()


@asynccontextmanager
async def at_work() -> AsyncIterator[tuple[Emulator, Application]]:
    async with running_emulator(None, speed=SPEED) as emulator, application(emulator) as app:
        yield emulator, app


@asynccontextmanager
async def recorder(emulator: Emulator, app: Application) -> AsyncIterator[Any]:
    """A client of the recorder; whatever happens, its process is gone afterwards."""
    token = await app.do(app.connection.generate_client_token)
    client: Any = CaptureClient(client_token=token, base_url=emulator.base_url)
    try:
        yield client
    finally:
        process = client._proc
        if process is not None and process.returncode is None:
            await client.shutdown()
        if process is not None:
            assert await process.wait() is not None
            with pytest.raises(ProcessLookupError):
                os.kill(process.pid, 0)


async def told(client: Any, name: str) -> dict[str, Any]:
    """The payload of the next event of this name that the recorder tells."""
    async for event in client.events():
        if event["event"] == name:
            return dict(event["payload"])
    raise AssertionError(f"the recorder ended before {name}")


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[Application, Any, Any]]:
    """A session that is active, with every channel stored."""
    async with at_work() as (emulator, app), recorder(emulator, app) as client:
        session = await app.session()
        channels = (await client.list_channels()).all()
        for channel in channels:
            channel.store = True
        await client.start_session(session.id, channels)
        await app.event(event="capture_session.active")
        yield app, await app.refreshed(session), client


async def test_a_session_is_created_found_and_listed() -> None:
    async with at_work() as (_, app):
        session = await app.do(
            app.connection.create_capture_session, "user-1", ws_connection_id=app.id, metadata={"app": "tests"}
        )
        created = await app.event()
        found = await app.refreshed(session)
        listed = await app.do(app.connection.list_capture_sessions)
        collection = await app.do(app.connection.get_collection)
        of_collection = await app.do(collection.get_capture_session, session.id)
        none = await app.do(app.connection.list_capture_sessions, status="active")
    assert session.status == found.status == of_collection.status == "created"
    assert found.metadata == {"app": "tests"}
    assert found.end_user_id == "user-1"
    assert [one.id for one in listed] == [session.id]
    assert none == []
    assert (created["event"], created["capture_session_id"]) == ("capture_session.created", session.id)


async def test_a_client_token_opens_what_a_key_opens() -> None:
    async with at_work() as (emulator, app):
        token = await app.do(app.connection.generate_client_token)
        assert token.startswith("st-")
        async with application(emulator, session_token=token) as client_side:
            assert client_side.id != app.id
            await client_side.session()


async def test_a_made_up_client_token_opens_nothing() -> None:
    async with running_emulator(None) as emulator:
        with pytest.raises(videodb.AuthenticationError, match="token"):
            async with application(emulator, session_token="st-guess"):
                pass


async def test_the_recorder_drives_a_session_from_created_to_exported() -> None:
    async with at_work() as (emulator, app), recorder(emulator, app) as client:
        session = await app.session()
        assert await client.request_permission("microphone")
        assert await client.request_permission("screen_capture")
        channels = await client.list_channels()
        assert channels.mics.default.id == "mic:default"
        display = channels.displays.default
        display.store = display.is_primary = True
        await client.start_session(session.id, [channels.mics.default, display, channels.system_audio.default])
        await told(client, "recording-started")
        await display.pause()
        await display.resume()
        active = await app.event(event="capture_session.active")
        await client.stop_session()
        await told(client, "recording-complete")
        seen = [(await app.event())["status"] for _ in range(3)]
        session = await app.refreshed(session)
    names = [stream["name"] for stream in active["data"]["rtstreams"]]
    assert names == [f"Capture {category} - {session.id}" for category in ("mic", "screen", "system_audio")]
    assert seen == ["stopping", "stopped", "exported"]
    assert session.primary_video_channel_id == "screen"
    assert [channel.store for channel in session.channels] == [False, True, False]
    assert (session.status, session.export_status) == ("stopped", "exported")


async def test_streams_are_found_by_their_category() -> None:
    async with recording() as (app, session, _):
        found = {category: session.get_rtstream(category) for category in ("mic", "screen", "system_audio", "display")}
        collection = await app.do(app.connection.get_collection)
        listed = await app.do(collection.list_rtstreams)
        alone = await app.do(collection.get_rtstream, found["mic"][0].id)
    assert {category: len(streams) for category, streams in found.items()} == {
        "mic": 1,
        "screen": 1,
        "system_audio": 1,
        "display": 0,
    }
    assert {one.id for one in listed} == {stream.id for streams in found.values() for stream in streams}
    assert (alone.name, alone.channel_id, alone.status) == (f"Capture mic - {session.id}", "mic", "connected")


async def test_a_transcript_comes_live_and_can_be_read_back() -> None:
    async with recording() as (app, session, _):
        mic = session.get_rtstream("mic")[0]
        assert (await app.do(mic.start_transcript, app.id))["status"] == "running"
        interim, final = await app.event(channel="transcript"), await app.event(channel="transcript")
        assert (await app.do(mic.stop_transcript))["status"] == "stopped"
        kept = (await app.do(mic.get_transcript))["transcription_records"][0]
        start_s, end_s = kept["start"], kept["end"]
        window = await app.do(mic.get_transcript, start=start_s, end=end_s)
        after = await app.do(mic.get_transcript, since=end_s)
    assert [interim["data"]["is_final"], final["data"]["is_final"]] == [False, True]
    assert final["data"]["text"].startswith(interim["data"]["text"])
    assert final["rtstream_name"] == f"Capture mic - {session.id}"
    assert kept["text"] == final["data"]["text"]
    assert round(start_s * 1000) == final["data"]["start"]
    assert kept in window["transcription_records"]
    assert kept not in after["transcription_records"]


async def test_pictures_and_sound_are_indexed_and_alerts_go_off() -> None:
    async with recording() as (app, session, _):
        screen, mic = session.get_rtstream("screen")[0], session.get_rtstream("mic")[0]
        visuals = await app.do(
            screen.index_visuals, prompt="describe", batch_config={"type": "time", "value": 2, "frame_count": 1}
        )
        visuals = await app.do(screen.index_visuals, prompt="describe", ws_connection_id=app.id)
        audio = await app.do(mic.index_audio, prompt="sum up", ws_connection_id=app.id)
        event_id = await app.do(app.connection.create_event, "a secret is visible", "secret")
        assert [one["label"] for one in await app.do(app.connection.list_events)] == ["secret"]
        alert_id = await app.do(visuals.create_alert, event_id, "", app.id)
        alert = await app.event(channel="alert")
        summary = await app.event(channel="audio_index")
        scenes = (await app.do(visuals.get_scenes))["scenes"]
        alerts = await app.do(visuals.list_alerts)
        await app.do(visuals.disable_alert, alert_id)
        disabled = await app.do(visuals.list_alerts)
        await app.do(audio.stop)
        listed = await app.do(screen.list_scene_indexes)
        alone = await app.do(mic.get_scene_index, audio.rtstream_index_id)
    assert alert["data"]["label"] == "secret"
    assert summary["rtstream_id"] == mic.id
    assert scenes == sorted(scenes, key=lambda scene: scene["start"], reverse=True)
    assert all(scene["description"] for scene in scenes)
    assert [(one["alert_id"], one["status"]) for one in alerts] == [(alert_id, "enabled")]
    assert [one["status"] for one in disabled] == ["disabled"]
    assert len(listed) == 2
    assert listed[0].extraction_config == {"time": "2", "frame_count": "1"}
    assert (alone.extraction_type, alone.status, alone.prompt) == ("transcript", "stopped", "sum up")


async def test_an_export_is_triggered_and_then_found_on_the_session() -> None:
    async with recording() as (app, session, client):
        with pytest.raises(videodb.InvalidRequestError, match="cannot export session"):
            await app.do(session.export)
        await client.stop_session()
        await app.event(event="capture_session.stopped")
        triggered = await app.do(session.export, ws_connection_id=app.id)
        exported = await app.event(event="capture_session.exported")
        session = await app.refreshed(session)
        again = await app.do(session.export)
        collection = await app.do(app.connection.get_collection)
        video = await app.do(collection.get_video, session.exported_video_id)
    assert triggered["export_status"] == again["export_status"] == "exporting"
    assert session.exported_video_id == exported["data"]["exported_video_id"] == video.id
    assert (session.status, session.export_status) == ("stopped", "exported")
    assert video.player_url == exported["data"]["player_url"]


async def test_a_stream_of_ones_own_is_connected_stopped_and_exported() -> None:
    async with at_work() as (_, app):
        collection = await app.do(app.connection.get_collection)
        stream = await app.do(
            collection.connect_rtstream,
            "rtsp://camera.example.invalid/1",
            "Door",
            media_types=["audio", "video"],
            store=True,
            ws_connection_id=app.id,
        )
        assert (await app.event(channel="transcript"))["rtstream_name"] == "Door"
        with pytest.raises(videodb.InvalidRequestError, match="stop it"):
            await app.do(stream.export)
        await app.do(stream.stop)
        first, second = await app.do(stream.export), await app.do(stream.export)
        player_url = await app.do(stream.generate_stream, 1, 2)
        await app.do(stream.start)
        assert (await app.do(collection.get_rtstream, stream.id)).status == "connected"
    assert first.video_id == second.video_id
    assert first.duration is not None
    assert second.duration is None
    assert player_url.startswith("https://")


async def test_a_denial_is_told_to_whoever_waits_for_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEODB_RECORDER_PLAN", "no-permission,garbage")
    async with at_work() as (emulator, app), recorder(emulator, app) as client:
        assert await client.request_permission("microphone") is True  # only that the person is asked
        verdict = await told(client, "permission-status")
        assert verdict == {"permission": "microphone", "status": "denied"}
        channels = await client.list_channels()
        session = await app.session()
        with pytest.raises(RuntimeError, match="PERMISSION_DENIED"):
            await client.start_session(session.id, [channels.mics.default])
        assert (await app.refreshed(session)).status == "created"


async def test_without_a_display_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEODB_RECORDER_PLAN", "no-display")
    async with at_work() as (emulator, app), recorder(emulator, app) as client:
        channels = await client.list_channels()
    assert channels.displays.default is None
    assert channels.mics.default is not None


async def test_a_recorder_that_crashes_leaves_no_process_and_a_failed_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEODB_RECORDER_PLAN", "crash-after:50ms")
    async with at_work() as (emulator, app), recorder(emulator, app) as client:
        session = await app.session()
        await client.start_session(session.id, [(await client.list_channels()).mics.default])
        assert await client._proc.wait() == 70
        failed = await app.event(event="capture_session.failed")
    assert failed["data"]["error"]["code"] == "RECORDER_GONE"


async def test_a_session_of_nobody_is_an_error_of_the_recorder() -> None:
    async with at_work() as (emulator, app), recorder(emulator, app) as client:
        mic = (await client.list_channels()).mics.default
        with pytest.raises(RuntimeError) as failure:
            await client.start_session("cap-nowhere", [mic])
    (said,) = failure.value.args
    assert said["code"] == "INTERNAL_ERROR"
    assert "404" in said["message"]
