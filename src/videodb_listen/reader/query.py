"""Which events: predicates that combine, and the lines of a block that satisfy one.

    channel("alert", "transcript") & since(time.time() - 600) & ~grep("noise")

Most lines need not be parsed to be ruled out. A predicate may name byte strings, its needles, one of which every
matching line holds; what holds none is passed over by a search that runs at the speed of memory.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from videodb_listen.event import (
    Event,
    channel_of,
    final_of,
    name_of,
    received_of,
    sent_channel,
    session_of,
    stream_name_of,
    stream_of,
    text_of,
)
from videodb_listen.lifecycle import STATES, event_name, state_in
from videodb_listen.line import BYTE_ORDER_MARK, decode_line
from videodb_listen.trust import GUEST, OWNER, SCREEN, SYSTEM, Voices

_PLAIN = re.compile(r"[\w.:=@ +-]+", re.ASCII)
"""Text that JSON spells in one way only, but for `\\u` escapes."""

_CHANNELS_OF = {OWNER: ("transcript",), SCREEN: ("visual_index",), SYSTEM: ("alert", "capture_session")}
"""Where those speak that speak in few channels."""

_ESCAPE = b"\\u"

_CHANNEL_WORDS = {"visual_index": ("visual", "scene"), "audio_index": ("audio", "spoken")}
"""What the sent names of a channel have in common; of any other channel, its own name."""


@dataclass(frozen=True, slots=True)
class Where:
    """A predicate on events, and what is known of it without asking it.

    `needles` None: any line may match. `lifecycle` are the events of a session that it asks for by name, `sessions` the
    sessions that it names: what tells a wait whose failure ends it.
    """

    accepts: Callable[[Event], bool]
    needles: tuple[bytes, ...] | None = None
    lifecycle: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()

    def __call__(self, event: Event) -> bool:
        """Whether `event` satisfies it."""
        return self.accepts(event)

    def __and__(self, other: Where) -> Where:
        """Both."""
        mine, theirs = self.accepts, other.accepts
        return self._joined(other, lambda event: mine(event) and theirs(event), self.needles or other.needles)

    def __or__(self, other: Where) -> Where:
        """Either, or both."""
        mine, theirs = self.accepts, other.accepts
        both = self.needles and other.needles and (*self.needles, *other.needles)
        return self._joined(other, lambda event: mine(event) or theirs(event), both or None)

    def __invert__(self) -> Where:
        """Not."""
        mine = self.accepts
        return Where(lambda event: not mine(event))

    def _joined(self, other: Where, accepts: Callable[[Event], bool], needles: tuple[bytes, ...] | None) -> Where:
        return Where(accepts, needles, self.lifecycle | other.lifecycle, self.sessions | other.sessions)


ANY = Where(lambda _: True)

KNOWN = frozenset(
    {"transcript", "alert", "capture_session", "raw", "event", *_CHANNEL_WORDS}
    | {"scene_index", "spoken_index", "index", "rtstream.transcript"}
    | set(map(event_name, STATES))
)
"""The names of channels and events that we have heard of."""


def channel(*names: str) -> Where:
    """Events of these channels, under whichever of its names each was sent."""
    wanted = frozenset(channel_of({"channel": name}) for name in names) | frozenset(names)
    words = [word for name in wanted for word in _CHANNEL_WORDS.get(name, (name,))]
    return Where(lambda event: channel_of(event) in wanted or sent_channel(event) in wanted, _needles(*words))


def event(*names: str) -> Where:
    """Events with these names, as in `capture_session.exported`; a channel's name means all that is in it."""
    wanted, lifecycle = frozenset(names), frozenset(filter(state_in, names))
    others = [name for name in names if name not in lifecycle]
    parts = [Where(lambda event: name_of(event) in wanted, _needles("capture_session"), lifecycle)] if lifecycle else []
    if others:
        parts += [channel(*others), Where(lambda event: name_of(event) in wanted, _needles(*others))]
    return functools.reduce(operator.or_, parts)


def stream(*names: str) -> Where:
    """Events of these streams, each given by its id or its name."""
    wanted = frozenset(names)
    return Where(lambda event: stream_of(event) in wanted or stream_name_of(event) in wanted, _needles(*names))


def session(*ids: str) -> Where:
    """Events that name one of these capture sessions. Those of its streams do not: see `Recording.of_sessions`."""
    wanted = frozenset(ids)
    return Where(lambda event: session_of(event) in wanted, _needles(*ids), sessions=wanted)


def who(voices: Voices, *wanted: str) -> Where:
    """Events that are theirs, as `trust` tells it: `owner`, `guest`, `screen`, `system`."""
    theirs = Where(lambda event: voices.who(event) in wanted)
    if GUEST in wanted:
        return theirs  # a guest's can be of any channel
    return channel(*(name for one in wanted for name in _CHANNELS_OF[one])) & theirs


def grep(pattern: str) -> Where:
    """Events in whose text the regular expression is found, whatever the case. Raises re.error."""
    search = re.compile(pattern, re.IGNORECASE).search
    return Where(lambda event: search(text_of(event)) is not None)


def final() -> Where:
    """Everything but interim transcripts: those are said again, and longer."""
    return Where(lambda event: final_of(event) is not False)


def since(unix_s: float) -> Where:
    """Events received at this time or later (unix seconds)."""
    return Where(lambda event: (received_of(event) or 0.0) >= unix_s)


def until(unix_s: float) -> Where:
    """Events received before this time (unix seconds)."""
    return Where(lambda event: (received_of(event) or 0.0) < unix_s)


Found = tuple[bytes, dict[str, Any]]
"""A line, with its newline, and the event in it."""

OnDamage = Callable[[bytes], None]
"""Gets each line that was looked at and is no JSON object."""


def select(data: bytes, where: Where, on_damage: OnDamage = lambda _: None) -> Iterator[Found]:
    """The lines of `data` that satisfy `where`. A line that is ruled out without being parsed is not looked at."""
    accepts = where.accepts
    for line in _lines(data) if where.needles is None else _lines_with(data, where.needles):
        try:
            found = decode_line(line)
        except ValueError:
            on_damage(line)
            continue
        if accepts(found):
            yield line.removeprefix(BYTE_ORDER_MARK), found


def _lines(data: bytes) -> Iterator[bytes]:
    return (line + b"\n" for line in data.split(b"\n")[:-1])


def _lines_with(data: bytes, needles: tuple[bytes, ...]) -> Iterator[bytes]:
    """The lines that hold one of `needles`, in order."""
    hits = {needle: at for needle in needles if (at := data.find(needle)) >= 0}
    while len(hits) > 1:
        start, end = _line_around(data, min(hits.values()))
        yield data[start:end]
        later = {needle: at if at >= end else data.find(needle, end) for needle, at in hits.items()}
        hits = {needle: at for needle, at in later.items() if at >= 0}
    for needle, at in hits.items():  # one is left, as nearly always: no need to ask which comes first
        while at >= 0:
            start, end = _line_around(data, at)
            yield data[start:end]
            at = data.find(needle, end)


def _line_around(data: bytes, at: int) -> tuple[int, int]:
    return data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at) + 1


def _needles(*words: str) -> tuple[bytes, ...] | None:
    """What a line must hold to have one of `words` in it; None when that cannot be said."""
    if "event" in words or not all(_PLAIN.fullmatch(word) for word in words):
        return None  # `event` is the channel of those that name none
    return (*dict.fromkeys(word.encode() for word in words), _ESCAPE)
