"""The life of a session; the test is its clock."""

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.sessions import (
    EXPORT_BY_ITSELF_S,
    EXPORT_S,
    FINALISE_S,
    FOLLOWS,
    Session,
    channel_of,
)

MIC = {"channel_id": "mic:default", "type": "audio"}
DISPLAY = {"channel_id": "display:1", "type": "video"}
ACTIVE_S = Dialect().active_after_s
LONG_S = 1000.0


class Recording:
    """A session, and what its connection hears."""

    def __init__(self, *channels: dict[str, Any], dialect: Dialect | None = None) -> None:
        self.account = Account(Agenda(), dialect)
        self.sessions = self.account.sessions
        created = self.sessions.create(Fields({"end_user_id": "u", "ws_connection_id": "ours"}), 0.0)
        self.id = created["session_id"]
        self._channels = list(channels or (MIC, DISPLAY))

    def start(self, now_s: float, **more: Any) -> None:
        self.sessions.start(Fields({"session_id": self.id, "channels": self._channels, **more}), now_s)

    def export(self, now_s: float, **fields: Any) -> dict[str, Any]:
        return self.sessions.export(self.session, Fields(fields), now_s)

    def heard(self, now_s: float) -> list[tuple[str, str]]:
        """Return (connection id, status) of what was told by then."""
        sent = self.account.agenda.advance(now_s)
        return [(one.connection_id, one.message["status"]) for one in sent if isinstance(one.message, dict)]

    @property
    def session(self) -> Session:
        return self.sessions.get(self.id)

    @property
    def body(self) -> dict[str, Any]:
        return self.session.body()

    def stopped(self) -> "Recording":
        """Let it run from 0 to 10, and be stopped."""
        self.start(0.0)
        self.heard(10.0)
        self.sessions.stop(self.session, 10.0)
        self.heard(10.0 + FINALISE_S)
        return self


def test_the_states_come_in_their_order_and_in_their_time() -> None:
    recording = Recording()
    recording.start(0.0)
    assert recording.heard(ACTIVE_S - 0.01) == [("ours", "created"), ("ours", "starting")]
    assert recording.heard(ACTIVE_S) == [("ours", "active")]
    recording.sessions.stop(recording.session, 10.0)
    assert recording.heard(10.0) == [("ours", "stopping")]
    assert recording.heard(10.0 + FINALISE_S) == [("ours", "stopped")]
    assert recording.body["export_status"] == "pending"
    assert recording.heard(10.0 + FINALISE_S + EXPORT_BY_ITSELF_S + EXPORT_S) == [("ours", "exported")]


def test_a_backend_may_take_its_time_to_become_active() -> None:
    recording = Recording(dialect=Dialect(active_after_s=45.0))
    recording.start(0.0)
    assert ("ours", "active") not in recording.heard(44.9)
    assert recording.heard(45.0) == [("ours", "active")]


def test_the_recorder_is_told_under_which_id_it_goes_on_and_where_each_channel_goes() -> None:
    recording = Recording()
    recording.start(0.0)
    told = recording.session.recorder_body()
    assert (told["session_id"], told["streaming_session_id"]) == (recording.id, recording.id)
    assert told["created_at"] == recording.body["created_at"]
    assert [one["channel_name"] for one in told["channels"]] == ["mic:default", "display:1"]
    assert len({one["stream_id"] for one in told["channels"]}) == 2


def test_streams_are_there_from_active_on_and_stop_with_the_session() -> None:
    recording = Recording()
    recording.start(0.0)
    assert recording.body["rtstreams"] == []
    recording.heard(ACTIVE_S)
    streams = recording.body["rtstreams"]
    assert [(one["channel_id"], one["name"]) for one in streams] == [
        (category, f"Capture {category} - {recording.id}") for category in ("mic", "screen")
    ]
    recording.sessions.stop(recording.session, 10.0)
    recording.heard(20.0)
    assert {one["status"] for one in recording.body["rtstreams"]} == {"stopped"}


def test_rest_goes_on_saying_stopped_when_the_session_is_exported() -> None:
    recording = Recording().stopped()
    recording.heard(LONG_S)
    body = recording.body
    assert (body["status"], body["export_status"]) == ("stopped", "exported")
    video = recording.account.library.video(body["exported_video_id"])
    assert video["length"] == pytest.approx(10.0 + FINALISE_S - ACTIVE_S)


def test_a_session_of_which_nothing_was_stored_is_never_exported() -> None:
    recording = Recording({**MIC, "store": False}).stopped()
    assert recording.heard(LONG_S) == []
    assert "export_status" not in recording.body
    with pytest.raises(Refusal, match=r"cannot export session .* no channel was stored"):
        recording.export(LONG_S)


