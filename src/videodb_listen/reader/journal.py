"""What the connection journal says of the past: which stretches of time nobody recorded, and why."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from videodb_listen.event import Event, received_of, seconds
from videodb_listen.reader.blocks import Reader
from videodb_listen.reader.history import History
from videodb_listen.reader.query import ANY, select

Reason = Literal["lost", "stopped", "crashed"]
"""Why nobody listened: the connection was lost, the listener was stopped, or it crashed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were sent between `from_s` and `to_s` (unix seconds) went to nobody. None: no id was recorded."""

    from_s: float
    to_s: float
    old_ws_id: str | None
    new_ws_id: str | None
    reason: Reason = "lost"

    @property
    def duration_s(self) -> float:
        """How long it lasted; 0 where the clock was set back meanwhile."""
        return max(0.0, self.to_s - self.from_s)

    def touches(self, since_s: float | None, until_s: float | None) -> bool:
        """Whether any of it lies in the time from `since_s` to just before `until_s`; None leaves a side open."""
        return (since_s is None or self.to_s >= since_s) and (until_s is None or self.from_s < until_s)

    def as_dict(self) -> dict[str, Any]:
        """The shape that `stats --json` prints."""
        ids = {"old_ws_id": self.old_ws_id, "new_ws_id": self.new_ws_id}
        times = {"from_unix_ts": self.from_s, "to_unix_ts": self.to_s, "duration_s": round(self.duration_s, 3)}
        return {**times, "reason": self.reason, **ids}


def total_s(gaps: Iterable[Gap]) -> float:
    """How long they lasted in all."""
    return sum((gap.duration_s for gap in gaps), 0.0)


def longest(gaps: Iterable[Gap]) -> Gap | None:
    """The first of the longest; None when there is none."""
    return max(gaps, key=lambda gap: gap.duration_s, default=None)


def gaps_as_dict(gaps: Sequence[Gap]) -> dict[str, Any]:
    """What `stats --json` prints of all of them."""
    most = longest(gaps)
    return {
        "count": len(gaps),
        "total_s": round(total_s(gaps), 3),
        "longest_s": round(most.duration_s if most else 0.0, 3),
        "each": [gap.as_dict() for gap in gaps],
    }


@dataclass(slots=True)
class Journal:
    """How often each kind of record is there, the gaps, oldest first, and when a connection was lost last.

    `lost_s` is in unix seconds, None: none was lost.
    """

    counts: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    lost_s: float | None = None

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Journal:
        """The journal that consists of `records`. Records of unknown kinds are counted, too."""
        journal = cls()
        for record in records:
            journal.counts[str(record.get("event"))] += 1
            if (gap := gap_of(record)) is not None:
                journal.gaps.append(gap)
            if record.get("event") == "lost":
                journal.lost_s = received_of(record)
        return journal


class Marks:
    """The gaps in the journal at `path` (None: there are none), in step with events: each once, between two of them."""

    def __init__(self, path: Path | None) -> None:
        self._reader = None if path is None else Reader(History(path))
        self._waiting: deque[Gap] = deque()
        self._before_s: float | None = None  # when the event before was received; None: there was none
        self._load()

    def begin(self, before_s: float | None) -> None:
        """Begin behind an event that was received then (unix seconds), None: at the beginning."""
        self._before_s = before_s
        self._up_to(before_s or 0.0)

    def before(self, event: Event) -> list[Gap]:
        """Those that ended between the event before and this one."""
        before_s, at_s = self._before_s, received_of(event)
        if at_s is None:
            return []
        self._before_s = at_s
        passed = self._up_to(at_s)
        return [] if before_s is None else passed

    def news(self) -> list[Gap]:
        """Those that ended since the last event, and since this was asked last; not what was before all events."""
        is_first, self._before_s = self._before_s is None, self._before_s or 0.0
        self._load()
        passed = self._up_to(float("inf"))
        return [] if is_first else passed

    def _up_to(self, moment_s: float) -> list[Gap]:
        passed = []
        while self._waiting and self._waiting[0].to_s <= moment_s:
            passed.append(self._waiting.popleft())
        return passed

    def _load(self) -> None:
        if self._reader is not None:
            with self._reader as reader:
                for block in reader.blocks():
                    self._waiting.extend(filter(None, (gap_of(record) for _, record in select(block.data, ANY))))


def read_journal(path: Path) -> Journal:
    """The journal at `path`, empty when there is none. Lines that are no records are passed over: see `verify`.

    Raises OSError when it cannot be read.
    """
    return Journal.of(_records(path))


def gap_of(record: Mapping[str, Any]) -> Gap | None:
    """The gap that `record` tells of; None when it tells of none, or not from when to when."""
    if record.get("event") != "gap":
        return None
    begin, end = seconds(record.get("from_unix_ts")), seconds(record.get("to_unix_ts"))
    if begin is None or end is None:
        return None
    return Gap(begin, end, _text(record.get("old_ws_id")), _text(record.get("new_ws_id")), _reason_of(record))


_NOTICES = {  # kinds of records that concern whoever follows the events, and what they are called there
    "gap": "gap",
    "connected": "new_id",
    "silent": "silent",
    "rebound": "recovered",
    "recovered": "recovered",
    "late": "recovered",
    "unrecoverable": "unrecoverable",
    "crashed": "crashed",
    "stopped": "stopped",
}


def notice_of(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `record` has to tell whoever follows the events, under its `kind`; None when that is nothing.

    A first connection is what everybody expects: only one that follows another has an id that nothing is bound to yet.
    """
    kind = _NOTICES.get(str(record.get("event")))
    if kind is None or (kind == "new_id" and not record.get("previous_ws_id")):
        return None
    return {"kind": kind, **{name: value for name, value in record.items() if name != "event"}}


def read_notices(path: Path) -> list[dict[str, Any]]:
    """What all records of the journal at `path` have to tell, oldest first. Raises OSError when it cannot be read."""
    return [notice for record in _records(path) if (notice := notice_of(record)) is not None]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with Reader(History(path)) as reader:
        for block in reader.blocks():
            for _, record in select(block.data, ANY):
                yield record


def _reason_of(record: Mapping[str, Any]) -> Reason:
    reason = record.get("reason")
    return "stopped" if reason == "stopped" else "crashed" if reason == "crashed" else "lost"


def _text(value: object) -> str | None:
    return value if type(value) is str else None
