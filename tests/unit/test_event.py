"""However an event was spelled, a reader finds the same things in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.event import (
    View,
    channel_of,
    end_of,
    final_of,
    link_of,
    name_of,
    preview,
    seconds,
    sent_channel,
    start_of,
    stream_names_in,
    text_of,
)
from videodb_listen.line import encode_line

NOW_S = 1772446530.123


@pytest.mark.parametrize(
    ("event", "channel", "text"),
    [
        ({"channel": "transcript", "data": {"text": "hi"}}, "transcript", "hi"),
        ({"channel": "alert", "data": {"label": "fire", "explanation": "smoke"}}, "alert", "fire: smoke"),
        (
            {"channel": "capture_session", "event": "capture_session.active"},
            "capture_session",
            "capture_session.active",
        ),
        ({"channel": "capture_session", "data": {"status": "active"}}, "capture_session", "active"),
        ({"type": "scene", "text": "a cat"}, "scene", "a cat"),
        ({"event_type": "x"}, "x", ""),
        ({"event": "x.y"}, "x.y", "x.y"),
        ({"channel": "", "type": "t"}, "t", ""),
        ({"channel": None, "type": 5, "event_type": ["a"], "event": {}}, "event", ""),
        ({"channel": "c", "data": None}, "c", ""),
        ({"channel": "c", "data": ["text"]}, "c", ""),
        ({"channel": "c", "data": "text"}, "c", "text"),
        ({"channel": "c", "data": {"text": 5, "label": None, "summary": "s"}}, "c", "s"),
        ({"channel": "c", "data": {"text": ""}, "text": "outer"}, "c", "outer"),
        ({"channel": "c", "data": {"text": "inner"}, "text": "outer"}, "c", "inner"),
        ({"raw": "words"}, "raw", "words"),
        ({"raw_base64": "/w=="}, "raw", ""),
        ({}, "event", ""),
    ],
)
def test_channel_and_text_are_found_where_tolerant_readers_look(event: dict[str, Any], channel: str, text: str) -> None:
    assert sent_channel(event) == channel
    assert text_of(event) == text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"data": {"label": "l", "text": "t", "explanation": "e", "context": "c", "summary": "s"}}, "l: t; e; s; c"),
        ({"data": {"event_label": "l", "explanation": "e"}}, "l: e"),
        ({"label": "l", "data": {"text": "t"}}, "l: t"),
        ({"data": {"label": "same", "text": "same"}}, "same"),
        ({"data": {"text": "same", "explanation": "same"}}, "same"),
        (
            {"event": "capture_session.failed", "data": {"error": {"code": "E1", "message": "m"}}},
            "capture_session.failed: E1: m",
        ),
        ({"event": "capture_session.failed", "data": {"error": "m"}}, "capture_session.failed: m"),
        ({"status": "failed", "error": {"code": 7, "message": "m"}}, "failed: 7: m"),
        ({"status": "failed", "error": {"reason": "r"}}, "failed"),
        ({"message": "Forbidden", "connectionId": "c", "requestId": "r"}, "Forbidden"),
        ({"status": "ok", "text": "t"}, "t"),
        ({"raw": "words"}, "words"),
        ({"raw": "words", "text": "t"}, "t"),
        ({"text": "t", "data": "d"}, "t; d"),
        ({"text": "", "data": {"text": ""}, "status": "s"}, "s"),
    ],
)
def test_the_text_is_all_that_a_person_would_read_there(event: dict[str, Any], text: str) -> None:
    assert text_of(event) == text


VIEW_KEYS = (
    "error",
    "message",
    "explanation",
    "channel",
    "type",
    "event_type",
    "event",
    "data",
    "text",
    "label",
    "status",
    "summary",
    "raw",
    "ts",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(VIEW_KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(VIEW_KEYS) | st.text(), json_values, max_size=6))
def test_any_object_has_a_channel_a_text_and_a_preview_of_one_safe_line(event: dict[str, Any]) -> None:
    assert sent_channel(event)
    assert channel_of(event)
    assert name_of(event)
    assert isinstance(text_of(event), str)
    shown = preview(encode_line(json.dumps(event).encode(), NOW_S))
    assert shown.startswith("[")
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert len(shown) <= 80


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (b'{"channel":"transcript","data":{"text":"hi"}}', "[transcript] hi"),
        (b'{"channel":"c"}', "[c]"),
        (b'{"channel":"c\\u001b[2J","data":{"text":"a\\nb"}}', "[c\\x1b[2J] a\\x0ab"),
        (b"not JSON", "[raw] not JSON"),
        (b"\xff", "[raw]"),
        (b'{"channel":"c","data":{"text":"' + b"x" * 100 + b'"}}', "[c] " + "x" * 75 + "…"),
        (b'{"channel":"c","data":{"text":"' + b"x" * 1_000_000 + b'"}}', "[c] " + "x" * 75 + "…"),
        (b'{"channel":"c","label":"l","data":[' + b"[]," * 300_000 + b"0]}", "[c] l"),
        (b"x" * 1_000_000, "[raw] " + "x" * 73 + "…"),
        (b"\xff" * 1_000_000, "[raw]"),
    ],
)
def test_a_preview_names_the_channel_and_cuts_at_80_columns(frame: bytes, shown: str) -> None:
    assert preview(encode_line(frame, NOW_S)) == shown


@pytest.mark.parametrize(
    ("event", "channel"),
    [
        ({"channel": "visual_index"}, "visual_index"),
        ({"channel": "scene_index"}, "visual_index"),
        ({"channel": "audio_index"}, "audio_index"),
        ({"channel": "spoken_index"}, "audio_index"),
        ({"type": "index", "index_type": "visual"}, "visual_index"),
        ({"type": "index", "index_type": "audio"}, "audio_index"),
        ({"type": "index"}, "index"),
        ({"type": "transcript.partial"}, "transcript"),
        ({"event_type": "rtstream.transcript"}, "transcript"),
        ({"event": "capture_session.active"}, "capture_session"),
        ({"channel": "something_new"}, "something_new"),
        ({"channel": ".odd"}, ".odd"),
    ],
)
def test_a_channel_has_one_name(event: dict[str, Any], channel: str) -> None:
    assert channel_of(event) == channel


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (
            {"channel": "capture_session", "event": "capture_session.active", "status": "active"},
            "capture_session.active",
        ),
        ({"event": "capture_session.exported"}, "capture_session.exported"),
        ({"type": "capture_session.failed"}, "capture_session.failed"),
        ({"channel": "capture_session", "data": {"event": "capture_session.created"}}, "capture_session.created"),
        ({"channel": "capture_session", "data": {"status": "stopped"}}, "capture_session.stopped"),
        ({"channel": "transcript", "data": {"text": "hi"}}, "transcript"),
        ({"channel": "scene_index"}, "visual_index"),
    ],
)
def test_an_event_has_a_name(event: dict[str, Any], name: str) -> None:
    assert name_of(event) == name


@pytest.mark.parametrize(
    ("event", "final"),
    [
        ({"data": {"is_final": True}}, True),
        ({"data": {"is_final": "false"}}, False),
        ({"is_final": "TRUE"}, True),
        ({"isFinal": False}, False),
        ({"type": "transcript.partial"}, False),
        ({"type": "transcript.final"}, True),
        ({"channel": "transcript", "data": {"is_final": 1}}, None),
        ({"channel": "transcript"}, None),
    ],
)
def test_whether_it_is_final_is_found_however_it_is_said(event: dict[str, Any], final: bool | None) -> None:
    assert final_of(event) is final


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1710000001234, 1710000001.234),
        (1710000001.234, 1710000001.234),
        ("1710000001234", 1710000001.234),
        (1710000001234567, 1710000001.234567),
        (1710000001234567890, 1710000001.2345679),
        ("1710000001234567", 1710000001.234567),
        (-5.0, -5.0),
        (1e21, None),
        (-1e300, None),
        ("12.5", 12.5),
        (12.5, 12.5),
        ("2026-03-02T10:15:30.123+00:00", 1772446530.123),
        ("2026-03-02T15:45:30.123+05:30", 1772446530.123),
        ("2026-03-02T10:15:30.123", 1772446530.123),
        (None, None),
        (True, None),
        ("soon", None),
        ("nan", None),
        (float("inf"), None),
        (10**400, None),
        ([], None),
    ],
)
def test_times_are_seconds_in_whatever_unit_they_came(value: object, expected: float | None) -> None:
    assert seconds(value) == expected


ALERTS: dict[str, dict[str, Any]] = {
    "A": {"rtstream_id": "r", "data": {"label": "l", "triggered": True, "start": 1710000001000, "end": 1710000002000}},
    "B": {"rtstream_id": "r", "data": {"event_label": "l", "timestamp": 1710000001000, "text": "t"}},
    "C": {"data": {"label": "l", "confidence": 0.9, "text": "t"}},
    "D in data": {"data": {"label": "l", "text": "t", "context": "c", "rtstream_id": "r"}},
    "D on top": {"label": "l", "text": "t", "context": "c", "rtstream_id": "r"},
    "E on top": {"event_name": "l", "rtstream_id": "r"},
    "E in data": {"data": {"event_name": "l"}, "rtstream_id": "r"},
}


@pytest.mark.parametrize("variant", ALERTS)
def test_every_variant_of_an_alert_has_its_label(variant: str) -> None:
    view = View.of({"channel": "alert", "unix_ts": NOW_S, **ALERTS[variant]})
    assert (view.channel, view.label, view.received_s) == ("alert", "l", NOW_S)
    assert view.text == {"A": "l", "B": "l: t", "C": "l: t"}.get(variant, "l: t; c" if "D" in variant else "l")
    assert view.stream == (None if variant == "C" else "r")


def test_an_alert_with_one_time_starts_and_ends_then() -> None:
    assert (start_of(ALERTS["B"]), end_of(ALERTS["B"])) == (1710000001.0, 1710000001.0)


def test_the_names_of_streams_are_told_by_their_events_and_by_sessions() -> None:
    listed = [{"rtstream_id": "a", "name": "mic"}, {"id": "b", "channel_id": "display"}, {"id": "c"}, {"id": 5}, "d"]
    assert stream_names_in({"data": {"rtstreams": listed}}) == {"a": "mic", "b": "display"}
    assert stream_names_in({"rtstream_id": "a", "rtstream_name": "mic"}) == {"a": "mic"}
    assert (
        stream_names_in({"rtstream_id": "a"}) == stream_names_in({"rtstream_name": "mic"}) == stream_names_in({}) == {}
    )


@pytest.mark.parametrize(
    ("event", "link"),
    [
        ({"data": {"player_url": "p", "stream_url": "s", "exported_video_id": "v"}}, "p"),
        ({"stream_url": "s", "data": {"exported_video_id": "v"}}, "s"),
        ({"data": {"video_id": "v"}}, "v"),
        ({"data": {"player_url": 5}}, None),
        ({}, None),
    ],
)
def test_where_it_can_be_seen(event: dict[str, Any], link: str | None) -> None:
    assert link_of(event) == link
