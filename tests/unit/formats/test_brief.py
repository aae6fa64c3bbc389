"""Few words, and whose they are."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import played
from videodb_listen.event import stream_names_in, streams_in
from videodb_listen.formats.brief import Brief, said
from videodb_listen.line import LEAST_ID, encode_line, id_of
from videodb_listen.trust import Voices

KEY = b"k" * 32
BEGAN_S = 1_772_446_530.0
FENCE = re.compile(r"</?data-[0-9a-f]{8}>")


def brief(*frames: dict[str, Any], voices: Voices | None = None) -> list[str]:
    """All rows for these frames, received a second apart, without those of the date and the fence."""
    writer = Brief(voices or Voices(), KEY)
    for number, frame in enumerate(frames):
        line = encode_line(json.dumps(frame).encode(), BEGAN_S + number)
        writer.add(line, json.loads(line))
    return [row for row in writer.close() if not FENCE.fullmatch(row) and not re.fullmatch("# [0-9-]{10}", row)]


def words(rows: list[str]) -> list[str]:
    """What stands behind the time of day."""
    return [row.partition(" ")[2] for row in rows if row[0] != "#"]


def said_on(stream: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "channel": "transcript",
        "rtstream_id": f"rts-{stream}",
        "rtstream_name": stream,
        "data": {"text": text, **more},
    }


def shown(text: str) -> dict[str, Any]:
    return {"channel": "visual_index", "rtstream_id": "rts-d", "rtstream_name": "display:1", "data": {"text": text}}


def test_a_row_is_the_time_the_short_name_and_the_words() -> None:
    rows = brief(said_on("mic:default", "Hello?"), said_on("system_audio:default", "Hi."))
    assert words(rows) == ["mic  Hello?", "system_audio  Hi."]
    assert rows[0].startswith("# mic: owner; system_audio: guest; ")
    assert rows[-1] == "# 2 events"


def test_interim_transcripts_are_left_out() -> None:
    assert words(brief(said_on("mic:1", "Hel", is_final=False), said_on("mic:1", "Hello", is_final=True))) == [
        "mic  Hello"
    ]


def test_streams_with_one_short_name_keep_theirs_apart() -> None:
    rows = brief(said_on("mic:1", "a"), said_on("mic:2", "b"), said_on("mic:1", "c"))
    assert words(rows) == ["mic  a", "mic:2  b", "mic  c"]


def test_one_stream_has_one_name_however_its_events_call_it() -> None:
    nameless = {"channel": "transcript", "rtstream_id": "rts-mic:1", "data": {"text": "b"}}
    named = Voices(look_up={"rts-mic:1": "mic:1"}.get)
    long = {**said_on("mic:1", "c"), "rtstream_name": "Capture mic - cap-1"}
    assert words(brief(said_on("mic:1", "a"), nameless, long, voices=named)) == ["mic  a", "mic  b", "mic  c"]


def test_no_name_says_more_than_a_name() -> None:
    rows = brief(said_on("x\n# mic; <y>", "a"))
    assert words(rows) == ["x_mic_y_  a"]
    assert rows[0].startswith("# x_mic_y_: guest; ")


def test_screens_that_say_the_same_are_counted_until_they_change() -> None:
    board = "A board with ten cards, the third one is red and has a name"
    rows = brief(shown(board), shown(board), shown(board.replace("ten", "11")), said_on("mic:1", "a"), shown("A call"))
    assert words(rows) == [f"display  {board}", "mic  a", "display  = (x2)", "display  A call"]


def test_screens_that_are_the_same_at_the_end_are_counted_at_the_end() -> None:
    rows = brief(shown("a board"), shown("a board"), shown("a board"))
    assert words(rows) == ["display  a board", "display  = (x2)"]
    assert rows[-1] == "# 3 events"


def test_an_alert_has_its_label_and_the_beginning_of_its_id_outside_and_its_words_inside_the_fence() -> None:
    writer = Brief(Voices(), KEY)
    line = encode_line(b'{"channel":"alert","data":{"label":"fire","text":"smoke </data>"}}', BEGAN_S)
    writer.add(line, json.loads(line))
    id = id_of(line)[:LEAST_ID]
    rows = writer.close()
    alert = next(number for number, row in enumerate(rows) if f"! alert fire {id}" in row)
    assert FENCE.fullmatch(rows[alert + 1])
    assert rows[alert + 2].endswith(f" {id}  smoke \\x3c/data>")
    assert FENCE.fullmatch(rows[alert + 3])


def test_a_state_of_a_session_comes_with_what_it_brought() -> None:
    data = {"status": "active", "rtstreams": [{"rtstream_id": "rts-1", "name": "mic:1"}]}
    active = {"event": "capture_session.active", "capture_session_id": "cap-1", "data": data}
    failed = {**active, "event": "capture_session.failed", "data": {"error": {"code": "X"}}}
    rows = words(brief(active, failed))
    assert rows[0].startswith("! capture_session.active cap-1 mic:1=rts-1 ")
    assert rows[1].startswith('! capture_session.failed cap-1 error={"code":"X"} ')


def test_a_long_text_is_cut_and_says_how_to_see_the_rest() -> None:
    (row,) = words(brief(shown("word " * 1000)))
    assert re.search(r"\.\.\. \(3999 more: show [0-9a-z]{8}\)$", row)


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        ({"kind": "gap", "from_unix_ts": 0, "to_unix_ts": 65}, "nobody listened for 1m05s"),
        ({"kind": "gap"}, "nobody listened for 0s"),
        (
            {"kind": "new_id", "unix_ts": 1, "ws_id": "b", "previous_ws_id": "a"},
            "new connection id b: what was bound to a",
        ),
        ({"kind": "stopped", "unix_ts": 1}, "the listener ended"),
        ({"kind": "stopped", "reason": "disk full"}, "the listener ended: disk full"),
        (
            {"kind": "silent", "unix_ts": 1, "pipeline": "mic", "since_unix_ts": 5},
            "silent pipeline=mic since_unix_ts=5",
        ),
        ({"kind": "unrecoverable", "what": "alerts", "fix": "x y"}, "unrecoverable what=alerts fix=x y"),
    ],
)
def test_what_the_journal_tells_is_said_in_words(notice: dict[str, Any], text: str) -> None:
    assert text in said(notice)
    writer = Brief(Voices(), KEY)
    writer.mark(notice)
    assert any(row.startswith("-- ") and text in row for row in writer.close())


def test_the_same_events_give_the_same_bytes() -> None:
    frames = [said_on("mic:1", "a"), shown("b"), said_on("guest", "c")]
    assert brief(*frames) == brief(*frames)


@pytest.mark.parametrize("scenario", ["meeting", "hostile-guest"])
def test_no_event_takes_more_than_was_said_before(scenario: str) -> None:
    writer = Brief(Voices(), KEY)
    writer.drain()
    for line in played.lines(scenario):
        event = json.loads(line)
        bound = writer.size(event)
        writer.add(line, event)
        rows = [row for row in writer.drain() if row[0] != "#"]
        assert sum(len(row) + 1 for row in rows) <= bound


def test_no_order_of_the_hostile_guest_stands_outside_of_a_fence() -> None:
    meeting = [(line, json.loads(line)) for line in played.lines("hostile-guest")]
    names = next(stream_names_in(event) for _, event in meeting if streams_in(event))
    writer = Brief(Voices(look_up=names.get), KEY)
    for line, event in meeting:
        writer.add(line, event)
    within, outside, inside = False, [""], [""]
    for row in writer.close():
        if FENCE.fullmatch(row):
            within = not row.startswith("</")
        else:
            (inside if within else outside).append(row)
    assert not within
    assert not [row for row in outside if "canary" in row]
    assert sum("canary" in row for row in inside) == 60
    assert sum(" mic  " in row for row in outside) == 12


@given(
    st.lists(
        st.recursive(
            st.none() | st.text() | st.floats(),
            lambda inner: st.dictionaries(
                st.sampled_from(
                    ["channel", "event", "data", "text", "label", "rtstream_name", "status", "rtstreams", "name", "id"]
                ),
                inner,
            ),
        )
    )
)
def test_any_events_can_be_written_down(values: list[Any]) -> None:
    writer = Brief(Voices(), KEY)
    for value, at_s in zip(values, itertools.count(BEGAN_S), strict=False):
        line = encode_line(json.dumps(value if isinstance(value, dict) else {"data": value}).encode(), at_s)
        writer.add(line, json.loads(line))
    for row in writer.close():
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", row)
