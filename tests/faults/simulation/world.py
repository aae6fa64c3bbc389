"""The world of one run: its time, what is due in it, its dice, and the story that is told of it.

Time is a number that jumps from one event to the next; nothing ever waits. Everything random is thrown with the dice of
the world, so that its seed and a commit reproduce a run.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

EPOCH = 1_800_000_000.0
"""What a true clock shows at the beginning of every world, in unix seconds: 2027-01-15 08:00 UTC."""


MINUTE = 60.0
"""In seconds, the unit of all times here."""


class Event:
    """Something that is due. `owner` is whoever may run it: None for anybody, else the process whose turn it is."""

    __slots__ = ("args", "call", "owner", "when")

    def __init__(self, when: float, call: Callable[..., object], args: tuple[Any, ...], owner: object | None) -> None:
        self.when = when
        self.call: Callable[..., object] | None = call
        self.args = args
        self.owner = owner

    def cancel(self) -> None:
        """Let it not happen."""
        self.call = None


@dataclass(frozen=True)
class Note:
    """One line of the story: `at` is the world's time in seconds."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        minutes, seconds = divmod(self.at, 60)
        hours, minutes = divmod(int(minutes), 60)
        return f"{hours:02d}:{minutes:02d}:{seconds:06.3f}  {self.who:<10}  {self.what}"


class World:
    """Time, dice and story. `now` is in seconds since the beginning; `fired` counts the faults that really came."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 0.0
        self.until = 0.0  # how far the run that goes on may advance time
        self.dice = random.Random(seed)
        self.seed = seed
        self.story: list[Note] = []
        self.fired: Counter[str] = Counter()
        self._due: list[tuple[float, int, Event]] = []
        self._order = 0

    def at(self, when: float, call: Callable[..., object], *args: Any, owner: object | None = None) -> Event:
        """Have `call(*args)` done at this time, after whatever was put there before."""
        event = Event(max(when, self.now), call, args, owner)
        self._order += 1
        heapq.heappush(self._due, (event.when, self._order, event))
        return event

    def after(self, delay: float, call: Callable[..., object], *args: Any) -> Event:
        """Have `call(*args)` done this many seconds from now."""
        return self.at(self.now + delay, call, *args)

    def next(self) -> Event | None:
        """The event that is due first, None when nothing is due any more."""
        due = self._due
        while due and due[0][2].call is None:
            heapq.heappop(due)
        return due[0][2] if due else None

    def step(self, event: Event) -> None:
        """Let the first event, which is `event`, happen; time goes on to it."""
        heapq.heappop(self._due)
        self.now = max(self.now, event.when)
        assert event.call is not None
        event.call(*event.args)

    def run(self, until: float) -> None:
        """Let everything happen that is due up to this time."""
        self.until = until
        while (event := self.next()) is not None and event.when <= until:
            self.step(event)
        self.now = max(self.now, until)

    def note(self, who: str, what: str) -> None:
        """Add a line to the story."""
        self.story.append(Note(self.now, who, what))

    def unix(self) -> float:
        """What a true clock shows, in unix seconds."""
        return EPOCH + self.now

    def moment(self) -> datetime:
        """What a true clock shows."""
        return datetime.fromtimestamp(self.unix(), UTC)
