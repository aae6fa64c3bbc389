"""Subtitles that every player can read, with every word."""

from __future__ import annotations

import html
import re
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.transcripts import LONG, MIC, OBJECTS, SYSTEM, TRANSCRIPTS, said
from videodb_listen.formats.cues import Cue, cues_of
from videodb_listen.formats.subtitles import WRITERS, srt, txt, vtt


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


def test_a_paragraph_ends_after_a_minute() -> None:
    cues = [Cue(number * 10, number * 10 + 9.9, MIC, f"{number}") for number in range(14)]
    assert [line[:10] for line in txt(cues)] == ["[00:00:00]", "[00:01:00]", "[00:02:00]"]


@pytest.mark.parametrize("one_cue", [False, True])
def test_a_paragraph_ends_after_five_hundred_characters_and_no_word_is_lost(one_cue: bool) -> None:
    words = [f"word{number}" for number in range(600)]
    cues = [Cue(n / 10, n / 10 + 0.1, MIC, word) for n, word in enumerate(words)]
    lines = list(txt([Cue(0, 60, MIC, " ".join(words))] if one_cue else cues))
    paragraphs = [line.removesuffix("\n").split(": ", 1)[1] for line in lines]
    assert " ".join(paragraphs) == " ".join(words)
    assert max(map(len, paragraphs)) <= 500
    assert min(map(len, paragraphs[:-1])) > 480
    stamps = [line[:10] for line in lines]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)


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


@given(st.lists(OBJECTS | OBJECTS.map(lambda fields: said() | fields), max_size=6))
def test_no_events_make_it_fail(events: list[dict[str, Any]]) -> None:
    cues = cues_of(events)
    assert ["".join(write(cues)) for write in WRITERS.values()]


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
