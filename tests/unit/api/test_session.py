"""A session: its streams by any name, and waiting for a state."""

from __future__ import annotations

from typing import Any

import pytest

from support.clock import Clock
from support.recording import RecordingServer, Told, good
from videodb_listen.api.http import Api
from videodb_listen.capture import CaptureSession
from videodb_listen.errors import SessionFailed, TimedOut, Unavailable


def session(api: Api, **data: Any) -> CaptureSession:
    return CaptureSession(api, {"session_id": "cap-1", "status": "created", **data}, "default")


@pytest.mark.parametrize(
    "streams",
    [
        [("mic", ""), ("screen", ""), ("system_audio", "")],
        [("mic:default", ""), ("display:1", ""), ("system_audio:default", "")],
        [("MIC", ""), ("Screen", ""), ("SYSTEM_AUDIO", "")],
        [(None, "mic:default"), (None, "display:1"), (None, "system_audio:default")],
        [(None, "Capture mic - cap-1"), (None, "Capture screen - cap-1"), (None, "Capture system_audio - cap-1")],
    ],
)
def test_streams_are_found_by_kind(api: Api, streams: list[tuple[str | None, str]]) -> None:
    sent = [
        {"rtstream_id": f"rts-{number}", "channel_id": channel, "name": name}
        for number, (channel, name) in enumerate(streams)
    ]
    subject = session(api, rtstreams=sent)
    for words, expected in ((["mic", "MIC"], "rts-0"), (["screen", "display"], "rts-1"), (["system_audio"], "rts-2")):
        for word in words:
            assert [stream.id for stream in subject.get_rtstream(word)] == [expected]
    assert subject.get_rtstream("camera") == []
    assert subject.get_rtstream("anything") == []


@pytest.mark.parametrize("streams", [None, [], [None, 7, {}, {"name": "mic"}]])
def test_streams_that_are_none_are_left_out(api: Api, streams: Any) -> None:
    assert session(api, rtstreams=streams, channels=None).rtstreams == []


def test_a_session_without_streams_is_asked_for_again(server: RecordingServer, api: Api) -> None:
    server.replies = [good({}), good({"rtstreams": [{"rtstream_id": "rts-1", "channel_id": "mic"}]})]
    subject = session(api)
    assert subject.get_rtstream("mic") == []
    for _ in range(2):
        assert [stream.id for stream in subject.get_rtstream("mic")] == ["rts-1"]
    assert len(server.asked) == 2


def test_a_stream_belongs_to_the_collection_of_its_session(api: Api) -> None:
    streams = [{"id": "rts-1"}, {"id": "rts-2", "collection_id": "c-9"}]
    subject = session(api, rtstreams=streams, collection_id="c-1")
    assert [stream.collection_id for stream in subject.rtstreams] == ["c-1", "c-9"]


def test_channels_and_displays_are_those_that_are_recorded(api: Api) -> None:
    sent = [{"channel_id": "mic:1", "type": "audio"}, {"channel_id": "display:1", "type": "video", "is_primary": True}]
    subject = session(api, channels=sent)
    assert [channel.type for channel in subject.channels] == ["mic", "display"]
    assert [channel.is_primary for channel in subject.displays] == [True]


def states(*said: str) -> list[Told]:
    return [good({"session_id": "cap-1", "status": state}) for state in said]


def test_a_state_is_awaited_by_asking(server: RecordingServer, api: Api, clock: Clock) -> None:
    server.replies = states("starting", "starting", "active")
    subject = session(api)
    assert subject.wait_for("active", poll_s=1.5) is subject
    assert subject.status == "active"
    assert clock.slept == [1.5] * 3
    assert {one.path for one in server.asked} == {"/collection/default/capture/session/cap-1"}


def test_a_state_that_was_passed_between_two_looks_is_reached(server: RecordingServer, api: Api) -> None:
    server.replies = states("stopped")
    assert session(api).wait_for("stopping").status == "stopped"
    assert session(api, status="active").wait_for("active").status == "active"
    assert len(server.asked) == 1


def test_an_export_is_seen_in_its_own_field(server: RecordingServer, api: Api) -> None:
    exported = {"status": "stopped", "export_status": "exported", "exported_video_id": "m-1"}
    server.replies = [good({"status": "stopped", "export_status": "exporting"}), good(exported)]
    assert session(api).wait_for("exported").exported_video_id == "m-1"


@pytest.mark.parametrize(
    ("state", "data", "said"),
    [
        ("active", {"status": "failed", "error": {"code": "C", "message": "no \x1b[2J"}}, r"cap-1 failed: C: no \\x1b"),
        ("active", {"status": "failed", "error": "no credits"}, "the session of cap-1 failed: no credits;"),
        ("active", {"status": "failed"}, "the session of cap-1 failed;"),
        ("exported", {"status": "stopped", "export_status": "failed"}, "the export of cap-1 failed"),
    ],
)
def test_a_failure_ends_the_waiting(
    server: RecordingServer, api: Api, state: str, data: dict[str, Any], said: str
) -> None:
    server.replies = [good(data)]
    with pytest.raises(SessionFailed, match=said):
        session(api).wait_for(state)
    assert len(server.asked) == 1


def test_a_session_that_failed_can_be_awaited(api: Api) -> None:
    assert session(api, status="failed").wait_for("failed").status == "failed"


def test_waiting_ends_in_time(server: RecordingServer, api: Api, clock: Clock) -> None:
    server.replies = states(*["paused"] * 9)
    with pytest.raises(TimedOut, match="the session cap-1 is paused after 5s, not active"):
        session(api).wait_for("active", timeout_s=5)
    assert clock.slept == [2, 2, 1]


def test_an_api_that_is_away_for_a_while_is_asked_again(server: RecordingServer, api: Api) -> None:
    server.replies = [Told({}, 503), *states("active")]
    assert session(api).wait_for("active").status == "active"
    server.replies = [Told({}, 503)] * 9
    with pytest.raises(Unavailable, match="503"):
        session(api).wait_for("active", timeout_s=5)


def test_an_export_gives_what_the_api_says_of_it(server: RecordingServer, api: Api) -> None:
    server.replies = [good({"export_status": "exporting"}), good(None)]
    assert session(api).export() == {"export_status": "exporting"}
    assert session(api).export("display:1", "conn=") == {}
    assert [one.body for one in server.asked] == [{}, {"video_channel_id": "display:1", "connection_id": "conn="}]
