"""The official SDK with the real recorder, against the emulator: both as they are, whatever they do."""

from __future__ import annotations

import shlex
from asyncio import to_thread
from pathlib import Path
from typing import Any

import pytest
import videodb
from videodb.capture import CaptureClient

from support.real_recorder import all_gone
from videodb_emulator.http.server import running_emulator


@pytest.fixture
def _real(recorder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package of the recorder has none for Linux: only the way to it is replaced.

    Helpers of wine hold its stderr for a while, and the SDK waits until it is closed.
    """
    program = tmp_path / "recorder"
    program.write_text(f"#!/bin/sh\nexec {shlex.quote(recorder)} 2> /dev/null\n")
    program.chmod(0o700)
    monkeypatch.setattr("videodb.capture.get_capture_binary_path", lambda: str(program))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("_real")
async def test_a_whole_recording() -> None:
    async with running_emulator(None) as emulator:
        conn = await to_thread(videodb.connect, base_url=emulator.base_url, api_key="sk-any")
        socket: Any = await (await to_thread(conn.connect_websocket)).connect()
        events = socket.receive()
        session = await to_thread(conn.create_capture_session, "u", ws_connection_id=socket.connection_id)
        client: Any = CaptureClient(await to_thread(conn.generate_client_token), base_url=emulator.base_url)
        assert await client.request_permission("microphone")
        channels = (await client.list_channels()).all()
        for channel in channels:
            channel.store = True
        await client.start_session(session.id, channels)
        refreshed = await to_thread(conn.get_capture_session, session.id)
        mic = refreshed.get_rtstream("mic")[0]
        await to_thread(mic.start_transcript, socket.connection_id)
        await client.stop_session()
        seen = []
        while "exported" not in seen:
            event = await anext(events)
            seen += [event["status"]] if event["channel"] == "capture_session" else []
        await client.shutdown()
        await socket.close()
        conn.session.close()
    assert seen == ["created", "starting", "active", "stopping", "stopped", "exported"]
    assert [channel.store for channel in refreshed.channels] == [True, True, True]
    assert await all_gone()