def test_an_export_is_triggered_once_and_told_to_whoever_asked_as_well() -> None:
    recording = Recording().stopped()
    now_s = 10.0 + FINALISE_S
    answers = [recording.export(now_s, connection_id="other"), recording.export(now_s)]
    assert {answer["export_status"] for answer in answers} == {"exporting"}
    assert recording.body["export_status"] == "exporting"
    assert recording.heard(LONG_S) == [("ours", "exported"), ("other", "exported")]
    assert recording.export(LONG_S)["export_status"] == "exporting"
    assert recording.heard(2 * LONG_S) == []
    assert len(recording.account.library._videos) == 1


def test_only_a_channel_of_the_session_can_be_exported() -> None:
    recording = Recording().stopped()
    assert recording.export(20.0)["video_channel_id"] == "display:1"
    assert recording.export(20.0, video_channel_id="mic:default")["video_channel_id"] == "mic:default"
    with pytest.raises(Refusal, match="no channel camera:7"):
        recording.export(20.0, video_channel_id="camera:7")


def test_a_session_that_failed_before_its_media_came_stays_failed() -> None:
    recording = Recording()
    recording.start(0.0)
    recording.sessions.fail(recording.session, "GONE", "it is gone", 0.5)
    assert recording.heard(LONG_S)[-1] == ("ours", "failed")
    assert recording.body["error"] == {"code": "GONE", "message": "it is gone"}


def test_a_session_that_fails_during_its_export_is_never_exported() -> None:
    recording = Recording().stopped()
    recording.export(20.0)
    recording.sessions.fail(recording.session, "GONE", "it is gone", 20.0)
    assert [status for _, status in recording.heard(LONG_S)] == ["failed"]
    assert recording.body["export_status"] == "failed"
    assert "exported_video_id" not in recording.body


def test_a_stop_that_comes_twice_is_one_stop() -> None:
    recording = Recording()
    with pytest.raises(Refusal, match="cannot stop"):
        recording.sessions.stop(recording.session, 0.0)
    recording.start(0.0)
    for now_s in (5.0, 5.5, 50.0):
        recording.sessions.stop(recording.session, now_s)
        recording.heard(now_s)
    assert recording.body["status"] == "stopped"


def test_a_session_stopped_before_its_media_came_has_no_streams_and_no_export() -> None:
    recording = Recording()
    recording.start(0.0)
    recording.sessions.stop(recording.session, 0.5)
    assert [status for _, status in recording.heard(LONG_S)] == ["created", "starting", "stopping", "stopped"]
    assert recording.body["rtstreams"] == []


def test_a_session_names_the_connection_that_it_reports_to() -> None:
    recording = Recording()
    assert recording.body["ws_connection_id"] == "ours"
    recording.start(0.0, ws_connection_id="other")
    assert recording.body["ws_connection_id"] == "other"


def test_the_first_channel_marked_as_primary_is_it() -> None:
    camera = {"channel_id": "camera:1", "type": "video", "is_primary": True}
    assert Recording(MIC, DISPLAY, camera).stopped().body["primary_video_channel_id"] == "camera:1"
    assert Recording(MIC).stopped().body["primary_video_channel_id"] is None


@pytest.mark.parametrize(
    ("channel_id", "kind", "category"),
    [
        ("mic:default", "audio", "mic"),
        ("mic", "audio", "mic"),
        ("system_audio:default", "audio", "system_audio"),
        ("display:2", "video", "screen"),
        ("screen:1", "video", "screen"),
        ("camera:0", "video", "camera"),
        ("rode-nt", "audio", "mic"),
        ("hdmi", "video", "screen"),
    ],
)
def test_the_category_of_a_channel_is_its_prefix_else_its_type(channel_id: str, kind: str, category: str) -> None:
    assert channel_of(Fields({"channel_id": channel_id, "type": kind})).category == category


def test_every_state_that_can_be_reached_is_in_the_table() -> None:
    assert set().union(*FOLLOWS.values()) | {"created"} == set(FOLLOWS)
    assert {state for state, after in FOLLOWS.items() if not after} == {"exported", "failed"}


@given(st.lists(st.tuples(st.sampled_from(["start", "stop", "export", "fail"]), st.floats(0, 5)), max_size=12))
def test_whatever_is_asked_in_whatever_order_the_states_follow_the_table(asked: list[tuple[str, float]]) -> None:
    recording, now_s = Recording(), 0.0
    ask: dict[str, Callable[[], object]] = {
        "start": lambda: recording.start(now_s),
        "stop": lambda: recording.sessions.stop(recording.session, now_s),
        "export": lambda: recording.export(now_s),
        "fail": lambda: recording.sessions.fail(recording.session, "X", "y", now_s),
    }
    told = recording.heard(0.0)
    for request, pause_s in asked:
        with suppress(Refusal):
            ask[request]()
        now_s += pause_s
        told += recording.heard(now_s)
    told += recording.heard(now_s + LONG_S)
    states = [status for _, status in told]
    assert states[0] == "created"
    assert all(after in FOLLOWS[before] for before, after in pairwise(states))
    assert recording.session.state == states[-1]
