"""Cues written down: as subtitles, and as a transcript to read. Pure."""

from __future__ import annotations

import itertools
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from videodb_listen.formats.cues import Cue

_PAUSE_S, _PARAGRAPH_S, _PARAGRAPH_CHARACTERS = 2.0, 60.0, 500
"""What begins a new paragraph: a longer silence, and where nobody else speaks so much time or so many characters."""

_COLUMNS, _LINES, _SCREEN_S = 42, 2, 1.0
"""What fits on a screen, as broadcasters count: so many columns, so many lines, no less than this long."""


def srt(cues: Iterable[Cue]) -> Iterator[str]:
    """SubRip, a screen at a time. The speaker is named in brackets where it is another one than before.

    The format knows no escapes: `-->` in a text becomes an arrow, what looks like a tag stays.
    """
    speaker = None
    for number, cue in enumerate(_screens(cues), 1):
        label = f"[{cue.speaker}] " if cue.speaker and cue.speaker != speaker else ""
        speaker = cue.speaker
        text = (label + cue.text).replace("-->", "→")
        yield f"{number}\n{_stamp(cue.start_s, ',')} --> {_stamp(cue.end_s, ',')}\n{text}\n\n"


def vtt(cues: Iterable[Cue]) -> Iterator[str]:
    """WebVTT, the header and then a screen at a time; the speaker is its voice."""
    yield "WEBVTT\n\n"
    for cue in _screens(cues):
        voice = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
        yield f"{_stamp(cue.start_s, '.')} --> {_stamp(cue.end_s, '.')}\n{voice}{_escaped(cue.text)}\n\n"


def txt(cues: Iterable[Cue]) -> Iterator[str]:
    """A transcript for people, a paragraph a line: what one speaker says without a pause, at most a minute of it."""
    for paragraph in _paragraphs(cues):
        first = paragraph[0]
        speaker = f"{first.speaker}: " if first.speaker else ""
        yield f"[{_clock(first.start_s)}] {speaker}{' '.join(cue.text for cue in paragraph)}\n"


WRITERS: Mapping[str, Callable[[Iterable[Cue]], Iterator[str]]] = {"srt": srt, "vtt": vtt, "txt": txt}
"""The formats by name. Of no cues each makes a valid, empty file."""


def _screens(cues: Iterable[Cue]) -> list[Cue]:
    """`cues` as they fit on a screen, by start; line breaks are in their texts."""
    return sorted(itertools.chain.from_iterable(map(_split, cues)), key=attrgetter("start_s"))


def _split(cue: Cue) -> Iterator[Cue]:
    """`cue` in as many screens as its text needs and its time allows, each shown in proportion to its lines."""
    lines = _lines(cue.text)
    length_s = cue.end_s - cue.start_s
    screens = max(1, min(-(-len(lines) // _LINES), int(length_s / _SCREEN_S)))
    bounds = [len(lines) * screen // screens for screen in range(screens + 1)]
    times_s = [cue.start_s + length_s * bound / len(lines) for bound in bounds]
    for (first, last), (start_s, end_s) in zip(itertools.pairwise(bounds), itertools.pairwise(times_s), strict=True):
        yield Cue(start_s, end_s, cue.speaker, "\n".join(lines[first:last]))


def _lines(text: str) -> list[str]:
    """`text` in lines of about _COLUMNS columns, no character lost. East Asian characters are two columns wide."""
    wide = 0 if text.isascii() else sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    width = _COLUMNS * len(text) // (len(text) + wide)
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _paragraphs(cues: Iterable[Cue]) -> Iterator[list[Cue]]:
    together: list[Cue] = []
    for cue in itertools.chain.from_iterable(map(_pieces, cues)):
        if together and not _goes_on(together, cue):
            yield together
            together = []
        together.append(cue)
    if together:
        yield together


def _pieces(cue: Cue) -> Iterator[Cue]:
    """`cue`, in as many pieces as it has paragraphs, which take their time in proportion to their length."""
    texts = textwrap.wrap(cue.text, _PARAGRAPH_CHARACTERS, break_on_hyphens=False)
    start_s, a_character_s = cue.start_s, (cue.end_s - cue.start_s) / sum(map(len, texts))
    for text in texts:
        end_s = start_s + a_character_s * len(text)
        yield Cue(start_s, end_s, cue.speaker, text)
        start_s = end_s


def _goes_on(paragraph: Sequence[Cue], cue: Cue) -> bool:
    """Whether `cue` belongs to what was said before it."""
    first, last = paragraph[0], paragraph[-1]
    return (
        last.speaker == cue.speaker
        and cue.start_s - last.end_s < _PAUSE_S
        and cue.end_s - first.start_s <= _PARAGRAPH_S
        and sum(len(one.text) + 1 for one in paragraph) + len(cue.text) <= _PARAGRAPH_CHARACTERS
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(moment_s: float, mark: str) -> str:
    """The time with milliseconds behind `mark`."""
    milliseconds = round(moment_s * 1000)
    return f"{_clock(milliseconds // 1000)}{mark}{milliseconds % 1000:03d}"


def _clock(moment_s: float) -> str:
    """`HH:MM:SS`, with more digits for the hours when there are more than 99."""
    seconds = int(moment_s)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
