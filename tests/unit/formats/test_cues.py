"""Who said what when, whatever the events look like."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.transcripts import MIC, NOW_S, SYSTEM, TRANSCRIPTS, said, window
from videodb_listen.formats.cues import cues_of
from videodb_listen.formats.subtitles import WRITERS


def times(events: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(round(cue.start_s, 3), round(cue.end_s, 3)) for cue in cues_of(events)]


# -- which events --


@pytest.mark.parametrize(
    "event",
    [
        window("words"),
        window("words", type="transcript", channel=None),
        window("words", channel="transcript.final"),
        said("words", data={"text": "words"}),
        said("words", data={"text": "words", "is_final": "true"}),
        {"channel": "transcript", "text": " words\n", "is_final": True},
        {"channel": "transcript", "text": "words", "data": {"text": ""}},
        {"type": "transcript", "text": "words"},
    ],
)
def test_a_transcript_with_words_is_a_cue(event: dict[str, Any]) -> None:
    assert [cue.text for cue in cues_of([event])] == ["words"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        window("words", channel="visual_index"),
        window("words", channel="spoken_index"),
        said("words", data={"text": "words", "is_final": False}),
        said("words", data={"text": "words", "is_final": "false"}),
        said("words", data={"text": "words"}, isFinal=False),
        said("words", channel="transcript.partial", data={"text": "words"}),
        said(""),
        said(" \t\n\x1c\u2028"),
        said(5),
        said(data={"status": "started", "label": "loud"}),
        {"event": "transcript", "data": {}},
        {"channel": "transcript", "status": "started"},
        {"channel": "transcript", "data": ["words"]},
    ],
)
def test_what_is_interim_or_was_never_said_is_none(event: dict[str, Any]) -> None:
    assert cues_of([event]) == []


# -- when --


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW_S, NOW_S + 3),
        (NOW_S * 1000, (NOW_S + 3) * 1000),
        (int(NOW_S), int(NOW_S + 3)),
        (str(NOW_S), str((NOW_S + 3) * 1000)),
        ("2026-03-02T10:15:30Z", "2026-03-02T15:45:33+05:30"),
    ],
)
def test_every_spelling_of_a_time_is_the_same_time(start: Any, end: Any) -> None:
    assert times([window("first", -5, -4), said("then", start, end)]) == [(0, 1), (5, 8)]


def test_the_recording_begins_with_what_was_said_first_and_cues_are_in_order() -> None:
    cues = cues_of([window("second", 10, 12), window("third", 11, 13, rtstream_name=SYSTEM), window("first", 7, 9)])
    assert [(cue.text, cue.start_s) for cue in cues] == [("first", 0.0), ("second", 3.0), ("third", 4.0)]


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), ("soon", "later"), (None, 3), (float("nan"), 1e300), (-5, -5), (0, 0), ({}, [])]
)
def test_without_times_it_ends_when_it_was_received(start: Any, end: Any) -> None:
    known = said("known", NOW_S - 10, NOW_S, at=NOW_S)  # received as it ended: nothing to subtract
    assert times([known, said("x" * 30, start, end, at=NOW_S + 5)]) == [(0, 10), (13, 15)]


def test_an_event_without_times_is_as_late_as_the_one_before_it() -> None:
    late = said("late", NOW_S - 60, NOW_S - 58, at=NOW_S)
    assert times([late, said("x" * 30, at=NOW_S + 5)]) == [(0, 2), (5, 7)]
    assert times([said("x" * 30, at=NOW_S - 5), late]) == [(0, 2), (5, 7)]


def test_relative_times_tell_how_long_it_was_but_not_when() -> None:
    known = said("known", NOW_S - 10, NOW_S, at=NOW_S)
    assert times([known, said("relative", 300.5, 304.5, at=NOW_S + 5)]) == [(0, 10), (11, 15)]


@pytest.mark.parametrize(("characters", "length_s"), [(1, 1), (15, 1), (30, 2), (45, 3), (105, 7), (5000, 7)])
def test_a_length_that_nobody_gives_is_that_of_reading(characters: int, length_s: float) -> None:
    assert times([said("x" * characters)]) == [(0, length_s)]


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(20, 20), (25, 20), (-20_000, 20), (-1e8, 20), (-NOW_S, 20)], ids=lambda value: f"{value:g}"
)
def test_a_window_that_cannot_be_ends_as_it_says(start_s: float, end_s: float) -> None:
    assert times([window("first"), window("x" * 30, start_s, end_s)]) == [(0, 2), (18, 20)]


def test_a_start_alone_counts() -> None:
    assert times([window("first"), said("x" * 30, NOW_S + 6)]) == [(0, 2), (6, 8)]


def test_a_timestamp_is_the_end() -> None:
    event = said(data={"text": "x" * 30, "timestamp": "2026-03-02T10:15:40Z"})
    assert times([window("first"), event]) == [(0, 2), (8, 10)]


def test_seconds_and_milliseconds_may_be_mixed_in_one_file() -> None:
    events = [
        said("a", (NOW_S + n) * (1000 if n % 2 else 1), (NOW_S + n + 1) * (1 if n % 3 else 1000)) for n in range(6)
    ]
    assert times(events) == [(n, n + 1) for n in range(6)]


def test_lines_without_a_stamp_are_where_their_neighbours_are() -> None:
    one, two, three = said("one", at=None), said("two", at=NOW_S), said("three", at=None)
    assert {cue.text for cue in cues_of([one, two, three])} == {"one", "two", "three"}
    assert times([one, two, three])[-1][1] < 10
    assert times([one]) == [(0, 1)]


def test_cues_of_one_speaker_end_where_the_next_begins() -> None:
    assert times([window("a", 0, 9), window("b", 2, 9), window("c", 5, 6)]) == [(0, 2), (2, 5), (5, 6)]


def test_speakers_may_talk_at_once() -> None:
    events = [window("a", 0, 9), window("b", 2, 4, rtstream_name=SYSTEM), window("c", 5, 6, rtstream_name=None)]
    assert times(events) == [(0, 9), (2, 4), (5, 6)]


def test_no_cue_is_too_short_to_be_seen() -> None:
    assert times([window("a", 0, 9), window("b", 0.2, 0.201), window("c", 0.2, 3)]) == [
        (0, 0.5),
        (0.2, 0.7),
        (0.2, 3),
    ]


def test_a_frame_that_was_delivered_twice_is_one_cue() -> None:
    twice = [window("yes", 0, 2), window("yes", 0, 2), window("yes", 0.05, 2)]
    assert times(twice) == [(0, 2)]
    assert times([said("yes"), said("yes", at=NOW_S + 0.01)]) == [(0, 1)]


@pytest.mark.parametrize(
    "other", [window("yes", 1, 2), window("no", 0, 2), window("yes", 0, 2, rtstream_name=SYSTEM)], ids=repr
)
def test_what_was_really_said_twice_is_two(other: dict[str, Any]) -> None:
    assert len(cues_of([window("yes", 0, 2), other])) == 2


# -- who --


@pytest.mark.parametrize(
    ("fields", "speaker"),
    [
        ({"rtstream_id": "rts-a", "rtstream_name": MIC}, MIC),
        ({"rtstream_id": "rts-a", "rtstream_name": None}, "rts-a"),
        ({"rtstream_id": "rts-a", "rtstream_name": " \n"}, "rts-a"),
        ({"rtstreamId": "rts-a", "rtstream_name": None}, "rts-a"),
        ({"rtstream_name": "Asha\nand \x1b[31mothers"}, "Asha and \\x1b[31mothers"),
        ({"rtstream_name": None}, None),
        ({"rtstream_name": 7}, None),
    ],
)
def test_the_speaker_is_the_stream(fields: dict[str, Any], speaker: str | None) -> None:
    assert [cue.speaker for cue in cues_of([window(**fields)])] == [speaker]


def test_a_stream_keeps_the_name_that_it_came_with_first() -> None:
    names = [None, MIC, "Capture mic - cap-1"]
    events = [window(str(n), n, n + 1, rtstream_id="rts-a", rtstream_name=name) for n, name in enumerate(names)]
    assert {cue.speaker for cue in cues_of(events)} == {MIC}


def test_control_characters_are_visible_and_line_breaks_are_blanks() -> None:
    (cue,) = cues_of([window("\x1b[2J clear\r\n\r\n2\n00:00:00,000 --> 1\u2028\u202eend\x00")])
    assert cue.text == "\\x1b[2J clear 2 00:00:00,000 --> 1 \u202eend\\x00"


def test_what_gives_a_text_its_direction_is_in_every_file_as_it_was_said() -> None:
    cues = cues_of([window("\u200f(\u05e9\u05dc\u05dd)\u200f 12%")])
    for write in WRITERS.values():
        assert "\u200f(\u05e9\u05dc\u05dd)\u200f 12%" in "".join(write(cues))


# -- whatever comes --


@given(st.lists(TRANSCRIPTS, max_size=8))
def test_every_cue_is_visible_and_cues_are_in_order(events: list[dict[str, Any]]) -> None:
    cues = cues_of(events)
    assert [cue.start_s for cue in cues] == sorted(cue.start_s for cue in cues)
    assert all(cue.end_s - cue.start_s > 0.49 for cue in cues)
    assert not cues or cues[0].start_s == 0
    for _, own in itertools.groupby(sorted(cues, key=lambda cue: cue.speaker or ""), key=lambda cue: cue.speaker):
        for one, following in itertools.pairwise(own):
            assert one.end_s <= max(following.start_s, one.start_s + 0.5001)
