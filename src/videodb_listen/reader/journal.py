"""What the connection journal says of the past: which stretches of time nobody recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videodb_listen.event import seconds
from videodb_listen.reader.blocks import Reader
from videodb_listen.reader.history import History
from videodb_listen.reader.query import ANY, select


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were sent between `from_s` and `to_s` (unix seconds) went to nobody. None: no id was recorded."""

    from_s: float
    to_s: float
    old_ws_id: str | None
    new_ws_id: str | None

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
        return {"from_unix_ts": self.from_s, "to_unix_ts": self.to_s, "duration_s": round(self.duration_s, 3), **ids}


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
    """How often each kind of record is there, and the gaps, oldest first."""

    counts: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Journal:
        """The journal that consists of `records`. Records of unknown kinds are counted, too."""
        journal = cls()
        for record in records:
            journal.counts[str(record.get("event"))] += 1
            if (gap := gap_of(record)) is not None:
                journal.gaps.append(gap)
        return journal


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
    return Gap(begin, end, _text(record.get("old_ws_id")), _text(record.get("new_ws_id")))


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


def _text(value: object) -> str | None:
    return value if type(value) is str else None
