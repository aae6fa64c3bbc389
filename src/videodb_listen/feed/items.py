"""What there is to hand out: events and, between them, what the connection journal has to tell.

Two histories are read side by side, each in its own order, and put together by the time of receipt. An item is known by
where its line stands: how its file begins, and at which byte. That stays the same through rotation and compression, and
two equal lines are still two items.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from videodb_listen.event import channel_of, received_of, stream_name_of, stream_of
from videodb_listen.line import id_of
from videodb_listen.reader.blocks import Block, Reader
from videodb_listen.reader.history import History, Place
from videodb_listen.reader.journal import notice_of
from videodb_listen.reader.query import ANY, Where, select
from videodb_listen.reader.recording import Recording
from videodb_listen.trust import SYSTEM, Voices

Places = list[Place]
"""Where a pass begins in each of the two histories: that of the events, and the journal's."""


@dataclass(frozen=True, slots=True)
class Item:
    """An event; or with `is_notice` what the journal tells, under its `kind`, see `notice_of`."""

    id: str
    who: str
    line: bytes
    content: Mapping[str, Any]
    is_notice: bool
    begin: Place
    end: Place

    @property
    def spot(self) -> str:
        """Where it stands: no other item ever does."""
        return f"{self.begin.head}:{self.begin.offset}"

    @property
    def stream(self) -> str:
        """What keeps its order: its stream, as far as one is known; all notices are one."""
        if self.is_notice:
            return ""
        return stream_of(self.content) or stream_name_of(self.content) or channel_of(self.content)


class Scan:
    """One pass over what stands behind `places`, which then stand behind what is over and done with."""

    def __init__(self, recording: Recording, places: Places, where: tuple[Where, Where], voices: Voices) -> None:
        """`where`: of the events, and of the records of the journal."""
        self.places = list(places)
        self._histories = histories_of(recording)
        self._where = where
        self._voices = voices
        self._kept: set[int] = set()

    def __iter__(self) -> Iterator[Item]:
        """The items, oldest first."""
        readings = [self._read(number) for number in range(len(self._histories))]
        return (item for _, item in heapq.merge(*readings, key=lambda found: found[0]))

    def keep(self, item: Item) -> None:
        """Have the place of its history stay before `item`, unless it stays further back already."""
        if item.is_notice not in self._kept:
            self._kept.add(item.is_notice)
            self.places[item.is_notice] = item.begin

    def has_passed(self, item: Item) -> bool:
        """Go on behind `item`, which is over and done with; whether that was possible."""
        if item.is_notice in self._kept:
            return False
        self.places[item.is_notice] = item.end
        return True

    def _read(self, number: int) -> Iterator[tuple[float, Item]]:
        at_s = 0.0
        with Reader(self._histories[number], self.places[number]) as reader:
            for block in reader.blocks():
                for item in _items(block, self._where[number], self._voices, is_notice=number == 1):
                    at_s = max(at_s, received_of(item.content) or 0.0)  # a clock that was set back reorders nothing
                    yield at_s, item
            if number not in self._kept:
                self.places[number] = reader.place


def histories_of(recording: Recording) -> Sequence[History]:
    """The events, and the journal of a directory that has one."""
    journal = [] if recording.layout is None else [History(recording.layout.journal)]
    return [recording.history, *journal]


def beginning(recording: Recording) -> Places:
    """Where a new consumer begins: at the oldest event, and with what was told since then or since the last start.

    The journal is older than that: `--clear` leaves it as it is.
    """
    state = recording.state()
    began_s = [event for event in map(received_of, recording.events()) if event is not None][:1]
    began_s += [state.started_unix_ts] if state and state.started_unix_ts else []
    places = [Place() for _ in histories_of(recording)]
    if began_s and len(places) > 1:
        places[1] = _place_since(histories_of(recording)[1], min(began_s))
    return places


def _place_since(journal: History, since_s: float) -> Place:
    with Reader(journal) as reader:
        for block in reader.blocks():
            for begin, _, _, record in _located(block, ANY):
                if (received_of(record) or 0.0) >= since_s:
                    return begin
        return reader.place


def _items(block: Block, where: Where, voices: Voices, *, is_notice: bool) -> Iterator[Item]:
    for begin, end, line, event in _located(block, where):
        if not is_notice:
            yield Item(id_of(line), voices.who(event), line, event, is_notice, begin, end)
        elif (notice := notice_of(event)) is not None:
            yield Item(id_of(line), SYSTEM, line, notice, is_notice, begin, end)


def _located(block: Block, where: Where) -> Iterator[tuple[Place, Place, bytes, dict[str, Any]]]:
    """The lines of `block` that satisfy `where`: where each begins and ends, the line, the event in it."""
    at = 0
    for line, event in select(block.data, where):
        at = block.data.index(line, at)
        while at and block.data[at - 1 : at] != b"\n":
            at = block.data.index(line, at + 1)  # the same bytes at the end of a damaged line
        begin = replace(block.begin, head=block.end.head, offset=block.begin.offset + at)
        at += len(line)
        yield begin, replace(begin, offset=begin.offset + len(line)), line, event
