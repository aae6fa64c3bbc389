"""What is going to happen, in the order of time, and what is sent meanwhile: the only engine of time here.

No clock and no asyncio: the time comes in as an argument, in unix seconds, and never goes back.
"""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

Action = Callable[[float], None]
"""Something that happens; its argument is the time at which it was due (unix seconds)."""

Message = dict[str, Any] | str | bytes
"""An event, or a text (str) or binary (bytes) frame exactly as it is."""


def _ignore() -> None:
    pass


class Delivery(NamedTuple):
    """A message to send now; `failed` is to be called if the connection is not there."""

    connection_id: str
    message: Message
    failed: Callable[[], None] = _ignore


class Agenda:
    """Actions to come and messages to send. `speed` divides every pause; `ValueError` unless it is positive."""

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:  # this way round NaN is refused, too
            raise ValueError(f"speed is {speed}, it must be positive")
        self.speed = speed
        self._actions: list[tuple[float, int, Action]] = []
        self._order = count()  # actions of one moment happen in the order in which they were planned
        self._outgoing: list[Delivery] = []

    def at(self, due_s: float, action: Action) -> None:
        """Plan an action for a moment in unix seconds."""
        heapq.heappush(self._actions, (due_s, next(self._order), action))

    def after(self, pause_s: float, now_s: float, action: Action) -> None:
        """Plan an action for `pause_s` from now, at speed 1."""
        self.at(now_s + pause_s / self.speed, action)

    def send(self, connection_id: str | None, message: Message, failed: Callable[[], None] = _ignore) -> None:
        """Send a message to a connection; None is nobody."""
        if connection_id is not None:
            self._outgoing.append(Delivery(connection_id, message, failed))

    def next_due_s(self) -> float | None:
        """Return when the next action is due (unix seconds); None if there is none."""
        return self._actions[0][0] if self._actions else None

    def advance(self, now_s: float) -> list[Delivery]:
        """Let everything happen that is due; return what is to be sent since the last time, in order."""
        while self._actions and self._actions[0][0] <= now_s:
            due_s, _, action = heapq.heappop(self._actions)
            action(due_s)
        outgoing, self._outgoing = self._outgoing, []
        return outgoing
