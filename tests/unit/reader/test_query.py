"""Predicates combine, and a search that skips lines finds what a full parse finds."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.reader import query
from videodb_listen.reader.query import Where, select
from videodb_listen.trust import Voices

EVENTS: list[dict[str, Any]] = [
    {"channel": "transcript", "rtstream_id": "rts-1", "rtstream_name": "mic:default", "data": {"text": "the budget"}},
    {"channel": "transcript", "data": {"text": "interim", "is_final": False}},
    {"channel": "scene_index", "rtstream_id": "rts-2", "data": {"text": "a chart"}},
    {"channel": "visual_index", "data": {"text": "a chart"}},
    {"type": "index", "index_type": "visual", "text": "a chart"},
    {"channel": "spoken_index", "data": {"text": "words"}},
    {"type": "transcript.final", "text": "done"},
    {"channel": "alert", "data": {"label": "budget", "rtstream_id": "rts-2"}},
    {"event": "capture_session.active", "capture_session_id": "cap-1"},
    {"channel": "capture_session", "session_id": "cap-2", "data": {"status": "exported"}},
    {"channel": "event", "n": 1},
    {"n": 2},
    {"raw": "text"},
]


def block(events: list[dict[str, Any]], *, ascii_only: bool = False) -> bytes:
    stamped = [{"ts": "t", "unix_ts": float(n), **event} for n, event in enumerate(events)]
    return b"".join(json.dumps(event, ensure_ascii=ascii_only).encode() + b"\n" for event in stamped)


def found(where: Where, data: bytes | None = None) -> list[int]:
    """The numbers of the events that are selected from EVENTS."""
    data = block(EVENTS) if data is None else data
    lines = [line for line, _ in select(data, where, lambda line: pytest.fail(str(line)))]
    assert all(line.endswith(b"\n") and line in data for line in lines)
    return [int(json.loads(line)["unix_ts"]) for line in lines]


CASES = {
    "a channel under one of its names": (query.channel("visual_index"), [2, 3, 4]),
    "a channel under another": (query.channel("scene_index"), [2, 3, 4]),
    "two channels": (query.channel("audio_index", "alert"), [5, 7]),
    "a channel told by its type": (query.channel("transcript"), [0, 1, 6]),
    "a session's events": (query.channel("capture_session"), [8, 9]),
    "raw text": (query.channel("raw"), [12]),
    "events without a channel": (query.channel("event"), [10, 11]),
    "a lifecycle event by name": (query.event("capture_session.active"), [8]),
    "a lifecycle event by status": (query.event("capture_session.exported"), [9]),
    "an event by its channel": (query.event("alert"), [7]),
    "events of both kinds": (query.event("alert", "capture_session.active"), [7, 8]),
    "a stream by id": (query.stream("rts-2"), [2, 7]),
    "a stream by name": (query.stream("mic:default"), [0]),
    "the owner's words": (query.who(Voices(), "owner"), [0]),
    "a guest's words": (query.who(Voices(), "guest"), [1, 5, 6, 10, 11, 12]),
    "what is seen, and what is told": (query.who(Voices(), "screen", "system"), [2, 3, 4, 7, 8, 9]),
    "a session": (query.session("cap-1", "cap-2"), [8, 9]),
    "text, whatever the case": (query.grep("BUDGET"), [0, 7]),
    "what is final": (query.final() & query.channel("transcript"), [0, 6]),
    "since": (query.since(9.0), [9, 10, 11, 12]),
    "until": (query.until(2.0), [0, 1]),
    "both": (query.channel("transcript") & query.grep("budget"), [0]),
    "either": (query.channel("alert") | query.channel("raw"), [7, 12]),
    "either, one without needles": (query.channel("alert") | query.grep("chart"), [2, 3, 4, 7]),
    "not": (~query.channel("transcript") & query.until(4.0), [2, 3]),
    "everything": (query.ANY, list(range(13))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_predicate_selects_its_events(case: str) -> None:
    where, expected = CASES[case]
    assert found(where) == expected


@pytest.mark.parametrize("case", CASES)
def test_needles_never_hide_what_a_full_parse_finds(case: str) -> None:
    where, expected = CASES[case]
    escaped = re.sub(rb'(?<=[": ])([a-z])(?=[a-z_]+[".])', lambda m: b"\\u%04x" % ord(m[1]), block(EVENTS))
    assert found(where, escaped) == found(Where(where.accepts), escaped) == expected


@given(st.lists(st.sampled_from(EVENTS), max_size=30), st.sampled_from(list(CASES)), st.booleans())
def test_skipping_lines_and_parsing_all_select_the_same(
    events: list[dict[str, Any]], case: str, ascii_only: bool
) -> None:
    where, _ = CASES[case]
    data = block(events, ascii_only=ascii_only)
    assert found(where, data) == found(Where(where.accepts), data)


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "a/b", "ünï", "two\nlines", ""])
@pytest.mark.parametrize("make", [query.channel, query.stream, query.session])
def test_a_name_that_json_may_spell_in_several_ways_is_found(make: Any, name: str) -> None:
    event = {"channel": name or "x", "rtstream_id": name, "capture_session_id": name}
    for data in (block([event]), block([event], ascii_only=True), block([event]).replace(b"/", b"\\/")):
        assert found(make(name), data) == ([0] if name else [])


def test_a_regular_expression_that_is_none_is_an_error() -> None:
    with pytest.raises(re.error):
        query.grep("(")


def test_lines_that_are_no_objects_are_handed_over_and_passed_over() -> None:
    damaged: list[bytes] = []
    data = block(EVENTS[:1]) + b"{half\n\n[1]\n" + block(EVENTS[:1])
    assert len(list(select(data, query.ANY, damaged.append))) == 2
    assert damaged == [b"{half\n", b"\n", b"[1]\n"]
