"""What is going to happen, in the order of time, and what is told meanwhile: no clock, no asyncio."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

Deed = Callable[[float], None]
"""Something that happens; its argument is the time at which it was due (unix seconds)."""


class Telling(NamedTuple):
    """An event on its way to one connection, which may be gone by now."""

    connection_id: str
    event: dict[str, Any]


class Agenda:
    """Deeds to come and events to tell. `speed` divides every pause and is positive."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._deeds: list[tuple[float, int, Deed]] = []
        self._order = count()  # deeds of one moment happen in the order in which they were planned
        self._told: list[Telling] = []

    def __repr__(self) -> str:
        return f"<Agenda: {len(self._deeds)} deeds, {len(self._told)} events>"

    def at(self, due_s: float, deed: Deed) -> None:
        """Plan a deed for a moment in unix seconds."""
        heapq.heappush(self._deeds, (due_s, next(self._order), deed))

    def after(self, pause_s: float, now_s: float, deed: Deed) -> None:
        """Plan a deed for `pause_s` from now, at speed 1."""
        self.at(now_s + pause_s / self.speed, deed)

    def tell(self, connection_id: str | None, event: dict[str, Any]) -> None:
        """Send an event to a connection; None is nobody."""
        if connection_id is not None:
            self._told.append(Telling(connection_id, event))

    def next_due_s(self) -> float | None:
        """Return when the next deed is due (unix seconds); None if there is none."""
        return self._deeds[0][0] if self._deeds else None

    def advance(self, now_s: float) -> list[Telling]:
        """Let everything happen that is due; return what was told since the last time, in order."""
        while self._deeds and self._deeds[0][0] <= now_s:
            due_s, _, deed = heapq.heappop(self._deeds)
            deed(due_s)
        told, self._told = self._told, []
        return told
