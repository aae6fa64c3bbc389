"""A recorded file gives back the frames that the server sent."""

import base64
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from videodb_emulator.pure.recording import Skipped, parse, unstamp

STAMPS = b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123'


def stamped(frame: bytes) -> bytes:
    """Splice the stamps in front of an object's fields, as the listener's file format says."""
    body = frame[1:]
    return STAMPS + (b"" if body.lstrip().startswith(b"}") else b",") + body


def line_at(unix_ts: object, **event: Any) -> bytes:
    return json.dumps({"ts": "2026-03-02T10:15:30.123Z", "unix_ts": unix_ts, **event}, separators=(",", ":")).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
blanks = st.text(alphabet=" \t", max_size=3)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a JSON object in any spelling that fits on one line."""
    event = draw(st.dictionaries(st.text(), json_values, max_size=6))
    assume(not {"ts", "unix_ts"} & set(event))
    assume(set(event) not in ({"raw"}, {"raw_base64"}))
    spelling = (draw(blanks) + "," + draw(blanks), draw(blanks) + ":" + draw(blanks))
    text = json.dumps(event, separators=spelling, ensure_ascii=draw(st.booleans()))
    text = "{" + draw(blanks) + text[1:-1] + draw(blanks) + "}" + draw(blanks)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, unescaped: no frame can hold it
        return json.dumps(event).encode()


@settings(deadline=None)  # a busy machine is no fault
@given(frames())
def test_cutting_the_stamps_out_gives_the_original_bytes(frame: bytes) -> None:
    recorded = unstamp(stamped(frame))
    assert isinstance(recorded.message, str)
    assert recorded.message.encode() == frame
    assert recorded.unix_ts_s == 1772446530.123


@pytest.mark.parametrize(
    "frame",
    [
        b"{}",
        b"{ }",
        b'{"a":1.0,"a":1e2,"b":0.10}',
        b'{"n":' + b"9" * 5000 + b"}",
        b'{"x":1E+400}',
        b'{ "a" : [ ] } ',
        b'{"data":{"ts":"inner","unix_ts":1}}',
        b'{"raw":"text","more":1}',
        b'{"raw":1}',
        '{"t":"Zoë 😅"}'.encode(),
    ],
)
def test_spelling_survives(frame: bytes) -> None:
    assert unstamp(stamped(frame)).message == frame.decode()


@given(st.text().filter(lambda text: "\x00" not in text))
def test_a_raw_line_gives_its_text(text: str) -> None:
    line = line_at(1.5, raw=text)
    assert unstamp(line).message == text


@given(st.binary())
def test_a_base64_line_gives_its_bytes(frame: bytes) -> None:
    assert unstamp(line_at(1.5, raw_base64=base64.b64encode(frame).decode())).message == frame


@pytest.mark.parametrize(
    "line",
    [
        b'{"channel": "alert", "data": {"n": 1.50}, "ts": "2026-03-02T10:15:30+00:00", "unix_ts": 7.5}',
        b'{"unix_ts": 7.5, "ts": "2026-03-02T10:15:30+00:00", "channel": "alert", "data": {"n": 1.50}}',
        b'{"ts": "2026-03-02T10:15:30+00:00", "unix_ts": 7.5, "channel": "alert", "data": {"n": 1.50}}',
    ],
)
def test_stamps_of_an_older_script_are_found_anywhere(line: bytes) -> None:
    recorded = unstamp(line)
    assert isinstance(recorded.message, str)
    assert json.loads(recorded.message) == {"channel": "alert", "data": {"n": 1.5}}
    assert recorded.unix_ts_s == 7.5


@pytest.mark.parametrize("unix_ts", [None, "soon", float("inf"), float("nan"), []])
def test_a_line_without_a_usable_time_still_has_its_event(unix_ts: object) -> None:
    recorded = unstamp(line_at(unix_ts, channel="alert"))
    assert recorded.unix_ts_s is None
    assert recorded.message == '{"channel": "alert"}'


def test_events_keep_their_own_pace() -> None:
    content = b"\n".join(line_at(time_s, n=time_s) for time_s in (100.0, 100.5, 103.0)) + b"\n"
    scenario, skipped = parse(content, source="events.jsonl")
    assert [step.after_s for step in scenario.steps] == [0.0, 0.5, 2.5]
    assert scenario.name == "events.jsonl"
    assert skipped == []


def test_a_clock_that_went_back_and_a_missing_time_wait_for_nobody() -> None:
    times = (None, 100.0, 90.0, None, 91.0)
    scenario, _ = parse(b"\n".join(line_at(time_s, n=1) for time_s in times), source="x")
    assert [step.after_s for step in scenario.steps] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_line_that_holds_no_event_is_skipped_and_named() -> None:
    good = line_at(1.0, n=1)
    bad = [good[:20], b"[1]", b"\xff{}", line_at(1, raw_base64="?"), line_at(1, raw="\ud800"), b"[" * 100_000]
    scenario, skipped = parse(b"\n".join([good, b"", *bad, good]), source="x")
    assert len(scenario.steps) == 2
    assert [line.line_number for line in skipped] == [3, 4, 5, 6, 7, 8]
    assert skipped[0] == Skipped(3, "not JSON, perhaps torn")


def test_line_ends_of_another_system_are_no_part_of_the_frame() -> None:
    scenario, _ = parse(stamped(b'{"a":1} ') + b"\r\n", source="x")
    assert scenario.steps[0].message == '{"a":1} '


@given(st.binary())
def test_any_bytes_are_read_or_skipped(content: bytes) -> None:
    scenario, skipped = parse(content, source="x")
    assert len(scenario.steps) + len(skipped) <= content.count(b"\n") + 1
