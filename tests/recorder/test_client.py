"""`CaptureClient` with the real recorder: what a program can do with it, and how each failure reads."""

from __future__ import annotations

import asyncio
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from support.real_recorder import all_gone, denied, refused
from videodb_emulator.http.server import running_emulator
from videodb_emulator.pure.dialect import Dialect
from videodb_listen.capture import CaptureClient, CaptureSession, Connection, connect
from videodb_listen.errors import RecorderFailed
from videodb_listen.recorder.protocol import FIXES


@asynccontextmanager
async def client(
    recorder: Sequence[str], active_after_s: float = 1.0
) -> AsyncIterator[tuple[Connection, CaptureClient]]:
    """A connection and a client, after which no recorder is left."""
    async with running_emulator(None, dialect=Dialect(active_after_s=active_after_s)) as emulator:
        conn = connect("sk-any", base_url=emulator.base_url)
        token = await to_thread(conn.generate_client_token)
        async with CaptureClient(token, emulator.base_url, recorder) as subject:
            yield conn, subject
        assert await all_gone()


async def start(conn: Connection, subject: CaptureClient, connection_id: str | None = None) -> CaptureSession:
    """A session that is recorded, with all that there is."""
    session = await to_thread(conn.create_capture_session, end_user_id="u", ws_connection_id=connection_id)
    channels = (await subject.list_channels()).all()
    for channel in channels:
        channel.store = True
    await subject.start_session(session.id, channels)
    return session


async def test_a_whole_recording(recorder: str) -> None:
    async with client([recorder]) as (conn, subject):
        for kind in ("microphone", "screen_capture", "camera", "accessibility"):
            assert await subject.request_permission(kind)
        channels = await subject.list_channels()
        assert [channel.type for channel in channels.all()] == ["mic", "display", "system_audio"]
        session = await start(conn, subject)
        assert (await to_thread(session.refresh)).status == "active"
        await subject.stop_capture()
        await to_thread(session.wait_for, "exported", 30.0, 0.1)
        assert session.exported_video_id
        await start(conn, subject)
        await subject.stop_capture()
        assert subject.recorder.starts == 1


@pytest.mark.timeout(120)
async def test_a_session_that_takes_long_to_become_active_is_waited_for(recorder: str) -> None:
    async with client([recorder], active_after_s=45.0) as (conn, subject):
        session = await start(conn, subject)
        assert (await to_thread(session.refresh)).status == "active"
        await subject.stop_capture()


async def test_a_second_recorder_is_told_of_the_first(recorder: str) -> None:
    async with client([recorder]) as (_, first):
        await first.list_channels()
        async with CaptureClient("st-1", first.base_url, recorder) as second:
            with pytest.raises(RecorderFailed, match=r"already running \(INSTANCE_ALREADY_RUNNING\)") as failure:
                await second.list_channels()
        assert failure.value.fix == FIXES["INSTANCE_ALREADY_RUNNING"]
        assert (await first.list_channels()).all()


async def test_a_start_that_is_refused_ends_the_recorder_and_the_next_call_has_another(recorder: str) -> None:
    async with client(refused(recorder)) as (conn, subject):
        with pytest.raises(RecorderFailed, match=r"404.*\(INTERNAL_ERROR\)") as failure:
            await start(conn, subject)
        assert failure.value.fix == FIXES["INTERNAL_ERROR"]
        assert await all_gone()
        assert (await subject.list_channels()).all()
        assert subject.recorder.starts == 2


async def test_a_token_that_the_api_does_not_know_is_named(recorder: str) -> None:
    async with running_emulator(None) as emulator, CaptureClient("st-no", emulator.base_url, recorder) as subject:
        with pytest.raises(RecorderFailed, match=r"\(INVALID_TOKEN\)") as failure:
            await start(connect("sk-any", base_url=emulator.base_url), subject)
    assert failure.value.fix == FIXES["INVALID_TOKEN"]


async def test_a_denial_is_no_permission(recorder: str) -> None:
    async with client(denied(recorder)) as (_, subject):
        assert not await subject.request_permission("microphone")
        assert not await subject.request_permission("screen_capture")


async def test_a_track_without_media_cannot_be_paused(recorder: str) -> None:
    async with client([recorder]) as (conn, subject):
        await start(conn, subject)
        with pytest.raises(RecorderFailed, match=r"\(PAUSE_FAILED\)"):
            await subject.pause()
        await subject.stop_capture()


async def test_leaving_while_it_records_stops_the_session(recorder: str) -> None:
    async with running_emulator(None) as emulator:
        conn = connect("sk-any", base_url=emulator.base_url)
        token = await to_thread(conn.generate_client_token)
        async with CaptureClient(token, emulator.base_url, recorder) as subject:
            session = await start(conn, subject)
        await to_thread(session.wait_for, "stopped", 20.0, 0.1)
    assert await all_gone()


async def test_a_start_that_is_given_up_leaves_no_recorder(recorder: str) -> None:
    async with client([recorder], active_after_s=1000.0) as (conn, subject), conn.connect_websocket() as socket:
        starting = asyncio.create_task(start(conn, subject, socket.connection_id))
        async for event in socket.receive():
            if event["event"] == "capture_session.starting":
                break
        starting.cancel()
        await asyncio.wait([starting])
        assert await all_gone()
