"""Time as a recorder needs it: never going back, honest about its steps, and not repeating itself every second."""

from __future__ import annotations

import time
from collections.abc import Callable


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
