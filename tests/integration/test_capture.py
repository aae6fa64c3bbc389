"""Our client against the emulator, beyond the reference: indexes, alerts, exports, and recorders with faults.

Calls of the API block, so each runs in a thread: the emulator is in this process.
"""

from __future__ import annotations

import os
import sys
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from videodb_emulator.http.server import running_emulator
from videodb_listen.capture import CaptureClient, CaptureSession, Connection, EventSocket, connect
from videodb_listen.errors import CredentialsRejected, RecorderFailed, RequestRefused, SessionFailed

RECORDER = [sys.executable, "-m", "videodb_listen", "emulator", "recorder"]


@asynccontextmanager
async def account() -> AsyncIterator[tuple[Connection, EventSocket]]:
    """An account of an emulator, and its events."""
    async with running_emulator(None, speed=20.0) as emulator:
        conn = connect("sk-any", base_url=emulator.base_url)
        async with conn.connect_websocket() as ws:
            yield conn, ws


@asynccontextmanager
async def recorder(conn: Connection, *flags: str) -> AsyncIterator[CaptureClient]:
    """A client with a recorder of these faults, which is gone in the end."""
    token = await to_thread(conn.generate_client_token)
    async with CaptureClient(token, conn.api.base_url, [*RECORDER, *flags]) as client:
        yield client
    if client.recorder.pid is not None:
        with pytest.raises(ProcessLookupError):
            os.kill(client.recorder.pid, 0)


async def started(conn: Connection, ws: EventSocket, client: CaptureClient) -> CaptureSession:
    """A session that is to record everything, and to store it."""
    session = await to_thread(conn.create_capture_session, end_user_id="u", ws_connection_id=ws.connection_id)
    channels = (await client.list_channels()).all()
    for channel in channels:
        channel.store = True
    await client.start_capture_session(session.id, channels)
    return session


async def recorded(conn: Connection, ws: EventSocket, client: CaptureClient) -> CaptureSession:
    """A session that does."""
    session = await started(conn, ws, client)
    return await to_thread(session.wait_for, "active", 20.0, 0.02)


async def event(ws: EventSocket, **wanted: Any) -> dict[str, Any]:
    """The next event that has all these values."""
    async for found in ws.receive():
        if wanted.items() <= found.items():
            return found
    raise AssertionError(f"the connection ended before {wanted}")


async def test_what_is_seen_is_indexed_and_sets_off_an_alert() -> None:
    async with account() as (conn, ws), recorder(conn) as client:
        session = await recorded(conn, ws, client)
        (screen,) = await to_thread(session.get_rtstream, "screen")
        index = await to_thread(screen.index_visuals, "describe", ws_connection_id=ws.connection_id)
        event_id = await to_thread(conn.create_event, "a secret is visible", "secret")
        alert_id = await to_thread(index.create_alert, event_id, ws_connection_id=ws.connection_id)
        alert = await event(ws, channel="alert")
        await to_thread(index.stop)
        scenes = (await to_thread(index.get_scenes, 0))["scenes"]
        one_by_one = (await to_thread(index.get_scenes, page_size=1))["scenes"]
        await to_thread(index.disable_alert, alert_id)
        alerts = await to_thread(index.list_alerts)
        (listed,) = await to_thread(screen.list_scene_indexes)
    assert alert["data"]["label"] == "secret"
    assert scenes
    assert all(scene["description"] for scene in scenes)
    assert one_by_one == scenes
    assert [(one["alert_id"], one["status"]) for one in alerts] == [(alert_id, "disabled")]
    assert (listed.id, listed.prompt) == (index.id, "describe")


async def test_an_export_is_refused_while_recording_and_found_afterwards() -> None:
    async with account() as (conn, ws), recorder(conn) as client:
        session = await recorded(conn, ws, client)
        with pytest.raises(RequestRefused, match="cannot export") as refused:
            await to_thread(session.export)
        await client.stop_capture()
        await to_thread(session.wait_for, "exported", 20.0, 0.02)
        exported = await event(ws, event="capture_session.exported")
    assert refused.value.http_status == 400
    assert session.exported_video_id == exported["data"]["exported_video_id"]


async def test_a_recorder_that_crashes_is_said_by_everyone_who_is_asked() -> None:
    async with account() as (conn, ws), recorder(conn, "--crash-after", "50ms") as client:
        session = await started(conn, ws, client)
        with pytest.raises(RecorderFailed, match="ended with status 70"):
            async for _ in client.events():
                pass
        with pytest.raises(RecorderFailed, match="ended while it recorded cap-"):
            await client.stop_capture()
        with pytest.raises(SessionFailed, match="RECORDER_GONE"):
            await to_thread(session.wait_for, "exported", 20.0, 0.02)


async def test_what_the_person_denies_cannot_be_recorded() -> None:
    async with account() as (conn, ws), recorder(conn, "--no-permission", "--garbage") as client:
        assert await client.request_permission("microphone") is False
        with pytest.raises(RecorderFailed, match="PERMISSION_DENIED"):
            await recorded(conn, ws, client)
        assert client.recorder.noise > 0


async def test_a_machine_without_a_display_has_no_default_one() -> None:
    async with account() as (conn, _), recorder(conn, "--no-display") as client:
        channels = await client.list_channels()
    assert channels.displays.default is None
    assert channels.mics.default is not None


async def test_who_is_nobody_is_told_so() -> None:
    async with account() as (conn, _):
        with pytest.raises(RequestRefused, match="cap-nowhere") as caught:
            await to_thread(conn.get_capture_session, "cap-nowhere")
        assert caught.value.http_status == 404
        stranger = connect(session_token="st-guess", base_url=conn.api.base_url)
        with pytest.raises(CredentialsRejected) as rejected:
            await to_thread(stranger.get_collection)
        assert rejected.value.http_status == 401
