"""How much of what, and when: counts and rates of a history, in all and by channel, stream and session.

Memory grows with the number of different channels, streams and sessions, not with the number of lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from videodb_listen.event import (
    Event,
    channel_of,
    name_of,
    received_of,
    session_of,
    status_of,
    stream_name_of,
    stream_of,
)
from videodb_listen.reader.blocks import Reader
from videodb_listen.reader.history import History
from videodb_listen.reader.journal import Gap, gaps_as_dict
from videodb_listen.reader.losses import Break, Losses
from videodb_listen.reader.query import ANY, Where, select
from videodb_listen.reader.run import Run
from videodb_listen.reader.seek import read_since

_LIFECYCLE = "capture_session"


@dataclass(slots=True)
class Amount:
    """Some events: how many, their lines in bytes, and the least and the greatest stamp in unix seconds.

    A stamp is None as long as no event had one. `label` is the newest thing that was said about them, None when
    nothing was: the name of a stream, the state of a session.
    """

    events: int = 0
    bytes: int = 0
    first_s: float | None = None
    last_s: float | None = None
    label: str | None = None

    @property
    def rate_per_minute(self) -> float | None:
        """Events a minute between the first and the last; None when no time lies between them."""
        if self.first_s is None or self.last_s is None or self.last_s <= self.first_s:
            return None
        return self.events * 60 / (self.last_s - self.first_s)

    def add(self, size_bytes: int, at_s: float | None, label: str | None = None) -> None:
        """Count one more event, received at `at_s` (unix seconds, None: it has no stamp)."""
        self.events += 1
        self.bytes += size_bytes
        self.label = label or self.label
        if at_s is not None:
            self.first_s = at_s if self.first_s is None else min(self.first_s, at_s)
            self.last_s = at_s if self.last_s is None else max(self.last_s, at_s)

    def as_dict(self) -> dict[str, Any]:
        """The shape that `stats --json` prints, without the label."""
        rate = self.rate_per_minute
        return {
            "events": self.events,
            "bytes": self.bytes,
            "first_unix_ts": self.first_s,
            "last_unix_ts": self.last_s,
            "rate_per_minute": None if rate is None else round(rate, 3),
        }


@dataclass(slots=True)
class Stats:
    """The amounts of a history. `damaged` counts lines that are no events, among those that were looked at.

    A stream is known by its id, else by its name. Events that name no stream or session are in none of these. `gaps`,
    oldest first, are those of the recording in the time that was asked for.
    """

    total: Amount = field(default_factory=Amount)
    channels: dict[str, Amount] = field(default_factory=dict)
    streams: dict[str, Amount] = field(default_factory=dict)
    sessions: dict[str, Amount] = field(default_factory=dict)
    damaged: int = 0
    gaps: list[Gap] = field(default_factory=list)

    def add(self, event: Event, size_bytes: int) -> None:
        """Count `event`, whose line has `size_bytes`."""
        at_s = received_of(event)
        stream_name = stream_name_of(event)
        self.total.add(size_bytes, at_s)
        for amounts, key, label in (
            (self.channels, channel_of(event), None),
            (self.streams, stream_of(event) or stream_name, stream_name),
            (self.sessions, session_of(event), state_of(event)),
        ):
            if key is not None:
                if (amount := amounts.get(key)) is None:
                    amount = amounts[key] = Amount()
                amount.add(size_bytes, at_s, label)

    def take(self, data: bytes, where: Where = ANY) -> None:
        """Count the events in `data`, whole lines, that satisfy `where`."""
        for line, event in select(data, where, self.count_damage):
            self.add(event, len(line))

    def count_damage(self, _line: bytes) -> None:
        """Count a line that is no event."""
        self.damaged += 1

    def as_dict(self) -> dict[str, Any]:
        """The object that `stats --json` prints."""
        return {
            **self.total.as_dict(),
            "damaged_lines": self.damaged,
            "channels": self._each(self.channels, "channel", None),
            "streams": self._each(self.streams, "stream", "name"),
            "sessions": self._each(self.sessions, "session", "state"),
            "gaps": gaps_as_dict(self.gaps),
        }

    def _each(self, amounts: dict[str, Amount], key: str, label: str | None) -> list[dict[str, Any]]:
        return [
            {key: name}
            | ({label: amount.label} if label else {})
            | amount.as_dict()
            | {"share": round(amount.events / self.total.events, 4)}
            for name, amount in ranked(amounts)
        ]


def state_of(event: Event) -> str | None:
    """The session's state that `event` announces, None when it is no lifecycle event."""
    if channel_of(event) != _LIFECYCLE:
        return None
    return status_of(event) or name_of(event).partition(".")[2] or None


def ranked(amounts: dict[str, Amount]) -> list[tuple[str, Amount]]:
    """The most events first; equal numbers by name."""
    return sorted(amounts.items(), key=lambda item: (-item[1].events, item[0]))


class _Counting(Losses):
    """Counts what is damaged, and begins anew where a reader does."""

    def __init__(self, losses: Losses) -> None:
        self.stats = Stats()
        self.restarts = False
        self._losses = losses

    def restarted(self, why: str) -> None:
        self.restarts = True

    def damaged(self, line: bytes) -> None:
        self.stats.count_damage(line)

    def broken(self, at: Break) -> None:
        self._losses.broken(at)


def measure(
    history: History,
    where: Where = ANY,
    *,
    since_s: float | None = None,
    run: Run | None = None,
    losses: Losses | None = None,
) -> Stats:
    """The stats of what is in `history` now and satisfies `where`. Raises OSError when a file cannot be read.

    `since_s` (unix seconds, None: all) spares reading what is older, as far as `run` tells where that is; `where`
    decides. A file that is cleared meanwhile is counted anew. `losses` is told of files that break, None: nobody is.
    """
    while True:
        counting = _Counting(losses or Losses())
        with Reader(history, losses=counting) as reader:
            for block in read_since(reader, run, since_s):
                if counting.restarts:
                    break
                counting.stats.take(block.data, where)
        if not counting.restarts:
            return counting.stats
