"""Who said what when, whatever the events look like; and subtitles that every player can read."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.formats.cues import Cue, cues_of
from videodb_listen.formats.subtitles import WRITERS, srt, txt, vtt

NOW_S = 1_772_446_530.0
MIC, SYSTEM = "mic:default", "system_audio:default"


def said(text: Any = "words", start: Any = None, end: Any = None, *, at: Any = NOW_S, **more: Any) -> dict[str, Any]:
    """A final transcript that was received `at` this time; what is None is not in it."""
    data = {"text": text, "is_final": True, "start": start, "end": end}
    event = {"unix_ts": at, "channel": "transcript", "rtstream_name": MIC, "data": _without_none(data), **more}
    return _without_none(event)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def window(text: str = "words", start_s: float = 0.0, end_s: float = 2.0, **more: Any) -> dict[str, Any]:
    """A final transcript of this window, seconds after NOW_S, in milliseconds as the service documents it."""
    return said(text, (NOW_S + start_s) * 1000, (NOW_S + end_s) * 1000, at=NOW_S + end_s + 1, **more)


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


# -- what is written --


def test_srt_is_numbered_and_names_the_speaker_where_it_changes() -> None:
    cues = [Cue(0, 1.5, MIC, "one"), Cue(2, 3, MIC, "two"), Cue(2.5, 4, SYSTEM, "three"), Cue(5, 6, None, "four")]
    assert "".join(srt(cues)) == (
        "1\n00:00:00,000 --> 00:00:01,500\n[mic:default] one\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\ntwo\n\n"
        "3\n00:00:02,500 --> 00:00:04,000\n[system_audio:default] three\n\n"
        "4\n00:00:05,000 --> 00:00:06,000\nfour\n\n"
    )


def test_vtt_has_a_header_and_a_voice_for_each_speaker() -> None:
    assert "".join(vtt([Cue(0, 1.5, "A & <B>", "x < y && --> z"), Cue(2, 3, None, "two")])) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\n<v A &amp; &lt;B&gt;>x &lt; y &amp;&amp; --&gt; z\n\n"
        "00:00:02.000 --> 00:00:03.000\ntwo\n\n"
    )


def test_an_arrow_in_a_text_does_not_look_like_a_time_in_srt() -> None:
    text = "".join(srt([Cue(0, 1, "a-->b", "x --> y ---->")]))
    assert text.count("-->") == 1
    assert text.endswith("\n[a→b] x → y --→\n\n")


def test_txt_has_a_paragraph_a_line() -> None:
    cues = [
        Cue(0.9, 2, MIC, "Good morning."),
        Cue(3, 4, MIC, "All here?"),
        Cue(4, 5, SYSTEM, "Yes."),
        Cue(7.1, 8, SYSTEM, "Let us begin."),
        Cue(3661, 3662, None, "Bye."),
    ]
    assert list(txt(cues)) == [
        "[00:00:00] mic:default: Good morning. All here?\n",
        "[00:00:04] system_audio:default: Yes.\n",
        "[00:00:07] system_audio:default: Let us begin.\n",
        "[01:01:01] Bye.\n",
    ]


@pytest.mark.parametrize(
    ("moment_s", "shown"),
    [
        (0.0004, "00:00:00,000"),
        (59.9996, "00:01:00,000"),
        (3599.9994, "00:59:59,999"),
        (362_439.25, "100:40:39,250"),
        (1e9, "277777:46:40,000"),
    ],
)
def test_a_time_has_as_many_hours_as_it_takes(moment_s: float, shown: str) -> None:
    assert "".join(srt([Cue(moment_s, moment_s + 1, None, "x")])).startswith(f"1\n{shown} --> ")


def test_no_cues_make_a_valid_empty_file() -> None:
    assert {name: "".join(write([])) for name, write in WRITERS.items()} == {
        "srt": "",
        "vtt": "WEBVTT\n\n",
        "txt": "",
    }


def test_control_characters_are_visible_and_line_breaks_are_blanks() -> None:
    (cue,) = cues_of([window("\x1b[2J clear\r\n\r\n2\n00:00:00,000 --> 1\u2028\u202eend\x00")])
    assert cue.text == "\\x1b[2J clear 2 00:00:00,000 --> 1 \u202eend\\x00"


def test_what_gives_a_text_its_direction_is_in_the_files_as_it_was_said() -> None:
    cues = cues_of([window("\u200f(שלם)\u200f 12%")])
    assert [("\u200f(שלם)\u200f 12%" in "".join(write(cues))) for write in WRITERS.values()] == [True, True, True]


LONG = " ".join(f"well-known{n}" for n in range(60))


def test_a_long_text_is_shown_in_screens_of_two_lines() -> None:
    screens = parse_srt("".join(srt([Cue(0, 30, None, LONG)])))
    assert all(len(screen.lines) <= 2 for screen in screens)
    assert all(len(line) <= 42 for screen in screens for line in screen.lines)
    assert " ".join(line for screen in screens for line in screen.lines) == LONG
    assert [screen.end_ms for screen in screens[:-1]] == [screen.start_ms for screen in screens[1:]]
    assert (screens[0].start_ms, screens[-1].end_ms) == (0, 30_000)


def test_screens_too_short_to_read_are_not_made() -> None:
    screens = parse_srt("".join(srt([Cue(0, 2.5, None, LONG)])))
    assert [screen.end_ms - screen.start_ms for screen in screens] == pytest.approx([1250, 1250], abs=250)


def test_screens_of_two_who_talk_at_once_are_in_order() -> None:
    shown = parse_vtt("".join(vtt([Cue(0, 30, MIC, LONG), Cue(4, 5, SYSTEM, "Yes.")])))
    assert [cue.start_ms for cue in shown] == sorted(cue.start_ms for cue in shown)


def test_wide_characters_take_two_columns() -> None:
    (screen,) = parse_srt("".join(srt([Cue(0, 4, None, "会議" * 20)])))
    assert [len(line) for line in screen.lines] == [21, 19]


# -- whatever comes --


class Shown(NamedTuple):
    start_ms: int
    end_ms: int
    speaker: str | None
    lines: list[str]


_TIMES = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})")


def parse_srt(text: str) -> list[Shown]:
    """Read SubRip back; brackets at the beginning of a cue say who speaks from then on."""
    shown: list[Shown] = []
    for number, block in enumerate(_blocks(text), 1):
        index, clock, *lines = block.split("\n")
        assert index == str(number)
        named = re.match(r"\[([^]]*)\] ", lines[0])
        speaker = named[1] if named else shown[-1].speaker if shown else None
        lines[0] = lines[0][named.end() if named else 0 :]
        shown.append(Shown(*_clocks(clock), speaker, lines))
    return shown


def parse_vtt(text: str) -> list[Shown]:
    """Read WebVTT back."""
    header, *blocks = _blocks(text)
    assert header == "WEBVTT"
    shown = []
    for block in blocks:
        clock, *lines = block.split("\n")
        assert not any("-->" in line for line in lines)
        voice = re.match(r"<v ([^<>]*)>", lines[0])
        lines[0] = lines[0][voice.end() if voice else 0 :]
        assert not any(mark in line for line in lines for mark in "<>")
        speaker = html.unescape(voice[1]) if voice else None
        shown.append(Shown(*_clocks(clock), speaker, [html.unescape(line) for line in lines]))
    return shown


def _blocks(text: str) -> list[str]:
    assert not text or text.endswith("\n\n")
    return text.split("\n\n")[:-1]


def _clocks(line: str) -> tuple[int, int]:
    found = _TIMES.fullmatch(line)
    assert found is not None, line
    numbers = [int(number) for number in found.groups()]
    start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
    return start, end


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats()  # what orjson makes of numbers
MOMENTS = (
    st.floats(NOW_S - 30, NOW_S + 30)
    | st.floats(NOW_S - 30, NOW_S + 30).map(lambda moment_s: int(moment_s * 1000))
    | st.floats(NOW_S - 30, NOW_S + 30).map(str)
    | st.floats(0, 100)
    | NUMBERS
    | NUMBERS.map(str)
    | st.none()
    | st.datetimes().map(str)
)
TEXTS = st.text(max_size=300).map(lambda text: text.replace("[", "(").replace("→", ">")) | st.sampled_from(
    ["yes", "no", LONG, "-->", "&lt;b&gt; <b>", "x" * 200, "00:00:00,000 --> 00:00:01,000", "\n\n2\n\n"]
)
TRANSCRIPTS = st.builds(
    said, TEXTS, MOMENTS, MOMENTS, at=MOMENTS, rtstream_name=st.sampled_from([MIC, SYSTEM]), rtstream_id=st.none()
)
KEYS = st.sampled_from(
    ["channel", "type", "text", "data", "start", "end", "unix_ts", "is_final", "rtstream_id", "rtstream_name"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | st.just("transcript")
OBJECTS = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(KEYS, SCALARS, max_size=4))


@given(st.lists(OBJECTS | OBJECTS.map(lambda fields: said() | fields), max_size=6))
def test_no_events_make_it_fail(events: list[dict[str, Any]]) -> None:
    cues = cues_of(events)
    assert ["".join(write(cues)) for write in WRITERS.values()]


@given(st.lists(TRANSCRIPTS, max_size=8))
def test_every_cue_is_visible_and_cues_are_in_order(events: list[dict[str, Any]]) -> None:
    cues = cues_of(events)
    assert [cue.start_s for cue in cues] == sorted(cue.start_s for cue in cues)
    assert all(cue.end_s - cue.start_s > 0.49 for cue in cues)
    assert not cues or cues[0].start_s == 0
    for _, own in itertools.groupby(sorted(cues, key=lambda cue: cue.speaker or ""), key=lambda cue: cue.speaker):
        for one, following in itertools.pairwise(own):
            assert one.end_s <= max(following.start_s, one.start_s + 0.5001)


@pytest.mark.parametrize(("write", "parse"), [(srt, parse_srt), (vtt, parse_vtt)], ids=["srt", "vtt"])
@given(events=st.lists(TRANSCRIPTS, max_size=8))
def test_subtitles_can_be_read_back_with_every_word(write: Any, parse: Any, events: list[dict[str, Any]]) -> None:
    cues = cues_of(events)
    shown = parse("".join(write(cues)))
    assert [cue.start_ms for cue in shown] == sorted(cue.start_ms for cue in shown)
    assert all(cue.end_ms > cue.start_ms for cue in shown)
    assert all(line.strip() for cue in shown for line in cue.lines)
    for speaker in (MIC, SYSTEM):
        read = "".join(line for cue in shown if cue.speaker == speaker for line in cue.lines)
        meant = "".join(cue.text for cue in cues if cue.speaker == speaker)
        assert _solid(read) == _solid(meant)
    assert {cue.text for cue in cues} == {text for event in events if (text := _folded(event["data"]["text"]))}


def _folded(text: str) -> str:
    return "".join(cue.text for cue in cues_of([{"channel": "transcript", "text": text}]))


def _solid(text: str) -> str:
    """Without blanks, at any of which a line may break, and with arrows spelled in one way."""
    return text.replace(" ", "").replace("→", "-->")
