"""Time as a recorder needs it: never going back, honest about its steps; how long to wait, and when to say it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_AGAIN_S = 0.02
"""Between looks at what is about to change: below what a person notices, next to no work."""


class Clock:
    """Unix seconds that never decrease within a run, whatever is done to the machine's clock."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._latest = 0.0
        self._offset = wall() - monotonic()

    def now(self) -> float:
        """Unix seconds; after a step backwards the last value, until the clock has caught up."""
        now = self._wall()
        if now < self._latest:
            return self._latest
        self._latest = now
        return now

    def wall(self) -> float:
        """What the machine's clock says, whatever it said before: what others compare with their own clock."""
        return self._wall()

    def step(self) -> float:
        """Seconds by which the wall clock ran ahead of the monotonic one since the last call; negative: it fell back.

        A machine that slept looks the same as one whose clock was set forward: the monotonic clock stands still.
        """
        offset = self._wall() - self._monotonic()
        step, self._offset = offset - self._offset, offset
        return step


class Reminder:
    """What lasts is said once, and then once a minute."""

    AGAIN_S = 60.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said_at_s: float | None = None  # None: it does not last

    @property
    def lasts(self) -> bool:
        """Whether it was said, and is not over."""
        return self._said_at_s is not None

    def due(self) -> bool:
        """Whether to say it now."""
        now = self._monotonic()
        if self._said_at_s is not None and now - self._said_at_s < self.AGAIN_S:
            return False
        self._said_at_s = now
        return True

    def over(self) -> None:
        """It is over: next time it is said at once."""
        self._said_at_s = None


class Deadline:
    """The moment `timeout_s` seconds from now; None: never."""

    def __init__(self, timeout_s: float | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at_s = float("inf") if timeout_s is None else monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds until then, 0.0 when it has passed, infinity when it never will."""
        return max(0.0, self._at_s - self._monotonic())

    @property
    def passed(self) -> bool:
        """Whether it is that late."""
        return not self.left_s


def nap(left_s: float) -> None:
    """Let a moment pass, or `left_s` seconds if that is less."""
    time.sleep(min(left_s, LOOK_AGAIN_S))


def until(look: Callable[[], T], deadline: Deadline, pause: Callable[[float], object] = nap) -> T:
    """What `look` gives as soon as that is true; once the deadline has passed, what it gives then.

    `pause` waits for the next look, at most so many seconds as it is given: a nap, or better a change that can be told
    of. What `look` raises ends the waiting.
    """
    while not (found := look()) and not deadline.passed:
        pause(deadline.left_s)
    return found
