"""Who said what when: from events to cues. Pure: no file, no clock.

| question | answer |
|---|---|
| what is a cue | a transcript with words in it that is not interim |
| when did it end | when it says so, as a date in any form; else as long before its receipt as the one before it |
| how long was it | as long as it says, even in relative times; else as long as its words take to read |
| what is 00:00:00 | the start of the earliest cue |
| what if cues of one speaker overlap | each ends where the next one begins; speakers do talk at once with one another |
| who is the speaker | the stream: the first name that its id came with, else the id |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from videodb_listen.event import (
    RELATIVE_BELOW,
    Event,
    channel_of,
    end_of,
    final_of,
    received_of,
    start_of,
    stream_name_of,
    stream_of,
)
from videodb_listen.text import for_file

_LATEST_S = 1e11
"""The year 5138: a later time is damage, and too large for a float to tell milliseconds apart."""

_LONGEST_S = 300.0
"""Nobody speaks one utterance for longer: such a window is a mistake, often of units."""

_SHORTEST_S = 0.5
"""Less cannot be seen, and what lasted less than a millisecond would end as it begins."""

_READ_PER_S, _READ_AT_LEAST_S, _READ_AT_MOST_S = 15.0, 1.0, 7.0
"""Characters that people read in a second; and how long any subtitle stays."""

_REPEATED_WITHIN_S = 0.1
"""The same words of one speaker so close together are one utterance that was delivered twice."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Something that was said.

    Times are seconds since the earliest cue began. `speaker` is the stream, None when the event names none. Both
    `speaker` and `text` are one line, see `for_file`, and never empty.
    """

    start_s: float
    end_s: float
    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Said:
    """What a transcript says of itself: unix seconds, None where it gives no date; names, "" where it has none."""

    received_s: float | None
    end_s: float | None
    length_s: float
    stream: str
    name: str
    text: str

    @property
    def delay_s(self) -> float | None:
        """From its end to its receipt, None when one of them is not known."""
        return None if self.received_s is None or self.end_s is None else self.received_s - self.end_s


def cues_of(events: Iterable[Event]) -> list[Cue]:
    """The cues of all transcripts among `events`, by start. Total: any JSON objects, in any order."""
    said = list(filter(None, map(_said, events)))
    names = {one.stream: one.name for one in reversed(said) if one.stream and one.name}
    received = _carried([one.received_s for one in said])
    delays = _carried([one.delay_s for one in said])
    cues = []
    for one, received_s, delay_s in zip(said, received, delays, strict=True):
        end_s = received_s - delay_s if one.end_s is None else one.end_s
        cues.append(Cue(end_s - one.length_s, end_s, names.get(one.stream) or one.name or one.stream or None, one.text))
    cues.sort(key=attrgetter("start_s"))
    zero_s = cues[0].start_s if cues else 0.0
    return [replace(cue, start_s=cue.start_s - zero_s, end_s=cue.end_s - zero_s) for cue in _cut(_once(cues))]


def _said(event: Event) -> _Said | None:
    """What was said, None when nothing was."""
    if channel_of(event) != "transcript" or final_of(event) is False or not (text := _words(event)):
        return None
    start_s, end_s = start_of(event), end_of(event)
    length_s = _length(start_s, end_s, text)
    received_s = _known(received_of(event), 0.0)
    began_s, ended_s = _known(start_s, RELATIVE_BELOW), _known(end_s, RELATIVE_BELOW)
    if ended_s is None and began_s is not None:
        ended_s = began_s + length_s
    return _Said(received_s, ended_s, length_s, _one_line(stream_of(event)), _one_line(stream_name_of(event)), text)


def _words(event: Event) -> str:
    """What was spoken, "" when nothing was: a label or a state, which `text_of` gives then, was never said."""
    data = event.get("data")
    inner = data.get("text") if isinstance(data, Mapping) else None
    return _one_line(inner) or _one_line(event.get("text"))


def _one_line(text: object) -> str:
    return for_file(" ".join(text.split())) if isinstance(text, str) else ""


def _known(moment_s: float | None, earliest_s: float) -> float | None:
    return moment_s if moment_s is not None and earliest_s <= moment_s <= _LATEST_S else None


def _length(start_s: float | None, end_s: float | None, text: str) -> float:
    """How long it lasted: what start and end say, whatever they count from; unless that cannot be, by its length."""
    length_s = 0.0 if start_s is None or end_s is None else end_s - start_s
    if 0 < length_s <= _LONGEST_S:
        return length_s
    return min(max(len(text) / _READ_PER_S, _READ_AT_LEAST_S), _READ_AT_MOST_S)


def _carried(values: Sequence[float | None]) -> list[float]:
    """`values` with the one before in each gap; in a gap at the beginning the first one, or 0 when there is none."""
    last = next((value for value in values if value is not None), 0.0)
    return [last := last if value is None else value for value in values]


def _once(cues: Iterable[Cue]) -> list[Cue]:
    """`cues`, ordered by start, without what was delivered twice."""
    last: dict[str | None, Cue] = {}
    kept = []
    for cue in cues:
        before = last.get(cue.speaker)
        if before is None or before.text != cue.text or cue.start_s - before.start_s >= _REPEATED_WITHIN_S:
            kept.append(cue)
            last[cue.speaker] = cue
    return kept


def _cut(cues: Sequence[Cue]) -> list[Cue]:
    """`cues`, ordered by start, each ending where its speaker's next one begins, but none shorter than can be seen."""
    following: dict[str | None, float] = {}
    cut = []
    for cue in reversed(cues):
        end_s = min(cue.end_s, following.get(cue.speaker, cue.end_s))
        cut.append(replace(cue, end_s=max(end_s, cue.start_s + _SHORTEST_S)))
        following[cue.speaker] = cue.start_s
    return cut[::-1]
