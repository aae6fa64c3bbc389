"""What a program asks of the recorder of this machine, and which recorder that is."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import support.conversation
from support.recorders import command, is_gone
from videodb_listen.channels import Channel
from videodb_listen.errors import ConfigurationError, RecorderFailed, TimedOut
from videodb_listen.recorder.client import RECORDER_NAME, CaptureClient, find_recorder
from videodb_listen.recorder.process import TIMEOUTS_S
from videodb_listen.recorder.protocol import FIXES

URL = "http://127.0.0.1:1"


@asynccontextmanager
async def client(mode: str, *more: str) -> AsyncIterator[CaptureClient]:
    async with CaptureClient("st-token", URL, command(mode, *more)) as subject:
        yield subject
    assert subject.recorder.pid is None or is_gone(subject.recorder.pid)


async def test_a_recording_from_beginning_to_end(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    async with client("good", str(heard)) as subject:
        assert await subject.request_permission("microphone")
        assert await subject.request_permission("screen_capture")
        channels = await subject.list_channels()
        assert [(channel.id, channel.type) for channel in channels.all()] == [
            ("mic:built-in", "mic"),
            ("mic:default", "mic"),
            ("display:1", "display"),
            ("system_audio:default", "system_audio"),
        ]
        mic, display = channels.mics.default, channels.displays.default
        assert mic is not None
        assert display is not None
        assert mic.name == "Headset"
        mic.store = True
        await subject.start_capture_session("cap-1", [mic, display], primary_video_channel_id="display:1")
        await subject.pause()
        await display.resume()
        await subject.stop_capture()
    said = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [(one["command"], one["params"]) for one in said[1:]] == [
        ("requestPermission", {"permission": "microphone"}),
        ("requestPermission", {"permission": "screen-capture"}),
        ("getChannels", {}),
        (
            "startRecording",
            {
                "sessionId": "cap-1",
                "uploadToken": "st-token",
                "channels": [
                    {
                        "channel_id": "mic:default",
                        "type": "audio",
                        "name": "Headset",
                        "store": True,
                        "is_primary": False,
                    },
                    {"channel_id": "display:1", "type": "video", "name": "Main", "store": False, "is_primary": True},
                ],
            },
        ),
        ("pauseTracks", {"tracks": ["mic", "screen"]}),
        ("resumeTracks", {"tracks": ["screen"]}),
        ("stopRecording", {"sessionId": "cap-1"}),
        ("shutdown", {}),
    ]


async def test_the_conversation_with_the_real_recorder() -> None:
    async with CaptureClient("st-token", URL, [sys.executable, support.conversation.__file__]) as subject:
        ask = subject.recorder.call
        assert (await ask("ping"))["pong"] is True
        assert await subject.request_permission("microphone")
        assert await subject.request_permission("camera")
        await refused(ask("requestPermission", {"permission": "dance"}), "INVALID_PERMISSION")
        await refused(ask("requestPermission", {}), "INVALID_REQUEST")
        await refused(ask("Dance"), "UNKNOWN_COMMAND")
        channels = await subject.list_channels()
        recorded = [channels.mics.default, channels.displays.default, channels.system_audio.default]
        assert [channel and channel.id for channel in recorded] == ["mic:default", "display:0", "system_audio:default"]
        for channel in channels.all():
            channel.store = True
        await refused(ask("pauseTracks", {"tracks": ["mic"]}), "INVALID_STATE")
        await refused(ask("stopRecording", {"sessionId": "cap-1"}), "INVALID_STATE")
        start = {
            "sessionId": "cap-1",
            "uploadToken": "st-token",
            "channels": [Channel("display:7", "", "video").to_dict()],
        }
        await refused(ask("startRecording", start), "INVALID_DISPLAY")
        await subject.start_session("cap-1", channels.all())
        await refused(subject.start_session("cap-1", channels.mics), "BUSY")
        assert (await ask("pauseTracks", {"tracks": ["dance"]}))["status"] == "paused"
        assert (await ask("resumeTracks", {"tracks": ["dance"]}))["status"] == "recording"
        await subject.stop_session()
        assert (subject.recorder.starts, subject.recorder.noise, subject.recorder.strays) == (1, 0, 0)


async def refused(asking: Coroutine[Any, Any, Any], code: str) -> None:
    """Expect the recorder to refuse it, with a fix for this code."""
    with pytest.raises(RecorderFailed) as failure:
        await asking
    assert failure.value.message.endswith(f" ({code})")
    assert failure.value.fix == FIXES[code]


async def test_a_permission_is_granted_when_the_person_says_so() -> None:
    async with client("asks") as subject:
        assert await subject.request_permission("microphone")
        assert not await subject.request_permission("screen_capture")
        subject.recorder._timeouts_s = {**TIMEOUTS_S, "requestPermission": 0.2}
        with pytest.raises(TimedOut, match=r"nobody said within 0\.2s whether accessibility is permitted"):
            await subject.request_permission("accessibility")
        with pytest.raises(RecorderFailed, match="ended with status 5"):
            await subject.request_permission("camera")


async def test_a_permission_can_be_denied_and_must_exist() -> None:
    async with client("denies") as subject:
        assert not await subject.request_permission("microphone")
        with pytest.raises(ValueError, match="'location' is none of microphone"):
            await subject.request_permission("location")


async def test_a_recorder_whose_start_was_refused_is_ended_and_the_next_start_has_another() -> None:
    async with client("spoils") as subject:
        mics = (await subject.list_channels()).mics
        first = subject.recorder.pid
        with pytest.raises(
            RecorderFailed, match=r"startRecording: 402 Payment Required for \[secret\] \(INTERNAL_ERROR\); "
        ):
            await subject.start_session("cap-1", mics)
        assert is_gone(first)
        await subject.start_session("cap-2", mics)
        await subject.stop_session()
        assert subject.recorder.starts == 2


async def test_a_start_that_is_given_up_ends_the_recorder(tmp_path: Path) -> None:
    fifo = tmp_path / "heard"
    os.mkfifo(fifo)

    async def heard(command: str) -> None:
        while command not in await asyncio.to_thread(fifo.read_text):
            pass

    subject = CaptureClient("st-token", URL, command("silent", str(fifo)), timeouts_s={"shutdown": 0.2})
    async with subject:
        starting = asyncio.create_task(subject.start_session("cap-1", [Channel("mic:1")]))
        await heard("startRecording")
        starting.cancel()
        await heard("shutdown")
        await asyncio.wait([starting])
        assert starting.cancelled()
        assert is_gone(subject.recorder.pid)


async def test_a_recording_is_stopped_by_the_name_that_the_recorder_gave_it(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    async with client("renames", str(heard)) as subject:
        await subject.start_session("cap-1", [Channel("mic:1")])
        await subject.stop_session()
    stop = next(one for one in map(json.loads, heard.read_text().splitlines()) if one["command"] == "stopRecording")
    assert stop["params"] == {"sessionId": "ss-1"}


async def test_a_recording_needs_channels_and_a_primary_one_of_them() -> None:
    async with client("good") as subject:
        display = (await subject.list_channels()).displays.default
        assert display is not None
        with pytest.raises(ValueError, match="no channel"):
            await subject.start_session("cap-1", [])
        with pytest.raises(ValueError, match="'display:9' is not among"):
            await subject.start_session("cap-1", [display], "display:9")
        with pytest.raises(RecorderFailed, match="no capture session"):
            await subject.stop_session()
        with pytest.raises(RecorderFailed, match="no capture session"):
            await display.pause()


async def test_a_new_process_is_not_asked_to_stop_what_the_old_one_recorded() -> None:
    async with client("crash") as subject:
        mic = (await subject.list_channels()).mics.default
        assert mic is not None
        await subject.start_session("cap-1", [mic])
        with pytest.raises(RecorderFailed, match="ended with status 3"):
            await mic.pause()
        await subject.list_channels()
        with pytest.raises(RecorderFailed, match="ended while it recorded cap-1"):
            await subject.stop_session()


async def test_a_client_that_did_nothing_shuts_down() -> None:
    async with client("good") as subject:
        await subject.shutdown()
        assert [event async for event in subject.events()] == []


def test_a_client_needs_a_token_and_a_variable_needs_its_quotes() -> None:
    with pytest.raises(ConfigurationError, match="no client token"):
        CaptureClient("", URL, "recorder")
    with pytest.raises(ConfigurationError, match="VIDEODB_RECORDER is not understood: No closing quotation"):
        find_recorder(None, {RECORDER_NAME: "'half"})


def test_the_token_is_not_shown() -> None:
    assert "st-token" not in repr(CaptureClient("st-token", URL, "recorder"))


def test_the_recorder_is_the_argument_else_the_variable_else_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {RECORDER_NAME: "python3 'a recorder.py' --fast"}
    assert find_recorder("/a path/recorder", environ) == ["/a path/recorder"]
    assert find_recorder(["a", "b"], environ) == ["a", "b"]
    assert find_recorder(None, environ) == ["python3", "a recorder.py", "--fast"]
    package = type(sys)("videodb_capture_bin")
    package.get_binary_path = lambda: "/bin/recorder"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "videodb_capture_bin", package)
    assert find_recorder(None, {}) == ["/bin/recorder"]


def test_without_a_recorder_the_platforms_that_have_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "videodb_capture_bin", None)
    with pytest.raises(
        ConfigurationError, match=r"no recorder is installed; install .*macOS .*Windows .*\$VIDEODB_REC"
    ):
        find_recorder(None, {})
    package = type(sys)("videodb_capture_bin")
    monkeypatch.setitem(sys.modules, "videodb_capture_bin", package)
    with pytest.raises(ConfigurationError, match="has no recorder for this machine"):
        find_recorder(None, {})
